"""Messages: typed objects that an expression constructs, `Object.spec{replicas: 2}`, `JSONPatch{op: 'remove', …}`.

Only mutations have them (k8s.io/apiserver, pkg/cel/mutation). JSONPatch is a type with four fields. `Object` and all
types below it accept any field with any value. Whether a type's name matches its field is checked when the object is
used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from webhook.cel.tree.ast import Call, Const, Expr, StructLiteral
from webhook.cel.tree.declared import Shape
from webhook.cel.tree.errors import EvaluationError
from webhook.cel.value.numbers import UInt
from webhook.cel.value.texts import text
from webhook.cel.value.times import Duration, Timestamp
from webhook.cel.value.values import NONE, Optional

JSON_PATCH_NAME: Final = "JSONPatch"
EMPTY_NAME: Final = "google.protobuf.Empty"
"""The message without fields."""
TEXTS: Final = ("op", "path", "from")
"""The string fields of a JSONPatch. Its `value` may be anything."""

_GO_TYPES: Final[Mapping[type, str]] = {
    type(None): "structpb.NullValue",
    bool: "bool",
    int: "int64",
    UInt: "uint64",
    float: "float64",
    bytes: "[]uint8",
    list: "[]interface {}",
    dict: "map[string]interface {}",
    Duration: "time.Duration",
    Timestamp: "time.Time",
}


class Message:
    """A constructed object. `cel_type`: the name of its type. `fields`: those that the expression set."""

    __slots__ = ("cel_type", "fields")

    def __init__(self, name: str, fields: dict[str, Any]) -> None:
        self.cel_type = name
        self.fields = fields

    def __eq__(self, other: object) -> bool:
        from webhook.cel.value.operators import equal  # an import at the top would be circular

        return type(other) is Message and self.cel_type == other.cel_type and equal(self.fields, other.fields)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{self.cel_type}{self.fields!r}"

    def select(self, field: str) -> Any:
        """message.field: the field's value; if it is not set, "" for a string field, else null."""
        self._require(field)
        return self.fields.get(field, "" if self._is_text(field) else None)

    def has(self, field: str) -> bool:
        """has(message.field): whether the field is set; a string field must not be empty either."""
        self._require(field)
        return bool(self.fields.get(field)) if self._is_text(field) else field in self.fields

    def _require(self, field: str) -> None:
        if self.cel_type == EMPTY_NAME:
            raise EvaluationError(f"no such field '{field}'")

    def _is_text(self, field: str) -> bool:
        return self.cel_type == JSON_PATCH_NAME and field in TEXTS


class Raw:
    """A list or map inside a list or map that the expression constructs in a field of an object.

    The API server does not convert it, so readers of the object treat it as neither a list nor a map.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return type(other) is Raw and bool(self.value == other.value)

    __hash__ = None  # type: ignore[assignment]


def constructor(node: StructLiteral) -> Callable[[list[tuple[int, str, Any]]], Message]:
    """The function that makes the message of a literal from (whether it is optional, field, value)."""
    name = node.name
    nested = {str(entry.key.value) for entry in node.entries if isinstance(entry.key, Const) and _nests(entry.value)}

    def construct(entries: list[tuple[int, str, Any]]) -> Message:
        fields = set_fields(entries)
        if name == JSON_PATCH_NAME:
            for field in TEXTS:
                if type(fields.get(field, "")) is not str:
                    found = _GO_TYPES.get(type(fields[field]), "ref.Val")
                    raise EvaluationError(f"unexpected type {found} for JSONPatchType '{field}' field")
        else:
            fields.update((field, _unconverted(fields[field])) for field in nested if field in fields)
        return Message(name, fields)

    return construct


def set_fields(entries: Iterable[tuple[int, str, Any]]) -> dict[str, Any]:
    """The fields that a literal sets, from (whether it is optional, field, value).

    The last of a field wins; an absent optional one takes the field before it away.
    """
    fields: dict[str, Any] = {}
    for optional, field, value in entries:
        if not optional:
            fields[field] = value
        elif type(value) is not Optional:
            shown = text(value)
            raise EvaluationError(f"cannot initialize optional entry '{field}' from non-optional value {shown}")
        elif value is NONE:
            fields.pop(field, None)
        else:
            fields[field] = value.value
    return fields


_STRUCTS: Final = "kubernetes."
"""The names of structs begin with this."""
_CONTAINERS: Final = frozenset({"list", "map"})


def _nests(node: Expr) -> bool:
    """Whether the expression constructs a list or map of lists, maps or structs. Sums of lists are converted."""
    while isinstance(node, Call) and node.declared.folds and node.declared.shape is Shape.SAME:
        node = node.args[0]
    declared = node.type
    is_sum = isinstance(node, Call) and node.function == "_+_"
    return (
        not is_sum
        and declared.name in _CONTAINERS
        and bool(declared.params)
        and (declared.params[-1].name in _CONTAINERS or declared.params[-1].name.startswith(_STRUCTS))
    )


def _unconverted(value: Any) -> Any:
    if type(value) is list:
        return [Raw(item) if isinstance(item, list | dict) else item for item in value]
    if isinstance(value, dict):
        return {key: Raw(item) if isinstance(item, list | dict) else item for key, item in value.items()}
    return value
