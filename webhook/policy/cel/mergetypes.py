"""How values merge: what the schema of a kind says of each value within an object, read as k8s.io/kube-openapi (package
schemaconv) does for structured merge."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct

from webhook.schema import UNKNOWN, Schema

_QUANTITY: Final = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_RAW: Final = "io.k8s.apimachinery.pkg.runtime.RawExtension"


class List(Struct, frozen=True):
    """How a list merges. `keys`: the fields that identify an item; without keys the list is a set or atomic."""

    atomic: bool
    keys: tuple[str, ...]
    items: Type


class Map(Struct, frozen=True):
    """How an object or a map merges. `other`: the type of undeclared fields; None if they are not allowed."""

    atomic: bool
    fields: Mapping[str, Schema]
    other: Type | None


class Shape(Struct, frozen=True):
    """The forms that a value may have: `scalar` (numeric, string, boolean, untyped; "": none), `list`, `map`."""

    scalar: str = ""
    list: List | None = None
    map: Map | None = None

    def of(self, value: Any) -> Shape:
        """The shape narrowed to the form of `value`; unchanged if the value has none of the allowed forms."""
        if isinstance(value, dict):
            return Shape(map=self.map) if self.map and (self.scalar or self.list) else self
        if isinstance(value, list):
            return Shape(list=self.list) if self.list and (self.scalar or self.map) else self
        is_scalar = isinstance(value, bool | int | float | str)
        return Shape(self.scalar) if is_scalar and self.scalar and (self.list or self.map) else self


class Type(Struct, frozen=True):
    """The type of a value within an object: its schema, and what it inherits from the values around it.

    `keeping`: an outer schema preserves unknown fields. `schema` None: the type is unknown; maps then merge, and all
    else is atomic. `atomic`: of an unknown type, maps are atomic too.
    """

    schema: Schema | None
    keeping: bool = False
    atomic: bool = False

    def shape(self) -> Shape:
        return _shape(self.schema, self.keeping, self.atomic)

    def field(self, holder: Map, name: str) -> Type | None:
        """The type of the value under `name`; None if the map does not allow it."""
        found = holder.fields.get(name)
        return self.below(found) if found is not None else holder.other

    def below(self, schema: Schema) -> Type:
        """The type of a field, item or map value of this type."""
        # preserve-unknown-fields is inherited by inline schemas, not by definitions that are referred to.
        keeps = self.keeping or (self.schema is not None and self.schema.preserve_unknown_fields)
        return Type(schema, keeps and not schema.definition)


_ANY: Final = Type(None)
_ATOMIC: Final = Type(None, atomic=True)


@lru_cache(maxsize=8192)
def _shape(schema: Schema | None, keeping: bool, atomic: bool) -> Shape:
    if schema is None:
        return Shape("untyped", List(True, (), _ATOMIC), Map(atomic, {}, _ATOMIC if atomic else _ANY))
    if schema.definition == _QUANTITY:
        return Shape("untyped")
    if schema.definition == _RAW:
        return _shape(None, False, True)
    here = Type(schema, keeping)
    match schema.type:
        case "":
            return Shape("untyped", _list(here, schema), _map(here, schema))
        case "object":
            return Shape(map=_map(here, schema))
        case "array":
            return Shape(list=_list(here, schema))
        case "boolean":
            return Shape("boolean")
        case "string":
            return Shape("string" if schema.format in ("", "byte") else "untyped")
        case _:
            return Shape("numeric")


def _list(here: Type, schema: Schema) -> List:
    items = here.below(schema.items) if schema.items is not None else _ATOMIC
    return List(schema.list_type == "atomic", schema.list_map_keys if schema.list_type == "map" else (), items)


def _map(here: Type, schema: Schema) -> Map:
    if schema.values is UNKNOWN:
        other: Type | None = _ANY
    elif schema.values is not None:
        other = here.below(schema.values)
    elif here.keeping or schema.preserve_unknown_fields or not schema.fields:
        other = _ANY
    else:
        other = None
    return Map(schema.map_type == "atomic", schema.fields, other)
