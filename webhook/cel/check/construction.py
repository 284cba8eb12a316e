"""The types of the messages that an expression of a mutation may construct.

JSONPatch is a type with four fields. `Object` and all types below it (`Object.spec`) have every field, of any type.
Whether a type's name matches its field is checked when the object is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from webhook.cel.check.structs import StructType
from webhook.cel.tree.ast import Expr, Ident, children
from webhook.cel.tree.errors import CompileError, issue_at
from webhook.cel.tree.types import DYN, STRING, Type
from webhook.cel.value.messages import JSON_PATCH_NAME, TEXTS

OBJECT: Final = "Object"
JSON_PATCH: Final = StructType(JSON_PATCH_NAME, (*((name, STRING) for name in TEXTS), ("value", DYN)))

OBJECT_TYPE: Final = Type(OBJECT)
JSON_PATCH_TYPE: Final = JSON_PATCH.type


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
