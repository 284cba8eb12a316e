"""The fixed costs of an expression's nodes in the API server: the part of their costs that does not depend on values.

cel-go charges for the steps of its own plan (interpreter/planner.go, interpreter/runtimecost.go). In that plan:

- A chain of selections is one step, and each selection costs 1.
- A conditional costs nothing, and a chain in its branch is not a step of its own.
- Constants, and expressions that are folded to constants, cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from webhook.cel.cost import costs
from webhook.cel.tree.ast import (
    Call,
    Comprehension,
    Const,
    Expr,
    Ident,
    ListLiteral,
    MapLiteral,
    Select,
    StructLiteral,
    children,
)
from webhook.cel.tree.declared import Cost, Shape
from webhook.cel.tree.macros import Fold

_EQUALITY: Final = frozenset({"_==_", "_!=_"})
ORDER: Final = frozenset({"_<_", "_<=_", "_>_", "_>=_"})
_TEXTS: Final = frozenset({"string", "bytes"})
SCALARS: Final = frozenset({"bool", "int", "uint", "double", "null", "duration", "timestamp", "type"})
"""The names of the types whose values have no size."""


def is_type_name(node: Expr) -> bool:
    """Whether a node is the name of a type, which is a constant."""
    return isinstance(node, Ident) and node.type.name == "type" and not node.name.startswith("variables.")


def is_constant(node: Expr) -> bool:
    """Whether the API server folds the node to a constant before the evaluation."""
    match node:
        case Const():
            return True
        case Ident():
            return is_type_name(node)
        case ListLiteral():
            return not node.optional and all(map(is_constant, node.elements))
        case StructLiteral():
            return False
        case MapLiteral():
            return all(is_constant(each.key) and is_constant(each.value) and not each.optional for each in node.entries)
        case Call():
            if node.declared.folds:
                return all(map(is_constant, node.args))
            return node.function == "@in" and isinstance(node.args[1], ListLiteral) and not node.args[1].elements
        case _:
            return False


def call_cost(node: Call) -> Cost | None:
    """The formula of the part of a call's cost that depends on its arguments; None if `fixed` has the whole cost."""
    name, args = node.function, node.args
    if node.declared.folds and is_constant(node):
        return None
    names = {arg.type.name for arg in args}
    if name in _EQUALITY:
        if names <= SCALARS:
            return None
        if name == "_!=_":
            return costs.inequality
        return None if _is_opaque(args[0]) else costs.equality
    if name in ORDER:
        return costs.equality if names & _TEXTS else None
    if name == "_+_":
        return costs.concatenation if names & _TEXTS else None
    if name in ("@in", "_in_"):
        return costs.membership if args[1].type.name == "list" and not is_set(args[1]) else None
    return node.declared.cost


def fixed(tree: Expr) -> Mapping[int, int]:
    """id(node) -> the fixed cost of each evaluation of the node, without its operands and without `call_cost`.

    A selection from an optional is charged only if the value is present. Loops cost `loop_costs` too.
    """
    by_node: dict[int, int] = {}
    _charge(tree, by_node, 0)
    return by_node


def _charge(node: Expr, by_node: dict[int, int], saved: int) -> None:
    """Add the fixed costs of a node and its operands. saved: the discount for the node's position."""
    if is_constant(node):
        by_node[id(node)] = 0
        for child in children(node):
            _charge(child, by_node, 0)
        return
    less = dict.fromkeys(map(id, children(node)), 0)
    own = 1
    match node:
        case Ident():
            own = 2 if node.name.startswith("variables.") else 1
        case Select():
            own = 1 + _relative(node.operand) - node.test
        case ListLiteral():
            own = costs.NEW_LIST
        case StructLiteral():
            own = costs.NEW_MESSAGE
        case MapLiteral():
            own = costs.NEW_MAP
        case Comprehension():
            own = 0
        case Call() if node.declared.shape is Shape.PART:
            own = 1 + _relative(node.args[0])
            less[id(node.args[1])] = _as_part(node.args[1])
        case Call(function="_?_:_"):
            own = 0
            for branch in node.args[1:]:
                less[id(branch)] = _as_part(branch)
        case Call() if node.declared.lazy:
            own = 0
        case Call(function="@in") if is_set(node.args[1]):
            own = 0
        case Call():
            own = 1 if call_cost(node) is None else 0
    by_node[id(node)] = own - saved
    for child in children(node):
        _charge(child, by_node, less[id(child)])


def _relative(operand: Expr) -> int:
    """The extra cost of a chain of selections on an operand that is not a chain itself."""
    return 0 if _is_chain(operand) or _is_conditional(operand) else 1


def _as_part(node: Expr) -> int:
    """The discount of a chain as an index or in the branch of a conditional, where it is not a step of its own."""
    if is_constant(node) or not _is_chain(node) or (isinstance(node, Select) and node.test):
        return 0
    while not isinstance(node, Ident):
        below = _below(node)
        if below is None:
            break
        node = below
        if _is_conditional(node):
            return 0
    return 1


def _below(node: Expr) -> Expr | None:
    if isinstance(node, Select):
        return node.operand
    return node.args[0] if isinstance(node, Call) and node.declared.shape is Shape.PART else None


def _is_chain(node: Expr) -> bool:
    return isinstance(node, Ident | Select) or (isinstance(node, Call) and node.declared.shape is Shape.PART)


def _is_conditional(node: Expr) -> bool:
    return isinstance(node, Call) and node.function == "_?_:_"


def is_set(node: Expr) -> bool:
    """Whether cel-go looks up membership in this list literal in a set, at no cost."""
    return is_constant(node) and isinstance(node, ListLiteral) and all(map(_is_primitive, node.elements))


def _is_primitive(node: Expr) -> bool:
    if isinstance(node, Call):  # a conversion; dyn() converts nothing
        return _is_primitive(node.args[0]) if node.declared.shape is Shape.SAME else node.type.name in _PRIMITIVES
    return isinstance(node, Const) and isinstance(node.value, bool | int | float | str)


_PRIMITIVES: Final = frozenset({"bool", "int", "uint", "double", "string"})


def _is_opaque(node: Expr) -> bool:
    return "." in node.type.name


def known_cost(node: Call) -> int | None:
    """`call_cost` if it is the same for all values; else None."""
    cost = call_cost(node)
    if cost is None:
        return 0
    known = [_known(arg) for arg in node.args]
    if all(value is not _UNKNOWN for value in known):
        return cost(*known)
    if cost is costs.second_text and known[1] is not _UNKNOWN:
        return cost("", known[1])
    return None


def at_most(node: Call) -> int | None:
    """An upper bound of `call_cost` for all values; None if there is none."""
    cost = known_cost(node)
    if cost is None and call_cost(node) in (costs.equality, costs.inequality):
        known = [value for value in map(_known, node.args) if value is not _UNKNOWN]
        return max((costs.equality(value, value) for value in known), default=None)
    return cost


_UNKNOWN: Final = object()


def _known(node: Expr) -> Any:
    if isinstance(node, Const):
        return node.value
    if isinstance(node, ListLiteral) and is_constant(node):
        return [None] * len(node.elements)  # for its size
    return _UNKNOWN


class LoopCosts(Struct, frozen=True):
    """The API server's charges for the code that a macro expands to, beside the expressions that its author wrote.

    round: for each round. passing: for each round whose element passes the filter or is collected. last: for the round
    in which a quantifier is decided before the end. whole: once a loop.
    """

    round: int = 0
    passing: int = 0
    last: int = 0
    whole: int = 0


_COSTS = {
    "all": LoopCosts(round=3, last=2, whole=1),
    "exists": LoopCosts(round=4, last=3, whole=1),
    "exists_one": LoopCosts(passing=2, whole=2),
    "list": LoopCosts(passing=2, whole=1),
    "map": LoopCosts(passing=2, whole=1),
}


def loop_costs(fold: Fold) -> LoopCosts:
    """The costs of a loop beside those of the fold's `value`, `key` and `filter`."""
    of_macro = _COSTS.get(fold.kind, LoopCosts())
    if fold.kind == "list" and not is_constant(fold.value):
        return replace(of_macro, passing=of_macro.passing + costs.NEW_LIST)
    return of_macro
