"""The Go types of the built-in kinds in each Kubernetes version, from the tables in `types/`.

The structs have the names of the definitions in the shipped OpenAPI schemas (webhook.schema.shipped), and stand in
files of the same names, one for each Go package, which are loaded when they are needed. A file directly in `types/` has
the structs of the newest version; one of the same name in `types/earlier/` has what was different in earlier ones
(webhook.schema.spans). `python -m tests.apiserver.tables` writes both.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from msgspec import Struct

from webhook.schema import shipped, spans
from webhook.schema.spans import Lifetime
from webhook.versions import NEWEST, Version

FOLDER: Final = Path(__file__).parent / "types"
EARLIER: Final = "earlier"
"""The folder within of what was different in earlier versions."""

OBJECT_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


class GoType(NamedTuple):
    """A type. `form`: how its values are read and written, a word of FORMS. `go`: its name in Go, in messages.

    `of`: the type of a list's items or a map's values. `struct`: the definition of a struct.
    """

    form: str
    go: str
    pointer: bool = False
    of: GoType | None = None
    struct: str = ""

    @property
    def items(self) -> GoType:
        """The type of a list's items or a map's values. Raises TypeError for other types."""
        if self.of is None:
            raise TypeError(f"{self.go} has no items")
        return self.of


class Field(Struct, frozen=True):
    """A field of a struct. `omitempty`, `omitzero`: the options of its JSON tag.

    `embedded`: the embedded structs that it stands in, as messages name them: "ProbeHandler."; "" for none.
    """

    name: str
    type: GoType
    omitempty: bool
    omitzero: bool
    embedded: str

    @property
    def left_out(self) -> bool:
        """Whether its zero value is left out when an object is written."""
        return self.omitzero or (self.omitempty and (self.type.pointer or self.type.form not in _NEVER_EMPTY))


_BUILTIN_TYPES: Final = {
    "bytes": "[]uint8",
    "time": "v1.Time",
    "microtime": "v1.MicroTime",
    "quantity": "resource.Quantity",
    "intstr": "intstr.IntOrString",
    "raw": "runtime.RawExtension",
    "fields": "v1.FieldsV1",
    "json": "v1.JSON",
    "schemaorbool": "v1.JSONSchemaPropsOrBool",
    "schemaorstrings": "v1.JSONSchemaPropsOrStringArray",
    "schemaorarray": "v1.JSONSchemaPropsOrArray",
}
"""Forms whose type has a name of its own in Go."""

_NEVER_EMPTY: Final = frozenset(("struct", *_BUILTIN_TYPES)) - {"bytes"}
"""The forms that are structs in Go, which `omitempty` never leaves out."""

FORMS: Final = frozenset(("string", "bool", "int32", "int64", "float64", "list", "map", "struct", *_BUILTIN_TYPES))


def struct_of(api_version: str, kind: str, target: Version = NEWEST) -> str | None:
    """The definition of a kind that is built into a Kubernetes version; None for other kinds.

    "apps/v1", "Deployment" → "io.k8s.api.apps.v1.Deployment".
    """
    return shipped.definition_of(api_version, kind, target)


def serves_group(group: str) -> bool:
    """Whether all kinds of a group are built in. Custom kinds may not be in such groups."""
    return group in _groups()


@cache
def _groups() -> frozenset[str]:
    return frozenset(version.rpartition("/")[0] for version in shipped.index()["kinds"])


@cache
def fields_of(struct: str, target: Version = NEWEST) -> tuple[Field, ...]:
    """The fields of a struct in a Kubernetes version, in Go's order; those of embedded structs are among them.

    Fields that are no longer there stand after the others.
    """
    package = struct.rpartition(".")[0]
    return tuple(_field(package, row) for row in rows_of(struct, target))


def rows_of(struct: str, target: Version = NEWEST) -> list[list[str]]:
    """The same, as the tables have it: [name, type, flags, embedded], without what is empty at the end."""
    package, _, name = struct.rpartition(".")
    rows: list[list[str]] = _package(package).get(name, [])
    if target != NEWEST:
        changed = {row[0]: row for row in spans.at(_earlier(package).get(name, ()), target)}
        rows = [changed.pop(row[0], row) for row in rows]
        rows = [row for row in (*rows, *changed.values()) if len(row) > 1]
    return rows


def lifetime(struct: str, name: str, target: Version) -> Lifetime | None:
    """When a struct has a field that it does not have in `target`; None if it never has."""
    package, _, short = struct.rpartition(".")
    newest = any(row[0] == name for row in _package(package).get(short, ()))
    changed = [each for each in _earlier(package).get(short, ()) if each[2][0] == name]
    if not newest and not changed:
        return None
    has = dict.fromkeys(spans.VERSIONS, newest)
    for first, last, row in changed:
        has |= dict.fromkeys(spans.versions(first, last), len(row) > 1)
    return spans.lifetime([version for version, there in has.items() if there], target)


def short_name(struct: str) -> str:
    """The name of a struct without its package, as in messages."""
    return struct.rpartition(".")[2]


@cache
def _package(name: str) -> dict[str, Any]:
    return spans.table(FOLDER / f"{name}.json")


@cache
def _earlier(name: str) -> dict[str, Any]:
    return spans.table(FOLDER / EARLIER / f"{name}.json")


def _field(package: str, row: list[str]) -> Field:
    name, written, flags, *rest = [*row, ""] if len(row) == 2 else row
    embedded = f"{rest[0]}." if rest else ""
    return Field(name, parsed(written, package), "e" in flags, "z" in flags, embedded)


_MAP: Final = re.compile(r"\{([^}]*)\}")
_NAMED: Final = re.compile(r"([A-Za-z0-9]+\.[A-Za-z0-9]+)=")


def parsed(written: str, package: str) -> GoType:
    """The type of its form in the tables: *T, [T, {K}T (a map with the Go name of its keys), NAME=T, @STRUCT or a word.

    `package`: of structs without a package of their own.
    """
    if written.startswith("*"):
        return parsed(written[1:], package)._replace(pointer=True)
    named = _NAMED.match(written)
    if named is not None:
        return parsed(written[named.end() :], package)._replace(go=named[1])
    if written.startswith("["):
        of = parsed(written[1:], package)
        return GoType("list", f"[]{'*' if of.pointer else ''}{of.go}", of=of)
    if (keys := _MAP.match(written)) is not None:
        of = parsed(written[keys.end() :], package)
        return GoType("map", f"map[{keys[1]}]{'*' if of.pointer else ''}{of.go}", of=of)
    if written.startswith("@"):
        struct = written[1:] if "." in written else f"{package}.{written[1:]}"
        return GoType("struct", ".".join(struct.split(".")[-2:]), struct=struct)
    return GoType(written, _BUILTIN_TYPES.get(written, written))
