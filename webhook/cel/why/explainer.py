"""Explains the value of an expression: the tree of its sub-expressions, with the value of each.

The tree (webhook.cel.why.explanation) is built from the record that the recording form of the code made, so it shows
the evaluation that took place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from webhook.cel.code.recording import Record, Rounds, error_key, rounds_key
from webhook.cel.tree.ast import (
    Call,
    Comprehension,
    Const,
    Expr,
    Ident,
    ListLiteral,
    MapLiteral,
    Select,
    children,
    logical_terms,
    variables_in,
)
from webhook.cel.tree.declared import Shape
from webhook.cel.tree.errors import EvaluationError
from webhook.cel.tree.macros import Fold, recognise
from webhook.cel.tree.sourcespans import Spans
from webhook.cel.value.values import NONE
from webhook.cel.why import privacy
from webhook.cel.why.explanation import Explanation, Form, Outcome, Round, Step
from webhook.cel.why.origins import At, Frame, Origin, Origins
from webhook.cel.why.privacy import CLEAN, PRIVATE, Private
from webhook.cel.why.witness import witnesses
from webhook.paths import Path

if TYPE_CHECKING:  # an import at run time would be circular
    from webhook.cel.program import Program, Recording

_MISSING: Final = object()


def explain(program: Program, activation: Recording, private: Private = privacy.NOTHING) -> Explanation:
    """Evaluate a program on an activation and explain its value or error: see `explanation`."""
    error = ""
    try:
        program.evaluate_recording(activation)
    except EvaluationError as raised:
        error = str(raised)
    return explanation(program, activation, error, private)


def explanation(program: Program, activation: Recording, error: str, private: Private = privacy.NOTHING) -> Explanation:
    """The explanation of a program that was evaluated on an activation. error: the text of its error, else "".

    private: the parts of the variables that must not be shown. Nothing is hidden here; every Step has its level.
    """
    context = _Context(activation, private)
    if error:  # the root may have a value in the record, from an evaluation with a larger budget
        activation.record.pop(id(program.tree), None)
    root = _Tree(context, program).step(program.tree, activation.record, {}, error)
    paths = witnesses(program, activation, "object", private=bool(private))
    return Explanation(root, paths, context.variables)


def unexplained(program: Program, activation: Recording, error: str, private: Private) -> Explanation:
    """The same without the steps, for an expression that is too deep for them."""
    level = PRIVATE if private else CLEAN
    value = None if error else activation.record.get(id(program.tree))
    outcome: Outcome = "error" if error else "value"
    root = Step(
        program.source,
        0,
        len(program.source),
        "too deep to explain",
        outcome,
        value,
        error,
        level,
        level,
        plain=True,
    )
    return Explanation(root, (), {})


class _Local(Struct):
    """A loop variable, or the variable that optMap binds."""

    level: int
    origin: Origin


_Locals = Mapping[str, _Local]


class _Context:
    """The state that the trees of an expression and of its variables share."""

    def __init__(self, activation: Recording, private: Private) -> None:
        self.activation = activation
        self.private = private
        self.origins = Origins(activation, "object", private=bool(private))
        self.variables: dict[str, Step] = {}  # those in the tree so far
        self._static: dict[str, int] = {}

    def root_level(self, name: str) -> int:
        """The highest privacy level that a variable's value may have, whether it was evaluated or not."""
        program = self.activation.variables.get(name)
        if program is None:
            return self.private.level(self.activation.get(name))
        if name not in self._static:
            self._static[name] = CLEAN  # variables are not recursive
            self._static[name] = max(map(self.root_level, variables_in(program.tree)), default=CLEAN)
        return self._static[name]


class _Tree:
    """Builds the steps of one program."""

    def __init__(self, context: _Context, program: Program) -> None:
        self.context = context
        self.private = context.private
        self.source = program.source
        self.spans = Spans(program.source)

    # ------------------------------------------------------------------------------------------------- one node

    def step(self, node: Expr, record: Record, scope: _Locals, error: str, decides: bool = True) -> Step:
        """The step of a node that was evaluated. error: the text of its error if it has no value."""
        value = record.get(id(node), _MISSING)
        if isinstance(node, Const):
            value = node.value
        match node:
            case Ident():
                made = self.name(node, value, scope, error)
            case Call(function="_&&_" | "_||_"):
                made = self.logical(node, value, record, scope, error)
            case Call(function="_?_:_") if self.spans.macro(node):
                made = self.mapped_optional(node, value, record, scope, error)
            case Call(function="_?_:_"):
                made = self.conditional(node, value, record, scope, error)
            case Comprehension():
                made = self.loop(node, value, record, scope, error)
            case _:
                made = self.ordinary(node, value, record, scope, error)
        start, end = self.spans.of(node)
        failed = value is _MISSING or error_key(node) in record
        return Step(
            self.source,
            start,
            end,
            made.name,
            "error" if failed else "value",
            None if value is _MISSING else value,
            (error or _text(record.get(error_key(node)))) if failed else "",
            made.level,
            _error_level(node, made) if failed else CLEAN,
            decides,
            self.place(node, record, scope),
            made.plain and not failed,
            made.children,
            made.variable,
            made.rounds,
            made.total,
            made.form,
        )

    def skipped(self, node: Expr) -> Step:
        start, end = self.spans.of(node)
        return Step(self.source, start, end, self.named(node), "skipped", decides=False)

    def parts(
        self, nodes: Iterable[Expr], record: Record, scope: _Locals, error: str, done: bool
    ) -> tuple[list[Step], bool]:
        """The steps of nodes that are evaluated in order, until one fails; and whether one failed.

        done: their parent has a value, so none failed.
        """
        steps: list[Step] = []
        failed = False
        for node in nodes:
            there = isinstance(node, Const) or id(node) in record
            if failed or (done and not there):
                steps.append(self.skipped(node))
                continue
            failed = not there
            steps.append(self.step(node, record, scope, error))
        return steps, failed

    def place(self, node: Expr, record: Record, scope: _Locals) -> Path | None:
        frame, origins = _frame(record, scope), self.context.origins
        if isinstance(node, Select) and node.test:
            operand = origins.place(node.operand, frame)
            return None if operand is None else (*operand, node.field)
        return origins.place(node, frame)

    def named(self, node: Expr) -> str:
        match node:
            case Const():
                return "literal"
            case Ident():
                return node.name
            case Select():
                return "has" if node.test else f".{node.field}"
            case ListLiteral():
                return "list"
            case MapLiteral():
                return "map"
            case _:
                pass
        macro = self.spans.macro(node)
        if macro:
            return macro
        if isinstance(node, Call):
            return "in" if node.function in ("@in", "_in_") else node.function.replace("_", "") or node.function
        return "loop"

    # ------------------------------------------------------------------------------------------------- by its form

    def name(self, node: Ident, value: Any, scope: _Locals, error: str) -> _Made:
        if node.name in scope:
            return _Made(node.name, scope[node.name].level, plain=True)
        context = self.context
        program = context.activation.variables.get(node.name)
        if program is None:
            return _Made(node.name, self.private.level(value), plain=True)
        known = context.variables.get(node.name)
        if known is not None:
            return _Made(node.name, known.level, error_level=known.error_level, plain=True)
        prefix = f'composited variable "{node.name.removeprefix("variables.")}" fails to evaluate: '
        record = context.activation.record
        own = _Tree(context, program).step(program.tree, record, {}, error.removeprefix(prefix))
        context.variables[node.name] = own
        return _Made(node.name, own.level, variable=own)

    def ordinary(self, node: Expr, value: Any, record: Record, scope: _Locals, error: str) -> _Made:
        """A node that evaluates all its parts in order."""
        done = value is not _MISSING
        nodes: Sequence[Expr] = children(node)
        if isinstance(node, Call) and node.function == "_?._":
            nodes = nodes[:1]  # the other is the field's name
        steps, _ = self.parts(nodes, record, scope, error, done)
        levels = [step.level for step in steps]
        plain = False
        match node:
            case Select(test=True):
                level = CLEAN if levels[0] != PRIVATE else PRIVATE
            case Select() | Call() if privacy.reaches(node):
                level = PRIVATE if any(levels[1:]) else self.private.projected(steps[0].value, levels[0], value)
                plain = all(step.plain for step in steps)
            case Call():
                level = privacy.of_call(node, levels)
                if node.declared.lazy and done and steps[0].value is not NONE:
                    steps[1:] = [self.skipped(each) for each in nodes[1:]]
            case _:
                level = max(levels, default=CLEAN)
                plain = all(step.plain for step in steps)
        form: Form = "default" if isinstance(node, Call) and node.declared.otherwise else ""
        return _Made(self.named(node), level, tuple(steps), plain=plain or isinstance(node, Const), form=form)

    def logical(self, node: Call, value: Any, record: Record, scope: _Locals, error: str) -> _Made:
        decisive = node.function == "_||_"
        steps: list[Step] = []
        is_open = True
        for term in logical_terms(node, node.function):
            found = record.get(id(term), _MISSING)
            if isinstance(term, Const):
                found = term.value
            caught = record.get(error_key(term))
            if not is_open or (found is _MISSING and caught is None and value is not _MISSING):
                steps.append(self.skipped(term))
                continue
            is_open = caught is not None or (found is not _MISSING and found is not decisive)
            wanted = value is not decisive and (value is not _MISSING or caught is not None or found is _MISSING)
            steps.append(self.step(term, record, scope, _text(caught) or error, wanted or found is decisive))
        levels = [step.level for step in steps]
        return _Made(self.named(node), PRIVATE if any(levels) else CLEAN, tuple(steps))

    def conditional(self, node: Call, value: Any, record: Record, scope: _Locals, error: str) -> _Made:
        condition, yes, no = node.args
        (first,), failed = self.parts([condition], record, scope, error, value is not _MISSING)
        if failed or not isinstance(first.value, bool):
            return _Made("?:", PRIVATE, (first, self.skipped(yes), self.skipped(no)))
        steps = [first]
        for branch, taken in ((yes, first.value), (no, not first.value)):
            steps.append(self.step(branch, record, scope, error) if taken else self.skipped(branch))
        chosen = steps[1 if first.value else 2]
        level = PRIVATE if first.level else chosen.level
        return _Made("?:", level, tuple(steps))

    def mapped_optional(self, node: Call, value: Any, record: Record, scope: _Locals, error: str) -> _Made:
        """target.optMap(v, result): target.hasValue() ? optional.of(result for v = target.value()) : optional.none()"""
        present, yes, _ = node.args
        target_node = children(present)[0]
        name = self.spans.macro(node)
        (target,), failed = self.parts([target_node], record, scope, error, id(present) in record)
        fold = yes.args[0] if isinstance(yes, Call) and yes.declared.shape is Shape.SAME else yes
        if not isinstance(fold, Comprehension):
            return _Made(name, PRIVATE if target.level else CLEAN, (target,), form="mapped")
        if failed or record.get(id(present)) is not True:
            level, result = target.level, self.skipped(fold.result)
        else:
            level = self.private.projected(target.value, target.level, record.get(id(fold.init)))
            inner = {**scope, fold.accu: _Local(level, self.context.origins.of(fold.init, _frame(record, scope)))}
            result = self.step(fold.result, record, inner, error)
            level = max(result.level, PRIVATE if target.level == PRIVATE else CLEAN)
        return _Made(name, level, (target, result), form="mapped")

    # ------------------------------------------------------------------------------------------------------ loops

    def loop(self, node: Comprehension, value: Any, record: Record, scope: _Locals, error: str) -> _Made:
        fold = recognise(node)
        if fold.kind == "bind":
            return self.binding(node, value, record, scope, error)
        (outer,), failed = self.parts([node.range], record, scope, error, value is not _MISSING)
        rounds = record.get(rounds_key(node))
        total = len(outer.value) if isinstance(outer.value, list | dict) else 0
        # Not every round is kept. The value may depend on private parts that only a dropped round read.
        used = variables_in(node.step, frozenset((node.var, node.var2, node.accu)))
        touched = (scope[name].level if name in scope else self.context.root_level(name) for name in used)
        level = PRIVATE if max(outer.level, *touched, CLEAN) else CLEAN
        if failed or rounds is None:
            return _Made(self.named(node), level, (outer,), total=total, form="loop")
        shown = [
            self.round(node, fold, each, decided, _frame(record, scope), scope, error, outer)
            for each, decided in _telling(fold, rounds, value, record)
        ]
        return _Made(self.named(node), level, (outer,), rounds=tuple(shown), total=total, form="loop")

    def round(
        self,
        node: Comprehension,
        fold: Fold,
        each: tuple[int, Any, Record],
        decided: bool,
        frame: Frame,
        scope: _Locals,
        error: str,
        outer: Step,
    ) -> Round:
        place, item, record = each
        found = self.context.origins.inside(node, place, frame).scope
        names = [name for name in (node.var, node.var2) if name]
        values = list(item) if node.var2 else [item]
        levels = [self.private.projected(outer.value, outer.level, each) for each in values]
        inner = {**scope, **{name: _Local(level, found[name]) for name, level in zip(names, levels, strict=True)}}
        body: list[Expr] = [fold.filter] if fold.filter is not None else []
        filtered = isinstance(fold.value, Ident) and fold.value.name == node.var  # filter() gives the element itself
        if fold.kind != "general" and not (body and (filtered or record.get(id(fold.filter)) is not True)):
            body += [fold.value] if fold.key is None else [fold.key, fold.value]
        steps: list[Step] = []
        for part in body:
            there = isinstance(part, Const) or id(part) in record
            caught = _text(record.get(error_key(part)))
            steps.append(self.step(part, record, inner, caught or error))
            if not there:
                break
        items = tuple(zip(names, values, levels, strict=True))
        element = found[names[-1]]
        return Round(place, items, element.path if isinstance(element, At) else None, decided, tuple(steps))

    def binding(self, node: Comprehension, value: Any, record: Record, scope: _Locals, error: str) -> _Made:
        (bound,), failed = self.parts([node.init], record, scope, error, value is not _MISSING)
        if failed:
            return _Made(self.named(node), bound.level, (bound, self.skipped(node.result)))
        inner = {**scope, node.accu: _Local(bound.level, self.context.origins.of(node.init, _frame(record, scope)))}
        result = self.step(node.result, record, inner, error)
        return _Made(self.named(node), result.level, (bound, result))


def _telling(fold: Fold, rounds: Rounds, value: Any, record: Record) -> list[tuple[tuple[int, Any, Record], bool]]:
    """The rounds of a loop that explain its value, each with True if it decided."""
    if not rounds.finished and rounds.place >= 0:
        return [((rounds.place, rounds.item, record), True)]
    if value is _MISSING and fold.kind != "general":
        # A loop reports the first error in its values, but the last one in its filter.
        failed = [each for each in rounds.kept if error_key(fold.value) in each[2]][:1]
        if fold.filter is not None:
            failed = [each for each in rounds.kept if error_key(fold.filter) in each[2]][-1:] or failed
        return [(each, True) for each in failed]
    condition = fold.filter if fold.filter is not None else fold.value if fold.kind == "exists_one" else None
    if condition is not None:
        chosen = [each for each in rounds.kept if each[2].get(id(condition)) is True]
        if chosen:
            return [(each, False) for each in chosen]
    return [(each, False) for each in rounds.kept]


def _error_level(node: Expr, made: _Made) -> int:
    """The privacy level of the error of a node."""
    below = (*made.children, *(child for each in made.rounds for child in each.children))
    raised = [step for step in below if step.outcome == "error"]
    if made.variable is not None:
        raised.append(made.variable)
    if raised or made.error_level:
        return max((step.error_level for step in raised), default=made.error_level)
    if privacy.reaches(node) and not any(step.level for step in made.children[1:]):
        return CLEAN  # it names the missing key
    return max((made.level, *(step.level for step in made.children)))


def _frame(record: Record, scope: _Locals) -> Frame:
    return Frame(record, {name: local.origin for name, local in scope.items()})


def _text(error: EvaluationError | None) -> str:
    return "" if error is None else str(error)


class _Made(Struct):
    """The fields of a Step that depend on the kind of its node."""

    name: str
    level: int
    children: tuple[Step, ...] = ()
    error_level: int = CLEAN
    plain: bool = False
    variable: Step | None = None
    rounds: tuple[Round, ...] = ()
    total: int = 0
    form: Form = ""
