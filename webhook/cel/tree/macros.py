"""Recognises the macro that a fold came from.

The parser expands macros to folds. The code generator writes faster loops if it knows the macro. A fold of any other
form is generated as a general fold.
"""

from __future__ import annotations

from msgspec import Struct

from webhook.cel.tree.ast import Call, Comprehension, Const, Expr, Ident, ListLiteral, MapLiteral


class Fold(Struct, frozen=True):
    """A recognised fold.

    kind: all, exists, exists_one, list (map, filter, transformList), map (transformMap, transformMapEntry),
    bind (a fold over an empty list), or general. value: the predicate, element or map value. key: the key of a map
    entry; None if `value` is a map with the entries to insert. filter: the condition that selects the elements.
    """

    kind: str
    value: Expr
    key: Expr | None = None
    filter: Expr | None = None


def recognise(node: Comprehension) -> Fold:
    """The macro that a fold came from."""
    if isinstance(node.range, ListLiteral) and not node.range.elements and _is_const(node.condition, False):
        return Fold("bind", node.result)
    step = node.step
    plain_result = isinstance(node.result, Ident) and node.result.name == node.accu
    if isinstance(step, Call):
        for function, start, kind in (("_&&_", True, "all"), ("_||_", False, "exists")):
            if plain_result and step.function == function and _is_const(node.init, start) and _on(step, node.accu):
                return Fold(kind, step.args[1])
        if _counts(node):
            return Fold("exists_one", step.args[0])
        if plain_result and _is_const(node.condition, True):
            collected = _collects(node, step)
            if collected is not None:
                return collected
    return Fold("general", node.step)


def _is_const(node: Expr, value: object) -> bool:
    return isinstance(node, Const) and node.value is value


def _is_number(node: Expr, value: int) -> bool:
    return isinstance(node, Const) and type(node.value) is int and node.value == value


def _on(call: Call, accu: str) -> bool:
    """Whether a call's first argument is the accumulator."""
    return bool(call.args) and isinstance(call.args[0], Ident) and call.args[0].name == accu


def _counts(node: Comprehension) -> bool:
    """step: predicate ? accu + 1 : accu, from 0, and accu == 1 at the end."""
    step, result = node.step, node.result
    return (
        _is_number(node.init, 0)
        and isinstance(step, Call)
        and step.function == "_?_:_"
        and isinstance(step.args[1], Call)
        and step.args[1].function == "_+_"
        and _on(step.args[1], node.accu)
        and isinstance(result, Call)
        and result.function == "_==_"
        and _on(result, node.accu)
        and _is_number(result.args[1], 1)
    )


def _collects(node: Comprehension, step: Call) -> Fold | None:
    """step: accu + [element], or an insertion into accu; either may be inside `filter ? … : accu`."""
    condition: Expr | None = None
    if step.function == "_?_:_":
        inner, otherwise = step.args[1], step.args[2]
        if not isinstance(inner, Call) or not isinstance(otherwise, Ident) or otherwise.name != node.accu:
            return None
        condition, step = step.args[0], inner
    if not _on(step, node.accu):
        return None
    if step.function == "_+_" and isinstance(node.init, ListLiteral) and not node.init.elements:
        added = step.args[1]
        if isinstance(added, ListLiteral) and len(added.elements) == 1 and not added.optional:
            return Fold("list", added.elements[0], filter=condition)
    if step.function == "cel.@mapInsert" and isinstance(node.init, MapLiteral) and not node.init.entries:
        if len(step.args) == 3:
            return Fold("map", step.args[2], key=step.args[1], filter=condition)
        return Fold("map", step.args[1], filter=condition)
    return None
