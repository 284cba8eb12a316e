"""Writes the tables of kinds, types and defaults of all supported Kubernetes versions, from Kubernetes itself.

    python -m tests.apiserver.tables

It needs Go. For each version of tests.apiserver.minors it downloads k8s.io/kubernetes, which holds the OpenAPI
documents of a server that serves everything, and builds the program in `kubernetes/`, which reflects over the types of
Kubernetes' own scheme and reads its defaulting functions. Building takes a minute or two a version on two idle cores,
once; then the command takes half a minute.

For a new Kubernetes version change `NEWEST` in webhook/versions.py, `kubernetes/go.mod` and `RELEASES` in minors.py.
What the command then reports as missing is a defaulting function that Kubernetes added: write it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.apiserver import minors
from tests.timing import HANGING
from webhook.apiserver import generate as types
from webhook.apiserver import gotypes
from webhook.apiserver.defaults import defaulting
from webhook.apiserver.defaults import generate as defaults
from webhook.schema import generate as schemas
from webhook.schema import shipped, spans
from webhook.versions import NEWEST, Version, shown

_AGGREGATED = "apiregistration.k8s.io/v1"  # the documents of 1.26 leave it out

Index = dict[str, Any]


def main() -> int:
    versions = list(spans.VERSIONS)
    for version in versions:
        print(f"{shown(version)}: {minors.built(version)}", flush=True)
    files = generated(versions)
    for folder in {file.parent for file in files}:
        folder.mkdir(exist_ok=True)
        for old in folder.glob("*.json"):
            old.unlink()
    for file, text in files.items():
        file.write_text(text, encoding="utf-8")
    print(f"wrote {len(files)} files")
    missing = sorted({name for version in versions for name in defaults.unknown_functions(version)})
    for name in missing:
        print(f"error: {name} is in no module of webhook/apiserver/defaults: write it", file=sys.stderr)
    return 1 if missing else 0


def generated(versions: Iterable[Version]) -> dict[Path, str]:
    """The files of the tables with their texts, as all these versions have it; NEWEST has to be among them."""
    indexes = {version: index(version) for version in versions}
    read_types = {version: asked(version, found, "types") for version, found in indexes.items()}
    read_defaults = {
        version: asked(version, found, "defaulters", *modules(version)) for version, found in indexes.items()
    }
    files: dict[Path, str] = {}
    for folder, name, texts in (
        (shipped.FOLDER, shipped.EARLIER, (openapi(NEWEST), schemas.earlier(indexes))),
        (gotypes.FOLDER, gotypes.EARLIER, (types.generated(read_types[NEWEST]), types.earlier(read_types))),
        (
            defaulting.FOLDER,
            defaulting.EARLIER,
            (defaults.generated(read_defaults[NEWEST], indexes[NEWEST]), defaults.earlier(read_defaults, indexes)),
        ),
    ):
        files |= {folder / each: text for each, text in texts[0].items()}
        files |= {folder / name / each: text for each, text in texts[1].items()}
    return files


def openapi(version: Version) -> dict[str, str]:
    """The shipped schemas, as a version would have them."""
    release = f"v1.{minors.RELEASES[version]}"
    return schemas.generated(schemas.documents(minors.source(version) / "api" / "openapi-spec" / "v3"), release)


def index(version: Version) -> Index:
    """The kinds and resources of a version: apiVersion → kind → definition, or [plural, namespaced]."""
    read: Index = json.loads(openapi(version)[shipped.INDEX])
    found = {part: read[part] for part in ("kinds", "resources")}
    if _AGGREGATED not in found["kinds"]:
        newest = shipped.index()
        found = {part: {**named, _AGGREGATED: newest[part][_AGGREGATED]} for part, named in found.items()}
    return found


def modules(version: Version) -> list[str]:
    """Where the modules with defaulting functions are, each as PATH=FOLDER."""
    names = ("kubernetes", "apiextensions-apiserver", "kube-aggregator")
    return [f"k8s.io/{name}={minors.source(version, name)}" for name in names]


def asked(version: Version, found: Index, command: str, *arguments: str) -> Any:
    """What the program of a version prints about the kinds of an index."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"release": shown(version), **found}, file)
        file.flush()
        line = [str(minors.built(version)), command, file.name, *arguments]
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=HANGING)
    if done.returncode:
        raise RuntimeError(f"{shown(version)}: {command}: {done.stderr}")
    return json.loads(done.stdout)


if __name__ == "__main__":
    sys.exit(main())
