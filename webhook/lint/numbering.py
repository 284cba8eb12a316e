"""Numbers for expressions: equal expressions have equal numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webhook.cel import Program
from webhook.cel.tree.ast import Call, Comprehension, Const, Expr, Ident, ListLiteral, MapLiteral, Select, StructLiteral
from webhook.cel.tree.declared import Shape


class Numbering:
    """The numbers of the expressions of a policy. variables: `variables.NAME` -> program."""

    def __init__(self, variables: Mapping[str, Program]) -> None:
        self._variables = variables
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._numbered: dict[int, int] = {}
        self._kept: list[Expr] = []  # keeps the ids of nodes unique

    def of(self, node: Expr) -> int:
        """The number of an expression."""
        known = self._numbered.get(id(node))
        if known is None:
            known = self._numbers.setdefault(self._key(node), len(self._numbers))
            self._numbered[id(node)] = known
            self._kept.append(node)
        return known

    def _key(self, node: Expr) -> tuple[Any, ...]:
        number = self.of
        match node:
            case Const(value=value):
                return "const", type(value).__name__, value
            case Ident(name=name):
                program = self._variables.get(name)
                if program is not None and isinstance(program.tree, Ident | Select):
                    return ("same", number(program.tree))
                return "ident", name
            case Select(operand=operand, field=field, test=test):
                return "select", number(operand), field, test
            case Call(args=(one,)) if node.declared.shape is Shape.LENGTH:  # called as a method, and as a function
                return "length", number(one)
            case Call(function=function, args=args, member=member):
                return "call", function, member, *map(number, args)
            case ListLiteral(elements=elements, optional=optional):
                return "list", optional, *map(number, elements)
            case MapLiteral(entries=entries):
                name = node.name if isinstance(node, StructLiteral) else ""
                return "map", name, *((number(each.key), number(each.value), each.optional) for each in entries)
            case Comprehension():
                parts = (node.range, node.init, node.condition, node.step, node.result)
                return "fold", node.var, node.var2, node.accu, *map(number, parts)
        raise TypeError(type(node).__name__)
