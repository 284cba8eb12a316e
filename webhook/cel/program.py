"""A compiled expression, and what it is evaluated on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from webhook.cel.code.codegen import generate
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
from webhook.cel.tree.types import Type
from webhook.paths import Path

if TYPE_CHECKING:
    from webhook.cel.why.explanation import Explanation
    from webhook.cel.why.privacy import Private

_NOTHING: Mapping[str, Any] = {}


class Activation(Metered):
    """The variables of one evaluation, or of several that share them.

    bindings: name -> value, as JSON gives it. lazy: name -> function that gives the value, called at the first use.
    variables: `variables.NAME` -> the program of a composited variable, evaluated at its first use and at most once;
    its error, too, is kept and surfaces at each use. deadline: when all has to be done; None offline, where no clock is
    read.

    Each expression may cost what one may in the API server, and so may each variable, which is one; `cost` is what all
    evaluations on this activation have cost together, or a bound on it.
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
        # As `_variable`, where all has been cheap so far and nothing is wrong.
        start, begun = self.cost, self.begun
        self.begun = start
        try:
            value = self[name] = program.plain(self)
        except BaseException:
            self.cost, self.begun = start, begun
            return self._variable(name, program)
        self.begun = begun + self.cost - start
        if self._meter is not None:
            self._meter.begun = -1  # what it knows is of the variable
        return value

    def _variable(self, name: str, program: Program) -> Any:
        """The value of a composited variable. What it costs is not charged to the expression that uses it."""
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
    """An activation whose `cost` is what the API server would have charged, and no more than that.

    Programs are to be evaluated on it by `evaluate_counting`; the composited variables are then.
    """

    __slots__ = ()

    def __missing__(self, name: str) -> Any:
        program = self._variables.get(name)
        return super().__missing__(name) if program is None else self._variable(name, program)

    def _evaluated(self, program: Program) -> Any:
        return program.evaluate_counting(self)


class Recording(Activation):
    """An activation that also keeps the value of every node that is evaluated on it.

    record: id(node) -> value, and what rounds.py names. variables: as in Activation.
    """

    __slots__ = ("record",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.record: dict[Any, Any] = {}

    @classmethod
    def of(cls, activation: Activation) -> Recording:
        """A fresh recording with what another activation has: its values so far, lazy ones, variables and budget."""
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


class Program:
    """An expression ready to be evaluated, any number of times and from any number of threads.

    `type` is what the checker inferred, `source` the text it was compiled from. `fixed_cost` is a bound on what an
    evaluation costs beside what it adds to the activation's `cost` in the plain form.
    """

    __slots__ = ("_counted", "_exact", "_recording", "fixed_cost", "plain", "source", "tree", "type")

    def __init__(self, source: str, tree: Expr) -> None:
        self.source = source
        self.tree = tree
        self.type: Type = tree.type
        self.plain, self.fixed_cost = generate(tree, "plain")
        if self.fixed_cost > RESERVE:
            self.plain, self.fixed_cost = _left_to_the_exact_form, 0
        # The other forms are wanted rarely, and made then; but not while a request waits, where that takes long.
        self._counted: Callable[[Any], Any] | None = None
        self._exact: Callable[[Any], Any] | None = None
        self._recording: Callable[[Any], Any] | None = None
        if len(source) > _SHORT and _nodes(tree) > _LARGE:
            self._counted, _ = generate(tree, "counted")
            self._exact, _ = generate(tree, "exact")

    def __repr__(self) -> str:
        return f"Program({self.source!r}: {self.type})"

    def evaluate(self, activation: Activation) -> Any:
        """The value of the expression: None, bool, int, float, str, bytes, list, dict, or a type of `values`.

        Raises EvaluationError with the API server's text; CostError, one of them, when the expression costs more than
        it may; LimitError, another, when it takes more work, memory or time than it may.
        """
        activation.begun = cost = activation.cost
        try:
            return self.plain(activation)
        except Exception:  # noqa: S110 - whatever it was, the exact form tells
            pass
        except LimitExceeded as limit:
            raise LimitError(limit.text) from None
        except BudgetExceeded:  # perhaps: this form only knows a bound
            activation.cost = cost
            return self.evaluate_counting(activation)
        activation.cost = cost
        return self.evaluate_exactly(activation)

    def evaluate_counting(self, activation: Activation) -> Any:
        """The same value or error, at the API server's cost exactly."""
        if self._counted is None:
            self._counted, _ = generate(self.tree, "counted")
        cost = activation.cost
        try:
            return _guarded(self._counted, activation)
        except (CostError, LimitError):
            raise
        except Exception:
            activation.cost = cost
        return self.evaluate_exactly(activation)

    def evaluate_exactly(self, activation: Activation) -> Any:
        """The same value or error, by the careful form of the code. Only tests call it for more than errors."""
        if self._exact is None:
            self._exact, _ = generate(self.tree, "exact")
        return _guarded(self._exact, activation)

    def evaluate_recording(self, activation: Recording) -> Any:
        """The same value or error; `activation.record` has every node's value then."""
        if self._recording is None:
            self._recording, _ = generate(self.tree, "recording")
        activation.record.pop(SPENT, None)
        try:
            return _guarded(self._recording, activation)
        except (CostError, LimitError):
            activation.record[SPENT] = id(self.tree)
            raise

    def explain(self, activation: Activation, private: Private | None = None) -> Explanation:
        """Why the expression has the value that `evaluate` gives: see webhook.cel.why.explainer.

        A fresh activation, or the Recording of expressions evaluated before it (the variables of one policy). Errors of
        the expression are part of the explanation. private: what must not be shown of the variables' values.
        """
        from webhook.cel.why import explainer, privacy  # wanted rarely, and loaded then

        return explainer.explain(self, Recording.of(activation), private or privacy.NOTHING)

    def explained(self, activation: Recording, error: str, private: Private | None = None) -> Explanation:
        """The same of an evaluation that took place: `evaluate_recording` was called on this activation, and raised
        `error` ("" where it gave a value)."""
        from webhook.cel.why import explainer, privacy

        return explainer.explanation(self, activation, error, private or privacy.NOTHING)

    def witnesses(self, activation: Recording, root: str = "object") -> tuple[Path, ...]:
        """The Paths into the variable `root` that decide the expression's value or error, the best first.

        A Path may lead to a field that is absent. Empty where nothing of `root` decides, or a budget ran out. The
        activation must be fresh.
        """
        from webhook.cel.why.witness import witnesses  # wanted rarely, and loaded then

        with suppress(EvaluationError):  # what it is about is to be found
            self.evaluate_recording(activation)
        return witnesses(self, activation, root)


class Form(Protocol):
    """Which of the forms of its code a plan of several programs uses: the activation it needs, and the call."""

    @property
    def activation(self) -> type[Activation]: ...

    def evaluate(self, program: Program, activation: Any, /) -> Any:
        """The program's value; raises EvaluationError."""

    def exactly(self) -> Form:
        """The form that charges exactly, for a plan that comes near its budget."""


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
"""What a server uses."""

COUNTED: Form = _Counted()
"""The same at the API server's cost exactly."""


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
        # The checker takes `dyn` for whatever stands beside it (`[1] + dyn(x)` for a list of ints), and was wrong.
        raise no_such_overload() from None
    finally:
        activation.end_exactly()


_LARGE = 1_000  # nodes
_SHORT = 80  # characters; of so few no macro makes so many nodes


def _nodes(node: Expr) -> int:
    return 1 + sum(map(_nodes, children(node)))


def _left_to_the_exact_form(_: Any) -> Any:
    raise BudgetExceeded
