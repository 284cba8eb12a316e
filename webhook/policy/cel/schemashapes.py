"""The shapes of values in an expression: which schema a value has, as far as that is known."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from webhook.cel import types
from webhook.cel.tree.types import Type
from webhook.policy.evaluation import ParamKind
from webhook.schema import Schema, Schemas

CEL_TYPES: Final = {"array": "list", "boolean": "bool", "integer": "int", "number": "double", "string": "string"}
"""Types of OpenAPI -> their names in CEL."""

_SCALARS: Final = {each.name: each for each in (types.BOOL, types.INT, types.DOUBLE, types.STRING)}


class Known(Struct, frozen=True):
    """A value with a schema. `kind`: the kind of the object that contains it, for messages."""

    schema: Schema
    kind: str


class Listed(Struct, frozen=True):
    """A list that the expression constructs. `item`: the shape of its items."""

    item: Shaped


class Empty:
    """An empty list or map, or null: it is compatible with any shape."""


EMPTY: Final = Empty()
Shaped = Known | Listed | Empty | None


def shape_of_params(param_kind: ParamKind | None, schemas: Schemas) -> Known | None:
    """The shape of `params`; None without one, and if its schema is not known."""
    if param_kind is None:
        return None
    group, _, version = param_kind.api_version.rpartition("/")
    schema = schemas.of(group, version, param_kind.kind)
    return None if schema is None else Known(schema, f"{param_kind.api_version} {param_kind.kind}")


def scalar(checked: Type, shape: Shaped) -> Type | None:
    """The type of a boolean, a number or a string; None for other values, and if it is unknown.

    Strings with a format are strings, as they are when policies run. (The API server's type checking treats date-time
    and byte as timestamps and bytes.)
    """
    if isinstance(shape, Known):
        return _SCALARS.get(CEL_TYPES.get(shape.schema.type, ""))
    return _SCALARS.get(checked.name) if shape is None else None


def item_of(shape: Shaped) -> Shaped:
    """The shape of a list's items."""
    if isinstance(shape, Listed):
        return shape.item
    if isinstance(shape, Known) and shape.schema.items is not None:
        return Known(shape.schema.items, shape.kind)
    return None


def value_of(shape: Known) -> Shaped:
    """The shape of a map's values."""
    return None if shape.schema.values is None else Known(shape.schema.values, shape.kind)


def either(shapes: list[Shaped]) -> Shaped:
    """The common shape of a value that may have any of these shapes; None if they differ."""
    others = [shape for shape in shapes if shape is not EMPTY]
    if not others:
        return EMPTY
    first = others[0]
    if all(_alike(first, shape) for shape in others):
        return first
    return None


def _alike(one: Shaped, other: Shaped) -> bool:
    if isinstance(one, Listed) and isinstance(other, Listed):
        return _alike(one.item, other.item)
    if isinstance(one, Known) and isinstance(other, Known):
        a, b = one.schema, other.schema
        return a is b or (a.definition == b.definition and bool(a.definition)) or a.type == b.type != "object"
    return False
