"""How the expressions of a CEL policy came out: the trace of one evaluation.

A `Recorder` takes the place of the plain form of the code (webhook.cel.program.Form) in the plan of a policy: the
verdict then comes from the very evaluation that the trace shows. There is one trace an evaluation, so one for each
param object, and it may be asked for explanations as long as the policy, the request and the param are there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from webhook.cel import EvaluationError, Program, Recording
from webhook.paths import Path

if TYPE_CHECKING:
    from webhook.cel.why.explanation import Explanation
    from webhook.cel.why.privacy import Private


@dataclass(frozen=True, slots=True)
class Traced:
    """One expression of a policy as it was evaluated.

    place: where it stands in the policy object, such as `spec.validations[1].expression`. recording: the values of its
    parts, and of the variables that it used. value: what it gave; None where it ended in an error, whose text is
    `error`, else "".
    """

    place: Path
    program: Program
    recording: Recording = field(repr=False)
    value: Any = field(repr=False)
    error: str

    def explained(self, private: Private | None = None) -> Explanation:
        """Why it came out so, step by step. private: what must not be shown of the values."""
        return self.program.explained(self.recording, self.error, private)

    def witnesses(self) -> tuple[Path, ...]:
        """The Paths into the request's object that decided its value or error, the best first."""
        from webhook.cel.why.witness import witnesses  # wanted rarely, and loaded then

        return witnesses(self.program, self.recording, "object")


@dataclass(frozen=True, slots=True)
class Trace:
    """The expressions that were evaluated, in their order: matchConditions, validations, messages, auditAnnotations.

    complete: all of them are there; else, besides messages and annotations, only those that are not true, of an
    evaluation that found something.
    """

    expressions: tuple[Traced, ...]
    complete: bool

    def at(self, place: Path | None) -> Traced | None:
        """The expression at a place in the policy object; None where it was not evaluated, or not traced."""
        return next((each for each in self.expressions if each.place == place), None)

    def below(self, *place: str | int) -> tuple[Traced, ...]:
        """The expressions below a place in the policy object: `below("spec", "matchConditions")`."""
        return tuple(each for each in self.expressions if each.place[: len(place)] == place)


class Recorder:
    """The form of the code that records. everything: also what is true, so that the trace is complete.

    sources: the expressions of the policy, each with its place in the policy object.
    """

    activation = Recording

    def __init__(self, sources: Iterable[tuple[Path, Program]], *, everything: bool) -> None:
        self._places = {id(program): path for path, program in sources}
        self._everything = everything
        self._recorded_all = everything
        self._traced: dict[int, Traced] = {}

    def evaluate(self, program: Program, activation: Recording) -> Any:
        """See Form."""
        if not self._everything:
            # What holds is no part of the trace: the plain form does, as far as it goes.
            cost = activation.cost
            try:
                if program.evaluate(activation) is True:
                    return True
            except EvaluationError:
                pass
            activation.cost = cost
        value, failed = None, None
        try:
            value = program.evaluate_recording(activation)
        except EvaluationError as error:
            failed = error
        place = self._places[id(program)]
        self._traced[id(program)] = Traced(place, program, activation, value, "" if failed is None else str(failed))
        if failed is not None:
            raise failed
        return value

    def exactly(self) -> Recorder:
        """See Form: only the recording form charges exactly here."""
        self._everything = True
        return self

    def trace(self) -> Trace:
        """What was recorded so far."""
        return Trace(tuple(self._traced.values()), self._recorded_all)
