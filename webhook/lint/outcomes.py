"""The values that an expression may have over all requests: true, false, another value, or an error by a read of null.

The expression is evaluated once, on abstract values for all requests of an operation: on CREATE `oldObject` is null, on
DELETE `object` is null, and `request.operation` is the operation. Everything else is unknown. So an outcome has every
value that some request leads to, and may have values that no request leads to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from webhook.cel import Program
from webhook.cel.tree.ast import Call, Comprehension, Const, Expr, Ident, ListLiteral, MapLiteral, Select
from webhook.cel.tree.declared import Shape
from webhook.cel.tree.macros import recognise
from webhook.lint.abstractvalues import (
    ANYTHING,
    NOTHING,
    UNKNOWN,
    Null,
    Outcome,
    combined,
    compared,
    constant,
    decided,
    either,
    has_value,
    may_let,
    narrowed,
    negated,
    simple,
)
from webhook.lint.comparisons import MIRRORED, Comparison, Operator, alike, contradict
from webhook.lint.numbering import Numbering
from webhook.paths import Path
from webhook.policy.request import CONNECT, CREATE, DELETE


class Known(NamedTuple):
    """The requests that are considered. operation: "" for any. nulls: whether `object` or `oldObject` is null on it."""

    operation: str = ""
    nulls: bool = True


class Outcomes:
    """The outcomes of one policy's expressions, as far as `known` determines them.

    variables: `variables.NAME` -> program.
    """

    def __init__(self, variables: Mapping[str, Program], known: Known = Known()) -> None:  # noqa: B008 - immutable
        self._variables = variables
        self._known = known
        self._done: dict[str, Outcome] = {}
        self._numbering = Numbering(variables)
        self._at: str | Path = ()
        self.settled: dict[str | Path, list[tuple[Expr, bool]]] = {}
        """By expression: the outermost conditions in it that have one value for all requests."""

    def of(self, program: Program, name: str | Path) -> Outcome:
        """The outcome of an expression. name: see Null."""

        def work() -> Outcome:
            before, self._at = self._at, name
            self.settled.setdefault(name, [])
            try:
                return self._outcome(program.tree, {})
            finally:
                self._at = before

        return program.followed(work, self._variables)

    # Nodes

    def _outcome(self, node: Expr, local: Mapping[str, Outcome]) -> Outcome:
        match node:
            case Const(value=value):
                return constant(value)
            case Ident(name=name):
                return local[name] if name in local else self._named(name)
            case Select():
                return self._select(node, local)
            case Call():
                marked = len(self.settled[self._at])
                return self._settle(node, self._call(node, local), marked)
            case Comprehension():
                marked = len(self.settled[self._at])
                return self._settle(node, self._fold(node, local), marked)
            case ListLiteral(elements=elements):
                parts = [self._outcome(each, local) for each in elements]
                return combined(parts, present=True)
            case MapLiteral(entries=entries):
                parts = [self._outcome(part, local) for entry in entries for part in (entry.key, entry.value)]
                return combined(parts, present=True)
        raise TypeError(type(node).__name__)

    def _settle(self, node: Expr, outcome: Outcome, marked: int) -> Outcome:
        """Record a condition that has one value for all requests, in place of the conditions within it."""
        if node.type.name == "bool" and not outcome.other and outcome.true != outcome.false:
            found = self.settled[self._at]
            del found[marked:]
            found.append((node, outcome.true))
        return outcome

    def _named(self, name: str) -> Outcome:
        program = self._variables.get(name)
        if program is not None:
            if name not in self._done:
                self._done[name] = ANYTHING  # a variable that uses itself
                before, self._at = self._at, name
                self.settled.setdefault(name, [])
                self._done[name] = self._outcome(program.tree, {})
                self._at = before
            return self._done[name]
        if self._known.operation:
            null = {DELETE: ("object",), CREATE: ("oldObject",), CONNECT: ("oldObject",)}
            if self._known.nulls and name in null.get(self._known.operation, ()):
                return constant(None)
            if name in ("object", "oldObject"):
                return Outcome(true=False, false=False, fails=False, present=True)
        return Outcome(fails=False)

    def _select(self, node: Select, local: Mapping[str, Outcome]) -> Outcome:
        operand = node.operand
        if node.field == "operation" and isinstance(operand, Ident) and operand.name == "request" and not node.test:
            if self._known.operation and "request" not in local:
                return constant(self._known.operation)
            return Outcome(true=False, false=False, fails=False, present=True)
        of = self._outcome(operand, local)
        if of.constant is None:
            if node.test:
                return constant(False)
            return self._null(operand, node.offset, of)
        if node.test:
            return Outcome(other=False, nulls=of.nulls, fails=of.fails)
        return narrowed(node, Outcome(nulls=of.nulls))

    def _null(self, operand: Expr, offset: int, of: Outcome) -> Outcome:
        """A read of null: an error, and no value."""
        name = _root(operand)
        if name in self._variables:
            name = self._alias(name)
        null = Null(name if name in ("object", "oldObject") else "", self._at, offset)
        return Outcome(true=False, false=False, other=False, nulls=of.nulls | {null}, fails=True)

    def _alias(self, name: str) -> str:
        """The variable that a composited variable merely renames."""
        program = self._variables[name]
        return program.tree.name if isinstance(program.tree, Ident) else ""

    def _call(self, node: Call, local: Mapping[str, Outcome]) -> Outcome:
        match node.function, node.args:
            case "_&&_" | "_||_", _:
                return self._joined(node, local)
            case "!_", (one,):
                of = self._outcome(one, local)
                return Outcome(true=of.false, false=of.true, other=False, constant=negated(of.constant),
                               nulls=of.nulls, fails=of.fails)  # fmt: skip
            case "_?_:_", (condition, one, other):
                return self._either(condition, one, other, local)
            case (("_==_" | "_!=_" | "_<_" | "_<=_" | "_>_" | "_>=_"), (left, right)):
                return self._compared(node, left, right, local)
            case "@in", (left, right):
                return self._within(node, left, right, local)
            case (("_?._" | "_[?_]"), (operand, _)):
                of = self._outcome(operand, local)
                if of.constant is None or of.constant is NOTHING:
                    return constant(NOTHING)
                return narrowed(node, Outcome(nulls=of.nulls, fails=of.fails))
        if node.declared.present is False:
            return constant(NOTHING)
        if node.declared.shape is Shape.PRESENT:
            of = self._outcome(node.args[0], local)
            if of.constant is NOTHING:
                return constant(False)
            return Outcome(other=False, nulls=of.nulls, fails=of.fails)
        if node.declared.shape is Shape.EITHER:
            of, otherwise = (self._outcome(each, local) for each in node.args)
            return otherwise if of.constant is NOTHING else either(narrowed(node, of), otherwise)
        parts = [self._outcome(each, local) for each in node.args]
        if node.function == "_[_]" and parts[0].constant is None:
            return self._null(node.args[0], node.offset, parts[0])
        if node.function == "_+_" and node.type.name == "string":
            found = combined(parts, present=True)
            texts = [part.constant for part in parts]
            if all(isinstance(text, str) for text in texts):
                return constant("".join(texts))
            filled = any(part.filled for part in parts)
            return Outcome(true=False, false=False, nulls=found.nulls, fails=found.fails, filled=filled, present=True)
        if node.declared.shape is Shape.LENGTH:
            if isinstance(parts[0].constant, str):
                return constant(len(parts[0].constant))
            if isinstance(node.args[0], ListLiteral) and not node.args[0].optional:
                return constant(len(node.args[0].elements))
        if node.function == "-_" and isinstance(parts[0].constant, int) and not isinstance(parts[0].constant, bool):
            return constant(-parts[0].constant)
        return narrowed(node, combined(parts))

    def _joined(self, node: Call, local: Mapping[str, Outcome]) -> Outcome:
        """The outcome of `&&` or `||`. A side that decides alone absorbs the errors of the other."""
        conjunction = node.function == "_&&_"
        left, right = (self._outcome(each, local) for each in node.args)
        if conjunction:
            true, false = left.true and right.true, left.false or right.false
            kept = [(left, may_let(right, True)), (right, may_let(left, True))]
        else:
            true, false = left.true or right.true, left.false and right.false
            kept = [(left, may_let(right, False)), (right, may_let(left, False))]
        nulls = frozenset[Null]().union(*(side.nulls for side, reached in kept if reached))
        fails = any(side.fails for side, reached in kept if reached)
        terms = list(_terms(node, node.function))
        if true and false and self._contradict(terms, conjunction, local):
            true, false = (False, True) if conjunction else (True, False)
        return Outcome(true=true, false=false, other=False, constant=decided(true, false, fails),
                       nulls=nulls, fails=fails)  # fmt: skip

    def _contradict(self, terms: list[Expr], conjunction: bool, local: Mapping[str, Outcome]) -> bool:
        """Whether the terms of a conjunction cannot all be true, or those of a disjunction not all false."""
        if len(terms) > _MOST_TERMS:
            return False
        compared = [each for term in terms if (each := self._comparison(term, local)) is not None]
        if not conjunction:
            compared = [each.opposite() for each in compared]
        return len(compared) > 1 and contradict(compared)

    def _comparison(self, node: Expr, local: Mapping[str, Outcome]) -> Comparison | None:
        """A term as a comparison with a constant; any other condition is compared with true."""
        if isinstance(node, Call):
            if node.function == "!_":
                inner = self._comparison(node.args[0], local)
                return None if inner is None else inner.opposite()
            if node.function in _OPERATORS and len(node.args) == 2:
                operator = _OPERATORS[node.function]
                left, right = node.args
                if operator == "in":
                    values = self._constants(right, local)
                    return None if values is None else Comparison(self._numbering.of(left), "in", values)
                if (value := self._literal(right, local)) is not UNKNOWN:
                    return self._with(left, operator, value)
                if (value := self._literal(left, local)) is not UNKNOWN:
                    return self._with(right, MIRRORED[operator], value)
        return Comparison(self._numbering.of(node), "==", True)

    def _with(self, subject: Expr, operator: Operator, value: Any) -> Comparison:
        counted = isinstance(subject, Call) and subject.declared.shape is Shape.LENGTH
        whole = counted or subject.type.name in ("int", "uint")
        return Comparison(self._numbering.of(subject), operator, value, whole, 0 if counted else None)

    def _literal(self, node: Expr, local: Mapping[str, Outcome]) -> Any:
        """The value of a constant expression; UNKNOWN for any other."""
        if isinstance(node, Const):
            return node.value
        if isinstance(node, Call) and node.function == "-_":
            return self._outcome(node, local).constant
        return UNKNOWN

    def _constants(self, node: Expr, local: Mapping[str, Outcome]) -> tuple[Any, ...] | None:
        if not isinstance(node, ListLiteral) or node.optional:
            return None
        values = tuple(self._literal(each, local) for each in node.elements)
        return None if any(value is UNKNOWN for value in values) else values

    def _either(self, condition: Expr, one: Expr, other: Expr, local: Mapping[str, Outcome]) -> Outcome:
        decides, first, second = (self._outcome(each, local) for each in (condition, one, other))
        if decides.true and not decides.false:
            found = first
        elif decides.false and not decides.true:
            found = second
        elif decides.never and not decides.false:
            found = Outcome(true=False, false=False, other=False)
        else:
            found = either(first, second)
        return Outcome(
            true=found.true,
            false=found.false,
            other=found.other,
            constant=UNKNOWN if decides.fails else found.constant,
            nulls=found.nulls | decides.nulls,
            fails=found.fails or decides.fails,
            filled=found.filled,
            present=found.present,
        )

    def _compared(self, node: Call, left: Expr, right: Expr, local: Mapping[str, Outcome]) -> Outcome:
        one, two = self._outcome(left, local), self._outcome(right, local)
        nulls, fails = one.nulls | two.nulls, one.fails or two.fails
        result = self._relation(node, left, right, one, two, local)
        if result is None:
            possible = has_value(one) and has_value(two)
            return Outcome(true=possible, false=possible, other=False, nulls=nulls, fails=fails)
        return Outcome(true=result, false=not result, other=False, constant=decided(result, not result, fails),
                       nulls=nulls, fails=fails)  # fmt: skip

    def _relation(
        self, node: Call, left: Expr, right: Expr, one: Outcome, two: Outcome, local: Mapping[str, Outcome]
    ) -> bool | None:
        """The result of a comparison that is the same for all requests; None if unknown."""
        function = node.function
        if not (has_value(one) and has_value(two)):
            return None
        if simple(one.constant) and simple(two.constant):
            return compared(function, one.constant, two.constant)
        one_is_null = (one.constant is None and two.present) or (two.constant is None and one.present)
        if function in ("_==_", "_!=_") and one_is_null:
            return function == "_!=_"
        if self._numbering.of(left) == self._numbering.of(right):
            return function in ("_==_", "_<=_", "_>=_")
        found = self._comparison(node, local)
        if found is not None and found.least is not None:
            if contradict((found,)):
                return False
            if contradict((found.opposite(),)):
                return True
        return None

    def _within(self, node: Call, left: Expr, right: Expr, local: Mapping[str, Outcome]) -> Outcome:
        one, two = self._outcome(left, local), self._outcome(right, local)
        nulls, fails = one.nulls | two.nulls, one.fails or two.fails
        if two.constant is None:
            return self._null(right, node.offset, two)
        values = self._constants(right, local)
        result: bool | None = None
        if values == ():
            result = False
        elif values is not None and simple(one.constant):
            result = alike(one.constant) in [alike(value) for value in values]
        if result is None:
            possible = has_value(one)
            return Outcome(true=possible, false=possible, other=False, nulls=nulls, fails=fails)
        return Outcome(true=result, false=not result, other=False, constant=decided(result, not result, fails),
                       nulls=nulls, fails=fails)  # fmt: skip

    def _fold(self, node: Comprehension, local: Mapping[str, Outcome]) -> Outcome:
        fold = recognise(node)
        if fold.kind == "bind":
            return self._outcome(node.result, {**local, node.accu: self._outcome(node.init, local)})
        over = self._outcome(node.range, local)
        if over.constant is None:
            return self._null(node.range, node.offset, over)
        inner = {**local, node.var: Outcome(fails=False), node.accu: Outcome(fails=False)}
        if node.var2:
            inner[node.var2] = Outcome(fails=False)
        empty = isinstance(node.range, ListLiteral) and not node.range.elements
        some = isinstance(node.range, ListLiteral) and bool(node.range.elements) and not node.range.optional
        if fold.kind in ("all", "exists"):
            each = self._outcome(fold.value, inner)
            nulls, fails = over.nulls | each.nulls, over.fails or each.fails
            if not has_value(over):
                return Outcome(true=False, false=False, other=False, nulls=nulls)
            if fold.kind == "all":
                true, false = each.true or not some, each.false and not empty
            else:
                true, false = each.true and not empty, each.false or not some
            return Outcome(true=true, false=false, other=False, nulls=nulls, fails=fails)
        parts = [over, self._outcome(node.init, local)]
        parts += [self._outcome(each, inner) for each in (node.condition, node.step, node.result)]
        return narrowed(node, combined(parts))


_MOST_TERMS: Final = 50
"""The most terms of one `&&` or `||` that are compared with each other."""

_OPERATORS: Final[dict[str, Operator]] = {
    "_==_": "==",
    "_!=_": "!=",
    "_<_": "<",
    "_<=_": "<=",
    "_>_": ">",
    "_>=_": ">=",
    "@in": "in",
}


def _terms(node: Expr, function: str) -> Iterator[Expr]:
    """The terms of nested calls of one operator."""
    pending = [node]
    while pending:
        each = pending.pop()
        if isinstance(each, Call) and each.function == function:
            pending += each.args
        else:
            yield each


def _root(node: Expr) -> str:
    """The variable that a chain of selections begins with; "" for any other expression."""
    while isinstance(node, Select):
        node = node.operand
    while isinstance(node, Call) and (node.function == "_[_]" or node.declared.shape is Shape.SAME):
        node = node.args[0]
    return node.name if isinstance(node, Ident) else ""
