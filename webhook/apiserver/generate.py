"""Makes the tables of Go types of the built-in kinds, from what Kubernetes' own scheme has.

tests.apiserver.tables asks the scheme of each Kubernetes version, and writes the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

from webhook.schema import spans
from webhook.versions import Version

_OPTIONS: Final = ("name", "type", "flags", "path")

Rows = dict[str, dict[str, list[list[str]]]]
"""Package → struct → its fields as [name, type, flags, embedded]."""


def generated(tables: dict[str, Any]) -> dict[str, str]:
    """The files of the newest version, name → text: for each package, struct → its fields.

    tables: what the program of that version prints (tests/apiserver/kubernetes/types.go).
    """
    return {f"{package}.json": spans.text(structs) for package, structs in sorted(rows(tables).items())}


def earlier(tables: Mapping[Version, dict[str, Any]]) -> dict[str, str]:
    """The files of earlier versions, name → text: for each package, struct → the spans of fields that were different.

    A row of a name alone stands for a field that was not there. tables: what the program of each version prints.
    """
    by_version = {version: rows(printed) for version, printed in tables.items()}
    files: dict[str, str] = {}
    for package in _names(by_version.values()):
        changed: dict[str, list[Any]] = {}
        for struct in _names(found.get(package, {}) for found in by_version.values()):
            fields = {version: _fields(found, package, struct) for version, found in by_version.items()}
            found = [
                span
                for name in _names(each for each in fields.values() if each is not None)
                for span in spans.differences(partial(_field, fields, name))
            ]
            if found:
                changed[struct] = found
        if changed:
            files[f"{package}.json"] = spans.text(changed)
    return files


def _names(mappings: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for each in mappings for name in each))


def _fields(rows: Rows, package: str, struct: str) -> dict[str, list[str]] | None:
    """The fields of a struct by name; None if there is no such struct."""
    found = rows.get(package, {}).get(struct)
    return None if found is None else {row[0]: row for row in found}


def _field(fields: Mapping[Version, dict[str, list[str]] | None], name: str, version: Version) -> list[str]:
    """A field in a version; in one without the struct, as in the next one that has it.

    So a field that is newer than its struct is not taken for one that was there before the struct.
    """
    later = (found for at, found in sorted(fields.items()) if at >= version and found is not None)
    return next(later, {}).get(name, [name])


def rows(tables: dict[str, Any]) -> Rows:
    """The rows of what the program of a version prints."""
    packages: Rows = {}
    for struct, fields in tables["structs"].items():
        package, _, name = struct.rpartition(".")
        packages.setdefault(package, {})[name] = [_row(field, package) for field in fields]
    return packages


def _row(field: dict[str, str], package: str) -> list[str]:
    """The parts of a field; empty ones at the end are left out, and so is the package of its own structs."""
    row = [field.get(option, "") for option in _OPTIONS]
    own = f"@{package}."
    if own in row[1] and "." not in row[1].rpartition(own)[2]:
        row[1] = row[1].replace(own, "@")
    while len(row) > 2 and not row[-1]:
        row.pop()
    return row
