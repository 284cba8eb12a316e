"""Programs (compiled expressions) and activations (the variables of their evaluations)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from webhook.cel.code import codegen
from webhook.cel.code.codegen import generate
from webhook.cel.code.codegen import outline as generate_outline
from webhook.cel.code.recording import SPENT
from webhook.cel.cost.metering import RESERVE, STEP, Deadline, Metered
from webhook.cel.tree.ast import Expr, children
from webhook.cel.tree.errors import (
    BudgetExceeded,
    CostError,
    EvaluationError,
    LimitError,
    LimitExceeded,
    no_such_overload,
)
from webhook.cel.tree.stack import deep_stack, levels, with_levels, with_room
from webhook.cel.tree.types import Type
from webhook.paths import Path

if TYPE_CHECKING:
    from webhook.cel.why.asked import Asked
    from webhook.cel.why.explanation import Explanation
    from webhook.cel.why.privacy import Private

_NOTHING: Mapping[str, Any] = {}
T = TypeVar("T")


class Activation(Metered):
    """The variables of one evaluation, or of several that share them.

    bindings: name -> JSON value. lazy: name -> function that returns the value; it is called at the first use.
    variables: `variables.NAME` -> the program of a composited variable, which is evaluated once, at its first use. If
    it fails, each use raises its error. deadline: the time by which all evaluations must end; None offline, where no
    clock is read.

    Each expression has the API server's budget for one expression, and so has each composited variable. `cost` is the
    total cost of all evaluations on this activation, or an upper bound of it.
    """

    __slots__ = ("_errors", "_lazy", "_variables")

    def __init__(
        self,
        bindings: Mapping[str, Any] = _NOTHING,
        lazy: Mapping[str, Callable[[], Any]] = _NOTHING,
        variables: Mapping[str, Program] = _NOTHING,
        deadline: Deadline | None = None,
    ) -> None:
        dict.__init__(self, bindings)
        self._lazy = lazy
        self._variables = variables
        self._errors: dict[str, str] | None = None
        self._meter = None
        self._deadline = deadline
        self.cost = self.begun = 0
        self.limit = STEP if deadline is None else deadline.step

    def __missing__(self, name: str) -> Any:
        program = self._variables.get(name)
        if program is None:
            value = self[name] = self._lazy[name]()
            return value
        meter = self._meter
        if meter is not None:
            return self._variable(name, program)
        # The fast path of `_variable`, for cheap evaluations without errors.
        start, begun = self.cost, self.begun
        self.begun = start
        try:
            value = self[name] = program.plain(self)
        except BaseException:
            self.cost, self.begun = start, begun
            return self._variable(name, program)
        self.begun = begun + self.cost - start
        if self._meter is not None:
            self._meter.begun = -1  # its state belongs to the variable
        return value

    def _variable(self, name: str, program: Program) -> Any:
        """The value of a composited variable. Its cost is not charged to the expression that uses it."""
        if self._errors is None or name not in self._errors:
            suspended = self.suspend()
            try:
                value = self[name] = self._evaluated(program)
            except EvaluationError as error:
                if self._errors is None:
                    self._errors = {}
                text = f'composited variable "{name.removeprefix("variables.")}" fails to evaluate: {error}'
                self._errors[name] = text
            else:
                return value
            finally:
                self.resume(suspended)
        raise EvaluationError(self._errors[name])

    def _evaluated(self, program: Program) -> Any:
        return program.evaluate(self)


class Counting(Activation):
    """An activation whose `cost` is exactly the API server's.

    Evaluate programs on it with `evaluate_counting`; it evaluates its composited variables in the same way.
    """

    __slots__ = ()

    def __missing__(self, name: str) -> Any:
        program = self._variables.get(name)
        return super().__missing__(name) if program is None else self._variable(name, program)

    def _evaluated(self, program: Program) -> Any:
        return program.evaluate_counting(self)


class Recording(Activation):
    """An activation that also records the value of every node that is evaluated on it.

    record: id(node) -> value, and the keys of webhook.cel.code.recording. variables: as in Activation.
    """

    __slots__ = ("record",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.record: dict[Any, Any] = {}

    @classmethod
    def of(cls, activation: Activation) -> Recording:
        """A new recording with the values, lazy values, variables and budget of another activation."""
        if isinstance(activation, cls):
            return activation
        recording = cls(activation, activation._lazy, activation._variables, activation._deadline)
        recording.cost = activation.cost
        return recording

    @property
    def variables(self) -> Mapping[str, Program]:
        """The programs of the composited variables."""
        return self._variables

    def __missing__(self, name: str) -> Any:
        program = self._variables.get(name)
        return super().__missing__(name) if program is None else self._variable(name, program)

    def _evaluated(self, program: Program) -> Any:
        return program.evaluate_recording(self)


class Outlining(Activation):
    """An activation that also records what outlines of its variables want (webhook.cel.code.codegen.outline).

    record: as in Recording. outlines: the outlines of some variables, by name. failed: one of them has raised; then the
    record and the value of the expression mean nothing.
    """

    __slots__ = ("_outlines", "failed", "record")

    def __init__(self, outlines: Mapping[str, Callable[[Any], Any]], *args: Any) -> None:
        super().__init__(*args)
        self._outlines = outlines
        self.record: dict[Any, Any] = {}
        self.failed = False

    def __missing__(self, name: str) -> Any:
        outline = self._outlines.get(name)
        if outline is None:
            return super().__missing__(name)
        begun = self.begun
        start = self.begun = self.cost
        try:
            value = self[name] = outline(self)
        except BaseException:
            self.failed = True
            raise
        self.begun = begun + self.cost - start
        if self._meter is not None:
            self._meter.begun = -1  # its state belongs to the variable
        return value


class Program:
    """A compiled expression. It can be evaluated any number of times, from several threads.

    `type`: inferred by the checker. `source`: the text of the expression. `plain`: the plain form of its code, which is
    generated at the first evaluation, or by `prepare`, unless the expression is large or deep. `fixed_cost`: an upper
    bound on the part of the cost that an evaluation in the plain form does not add to the activation's `cost`.
    """

    __slots__ = (
        "_counted",
        "_exact",
        "_levels",
        "_recording",
        "_small",
        "fixed_cost",
        "plain",
        "source",
        "tree",
        "type",
    )

    def __init__(self, source: str, tree: Expr, *, small: bool = False) -> None:
        """small: the tree is so low that code for it can be generated on every stack."""
        self.source = source
        self.tree = tree
        self.type: Type = tree.type
        self.plain: Callable[[Any], Any] = _unprepared
        self.fixed_cost = RESERVE  # the most that any code may have
        # The other forms are rarely needed and generated on first use, except those of large expressions, which would
        # delay a request.
        self._counted: Callable[[Any], Any] | None = None
        self._exact: Callable[[Any], Any] | None = None
        self._recording: Callable[[Any], Any] | None = None
        self._levels = 0  # of the tree; 0: not counted yet
        self._small = small
        large = len(source) > _SHORT and _nodes(tree) > _LARGE
        if large or not small:
            self.prepare()
        if large:
            self._counted, _ = generate(tree, "counted")
            self._exact, _ = generate(tree, "exact")

    def prepare(self) -> None:
        """Generate the plain form, so that no evaluation waits for it."""
        if self.is_prepared:
            return
        plain, fixed_cost = generate(self.tree, "plain")
        if fixed_cost > RESERVE:
            plain, fixed_cost = _left_to_the_exact_form, 0
        self.fixed_cost = fixed_cost  # first: a thread that finds the code also finds its cost
        self.plain = plain

    @property
    def is_prepared(self) -> bool:
        """Whether the plain form has been generated."""
        return self.plain is not _unprepared

    def __repr__(self) -> str:
        return f"Program({self.source!r}: {self.type})"

    def evaluate(self, activation: Activation) -> Any:
        """The value of the expression: None, bool, int, float, str, bytes, list, dict, or a type of `values`.

        Raises EvaluationError with the API server's text. Its subclass CostError means that the cost budget is
        exceeded, its subclass LimitError that a limit of work, memory or time is.
        """
        activation.begun = cost = activation.cost
        try:
            return self.plain(activation)
        except Exception:  # noqa: S110 - whatever it was, the exact form tells
            pass
        except LimitExceeded as limit:
            raise LimitError(limit.text) from None
        except BudgetExceeded:  # not certain, as this form counts an upper bound
            activation.cost = cost
            return self.evaluate_counting(activation)
        activation.cost = cost
        if not self.is_prepared:
            self.prepare()
            return self.evaluate(activation)
        return self.evaluate_exactly(activation)

    def evaluate_counting(self, activation: Activation) -> Any:
        """The same value or error, with exactly the API server's cost."""
        if self._counted is None:
            self._counted = self._generated("counted")
        cost = activation.cost
        try:
            return _guarded(self._counted, activation)
        except (CostError, LimitError):
            raise
        except Exception:
            activation.cost = cost
        return self.evaluate_exactly(activation)

    def evaluate_exactly(self, activation: Activation) -> Any:
        """The same value or error, from the exact form of the code. Outside of tests it only runs to find an error."""
        if self._exact is None:
            self._exact = self._generated("exact")
        return _guarded(self._exact, activation)

    def evaluate_recording(self, activation: Recording) -> Any:
        """The same value or error. It records the value of every node in `activation.record`."""
        if self._recording is None:
            self._recording = self._generated("recording")
        activation.record.pop(SPENT, None)
        try:
            return _guarded(self._recording, activation)
        except (CostError, LimitError):
            activation.record[SPENT] = id(self.tree)
            raise

    def outlined(self, wanted: Set[Any]) -> Callable[[Any], Any] | None:
        """See webhook.cel.code.codegen.outline. A large expression has none: its code would take too long."""

        def work() -> Callable[[Any], Any] | None:
            return generate_outline(self.tree, wanted) if _nodes(self.tree) <= _LARGE else None

        return self.followed(work)

    def _generated(self, form: codegen.Form) -> Callable[[Any], Any]:
        return self.followed(lambda: generate(self.tree, form)[0])

    def explain(self, activation: Activation, private: Private | None = None) -> Explanation:
        """Evaluate the expression and explain its value: see webhook.cel.why.explainer.

        activation: a new one, or the Recording of earlier expressions of the same policy. An error of the expression is
        part of the explanation. private: the parts of the variables' values that must not be shown.
        """
        from webhook.cel.why import explainer, privacy  # loaded on first use, as it is rarely needed

        recording = Recording.of(activation)
        work = partial(explainer.explain, self, recording, private or privacy.NOTHING)
        return self.followed(work, recording.variables)

    def explained(self, activation: Recording, error: str, private: Private | None = None) -> Explanation:
        """The explanation of an evaluation by `evaluate_recording` on this activation. error: the text of the error
        that it raised, else "". Of an expression that is too deep, as with thousands of variables, only its result."""
        from webhook.cel.why import explainer, privacy

        private = private or privacy.NOTHING
        try:
            work = partial(explainer.explanation, self, activation, error, private)
            return self.followed(work, activation.variables)
        except RecursionError:
            return explainer.unexplained(self, activation, error, private)

    def decided(self, activation: Recording, root: str, asked: Asked | None = None) -> tuple[Path, ...]:
        """The Paths into the variable `root` that decided an evaluation by `evaluate_recording` on this activation, the
        best first. None are known of an expression that is too deep. asked: takes down what that depended on."""
        from webhook.cel.why.witness import witnesses  # loaded on first use, as it is rarely needed

        try:
            return self.followed(lambda: witnesses(self, activation, root, asked=asked), activation.variables)
        except RecursionError:
            if asked is not None:
                asked.by_shape = False
            return ()

    def witnesses(self, activation: Recording, root: str = "object") -> tuple[Path, ...]:
        """The Paths into the variable `root` that decide the expression's value or error, the best first.

        A Path may name an absent field. The result is empty if nothing in `root` decides, or if a budget was exceeded.
        The activation must be new.
        """
        with suppress(EvaluationError):  # the witnesses of an error are wanted too
            self.evaluate_recording(activation)
        return self.decided(activation, root)

    def followed(self, work: Callable[[], T], variables: Mapping[str, Program] | None = None) -> T:
        """The result of work that follows the program's tree by recursion, which may be deep.

        variables: those whose trees it follows too, where they are used.
        """
        if not variables:
            if self._small:
                with deep_stack(self.source):
                    return work()
            return with_room(self.source, self.tree, work)
        return with_levels(self.levels + sum([each.levels for each in variables.values()]), work)

    @property
    def levels(self) -> int:
        """How deep the tree is."""
        if not self._levels:
            self._levels = levels(self.tree)
        return self._levels


class Form(Protocol):
    """A form of the generated code, for callers that evaluate several programs: its activation and its evaluation."""

    @property
    def activation(self) -> Callable[..., Activation]: ...

    def evaluate(self, program: Program, activation: Any, /) -> Any:
        """The program's value; raises EvaluationError."""

    def exactly(self) -> Form:
        """The form that charges exactly, for an evaluation that comes near its budget."""


class _Plain:
    activation = Activation
    evaluate = staticmethod(Program.evaluate)

    def exactly(self) -> Form:
        return COUNTED


class _Counted:
    activation = Counting
    evaluate = staticmethod(Program.evaluate_counting)

    def exactly(self) -> Form:
        return self


PLAIN: Form = _Plain()
"""The form that servers use."""

COUNTED: Form = _Counted()
"""The form that charges exactly the API server's cost."""


def _guarded(run: Callable[[Any], Any], activation: Activation) -> Any:
    activation.begin_exactly()
    try:
        return run(activation)
    except LimitExceeded as limit:
        raise LimitError(limit.text) from None
    except BudgetExceeded:
        raise CostError from None
    except RecursionError:
        raise EvaluationError("value is nested too deeply") from None
    except (TypeError, AttributeError, KeyError, IndexError):
        # The checker inferred a wrong type: it assumes that a dyn has the type of its neighbour, as in `[1] + dyn(x)`.
        raise no_such_overload() from None
    finally:
        activation.end_exactly()


_LARGE = 1_000  # nodes
_SHORT = 80  # characters; so short a source never expands to _LARGE nodes


def _nodes(node: Expr) -> int:
    return 1 + sum(map(_nodes, children(node)))


class _NotPrepared(Exception):
    """The plain form has not been generated yet."""


def _unprepared(_: Any) -> Any:
    """Stands for the plain form before there is one. Only the first evaluation pays for it: no other asks for it."""
    raise _NotPrepared


def _left_to_the_exact_form(_: Any) -> Any:
    raise BudgetExceeded
