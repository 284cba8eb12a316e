"""Witnesses by shape: an object of a known shape reuses the answer of an earlier search.

In a tree of manifests many objects fail a policy in the same way. What a search for witnesses asks of an evaluation is
kept with what it was answered (webhook.cel.why.questions), and asked of the next one: evaluations that answer alike
have the same places. Once some were alike, no more is recorded of an evaluation than what is asked of it, its
*outline*.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from webhook.cel.code.recording import SPENT, recordable
from webhook.cel.tree.errors import BudgetExceeded
from webhook.cel.why.asked import Asked
from webhook.cel.why.questions import Abstraction, Frames, Questions, Watching
from webhook.paths import Path

if TYPE_CHECKING:  # an import at run time would be circular
    from webhook.cel.program import Outlining, Program, Recording

MAX_KNOWN: Final = 200
"""The most searches that are kept of an expression."""

_MAX_STEPS: Final = 20_000  # questions of an expression
_ALIKE: Final = 3  # evaluations that were alike, before outlines are used; twice as many after each disappointment
_MAX_GENERATED: Final = 6  # times
CHEAP: Final = 20_000
"""Cost units. The recording form keeps all rounds of the loops of what costs less."""

_FAILING: Final = 3  # evaluations that failed, more than did not: the next one will probably fail
_SURELY: Final = 6  # the most that are counted
_PAUSE: Final = 50  # failures until it is foreseen again, after an evaluation that gave up
_TRIED: Final = 20  # outlines, of which at least half have to tell

Outline = Callable[[Any], Any]


class Outlines(Struct, frozen=True):
    """The outlines of a policy's expressions, which record what was asked until they were generated.

    variables: by name, of those variables of which anything was asked. expressions: by id(program); None if there can
    be none.
    """

    wanted: frozenset[Any]
    variables: Mapping[str, Outline]
    expressions: dict[int, Outline | None]


class Shapes:
    """The witnesses of a policy's expressions in the object, by the shape of their evaluation.

    programs: those of its expressions. variables: those of its variables, by `variables.NAME`. They must live as long
    as this.
    """

    def __init__(self, programs: list[Program], variables: Mapping[str, Program]) -> None:
        self._variables = variables
        self._abstraction = Abstraction.of(program.tree for program in (*variables.values(), *programs))
        self._frames = Frames()
        self._questions: dict[int, Questions] = {}  # by id(program)
        self._wanted: set[Any] = set()
        self._outlines: Outlines | None = None
        self._alike = 0  # recorded evaluations, since outlines were last used
        self._patience = _ALIKE
        self._generated = 0
        self._tried = self._told_by_outline = 0
        self._failing = 0  # evaluations that failed, less those that did not

    def took(self, *, failed: bool) -> None:
        """An evaluation has ended."""
        if failed:
            self._failing += self._failing < _SURELY
        elif self._failing > 0:
            self._failing -= 1

    def gave_up(self) -> None:
        """An evaluation that was to record its outline could not."""
        self._failing = -_PAUSE

    @property
    def foreseen(self) -> Outlines | None:
        """The outlines that the next evaluation should record, since it will probably fail; None to evaluate it plainly
        and to record afterwards what has failed."""
        return self._outlines if self._failing >= _FAILING and self._alike >= self._patience else None

    def witnesses(self, program: Program, activation: Recording) -> tuple[Path, ...]:
        """Program.decided for the root `object`."""
        if SPENT in activation.record:
            return program.decided(activation, "object")
        questions = self._questions.get(id(program))
        if questions is None:
            questions = self._questions[id(program)] = Questions(self._abstraction, self._frames)
        value = activation.get("object")
        known = questions.places(activation.record, value)
        if known is not None:
            self._alike += 1
            return known
        if questions.known >= MAX_KNOWN or questions.steps >= _MAX_STEPS:
            return program.decided(activation, "object")
        watching = Watching(self._abstraction, self._frames)
        asked = Asked(value, watching)
        found = program.decided(activation, "object", asked)
        if asked.by_shape and questions.keep(watching, found) and not watching.keys <= self._wanted:
            self._wanted |= watching.keys
            self._outlines = None
            self._disappointed()
        return found

    def outlines(self, program: Program) -> Outlines | None:
        """The outlines with which `outlined` may find the witnesses of an expression; None if it cannot."""
        if self._alike < self._patience:
            return None
        outlines = self._outlines
        if outlines is None:
            if self._generated >= _MAX_GENERATED:
                return None
            self._generated += 1
            outlines = self._outlines = self._outlined()
            if outlines is None:
                return None
        if id(program) not in outlines.expressions:
            outlines.expressions[id(program)] = program.outlined(outlines.wanted)
        return outlines if outlines.expressions[id(program)] is not None else None

    def outlined(self, program: Program, outlines: Outlines, activation: Outlining) -> tuple[Path, ...] | None:
        """The witnesses of an expression, of an outline of its evaluation alone. None if they must be searched.

        outlines: those of `outlines` for this program. activation: an Outlining with their variables.
        """
        found = self._of_outline(program, outlines, activation)
        self._tried += 1
        self._told_by_outline += found is not None
        if self._tried >= _TRIED:
            if self._told_by_outline * 2 < self._tried:
                self._disappointed()
            self._tried = self._told_by_outline = 0
        return found

    def _of_outline(self, program: Program, outlines: Outlines, activation: Outlining) -> tuple[Path, ...] | None:
        outline, questions = outlines.expressions[id(program)], self._questions.get(id(program))
        if outline is None or questions is None:
            return None
        activation.begun = activation.cost
        try:
            outline(activation)
        except (Exception, BudgetExceeded):  # the recording form finds out
            return None
        if activation.failed or activation.cost > CHEAP:
            return None
        return questions.places(activation.record, activation.get("object"))

    def of_record(self, program: Program, outlines: Outlines, activation: Outlining) -> tuple[Path, ...] | None:
        """The witnesses of an expression of an evaluation that recorded its outline (`foreseen`). None if they must be
        searched: also if more was asked since."""
        questions = self._questions.get(id(program))
        if outlines is not self._outlines or questions is None or outlines.expressions.get(id(program)) is None:
            return None
        return questions.places(activation.record, activation.get("object"))

    def _disappointed(self) -> None:
        """Wait longer before outlines are used again."""
        if self._alike >= self._patience:
            self._patience *= 2
        self._alike = 0

    def _outlined(self) -> Outlines | None:
        """Outlines that record what was asked so far; None if they cannot."""
        wanted = frozenset(self._wanted)
        found: dict[str, Outline] = {}
        for name, program in self._variables.items():
            if not recordable(program.tree, wanted):
                continue
            outline = program.outlined(wanted)
            if outline is None:
                self._generated = _MAX_GENERATED
                return None
            found[name] = outline
        return Outlines(wanted, found, {})
