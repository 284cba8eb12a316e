"""What a search for witnesses asks of the object and of recorded values, and what it was answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from webhook.cel.code.recording import Record, Rounds, rounds_key
from webhook.cel.tree.ast import Comprehension, Const, Expr
from webhook.cel.value.values import Optional
from webhook.paths import Path, lookup

ABSENT: Final = 0
TEXT: Final = 1
OTHER: Final = 2

MAX_READ: Final = 200
"""The most readings of values that are taken down, and the most numbers of one."""

UNKNOWN: Final = object()
"""What `recorded` returns for a node that was not evaluated."""

_MISSING: Final = object()

Within = tuple[tuple[Comprehension, int], ...]
"""Rounds of loops, each within the one before: where in a recording a record is."""

Reading = Callable[[Callable[[Expr], Any]], Any]
"""Reads values: it is given what returns a node's value. It returns a number or text, a tuple of such, or None. It must
not raise, and must not hold a record."""


class Asked:
    """Answers which parts an object has: ABSENT, TEXT or OTHER, by path. Each is looked up once.

    `searched`: the object. `answers`: all that was asked of it. `readings`: what was read of values themselves, how
    they are ordered or which of them are equal, each as (rounds, reading, answer). `by_shape`: whether the search asked
    no more than these. See webhook.cel.why.shapes.
    """

    __slots__ = ("answers", "by_shape", "readings", "searched")

    def __init__(self, value: Any) -> None:
        self.searched = value
        self.answers: dict[Path, int] = {}
        self.readings: list[tuple[Within, Reading, Any]] = []
        self.by_shape = True

    def kind(self, path: Path) -> int:
        """What stands at a path."""
        known = self.answers.get(path)
        if known is None:
            known = self.answers[path] = kind(self.searched, path)
        return known

    def is_present(self, path: Path) -> bool:
        """Whether the object has a value at a path; it may be null."""
        return self.kind(path) != ABSENT

    def read(self, rounds: Within, record: Record, reading: Reading) -> Any:
        """What a reading gives for the record of these rounds."""
        answer = reading(lambda node: valued(node, record))
        if len(self.readings) >= MAX_READ or (isinstance(answer, tuple) and len(answer) > MAX_READ):
            self.by_shape = False
        else:
            self.readings.append((rounds, reading, answer))
        return answer


def answered(record: Record, rounds: Within, reading: Reading) -> Any:
    """What a reading gives for these rounds of another recording."""
    for node, at in rounds:
        record = in_round(node, at, record)
    return reading(lambda node: valued(node, record))


def valued(node: Expr, record: Record) -> Any:
    """The recorded value of a node, taken out of its optional; None if the node was not evaluated."""
    found = recorded(node, record)
    return None if found is UNKNOWN else found


def recorded(node: Expr, record: Record) -> Any:
    """The same; UNKNOWN if the node was not evaluated."""
    if isinstance(node, Const):
        return node.value
    found = record.get(id(node), UNKNOWN)
    return found.value if isinstance(found, Optional) else found


def in_round(node: Comprehension, at: int, record: Record) -> Record:
    """The record of one round of a loop; empty if it was not kept."""
    rounds = record.get(rounds_key(node))
    if not isinstance(rounds, Rounds):
        return {}
    kept = rounds.records.get(at)
    if kept is not None:
        return kept
    return record if at == rounds.place else {}


def kind(value: Any, path: Path) -> int:
    """What stands at a path of a value: ABSENT, TEXT or OTHER."""
    found = lookup(value, path, _MISSING)
    if found is _MISSING:
        return ABSENT
    return TEXT if isinstance(found, str) else OTHER
