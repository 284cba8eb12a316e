"""The result of coverage: marks in the sources of policies, each with its sides, and the figures made of them.

A figure counts sides: covered / total. A mark of a decision has two, a line of Python one. See
webhook.coverage.points for CEL and webhook.coverage.python for Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

SHOWN: Final = 60
"""The most characters of a span's text in messages."""

Place = tuple[int, int]
"""Line and column; both count from 1, a column is a character."""


class Figure(Struct, frozen=True):
    """Covered sides, and all sides."""

    covered: int
    total: int

    @classmethod
    def sum(cls, figures: Iterable[Figure]) -> Figure:
        each = list(figures)
        return cls(sum(figure.covered for figure in each), sum(figure.total for figure in each))

    @property
    def percent(self) -> float:
        """The percentage, 100 of nothing; rounded down to tenths, so that only what is complete is shown as 100."""
        return self.covered * 1000 // self.total / 10 if self.total else 100.0

    def below(self, percent: float) -> bool:
        """Whether the exact percentage is below this one."""
        return bool(self.total) and self.covered * 100 < percent * self.total


class Mark(Struct, frozen=True):
    """A span of a policy's source that can come out in one way or more.

    start, end: its first and its last character. within: the path of the expression in the policy, or the function.
    text: the span's own text, on one line. role: what it is. sides: the ways in which it can come out. seen: those of
    them that tests have shown, in the same order. ran: whether it was evaluated at all. explained: the sides that no
    test can show, each with the reason that a PolicyTest gives; they count as if they did not exist.
    """

    start: Place
    end: Place
    within: str
    text: str
    kind: Literal["decision", "optional", "evaluation", "line", "branch"]
    role: str
    sides: tuple[str, ...]
    seen: tuple[str, ...]
    ran: bool
    explained: tuple[tuple[str, str], ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """The sides that tests could show and do not."""
        excused = {side for side, _ in self.explained}
        return tuple(side for side in self.sides if side not in self.seen and side not in excused)

    @property
    def figure(self) -> Figure:
        return Figure(len(self.seen), len(self.seen) + len(self.missing))

    @property
    def shown(self) -> str:
        """The text, cut where it is long."""
        return self.text if len(self.text) <= SHOWN else f"{self.text[: SHOWN - 1]}…"

    @property
    def fault(self) -> str:
        """The missing sides, as a sentence without its subject: "is never false". "" if none is missing."""
        if not self.missing:
            return ""
        if self.kind == "line":
            return "is never run"
        if self.kind == "branch":
            return f"never goes {' or '.join(self.missing)}" if self.ran else "is never reached"
        return f"is never {' or '.join(self.missing)}" if self.ran else "is never evaluated"


class Covered(Struct, frozen=True):
    """The coverage of one policy in CEL, or of a file of policies in Python.

    policies: their names. kind: of a policy in CEL; "" of Python. cases: those that test these policies. marks: in the
    order of the source. expressions: those that were evaluated at all; of Python the functions. terms: the terms of
    `&&` and `||` that decided both ways (MC/DC); none of Python. undecided: the marks of the other terms.
    """

    policies: tuple[str, ...]
    language: Literal["cel", "python"]
    kind: str
    file: str
    line: int
    cases: int
    marks: tuple[Mark, ...]
    expressions: Figure
    terms: Figure
    undecided: tuple[Mark, ...] = ()

    @property
    def name(self) -> str:
        return ", ".join(self.policies)

    @property
    def figure(self) -> Figure:
        return Figure.sum(mark.figure for mark in self.marks)

    @property
    def explained(self) -> int:
        """The number of sides that are explained."""
        return sum(len(mark.explained) for mark in self.marks)

    @property
    def ran(self) -> bool:
        """Whether anything of it was evaluated."""
        return any(mark.ran for mark in self.marks)

    def gaps(self) -> Iterator[Gap]:
        """The gaps for readers: one for an expression or function that never ran, one for a block of lines."""
        if self.figure.total and not self.ran:
            tests = "" if self.cases else ", as no case of it ran"
            yield Gap(
                (self.line, 1), (self.line, 1), f"{self.name}: nothing of it is evaluated{tests}", self.figure.total
            )
            return
        by_expression: dict[str, list[Mark]] = {}
        for mark in self.marks:
            by_expression.setdefault(mark.within, []).append(mark)
        for within, marks in by_expression.items():
            yield from _gaps(within, marks, self.language)

    def undecided_gaps(self) -> Iterator[Gap]:
        """The terms that were seen true and false, but did not decide the outcome both ways."""
        missing = {(mark.start, mark.end): mark.missing for mark in self.marks if mark.kind == "decision"}
        for mark in self.undecided:
            ways = [side for side in mark.missing if side not in missing.get((mark.start, mark.end), ())]
            if ways:
                how = " or ".join(f"by being {side}" for side in ways)
                message = f"{mark.within}: `{mark.shown}` never decides the outcome {how}"
                yield Gap(mark.start, mark.end, message, len(ways))


class Gap(Struct, frozen=True):
    """Missing sides, to be shown at one place. size: their number."""

    start: Place
    end: Place
    message: str
    size: int


class Coverage(Struct, frozen=True):
    """The coverage of a policy tree. sources: file -> its lines, of all files with marks. stale: explanations of what
    tests do show, or of what does not exist, in words."""

    policies: tuple[Covered, ...]
    sources: Mapping[str, tuple[str, ...]]
    stale: tuple[str, ...] = ()

    @property
    def figure(self) -> Figure:
        return Figure.sum(each.figure for each in self.policies)

    @property
    def terms(self) -> Figure:
        return Figure.sum(each.terms for each in self.policies)

    @property
    def explained(self) -> int:
        return sum(each.explained for each in self.policies)


def _gaps(within: str, marks: Sequence[Mark], language: str) -> Iterator[Gap]:
    first = marks[0]
    if not any(mark.ran for mark in marks):
        what = "the function" if language == "python" else "the expression"
        size = sum(len(mark.missing) for mark in marks)
        if size:
            yield Gap(first.start, first.end, f"{within}: {what} is never evaluated", size)
        return
    block: list[Mark] = []
    for mark in marks:
        if block and not (mark.kind == "line" and mark.missing):
            if mark.kind == "branch" and not mark.ran:
                block.append(mark)
                continue
            yield _of_lines(within, block)
            block = []
        if mark.kind == "line" and mark.missing:
            block.append(mark)
        elif mark.missing:
            about = f"`{mark.shown}` " if mark.kind != "branch" else "the branch "
            yield Gap(mark.start, mark.end, f"{within}: {about}{mark.fault}", len(mark.missing))
    if block:
        yield _of_lines(within, block)


def _of_lines(within: str, block: Sequence[Mark]) -> Gap:
    first, last = block[0], block[-1]
    lines = (
        f"line {first.start[0]} is"
        if first.start[0] == last.start[0]
        else f"lines {first.start[0]} to {last.start[0]} are"
    )
    return Gap(first.start, first.end, f"{within}: {lines} never run", sum(len(mark.missing) for mark in block))
