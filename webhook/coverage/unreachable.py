"""Sides that no test can show: a PolicyTest names them, each with the reason, and they then count for nothing.

An explanation names a span by its text, so it stays true while lines move. It applies to policies in CEL; Python has
coverage.py's own comments (`# pragma: no cover`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from webhook.coverage.model import Covered, Figure, Mark


class Explanation(Struct, frozen=True):
    """span: the text of a mark. never: the side that is missing; "evaluated" means all sides of what never runs."""

    span: str
    never: str
    reason: str


def explained(
    found: Sequence[Covered], given: Mapping[str, Iterable[Explanation]]
) -> tuple[list[Covered], tuple[tuple[str, Explanation], ...]]:
    """The coverage with the explanations, and those that explain nothing, each with the policy. given: by policy."""
    wanted = {(name, each): False for name, several in given.items() for each in several}
    result = [_of(each, wanted) if each.language == "cel" else each for each in found]
    return result, tuple(key for key, used in wanted.items() if not used)


def _of(covered: Covered, wanted: dict[tuple[str, Explanation], bool]) -> Covered:
    of_policy = [(each, key) for key in wanted if (each := key[1]) and key[0] == covered.name]
    if not of_policy:
        return covered
    marks = []
    for mark in covered.marks:
        sides: dict[str, str] = {}
        for explanation, key in of_policy:
            if _line(explanation.span) != mark.text:
                continue
            for side in _explains(explanation, mark):
                sides.setdefault(side, explanation.reason)
                wanted[key] = True
        marks.append(replace(mark, explained=tuple(sides.items())) if sides else mark)
    excused = {(mark.start, mark.end) for mark in marks if mark.explained}
    undecided = tuple(mark for mark in covered.undecided if (mark.start, mark.end) not in excused)
    terms = Figure(covered.terms.covered, covered.terms.total - len(covered.undecided) + len(undecided))
    return replace(covered, marks=tuple(marks), terms=terms, undecided=undecided)


def _explains(explanation: Explanation, mark: Mark) -> tuple[str, ...]:
    if explanation.never == "evaluated":
        return () if mark.ran else mark.missing
    return tuple(side for side in mark.missing if side == explanation.never)


def _line(text: str) -> str:
    return " ".join(text.split())
