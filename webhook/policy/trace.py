"""The trace of one evaluation of a CEL policy: the result of each expression.

A `Recorder` replaces the plain form of the code (webhook.cel.program.Form) while a policy is evaluated, so the trace
shows the same evaluation that gave the verdict. Each evaluation, with one param object, has its own trace. A trace can
be explained as long as the policy, the request and the param object are alive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from webhook.cel import EvaluationError, Program, Recording
from webhook.frozen import Guarded
from webhook.paths import Path

if TYPE_CHECKING:
    from webhook.cel.program import Outlining
    from webhook.cel.why.explanation import Explanation
    from webhook.cel.why.privacy import Private
    from webhook.cel.why.shapes import Outlines, Shapes
    from webhook.policy.reviewing import Recording as Wanted


class Traced(Guarded, frozen=True):
    """The evaluation of one expression of a policy.

    place: its path in the policy object, such as `spec.validations[1].expression`. recording: the values of its
    sub-expressions and of the variables that it used. value: its result; None after an error. error: the text of the
    error, else "". shapes: the witnesses of the policy that are known already, if they are kept.
    """

    unshown = frozenset({"recording", "value", "shapes"})
    uncompared = frozenset({"shapes"})

    place: Path
    program: Program
    recording: Recording
    value: Any
    error: str
    shapes: Shapes | None = None

    def explained(self, private: Private | None = None) -> Explanation:
        """The explanation of the result, step by step. private: the parts of the values that must not be shown."""
        return self.program.explained(self.recording, self.error, private)

    def witnesses(self) -> tuple[Path, ...]:
        """The Paths into the request's object that decided its value or error, the best first."""
        if self.shapes is not None:
            return self.shapes.witnesses(self.program, self.recording)
        return self.program.decided(self.recording, "object")


class Trace(Struct, frozen=True):
    """The evaluated expressions, in order: matchConditions, validations, messages, auditAnnotations.

    complete: the trace has all of them. Otherwise conditions and validations that are true are left out.
    """

    expressions: tuple[Traced, ...]
    complete: bool

    def at(self, place: Path | None) -> Traced | None:
        """The expression at a path in the policy object; None if it was not evaluated or not traced."""
        return next((each for each in self.expressions if each.place == place), None)

    def witnesses(self, place: Path) -> tuple[Path, ...]:
        """Those of the expression at a path in the policy object: see Traced."""
        traced = self.at(place)
        return () if traced is None else traced.witnesses()

    def below(self, *place: str | int) -> tuple[Traced, ...]:
        """The expressions below a path in the policy object: `below("spec", "matchConditions")`."""
        return tuple(each for each in self.expressions if each.place[: len(place)] == place)


class LaterTrace:
    """The trace of an evaluation in which something failed, recorded when it is asked for.

    Where a finding stands takes the record of its expression alone; an explanation takes all. The plain evaluation gave
    the verdict, and every form of the code gives the same. activation: a new one for the expression at a place, with
    what such an expression may use. whole: records the evaluation as a Recorder does. shapes: see Traced. outlining:
    the same as `activation`, for outlines. foreseen: the outlines that the evaluation itself has recorded, and where.
    """

    complete = False

    def __init__(
        self,
        sources: Sequence[tuple[Path, Program]],
        activation: Callable[[Path], Recording],
        whole: Callable[[], Trace],
        shapes: Shapes,
        outlining: Callable[[Path, Outlines], Outlining],
        foreseen: tuple[Outlines, Outlining] | None = None,
    ) -> None:
        self._sources = sources
        self._activation = activation
        self._record_whole = whole
        self._shapes = shapes
        self._outlining = outlining
        self._foreseen = foreseen
        self._whole: Trace | None = None
        self._known: dict[Path, Traced] = {}

    @property
    def expressions(self) -> tuple[Traced, ...]:
        """See Trace."""
        return self._recorded().expressions

    def at(self, place: Path | None) -> Traced | None:
        """The failed expression at a path in the policy object; None if there is no expression."""
        if self._whole is not None:
            return self._whole.at(place)
        if place is not None and place not in self._known:
            program = self._program(place)
            if program is None:
                return None
            self._known[place] = traced(place, program, self._activation(place), self._shapes)[0]
        return self._known.get(place) if place is not None else None

    def witnesses(self, place: Path) -> tuple[Path, ...]:
        """See Trace. Where an outline of the evaluation suffices, nothing else is recorded."""
        if self._whole is None and place not in self._known:
            program = self._program(place)
            if program is not None and self._foreseen is not None:
                found = self._shapes.of_record(program, *self._foreseen)
                if found is not None:
                    return found
            outlines = self._shapes.outlines(program) if program is not None else None
            if program is not None and outlines is not None:
                found = self._shapes.outlined(program, outlines, self._outlining(place, outlines))
                if found is not None:
                    return found
        traced = self.at(place)
        return () if traced is None else traced.witnesses()

    def _program(self, place: Path) -> Program | None:
        return next((each for path, each in self._sources if path == place), None)

    def below(self, *place: str | int) -> tuple[Traced, ...]:
        """See Trace."""
        return self._recorded().below(*place)

    def _recorded(self) -> Trace:
        if self._whole is None:
            self._whole = self._record_whole()
        return self._whole


def traced(
    place: Path, program: Program, activation: Recording, shapes: Shapes | None = None
) -> tuple[Traced, EvaluationError | None]:
    """Evaluate an expression in the recording form. Returns the record, and the error that it raised."""
    value, failed = None, None
    try:
        value = program.evaluate_recording(activation)
    except EvaluationError as error:
        failed = error
    return Traced(place, program, activation, value, "" if failed is None else str(failed), shapes), failed


class Recorder:
    """The recording form of the code. everything: record expressions that are true too, for a complete trace.

    sources: the expressions of the policy, each with its path in the policy object.
    """

    @property
    def activation(self) -> Callable[..., Recording]:
        """See Form."""
        return Recording

    def __init__(self, sources: Iterable[tuple[Path, Program]], *, everything: bool) -> None:
        self._places = {id(program): path for path, program in sources}
        self._everything = everything
        self._recorded_all = everything
        self._traced: dict[int, Traced] = {}

    def evaluate(self, program: Program, activation: Recording) -> Any:
        """See Form."""
        if not self._everything:
            # True expressions are not traced, so the plain form is tried first.
            cost = activation.cost
            try:
                if program.evaluate(activation) is True:
                    return True
            except EvaluationError:
                pass
            activation.cost = cost
        found, failed = traced(self._places[id(program)], program, activation)
        self._traced[id(program)] = found
        if failed is not None:
            raise failed
        return found.value

    def exactly(self) -> Recorder:
        """See Form. Only the recording form charges exactly, so this records everything from now on."""
        self._everything = True
        return self

    def trace(self) -> Trace:
        """The trace of all evaluations so far."""
        return Trace(tuple(self._traced.values()), self._recorded_all)


def recorder(recording: Wanted, sources: Iterable[tuple[Path, Program]]) -> Recorder:
    """The recorder of one evaluation of a policy with these expressions."""
    if isinstance(recording, str):
        return Recorder(sources, everything=recording == "everything")
    return recording.recorder(sources)
