"""Generates the shipped schemas from the OpenAPI documents of an API server.

    kubectl proxy & python -m webhook.schema.generate --server http://127.0.0.1:8001
    python -m webhook.schema.generate --from DIR --release v1.37.2

DIR holds the documents as files, as `api/openapi-spec/v3` in the Go module k8s.io/kubernetes does. A server gives the
same result only if it serves every API version (`--runtime-config=api/all=true`). The generated files have no
descriptions, and only the keywords that webhook.schema.schemas reads.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from webhook.schema import spans
from webhook.schema.shipped import FOLDER, INDEX, REFERENCE
from webhook.versions import Version

# Definitions of Kubernetes' own types. A live server publishes those of CustomResourceDefinitions in the same
# documents; they have other prefixes.
_OWN: Final = (
    "io.k8s.api.",
    "io.k8s.apimachinery.",
    "io.k8s.apiextensions-apiserver.",
    "io.k8s.kube-aggregator.",
)
_COMMON: Final = "io.k8s.apimachinery."  # types that all groups share, such as Status; no group serves them as kinds
_KEPT: Final = (
    "$ref",
    "type",
    "format",
    "default",
    "required",
    "enum",
    "nullable",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-patch-strategy",
    "x-kubernetes-patch-merge-key",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-int-or-string",
    "x-kubernetes-embedded-resource",
)
_GROUP_VERSION_KIND: Final = "x-kubernetes-group-version-kind"
_TIMEOUT: Final = 60.0  # seconds for each document


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m webhook.schema.generate", description=(__doc__ or "").split("\n")[0]
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--server", metavar="URL", help="the URL of an API server, such as one that `kubectl proxy` prints"
    )
    source.add_argument("--from", dest="folder", metavar="DIR", type=Path, help="a folder of OpenAPI v3 documents")
    parser.add_argument(
        "--release", metavar="VERSION", default="", help="the Kubernetes release of DIR, such as v1.37.2"
    )
    parser.add_argument("--to", metavar="DIR", type=Path, default=FOLDER, help="where to write (default: the package)")
    options = parser.parse_args(arguments)
    if options.folder and not options.release:
        parser.error("--from requires --release: the documents do not state their version")
    try:
        found = list(_from_server(options.server) if options.server else documents(options.folder))
        release = options.release or _fetch(options.server, "/version")["gitVersion"]
    except (OSError, ValueError, KeyError) as error:
        print(f"error: {options.server or options.folder}: {error}", file=sys.stderr)
        return 2
    if not found:
        print(f"error: {options.server or options.folder}: found no OpenAPI v3 documents", file=sys.stderr)
        return 2
    files = generated(found, release)
    options.to.mkdir(parents=True, exist_ok=True)
    for old in options.to.glob("*.json"):
        old.unlink()
    for name, text in files.items():
        (options.to / name).write_text(text, encoding="utf-8")
    print(f"wrote {len(files)} files of {release} to {options.to}")
    return 0


def generated(documents: Iterable[dict[str, Any]], release: str) -> dict[str, str]:
    """The generated files, name -> text, from the OpenAPI documents of all groups and versions."""
    definitions: dict[str, dict[str, Any]] = {}
    kinds: dict[str, dict[str, str]] = {}
    resources: dict[str, dict[str, list[Any]]] = {}
    for document in documents:
        for name, schema in document.get("components", {}).get("schemas", {}).items():
            if name.startswith(_OWN):
                definitions[name] = schema
        for path, operations in document.get("paths", {}).items():
            for api_version, kind, plural, namespaced in _served(path, operations):
                known = resources.setdefault(api_version, {}).setdefault(kind, [plural, namespaced])
                known[1] = known[1] or namespaced  # the path that lists all namespaces has no {namespace}
    for name, schema in definitions.items():
        for api_version, kind in _kinds(schema) if not name.startswith(_COMMON) else ():
            kinds.setdefault(api_version, {})[kind] = name
    used = _reachable(definitions, [name for named in kinds.values() for name in named.values()])
    for api_version in list(resources):
        resources[api_version] = {
            kind: found for kind, found in resources[api_version].items() if kind in kinds.get(api_version, {})
        }
    packages: dict[str, dict[str, Any]] = {}
    for name in used:
        package, _, short = name.rpartition(".")
        packages.setdefault(package, {})[short] = _pruned(definitions[name], name)
    files = {f"{package}.json": spans.text(schemas) for package, schemas in packages.items()}
    index = {
        "release": release,
        "kinds": kinds,
        "resources": {each: found for each, found in resources.items() if found},
    }
    files[INDEX] = spans.text(index)
    return dict(sorted(files.items()))


def earlier(indexes: Mapping[Version, dict[str, Any]]) -> dict[str, str]:
    """The generated files of EARLIER, name -> text, from the indexes of all versions: which kinds they had."""
    names = sorted(
        {(each, kind) for found in indexes.values() for each, named in found["kinds"].items() for kind in named}
    )

    def value(api_version: str, kind: str, version: Version) -> Any:
        definition = indexes[version]["kinds"].get(api_version, {}).get(kind)
        resource = indexes[version]["resources"].get(api_version, {}).get(kind, [None, False])
        return None if definition is None else [definition, *resource]

    changed: dict[str, dict[str, Any]] = {}
    for api_version, kind in names:
        if found := spans.differences(partial(value, api_version, kind)):
            changed.setdefault(api_version, {})[kind] = found
    return {INDEX: spans.text(changed)}


def _kinds(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(apiVersion, kind) of a definition that belongs to one kind. DeleteOptions, for example, belongs to many."""
    named = schema.get(_GROUP_VERSION_KIND) or []
    if len(named) == 1 and not (named[0]["kind"].endswith("List") and "items" in schema.get("properties", {})):
        yield _api_version(named[0]), named[0]["kind"]


def _served(path: str, operations: dict[str, Any]) -> Iterator[tuple[str, str, str, bool]]:
    """(apiVersion, kind, plural, namespaced) of a path that lists or creates objects."""
    *before, plural = path.split("/")
    if plural.startswith("{") or any(part.startswith("{") and part != "{namespace}" for part in before):
        return  # the path of a single object or of a subresource
    if "watch" in before:
        return
    for operation in operations.values():
        if isinstance(operation, dict) and operation.get("x-kubernetes-action") in ("list", "post"):
            named = operation[_GROUP_VERSION_KIND]
            yield _api_version(named), named["kind"], plural, "{namespace}" in before


def _api_version(named: dict[str, str]) -> str:
    return f"{named['group']}/{named['version']}" if named["group"] else named["version"]


def _reachable(definitions: dict[str, dict[str, Any]], roots: Iterable[str]) -> list[str]:
    found: set[str] = set()
    ahead = list(roots)
    while ahead:
        name = ahead.pop()
        if name not in found and name in definitions:
            found.add(name)
            ahead += _references(definitions[name])
    return sorted(found)


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                yield value.removeprefix(REFERENCE)
            else:
                yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def _pruned(schema: dict[str, Any], name: str = "") -> dict[str, Any]:
    """The schema with the keywords of _KEPT only. A reference that `allOf` wraps is unwrapped."""
    kept: dict[str, Any] = {key: schema[key] for key in _KEPT if key in schema}
    for wrapped in schema.get("allOf", []):
        kept |= {"$ref": wrapped["$ref"]} if "$ref" in wrapped else {}
    if "$ref" in kept:
        kept["$ref"] = kept["$ref"].removeprefix(REFERENCE)
    if "properties" in schema:
        kept["properties"] = {field: _pruned(each) for field, each in schema["properties"].items()}
    if "items" in schema:
        kept["items"] = _pruned(schema["items"])
    extra = schema.get("additionalProperties")
    if extra is not None:
        kept["additionalProperties"] = _pruned(extra) if isinstance(extra, dict) else extra
    if name and kept.get("type") == "object" and "properties" not in kept and extra is None:
        kept["x-kubernetes-preserve-unknown-fields"] = True  # RawExtension, FieldsV1: any object
    return kept


def documents(folder: Path) -> Iterator[dict[str, Any]]:
    """The OpenAPI documents in a folder."""
    for file in sorted(folder.glob("*_openapi.json")):
        yield json.loads(file.read_bytes())


def _from_server(server: str) -> Iterator[dict[str, Any]]:
    for path, place in sorted(_fetch(server, "/openapi/v3")["paths"].items()):
        if path.startswith(("api/", "apis/")) and path.count("/") == (1 if path.startswith("api/") else 2):
            yield _fetch(server, place["serverRelativeURL"])


def _fetch(server: str, path: str) -> Any:
    address = server.rstrip("/") + path
    if not address.startswith(("http://", "https://")):
        raise ValueError("expected an http:// or https:// URL")
    with urllib.request.urlopen(address, timeout=_TIMEOUT) as answer:  # noqa: S310 - the scheme is checked
        return json.load(answer)


if __name__ == "__main__":
    sys.exit(main())
