"""Messages: typed objects that an expression constructs, `Object.spec{replicas: 2}`, `JSONPatch{op: 'remove', …}`.

Only mutations have them (k8s.io/apiserver, pkg/cel/mutation). JSONPatch is a type with four fields. `Object` and all
types below it are named by the expression alone, take any field, and hold anything in it; whether a type's name fits
the field that it stands in shows when the object is used.

The checker wants each type declared, and cannot have one that is named like a field of another (`Object.spec`, where
Object has a field spec). So the source that it is given has other names, of the same length: no position in it changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from webhook.cel.check.structs import Struct
from webhook.cel.tree.ast import Call, Const, Expr, Ident, Select, StructLiteral, children
from webhook.cel.tree.errors import CompileError, EvaluationError, Issue, issue_at
from webhook.cel.tree.types import DYN, STRING, Type
from webhook.cel.value.values import NONE, Duration, Optional, Timestamp, UInt

OBJECT: Final = "Object"
JSON_PATCH: Final = Struct("JSONPatch", (("op", STRING), ("path", STRING), ("from", STRING), ("value", DYN)))

OBJECT_TYPE: Final = Type(OBJECT)
JSON_PATCH_TYPE: Final = JSON_PATCH.type

_TEXTS: Final = tuple(name for name, declared in JSON_PATCH.fields if declared == STRING)
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
    """A constructed object. `cel_type` is the name of its type, `fields` are those that were given."""

    __slots__ = ("cel_type", "fields")

    def __init__(self, name: str, fields: dict[str, Any]) -> None:
        self.cel_type = name
        self.fields = fields

    def __eq__(self, other: object) -> bool:
        from webhook.cel.value.operators import equal  # which knows of messages

        return type(other) is Message and self.cel_type == other.cel_type and equal(self.fields, other.fields)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{self.cel_type}{self.fields!r}"

    def select(self, field: str) -> Any:
        """message.field: what was given, else an empty text where texts stand, else null."""
        return self.fields.get(field, "" if self._is_text(field) else None)

    def has(self, field: str) -> bool:
        """has(message.field): whether it was given, and is no empty text where texts stand."""
        return bool(self.fields.get(field)) if self._is_text(field) else field in self.fields

    def _is_text(self, field: str) -> bool:
        return self.cel_type == JSON_PATCH.name and field in _TEXTS


class Raw:
    """A list or map that stands in a list or map that the expression makes, in a field of an object.

    The API server does not convert it: to everything that reads the object it is neither a list nor a map.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return type(other) is Raw and bool(self.value == other.value)

    __hash__ = None  # type: ignore[assignment]


def constructor(node: StructLiteral) -> Callable[[list[tuple[int, tuple[str, Any]]]], Message]:
    """What makes the message of a literal of (optional, (field, value)), in order; the last of one field counts."""
    name = node.name
    nested = {str(entry.key.value) for entry in node.entries if isinstance(entry.key, Const) and _nests(entry.value)}

    def construct(entries: list[tuple[int, tuple[str, Any]]]) -> Message:
        fields: dict[str, Any] = {}
        for optional, (field, value) in entries:
            if not optional:
                fields[field] = value
            elif type(value) is not Optional:
                raise EvaluationError("no such overload")
            elif value is not NONE:
                fields[field] = value.value
        if name == JSON_PATCH.name:
            for field in _TEXTS:
                if type(fields.get(field, "")) is not str:
                    found = _GO_TYPES.get(type(fields[field]), "ref.Val")
                    raise EvaluationError(f"unexpected type {found} for JSONPatchType '{field}' field")
        else:
            fields.update((field, _unconverted(fields[field])) for field in nested if field in fields)
        return Message(name, fields)

    return construct


_CONTAINERS: Final = frozenset({"list", "map"})


def _nests(node: Expr) -> bool:
    """Whether the value is a list or map of lists or maps that the expression makes. Sums of lists are converted."""
    declared = node.type
    is_sum = isinstance(node, Call) and node.function == "_+_"
    return (
        not is_sum
        and declared.name in _CONTAINERS
        and bool(declared.params)
        and declared.params[-1].name in _CONTAINERS
    )


def _unconverted(value: Any) -> Any:
    if type(value) is list:
        return [Raw(item) if isinstance(item, list | dict) else item for item in value]
    if isinstance(value, dict):
        return {key: Raw(item) if isinstance(item, list | dict) else item for key, item in value.items()}
    return value


@dataclass(frozen=True, slots=True)
class Disguised:
    """A source as the checker is given it, the types that it names, and their names there -> their own."""

    source: str
    structs: tuple[Struct, ...]
    names: Mapping[str, str]

    def revealed(self, error: CompileError, source: str) -> CompileError:
        """The error in terms of the source as it was written."""
        if not self.names:
            return error
        pattern = re.compile(rf"\b({'|'.join(self.names)})\b")
        return CompileError(
            source,
            [
                Issue(pattern.sub(lambda match: self.names[match[0]], each.message), each.line, each.column)
                for each in error.issues
            ],
        )


_NAME = re.compile(r"(?:\.\s*)?[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*")


def disguise(source: str, tree: Expr) -> Disguised:
    """The source with names that the checker takes for the types below Object; `tree` is the source, parsed."""
    fields: dict[str, dict[str, None]] = {}
    places: list[tuple[int, str]] = []
    for node in _struct_literals(tree):
        if node.name == OBJECT or node.name.startswith(f"{OBJECT}."):
            known = fields.setdefault(node.name, {})
            known.update((entry.key.value, None) for entry in node.entries if isinstance(entry.key, Const))
            if "." in node.name:
                places.append((node.offset, node.name))
    # Reading a field that was not given is no error: it is null.
    read = dict.fromkeys(_selected(tree))
    for known in fields.values():
        known.update(read)
    prefix = next(prefix for prefix in map("T{}_".format, range(len(source) + 1)) if prefix not in source)
    names: dict[str, str] = {}
    for name in fields:
        names[name] = name if "." not in name else f"{prefix}{len(names)}".ljust(len(name), "_")
    written = source
    for offset, name in places:
        match = _NAME.match(source, offset)
        if match is None or len(names[name]) > len(match[0]):  # a name with more in it than blanks, or a very short one
            raise CompileError(source, [Issue(f"{name}: write the type's name without comments in it")])
        written = written[:offset] + names[name].ljust(len(match[0])) + written[match.end() :]
    structs = tuple(Struct(names[name], tuple((field, DYN) for field in known)) for name, known in fields.items())
    return Disguised(written, structs, {hidden: name for name, hidden in names.items() if hidden != name})


def _selected(node: Expr) -> Iterator[str]:
    """The names of all fields that are read anywhere."""
    if isinstance(node, Select):
        yield node.field
    for child in children(node):
        yield from _selected(child)


def check_names(source: str, tree: Expr) -> None:
    """Raises CompileError where a message's type is named as a value, which the API server does not have."""
    issues = [
        issue_at(source, node.offset, f"program instantiation failed: reference to undefined type: {node.name}")
        for node in _named_types(tree)
    ]
    if issues:
        raise CompileError(source, issues)


def _named_types(node: Expr) -> Iterator[Ident]:
    if isinstance(node, Ident) and node.type.name == "type" and node.name.partition(".")[0] in _ROOTS:
        yield node
    for child in children(node):
        yield from _named_types(child)


_ROOTS: Final = frozenset({OBJECT, JSON_PATCH.name})


def _struct_literals(node: Expr) -> Iterator[StructLiteral]:
    if isinstance(node, StructLiteral):
        yield node
    for child in children(node):
        yield from _struct_literals(child)
