"""The types of `self` in the rules of a schema (k8s.io/apiserver, pkg/cel/common/schemas.go).

An object with properties is a struct, whose fields have escaped names. What the schema does not describe has no type,
and no field. Sizes are bounds on what a request of 3 MiB may hold; the API server estimates costs from them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from msgspec.structs import replace

from webhook.apiserver.customresources.structural import Schema
from webhook.cel.check.structs import StructType
from webhook.cel.tree import types
from webhook.cel.tree.types import Type

REQUEST: Final = 3 * 1024 * 1024
"""Bytes of the largest request."""

NAME_LENGTH: Final = 253

_RESERVED = frozenset(
    [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
_PLAIN = re.compile("[a-zA-Z_][a-zA-Z0-9_]*")
_ESCAPABLE = re.compile(r"[a-zA-Z_./-][a-zA-Z0-9_./-]*")
_ESCAPED = re.compile(r"__|[./-]")
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}


@lru_cache(maxsize=4096)
def escaped(name: str) -> str | None:
    """The name of a property in expressions; None if it cannot be used there."""
    if name in _RESERVED:
        return f"__{name}__"
    if _PLAIN.fullmatch(name) and "__" not in name:
        return name
    if _ESCAPABLE.fullmatch(name) is None:
        return None
    return _ESCAPED.sub(lambda match: _ESCAPES[match[0]], name)


@dataclass(slots=True, eq=False)
class Declared:
    """The type of a value. fields: by their escaped names. element: of lists and maps; key: of maps.

    elements: the most elements, entries, or bytes. size: the fewest bytes of the value as JSON.
    """

    type: Type
    size: int
    elements: int = 0
    element: Declared | None = None
    key: Declared | None = None
    fields: dict[str, Declared] | None = None


def declared(schema: Schema, *, root: bool) -> Declared | None:
    """The type of a schema's values; None if expressions cannot use them. root: they are resources."""
    return _Declaring().declared(schema, ("self",), root=root)


def structs(declared: Declared) -> tuple[StructType, ...]:
    """The structs within a type."""
    found: dict[str, StructType] = {}
    _collect(declared, found)
    return tuple(found.values())


def _collect(declared: Declared, found: dict[str, StructType]) -> None:
    if declared.fields is not None:
        fields = tuple((name, each.type) for name, each in declared.fields.items())
        found[declared.type.name] = StructType(declared.type.name, fields)
        for each in declared.fields.values():
            _collect(each, found)
    if declared.element is not None:
        _collect(declared.element, found)


def as_resource(schema: Schema) -> Schema:
    """The schema with kind, apiVersion and the two fields of metadata that expressions may use."""
    properties = schema.properties
    metadata = properties.get("metadata")
    names = metadata.properties if metadata is not None else {}

    def is_string(holder: dict[str, Schema], name: str) -> bool:
        return name in holder and holder[name].type == "string"

    if (
        is_string(properties, "kind")
        and is_string(properties, "apiVersion")
        and metadata is not None
        and metadata.type == "object"
        and is_string(names, "name")
        and is_string(names, "generateName")
    ):
        return schema
    text = Schema(schema.path, {}, type="string")

    def capped(name: str, most: int) -> Schema:
        given = names[name].max_length if name in names else None
        return Schema(schema.path, {}, type="string", max_length=most if given is None else min(given, most))

    return replace(
        schema,
        properties={
            **properties,
            "kind": text,
            "apiVersion": text,
            "metadata": Schema(
                schema.path,
                {},
                type="object",
                properties={
                    "name": capped("name", NAME_LENGTH),
                    "generateName": capped("generateName", NAME_LENGTH - 1),
                },
            ),
        },
    )


_FORMATS: Final[dict[str, tuple[Type, int, int]]] = {
    "duration": (types.DURATION, 3, 32),
    "date": (types.TIMESTAMP, 12, 12),
    "date-time": (types.TIMESTAMP, 21, 32),
}
"""Format -> type, fewest bytes, most bytes."""


@dataclass(slots=True)
class _Declaring:
    names: dict[str, int] = field(default_factory=dict)

    def declared(self, schema: Schema, path: tuple[str, ...], *, root: bool) -> Declared | None:
        if schema.int_or_string:
            most = REQUEST - 2 if schema.max_length is None else max(schema.max_length, 0) * 4
            return Declared(types.DYN, 1, most)
        if root:
            schema = as_resource(schema)
        match schema.type:
            case "array":
                return self.array(schema, path)
            case "object":
                return self.object(schema, path)
            case "string":
                return _string(schema)
            case "boolean":
                return Declared(types.BOOL, 4)
            case "number":
                return Declared(types.DOUBLE, 1)
            case "integer":
                return Declared(types.INT, 1)
        return None

    def array(self, schema: Schema, path: tuple[str, ...]) -> Declared | None:
        if schema.items is None:
            return None
        element = self.declared(schema.items, (*path, "item"), root=schema.items.embedded)
        if element is None:
            return None
        most = (REQUEST - 2) // (element.size + 1) if schema.max_items is None else max(schema.max_items, 0)
        return Declared(types.list_of(element.type), 2, most, element)

    def object(self, schema: Schema, path: tuple[str, ...]) -> Declared | None:
        values = schema.values
        if values is not None:
            element = self.declared(values, (*path, "value"), root=values.embedded)
            if element is None:
                return None
            given = schema.max_properties
            most = (REQUEST - 2) // (element.size + 6) if given is None else max(given, 0)
            key = Declared(types.STRING, 2)
            return Declared(types.map_of(types.STRING, element.type), 2, most, element, key)
        fields: dict[str, Declared] = {}
        size = 2
        for name, property_schema in schema.properties.items():
            known = self.declared(property_schema, (*path, name), root=property_schema.embedded)
            if known is None:
                continue
            written = escaped(name)
            if written is not None:
                fields[written] = known
            if name in schema.required and property_schema.default is None:
                size += len(name.encode()) + known.size + 4
        return Declared(Type(self.name(path)), size, fields=fields)

    def name(self, path: tuple[str, ...]) -> str:
        base = "_".join(re.sub("[^a-zA-Z0-9]", "_", step) for step in path)
        number = self.names[base] = self.names.get(base, 0) + 1
        return f"selfType.{base}" if number == 1 else f"selfType.{base}_{number}"


def _string(schema: Schema) -> Declared:
    if schema.format == "byte":
        return Declared(types.BYTES, 2, REQUEST - 2 if schema.max_length is None else max(schema.max_length, 0))
    if schema.format in _FORMATS:
        return Declared(*_FORMATS[schema.format])
    if schema.max_length is not None:
        most = max(schema.max_length, 0) * 4
    elif schema.enum:
        most = max((len(each.encode()) for each in schema.enum if isinstance(each, str)), default=0)
    else:
        most = REQUEST - 2
    return Declared(types.STRING, 2, most)
