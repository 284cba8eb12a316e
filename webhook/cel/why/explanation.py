"""What an explanation is made of: the tree of an expression's sub-expressions, with what came of each.

Sub-expressions stand in the tree as they were written: a chain of `&&` or `||` is one node, macros are not expanded,
and a composited variable brings its own expression along where it is first used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from webhook.cel.why.privacy import CLEAN
from webhook.paths import Path

Outcome = Literal["value", "error", "skipped"]


@dataclass(frozen=True, slots=True)
class Step:
    """One sub-expression: its place in the `source` that it is part of, and what came of it.

    name: what it is: `&&`, `?:`, a function, a macro, `variables.x`, a field (`.x`), `literal`, `list`, `map`.
    outcome: `value`; `error`, where `error` is the text; or `skipped`: it was not evaluated, which short circuit and
    conditions bring about (it has no children then). A value may be known beside an error, where it is of the wrong
    type. level: what may be shown of the value, see webhook.cel.why.privacy; error_level: the same of the error.
    decides: it is part of why its parent came out as it did.
    path: where its value (what `has` asks for) stands in the root variable, or would stand. plain: its text and value
    say all there is.
    variable: a composited variable's own expression, at its first use only.
    rounds: of a loop, those that tell: the deciding one where there is one. total: how many there were to go through.
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

    @property
    def text(self) -> str:
        """The sub-expression as it is written."""
        return self.source[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Round:
    """One round of a loop. place: from 0. items: the loop's variables with their values and privacy levels.

    path: where the element stands in the root variable. decides: the loop ended with it.
    """

    place: int
    items: tuple[tuple[str, Any, int], ...]
    path: Path | None
    decides: bool
    children: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """An expression's value or error, and why.

    witnesses: the Paths that decided it, the most telling first. variables: the composited variables that the tree
    shows, by name (`variables.x`).
    """

    root: Step
    witnesses: tuple[Path, ...]
    variables: Mapping[str, Step]

    @property
    def source(self) -> str:
        """The expression."""
        return self.root.source

    @property
    def value(self) -> Any:
        """The value; None where there is an error."""
        return None if self.failed else self.root.value

    @property
    def error(self) -> str | None:
        """The text of the error, None where there is a value."""
        return self.root.error if self.failed else None

    @property
    def failed(self) -> bool:
        """Whether the expression has no value."""
        return self.root.outcome == "error"
