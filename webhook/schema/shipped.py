"""The shipped OpenAPI schemas of the built-in kinds, which `python -m tests.apiserver.tables` writes.

`index.json` lists the kinds of the newest Kubernetes version, `earlier/index.json` which other kinds earlier versions
had (webhook.schema.spans). Each other file holds the definitions of one Go package and is loaded on demand:
`io.k8s.api.apps.v1.json` has `Deployment`, whose Pod template refers to a definition in `io.k8s.api.core.v1.json`. The
definitions are those of the newest version.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from webhook.schema import spans
from webhook.schema.spans import Lifetime
from webhook.versions import NEWEST, Version

FOLDER: Final = Path(__file__).parent / "kubernetes"
INDEX: Final = "index.json"
EARLIER: Final = "earlier"
"""The folder within of what was different in earlier versions."""
REFERENCE: Final = "#/components/schemas/"
"""The prefix of references in OpenAPI documents. The shipped files omit it."""


@cache
def index() -> dict[str, Any]:
    """`release`; `kinds`: apiVersion -> kind -> definition; `resources`: apiVersion -> kind -> [plural, namespaced]."""
    found: dict[str, Any] = orjson.loads((FOLDER / INDEX).read_bytes())
    return found


class Kind(NamedTuple):
    """A built-in kind. `plural`: of its resource; None for a kind that is only a subresource, such as Scale."""

    definition: str
    plural: str | None
    namespaced: bool


@cache
def kinds(target: Version = NEWEST) -> dict[tuple[str, str], Kind]:
    """(apiVersion, kind) → the kind, of all that a Kubernetes version can serve. Do not modify it."""
    resources = index()["resources"]
    found = {
        (api_version, kind): Kind(definition, *resources.get(api_version, {}).get(kind, (None, False)))
        for api_version, named in index()["kinds"].items()
        for kind, definition in named.items()
    }
    if target == NEWEST:
        return found
    for key, entries in _earlier():
        for value in spans.at(entries, target):
            if value is None:
                del found[key]
            else:
                found[key] = Kind(*value)
    return found


def definition_of(api_version: str, kind: str, target: Version = NEWEST) -> str | None:
    """The definition of a kind that is built into a Kubernetes version; None for other kinds."""
    if target == NEWEST:
        named: str | None = index()["kinds"].get(api_version, {}).get(kind)
        return named
    found = kinds(target).get((api_version, kind))
    return None if found is None else found.definition


def lifetime(api_version: str, kind: str, target: Version) -> Lifetime | None:
    """Which versions before or after a target that does not have a kind have it; None if none does."""
    having = [version for version in spans.VERSIONS if definition_of(api_version, kind, version) is not None]
    return spans.lifetime(having, target)


def _earlier() -> Iterator[tuple[tuple[str, str], list[Any]]]:
    for api_version, named in spans.table(FOLDER / EARLIER / INDEX).items():
        for kind, entries in named.items():
            yield (api_version, kind), entries


@cache
def _package(name: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = orjson.loads((FOLDER / f"{name}.json").read_bytes())
    except FileNotFoundError:
        return {}
    return found


def definition(name: str) -> dict[str, Any] | None:
    """The definition of a name such as `io.k8s.api.apps.v1.Deployment`; None if there is none. Do not modify it."""
    package, _, short = name.rpartition(".")
    found: dict[str, Any] | None = _package(package).get(short)
    return found
