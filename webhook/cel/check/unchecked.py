"""The meaning of names in a tree that is not checked: qualified variables, and functions with qualified names."""

from __future__ import annotations

from webhook.cel.check.declarations import Names
from webhook.cel.tree import types
from webhook.cel.tree.parsed import CALL, FOLD, IDENT, MAP, SELECT, STRUCT, Parsed


def resolve(node: Parsed, names: Names, loops: tuple[str, ...] = ()) -> None:
    """Gives every node of a tree the type dyn, and qualified names their nodes. loops: the names that folds bind."""
    node.type = types.DYN
    kind = node.kind
    if kind == IDENT:
        node.name = _declared(node.name, names, loops) or node.name
    elif kind == SELECT:
        qualified = "" if node.value else _qualified(node)
        declared = _declared(qualified, names, loops) if qualified else None
        if declared is not None:
            node.kind, node.name, node.target = IDENT, declared, None
            return
    elif kind == CALL and node.target is not None:
        qualified = f"{_qualified(node.target)}.{node.name}"
        if qualified in names.functions:
            node.name, node.target = qualified, None
    elif kind == STRUCT:
        node.name = _declared(node.name, names, ()) or node.name
    if node.target is not None:
        resolve(node.target, names, loops)
    if kind in (MAP, STRUCT):
        for _, _, key, value, _ in node.args:
            if kind == MAP:
                resolve(key, names, loops)
            resolve(value, names, loops)
        return
    for place, each in enumerate(node.args):
        resolve(each, names, (*loops, *node.value) if kind == FOLD and place > 1 else loops)


def _declared(name: str, names: Names, loops: tuple[str, ...]) -> str | None:
    """The declared name of a name: in the container, an outer one, or the root."""
    if name.partition(".")[0] in loops:
        return None
    prefix = names.container
    while prefix:
        if f"{prefix}.{name}" in names.globals:
            return f"{prefix}.{name}"
        prefix = prefix.rpartition(".")[0]
    name = name.removeprefix(".")
    return name if name in names.globals else None


def _qualified(node: Parsed) -> str:
    fields: list[str] = []
    while node.kind == SELECT and not node.value and node.target is not None:
        fields.append(node.name)
        node = node.target
    return ".".join([node.name, *reversed(fields)]) if node.kind == IDENT else ""
