"""The checked syntax tree of an expression.

Nodes mirror cel.expr.Expr (cel-spec, proto/cel/expr/syntax.proto), with the results of the checker: each node has its
type and its `offset` in the source, in code points; a call has the declaration of its function.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from webhook.cel.tree.declared import UNBOUND, Declared
from webhook.cel.tree.types import Type


class Node(Struct, frozen=True):
    """The fields of every node."""

    id: int
    type: Type
    offset: int


class Const(Node, frozen=True):
    """A literal: None, bool, int, UInt, float, str or bytes."""

    value: Any


class Ident(Node, frozen=True):
    """A variable, under its qualified name (`variables.replicas` is one name), or a type's name."""

    name: str


class Select(Node, frozen=True):
    """operand.field, or has(operand.field) where `test` is set."""

    operand: Expr
    field: str
    test: bool


class Call(Node, frozen=True):
    """A function call or operator. The receiver of a method call is the first of `args`.

    `declared` follows from the function; it takes no part in comparison.
    """

    function: str
    args: tuple[Expr, ...]
    member: bool
    declared: Declared = UNBOUND

    def __eq__(self, other: object) -> bool:
        return type(other) is Call and _call(self) == _call(other)

    def __hash__(self) -> int:
        return hash(_call(self))


class ListLiteral(Node, frozen=True):
    """[a, ?b]. `optional`: the indexes of the elements with a question mark."""

    elements: tuple[Expr, ...]
    optional: frozenset[int]


class Entry(Struct, frozen=True):
    """One entry of a map literal."""

    key: Expr
    value: Expr
    optional: bool


class MapLiteral(Node, frozen=True):
    """{k: v, ?o: optional}"""

    entries: tuple[Entry, ...]


class StructLiteral(MapLiteral, frozen=True):
    """Name{field: v, ?other: optional}: a map literal with a type name. Its keys are the names of fields."""

    name: str


class Comprehension(Node, frozen=True):
    """The fold that every macro expands to. `var2` is "" in the one-variable form."""

    var: str
    var2: str
    range: Expr
    accu: str
    init: Expr
    condition: Expr
    step: Expr
    result: Expr


Expr = Const | Ident | Select | Call | ListLiteral | MapLiteral | Comprehension


def _call(node: Call) -> tuple[Any, ...]:
    return node.id, node.type, node.offset, node.function, node.args, node.member


def children(node: Expr) -> tuple[Expr, ...]:
    """The direct sub-expressions of a node, in evaluation order."""
    kind = type(node)  # half of all nodes are leaves: they are told at once
    if kind is Ident or kind is Const:
        return ()
    match node:
        case Call():
            return node.args
        case Select():
            return (node.operand,)
        case ListLiteral():
            return node.elements
        case MapLiteral():
            return tuple(part for entry in node.entries for part in (entry.key, entry.value))
        case Comprehension():
            return (node.range, node.init, node.condition, node.step, node.result)
        case _:
            return ()


def nodes(tree: Expr) -> Iterator[Expr]:
    """All nodes of a tree, the root first, without recursion."""
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        pending += children(node)


def logical_terms(node: Expr, function: str) -> Iterator[Expr]:
    """The operands of a chain of one logical operator, which is associative."""
    if isinstance(node, Call) and node.function == function:
        for arg in node.args:
            yield from logical_terms(arg, function)
    else:
        yield node


def variables_in(node: Expr, bound: frozenset[str] = frozenset()) -> set[str]:
    """The names of the variables that an expression uses, without its own loop variables, `bound` and type names."""
    found: set[str] = set()
    stack = [(node, bound)]
    while stack:
        node, bound = stack.pop()
        match node:
            case Ident():
                if node.name not in bound and not _names_a_type(node):
                    found.add(node.name)
            case Comprehension():
                inner = bound | {node.var, node.var2, node.accu}
                stack += ((node.range, bound), (node.init, bound))
                stack += ((part, inner) for part in (node.condition, node.step, node.result))
            case _:
                stack += ((child, bound) for child in children(node))
    return found


def _names_a_type(node: Ident) -> bool:
    # A composited variable may hold a type (`type(object.spec)`). Any other identifier of type `type` is a type's name.
    return node.type.name == "type" and not node.name.startswith("variables.")
