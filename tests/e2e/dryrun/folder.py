"""Compares `gatewright check` with a real API server, and its reading of files with kubectl's, over any folder.

python -m tests.e2e.dryrun.folder FOLDER…

Of the roots of other projects' repositories one learns what no corpus of our own has. Every file is read as kubectl's
code reads it; every object of a built-in kind is sent as a dry run, but for those in a Namespace that can be none.
Nothing of the folder is executed.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.dryrun import corpus
from tests.dryrun.checked import checked
from tests.dryrun.comparing import differences
from tests.dryrun.corpus import File
from tests.dryrun.known import in_scope
from tests.e2e.assets import build
from tests.e2e.controlplane import ControlPlane, started
from tests.e2e.dryrun import sending
from tests.e2e.dryrun.recorder import Recorder, recording
from tests.goprograms import answers, built
from webhook.documents.files import SUFFIXES
from webhook.documents.reader import objects, parsed
from webhook.offline import manifests

_KUBECTL = Path(__file__).parents[2] / "documents" / "kubectl"
_AT_ONCE = 400  # files that kubectl's code is asked about at a time
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_THERE = re.compile(r'^(?:refused by the server only: )?\S+ "[^"]*" already exists$')
"""An object of the folder that a new cluster has too, or that was made for others."""

Object = dict[str, Any]


def main(folders: Iterable[str]) -> int:
    for folder in map(Path, folders):
        reading(folder)
        judging(folder)
    return 0


# Reading


def reading(folder: Path) -> None:
    """Print the objects that kubectl reads of the folder's files and that are not read here."""
    program = built(_KUBECTL)
    files = [file for file in sorted(folder.rglob("*")) if file.suffix in SUFFIXES and file.is_file()]
    read, missing = 0, 0
    for start in range(0, len(files), _AT_ONCE):
        part = files[start : start + _AT_ONCE]
        asked = answers(program, [{"path": str(file)} for file in part])
        for file, answer in zip(part, asked, strict=True):
            theirs = [each["object"] for each in answer["objects"] if {"apiVersion", "kind"} <= set(each["object"])]
            ours = [document.value for document in objects(parsed(file.read_bytes(), str(file)).documents)[0]]
            left = [each for each in theirs if each not in ours]
            read += len(theirs)
            missing += len(left)
            for each in left:
                print(f"  {file}: read by kubectl only: {json.dumps(each)[:200]}")
    print(f"{folder}: {len(files):,} files, {read:,} objects that kubectl reads, of which {missing} are not read here")


# Judging


def judging(folder: Path) -> None:
    """Print what the API server and check make differently of the folder's objects."""
    documents, _ = objects(manifests.read([str(folder)]).documents)
    labelled = {f"{each.stream}:{each.line}".removeprefix(f"{folder}/"): each.value for each in documents}
    with (
        tempfile.TemporaryDirectory() as scratch,
        started(build(), service_accounts=True) as cluster,
        recording(Path(scratch)) as recorder,
    ):
        found = dict(_judged(cluster, recorder, labelled, Path(scratch)))
    known = {name: [text for text in texts if not _THERE.match(text)] for name, texts in found.items()}
    for name, texts in known.items():
        for text in texts:
            print(f"  {name}: {text[:300]}")
    print(f"{folder}: {len(known):,} objects judged, over {sum(map(bool, known.values()))} of which the two differ")


def _judged(
    cluster: ControlPlane, recorder: Recorder, labelled: dict[str, Object], scratch: Path
) -> Iterator[tuple[str, list[str]]]:
    client = cluster.client()
    kinds = sending.kinds_of(client)
    known = {name: value for name, value in labelled.items() if (value["apiVersion"], value["kind"]) in kinds}
    builtin = {name: value for name, value in known.items() if re.fullmatch(_LABEL, _namespace(value) or "default")}
    corpus.FOLDER = scratch
    for namespace, account in _accounts(builtin.values()):
        client.post("/api/v1/namespaces", {"metadata": {"name": namespace}})
        client.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": account}})
    file = _written(scratch / "builtin.yaml", builtin)
    namespaces = sorted({*corpus.NAMESPACES, *_namespaces(labelled.values())})
    answered = sending.answers(cluster, recorder, [file], namespaces)[file.name]
    ours = checked(file)
    for manifest in file.manifests:
        yield manifest.name, list(differences(in_scope(answered[manifest.name]), ours[manifest.name], manifest.value))


def _written(path: Path, named: dict[str, Object]) -> File:
    path.write_text(
        "---\n".join(f"# {name}\n{json.dumps(value, ensure_ascii=False)}\n" for name, value in named.items())
    )
    return File(path)


def _namespace(value: Object) -> str:
    metadata = value.get("metadata")
    return str((metadata.get("namespace") if isinstance(metadata, dict) else None) or "")


def _namespaces(values: Iterable[Object]) -> set[str]:
    return {namespace for namespace in map(_namespace, values) if re.fullmatch(_LABEL, namespace)}


def _accounts(values: Iterable[Object]) -> set[tuple[str, str]]:
    """The service accounts that Pods name."""
    found = set()
    for value in values:
        spec = value.get("spec")
        if value["kind"] == "Pod" and isinstance(spec, dict):
            account = spec.get("serviceAccountName") or spec.get("serviceAccount")
            if isinstance(account, str):
                found.add((_namespace(value) or "default", account))
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
