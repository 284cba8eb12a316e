"""Turns a checked tree into the nodes of webhook.cel.tree.ast, which hold types and the declarations of functions."""

from __future__ import annotations

from typing import Any

from webhook.cel.check.unifying import Substitution
from webhook.cel.library.resolution import Functions
from webhook.cel.tree import types
from webhook.cel.tree.ast import (
    Call,
    Comprehension,
    Const,
    Entry,
    Expr,
    Ident,
    ListLiteral,
    MapLiteral,
    Select,
    StructLiteral,
)
from webhook.cel.tree.parsed import CALL, CONST, FOLD, IDENT, LIST, MAP, SELECT, Parsed
from webhook.cel.value.wellknown import NULL_VALUE


class TreeBuilder:
    """Builds the tree of one expression. functions: resolves calls to the declarations of their functions."""

    __slots__ = ("_functions", "_substitution")

    def __init__(self, functions: Functions, substitution: Substitution) -> None:
        self._functions = functions
        self._substitution = substitution

    def built(self, node: Parsed) -> Expr:
        declared = node.type
        if declared.params or declared.is_param:
            declared = self._substitution.resolved(declared, final=True)
        kind = node.kind
        if kind == CONST:
            return Const(node.id, declared, node.offset, node.value)
        if kind == IDENT:
            if node.name == NULL_VALUE:
                return Const(node.id, declared, node.offset, 0)
            return Ident(node.id, declared, node.offset, node.name)
        if kind == SELECT:
            operand = self.built(node.target)  # type: ignore[arg-type]
            return Select(node.id, declared, node.offset, operand, node.name, bool(node.value))
        if kind == CALL:
            args: list[Expr] = [] if node.target is None else [self.built(node.target)]
            for arg in node.args:
                args.append(self.built(arg))
            member = node.target is not None
            bound = self._functions.declared(node.name, member, tuple([arg.type for arg in args]))
            return Call(node.id, declared, node.offset, node.name, tuple(args), member, bound)
        if kind == LIST:
            elements: list[Expr] = []
            for each in node.args:
                elements.append(self.built(each))
            return ListLiteral(node.id, declared, node.offset, tuple(elements), frozenset(node.value))
        if kind == FOLD:
            var, var2, accu = node.value
            parts: list[Any] = []
            for each in node.args:
                parts.append(self.built(each))
            outer, init, condition, step, result = parts
            place = (node.id, declared, node.offset)
            return Comprehension(*place, var, var2, outer, accu, init, condition, step, result)
        entries: list[Entry] = []
        for number, _, key, value, optional in node.args:
            if kind == MAP:
                entries.append(Entry(self.built(key), self.built(value), optional))
            else:
                name = Const(number, types.STRING, key.offset, key.value)
                entries.append(Entry(name, self.built(value), optional))
        if kind == MAP:
            return MapLiteral(node.id, declared, node.offset, tuple(entries))
        return StructLiteral(node.id, declared, node.offset, tuple(entries), node.name)
