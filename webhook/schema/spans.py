"""Shipped tables for earlier Kubernetes versions: spans of versions, each with its differences.

A table of the newest version stands beside one of the differences, in which a list of spans belongs to each name. A
span is [first, last, value]: the minor numbers of the first and the last version (30 for Kubernetes 1.30), and what the
table of the newest version would say. Versions in no span are as the newest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson
from msgspec import Struct

from webhook.versions import NEWEST, OLDEST, Version

VERSIONS: Final = tuple((OLDEST[0], minor) for minor in range(OLDEST[1], NEWEST[1] + 1))
"""The versions that tables tell of, oldest first."""


class Lifetime(Struct, frozen=True):
    """When something is known that a target version does not know.

    `since`: the first version after the target that knows it; `until`: the last one before. At least one is not None.
    """

    since: Version | None
    until: Version | None


def table(file: Path) -> dict[str, Any]:
    """The table in a file; an empty one if there is no such file."""
    try:
        found: dict[str, Any] = orjson.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    return found


def text(rows: Mapping[str, Any]) -> str:
    """A table as JSON with one name a line, so that differences between releases are readable."""
    lines = (
        f"{json.dumps(name)}:{json.dumps(row, sort_keys=True, separators=(',', ':'))}"
        for name, row in sorted(rows.items())
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def at(found: Iterable[Sequence[Any]], target: Version) -> list[Any]:
    """The values of the spans that a version is in."""
    minor = target[1]
    return [value for first, last, value in found if first <= minor <= last]


def versions(first: int, last: int) -> list[Version]:
    """The versions of a span."""
    return [(NEWEST[0], minor) for minor in range(first, last + 1)]


def lifetime(having: Iterable[Version], target: Version) -> Lifetime | None:
    """When something is known that the target does not know, from the versions that have it; None if it is never."""
    having = sorted(having)
    if target in having:
        return None
    since = next((version for version in having if version > target), None)
    until = next((version for version in reversed(having) if version < target), None)
    return None if since is None and until is None else Lifetime(since, until)


def differences(by_version: Callable[[Version], Any]) -> list[list[Any]]:
    """The spans of a name: where what it is in a version (a JSON value) differs from the newest version's."""
    newest = by_version(NEWEST)
    found: list[list[Any]] = []
    for version in VERSIONS[:-1]:
        value = by_version(version)
        if value == newest:
            continue
        if found and found[-1][1] == version[1] - 1 and found[-1][2] == value:
            found[-1][1] = version[1]
        else:
            found.append([version[1], version[1], value])
    return found
