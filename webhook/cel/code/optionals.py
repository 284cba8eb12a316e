"""The code of optional values: their fields, whether they are there, and what is taken if they are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from webhook.cel.code import pythonoperators, runtime
from webhook.cel.code.branches import Branches
from webhook.cel.code.writer import Operand
from webhook.cel.cost import charging
from webhook.cel.tree.ast import Call, Const, Expr, Select, children
from webhook.cel.tree.declared import Shape
from webhook.cel.value.values import NONE

if TYPE_CHECKING:
    from webhook.cel.code.codegen import Generator


class Optionals:
    """Generates the code of optional values in a generator's tree."""

    def __init__(self, generator: Generator) -> None:
        self.code = generator
        self.out = generator.out

    def charged(self, node: Expr, operand: Operand) -> Operand:
        """The value of a node in the forms that charge exactly: what selects from an optional, or tests its part, is
        charged only if the value is present."""
        if _finds(node):
            test = f" is not {self.out.bind(NONE)}"
        elif _tests_optional(node) and self.code.fixed[id(node)]:
            test = ""
        else:
            return operand
        self.out.charge(-1)
        operand = self.out.spill(operand)
        self.out.emit(f"if {operand.text}{test}: a.cost += 1")
        return operand

    def presence(self, node: Call) -> Operand | None:
        """optional.hasValue() in the plain form."""
        if node.declared.shape is not Shape.PRESENT or any(
            self.code.records(id(each)) for each in _chain(node.args[0])
        ):
            return None
        written = pythonoperators.optional_presence(self.out, node.args[0], self.code.value)
        if written is not None:
            self.charge_chain(node.args[0])
            self.out.charge(charging.known_cost(node) or 0)
        return written

    def default(self, node: Call) -> Operand:
        """a.or(b) and a.orValue(b). b is evaluated only if a is absent."""
        optional, default = node.args
        literal = node.declared.otherwise == "value" and pythonoperators.is_literal(default)
        if (
            self.code.bounds
            and literal
            and not any(self.code.records(id(each)) for each in (default, *_passed(optional)))
        ):
            return self.literal(optional, default)
        return self.otherwise(node.declared.otherwise, optional, default)

    def literal(self, optional: Expr, default: Expr) -> Operand:
        """optional.orValue(d) with a literal d, in the plain form. Of a conditional, each branch has its default."""
        if self.out.full():
            return self.out.outlined(set(self.code.scope.values()), lambda: self.literal(optional, default))
        if isinstance(optional, Call) and optional.function == "_?_:_":
            self.out.charge(self.code.fixed[id(optional)])
            return Branches(self.code).conditional(optional, lambda branch: self.literal(branch, default))
        written = pythonoperators.optional_value(self.out, optional, default, self.code.value)
        if written is not None:
            self.charge_chain(optional)
            return written
        return self.otherwise("value", optional, default)

    def otherwise(self, otherwise: str, optional_node: Expr, default_node: Expr) -> Operand:
        optional = self.out.spill(self.code.value(optional_node))
        target = self.out.fresh()
        with self.out.block(f"if {self.out.bind(runtime.is_absent)}({optional.text}):"), self.code.account():
            default = self.code.value(default_node)
            self.out.emit(f"{target} = {default.text}")
        with self.out.block("else:"):
            self.out.emit(f"{target} = {optional.text}{'.value' if otherwise == 'value' else ''}")
        return Operand(target, atomic=True)

    def index(self, node: Call) -> Operand:
        """An index of an optional. The key is evaluated only if the optional is present."""
        operand, target = self.out.spill(self.code.value(node.args[0])), self.out.fresh()
        self.code.forget(node.args[1:])
        with self.out.block(f"if {operand.text} is {self.out.bind(NONE)}:"):
            self.out.emit(f"{target} = {operand.text}")
        with self.out.block("else:"), self.code.account():
            found = self.out.call(node.declared.call, operand, self.code.value(node.args[1]))
            self.out.emit(f"{target} = {found.text}")
        return Operand(target, atomic=True)

    def charge_chain(self, node: Expr) -> None:
        """Charge for a chain of optional selections that was generated as one expression."""
        for each in _chain(node):
            self.out.charge(self.code.fixed[id(each)])


def _finds(node: Expr) -> bool:
    """Whether a node selects from an optional, or is an optional selection."""
    if isinstance(node, Select):
        return not node.test and node.operand.type.name == "optional_type"
    if isinstance(node, Call) and node.function == "_[_]":
        return node.args[0].type.name == "optional_type"
    return isinstance(node, Call) and node.function in ("_?._", "_[?_]")


def _passed(node: Expr) -> Iterator[Expr]:
    """The optionals of which the plain form makes none where they have a literal default."""
    if isinstance(node, Call) and node.function == "_?_:_":
        yield node
        for branch in node.args[1:]:
            yield from _passed(branch)
    else:
        yield from _chain(node)


def _chain(node: Expr) -> Iterator[Expr]:
    """A chain of optional selections, without what they select from."""
    below: Sequence[Expr] = (node,)
    while below and below[0].type.name == "optional_type":
        yield below[0]
        below = children(below[0])


def indexes_optional(node: Call) -> bool:
    """Whether a call is an index, with a key that has to be evaluated, of an optional."""
    is_index = node.function in ("_[_]", "_[?_]")
    return is_index and node.args[0].type.name == "optional_type" and not isinstance(node.args[1], Const)


def _tests_optional(node: Expr) -> bool:
    return isinstance(node, Select) and node.test and node.operand.type.name == "optional_type"
