"""Declares the types of the messages that an expression constructs to the checker.

JSONPatch is a type with four fields. `Object` and all types below it are declared by the expression itself; they accept
any field with any value. Whether a type's name matches its field is checked when the object is used.

The checker needs a declaration of each type, and rejects a type that is named like a field of another one
(`Object.spec`, if Object has a field spec). So it receives the source with other names of the same length, which keeps
all positions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from webhook.cel.check.structs import Struct
from webhook.cel.tree.ast import Const, Expr, Ident, Select, StructLiteral, children
from webhook.cel.tree.errors import CompileError, Issue, issue_at
from webhook.cel.tree.types import DYN, STRING, Type
from webhook.cel.value.messages import JSON_PATCH_NAME, TEXTS

OBJECT: Final = "Object"
JSON_PATCH: Final = Struct(JSON_PATCH_NAME, (*((name, STRING) for name in TEXTS), ("value", DYN)))

OBJECT_TYPE: Final = Type(OBJECT)
JSON_PATCH_TYPE: Final = JSON_PATCH.type


@dataclass(frozen=True, slots=True)
class Disguised:
    """The source for the checker with renamed types. structs: the types. names: name in the checker -> own name."""

    source: str
    structs: tuple[Struct, ...]
    names: Mapping[str, str]

    def revealed(self, error: CompileError, source: str) -> CompileError:
        """The error with the own names of the types, for the original source."""
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
    """Rename the types below Object, so that the checker accepts them. tree: the parsed source."""
    fields: dict[str, dict[str, None]] = {}
    places: list[tuple[int, str]] = []
    for node in _struct_literals(tree):
        if node.name == OBJECT or node.name.startswith(f"{OBJECT}."):
            known = fields.setdefault(node.name, {})
            known.update((entry.key.value, None) for entry in node.entries if isinstance(entry.key, Const))
            if "." in node.name:
                places.append((node.offset, node.name))
    # Reading a field that was not set is not an error; its value is null.
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
        if match is None or len(names[name]) > len(match[0]):  # the name contains comments, or is too short
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
    """Raises CompileError if an expression uses a message type as a value, which the API server does not support."""
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
