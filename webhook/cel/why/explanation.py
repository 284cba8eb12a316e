"""The data of an explanation: the tree of an expression's sub-expressions, with the result of each.

The tree has the sub-expressions of the source: a chain of `&&` or `||` is one node, macros are not expanded, and a
composited variable has its own expression at its first use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from webhook.cel.why.privacy import CLEAN
from webhook.paths import Path

Outcome = Literal["value", "error", "skipped"]
Form = Literal["", "loop", "default", "mapped"]


class Step(Struct, frozen=True):
    """One sub-expression: its span in `source`, and its result.

    name: `&&`, `?:`, a function, a macro, `variables.x`, a field (`.x`), `literal`, `list` or `map`, as it is shown.
    form: `loop` of a macro over elements; `default` of a function that gives its second argument if the first one, an
    optional, is absent; `mapped` of a macro on the value of an optional; else empty.
    outcome: `value`; `error`, with its text in `error`; or `skipped` if a short circuit or a condition left it
    unevaluated, without children then. A step in error has a value too if the value is of the wrong type.
    level, error_level: how much of the value and of the error may be shown, see webhook.cel.why.privacy.
    decides: it is part of the reason for its parent's result.
    path: the place of its value (of the field that `has` tests) in the root variable; the field may be absent.
    plain: its text and value need no further explanation.
    variable: the expression of a composited variable, at its first use only.
    rounds: the rounds of a loop that explain its value, with the deciding one if there is one. total: the number of
    elements of the loop.
    """

    source: str
    start: int
    end: int
    name: str
    outcome: Outcome
    value: Any = None
    error: str = ""
    level: int = CLEAN
    error_level: int = CLEAN
    decides: bool = True
    path: Path | None = None
    plain: bool = False
    children: tuple[Step, ...] = ()
    variable: Step | None = None
    rounds: tuple[Round, ...] = ()
    total: int = 0
    form: Form = ""

    @property
    def text(self) -> str:
        """The source text of the sub-expression."""
        return self.source[self.start : self.end]


class Round(Struct, frozen=True):
    """One round of a loop. place: its index, from 0. items: the loop variables with their values and privacy levels.

    path: the place of the element in the root variable. decides: this round decided the loop.
    """

    place: int
    items: tuple[tuple[str, Any, int], ...]
    path: Path | None
    decides: bool
    children: tuple[Step, ...]


class Explanation(Struct, frozen=True):
    """The value or error of an expression, with its explanation.

    witnesses: the Paths that decided it, the best first. variables: the composited variables in the tree, by name
    (`variables.x`).
    """

    root: Step
    witnesses: tuple[Path, ...]
    variables: Mapping[str, Step]

    @property
    def levels(self) -> int:
        """The most levels of steps that lead to one another; a variable's are below each step that uses it."""
        return sum(map(_levels, (self.root, *self.variables.values())))

    @property
    def source(self) -> str:
        """The expression."""
        return self.root.source

    @property
    def value(self) -> Any:
        """The value; None after an error."""
        return None if self.failed else self.root.value

    @property
    def error(self) -> str | None:
        """The text of the error; None if there is a value."""
        return self.root.error if self.failed else None

    @property
    def failed(self) -> bool:
        """Whether the expression has no value."""
        return self.root.outcome == "error"


def _levels(step: Step) -> int:
    """How deep the tree of a step is, without those of variables."""
    found = 0
    level: list[Step] = [step]
    while level:
        found += 1
        level = [
            child
            for each in level
            for child in (*each.children, *(within for turn in each.rounds for within in turn.children))
        ]
    return found
