"""Makes the tables of defaults of the built-in kinds, from Kubernetes' own defaulting code.

tests.apiserver.tables reads the generated defaulting functions of each Kubernetes version, and writes the files.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from webhook.apiserver.defaults.defaulting import function_of, rows_of
from webhook.schema import spans
from webhook.versions import Version

Tables = dict[str, dict[str, Any]]
"""Package → type → what is done to its values."""


def generated(tables: Tables, index: dict[str, Any]) -> dict[str, str]:
    """The files of the newest version, name → text: for each package, type → what is done to its values.

    tables: what the program of that version prints (tests/apiserver/kubernetes/defaulters.go). index: its kinds; types
    that these do not need are left out.
    """
    return {f"{package}.json": spans.text(found) for package, found in sorted(rows(tables, index).items())}


def earlier(tables: Mapping[Version, Tables], indexes: Mapping[Version, dict[str, Any]]) -> dict[str, str]:
    """The files of earlier versions, name → text: for each package, type → the spans of what was different."""
    by_version = {version: rows(printed, indexes[version]) for version, printed in tables.items()}

    def value(package: str, name: str, version: Version) -> Any:
        return by_version[version].get(package, {}).get(name)

    files: dict[str, str] = {}
    for package in sorted({each for found in by_version.values() for each in found}):
        names = {name for found in by_version.values() for name in found.get(package, {})}
        changed = {name: spans.differences(partial(value, package, name)) for name in names}
        if changed := {name: found for name, found in changed.items() if found}:
            files[f"{package}.json"] = spans.text(changed)
    return files


def unknown_functions(version: Version) -> list[str]:
    """The functions that the tables of a version need and this room does not have."""
    names = {name for _, row in rows_of(version) for name in row.get("run", ())}
    return sorted(name for name in names if function_of(name, version) is None)


def rows(tables: Tables, index: dict[str, Any]) -> Tables:
    """The rows of what the program of a version prints, of the types that the kinds of an index need."""
    used = _reachable(tables, index)
    found: Tables = {}
    for package, types in tables.items():
        needed = {name: _row(row, package) for name, row in types.items() if f"{package}.{name}" in used}
        if needed:
            found[package] = needed
    return found


def _reachable(tables: Tables, index: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    ahead = [name for kinds in index["kinds"].values() for name in kinds.values()]
    while ahead:
        name = ahead.pop()
        package, _, short = name.rpartition(".")
        row = tables.get(package, {}).get(short)
        if row is not None and name not in found:
            found.add(name)
            ahead += [into.partition(" ")[2] for into in row.get("into", {}).values()]
    return found


def _row(row: dict[str, Any], package: str) -> dict[str, Any]:
    """The row, without the package of the types that are its own."""
    own = f" {package}."
    into = {
        field: f"{written.partition(own)[0]} {written.rpartition('.')[2]}" if own in written else written
        for field, written in row.get("into", {}).items()
    }
    return {key: value for key, value in {**row, "into": into}.items() if value}
