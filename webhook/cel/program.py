"""A compiled expression, and what it is evaluated on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from webhook.cel.ast import Expr
from webhook.cel.codegen import generate
from webhook.cel.errors import BudgetExceeded, CostError, EvaluationError
from webhook.cel.functions import Functions
from webhook.cel.types import Type
from webhook.cel.witness import witnesses
from webhook.paths import Path

if TYPE_CHECKING:
    from webhook.cel.explanation import Explanation
    from webhook.cel.privacy import Private

DEFAULT_LIMIT = 1_000_000
"""Units of work an evaluation may take; a round of a loop costs as many as its body has nodes."""

_NOTHING: Mapping[str, Any] = {}


class Activation(dict[str, Any]):
    """The variables of one evaluation, or of several that share them.

    bindings: name -> value, as JSON gives it. lazy: name -> function that gives the value, called at the first use.
    variables: `variables.NAME` -> the program of a composited variable, evaluated at its first use and at most once;
    its error, too, is kept and surfaces at each use. limit: units of work, for all evaluations on this activation.
    """

    __slots__ = ("_errors", "_lazy", "_variables", "cost", "limit")

    def __init__(
        self,
        bindings: Mapping[str, Any] = _NOTHING,
        lazy: Mapping[str, Callable[[], Any]] = _NOTHING,
        variables: Mapping[str, Program] = _NOTHING,
        limit: int = DEFAULT_LIMIT,
    ) -> None:
        dict.__init__(self, bindings)
        self._lazy = lazy
        self._variables = variables
        self._errors: dict[str, str] | None = None
        self.cost = 0
        self.limit = limit

    def __missing__(self, name: str) -> Any:
        program = self._variables.get(name)
        if program is not None:
            cost = self.cost
            try:
                value = self[name] = program.plain(self)
            except Exception:  # noqa: S110 - as in Program.evaluate
                pass
            else:
                return value
            self.cost = cost
            return self._composited(name, program)
        value = self[name] = self._lazy[name]()
        return value

    def _composited(self, name: str, program: Program) -> Any:
        if self._errors is None:
            self._errors = {}
        text = self._errors.get(name)
        if text is None:
            try:
                value = self[name] = self._evaluate_carefully(program)
            except CostError:
                raise BudgetExceeded from None
            except EvaluationError as error:
                text = f'composited variable "{name.removeprefix("variables.")}" fails to evaluate: {error}'
                self._errors[name] = text
            else:
                return value
        raise EvaluationError(text)

    def _evaluate_carefully(self, program: Program) -> Any:
        return program.evaluate_exactly(self)


class Recording(Activation):
    """An activation that also keeps the value of every node that is evaluated on it.

    record: id(node) -> value, and what `codegen.place_key` and `chosen_key` name. variables: as in Activation.
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
        recording = cls(activation, activation._lazy, activation._variables, activation.limit)
        recording.cost = activation.cost
        return recording

    @property
    def variables(self) -> Mapping[str, Program]:
        """The programs of the composited variables."""
        return self._variables

    def __missing__(self, name: str) -> Any:
        program = self._variables.get(name)
        return super().__missing__(name) if program is None else self._composited(name, program)

    def _evaluate_carefully(self, program: Program) -> Any:
        return program.evaluate_recording(self)


class Program:
    """An expression ready to be evaluated, any number of times and from any number of threads.

    `type` is what the checker inferred, `source` the text it was compiled from.
    """

    __slots__ = ("_exact", "_functions", "_recording", "plain", "source", "tree", "type")

    def __init__(self, source: str, tree: Expr, functions: Functions) -> None:
        self.source = source
        self.tree = tree
        self.type: Type = tree.type
        self._functions = functions
        self.plain = generate(tree, functions, "plain")
        # The other forms are wanted rarely, and made then.
        self._exact: Callable[[Any], Any] | None = None
        self._recording: Callable[[Any], Any] | None = None

    def __repr__(self) -> str:
        return f"Program({self.source!r}: {self.type})"

    def evaluate(self, activation: Activation) -> Any:
        """The value of the expression: None, bool, int, float, str, bytes, list, dict, or a type of `values`.

        Raises EvaluationError with the API server's text; CostError, one of them, when the budget is used up.
        """
        cost = activation.cost
        try:
            return self.plain(activation)
        except Exception:  # noqa: S110 - whatever it was, the exact form tells
            pass
        except BudgetExceeded:
            raise CostError from None
        activation.cost = cost
        return self.evaluate_exactly(activation)

    def evaluate_exactly(self, activation: Activation) -> Any:
        """The same value or error, by the careful form of the code. Only tests call it for more than errors."""
        if self._exact is None:
            self._exact = generate(self.tree, self._functions, "exact")
        return _guarded(self._exact, activation)

    def evaluate_recording(self, activation: Recording) -> Any:
        """The same value or error; `activation.record` has every node's value then."""
        if self._recording is None:
            self._recording = generate(self.tree, self._functions, "recording")
        return _guarded(self._recording, activation)

    def explain(self, activation: Activation, private: Private | None = None) -> Explanation:
        """Why the expression has the value that `evaluate` gives: see webhook.cel.explain.

        A fresh activation, or the Recording of expressions evaluated before it (the variables of one policy). Errors of
        the expression are part of the explanation. private: what must not be shown of the variables' values.
        """
        from webhook.cel import explain, privacy  # wanted rarely, and loaded then

        return explain.explain(self, Recording.of(activation), private or privacy.NOTHING)

    def witnesses(self, activation: Recording, root: str = "object") -> tuple[Path, ...]:
        """The Paths into the variable `root` that decide the expression's value, the most telling first.

        Empty where nothing of it does. The activation must be fresh; errors count as no witness.
        """
        try:
            self.evaluate_recording(activation)
        except EvaluationError:
            return ()
        return witnesses(self, activation, root)


def _guarded(run: Callable[[Any], Any], activation: Activation) -> Any:
    try:
        return run(activation)
    except BudgetExceeded:
        raise CostError from None
    except RecursionError:
        raise EvaluationError("value is nested too deeply") from None
