"""The questions of a search for witnesses about the object and recorded values, and the answers."""

from __future__ import annotations

from functools import partial
from typing import Any, Final, Protocol

from webhook.cel.code.recording import Record, Rounds, rounds_key
from webhook.cel.tree.ast import Comprehension, Const, Expr
from webhook.cel.value.values import Optional
from webhook.paths import Path, lookup

ABSENT: Final = 0
TEXT: Final = 1
OTHER: Final = 2

UNKNOWN: Final = object()
"""The result of `recorded` for a node that was not evaluated."""

_MISSING: Final = object()

Reading = partial[Any]
"""Reads values: it is called with what returns a node's value. It returns a number or text, a tuple of such, or None.
It must not raise, and must not hold a record."""


class Watch(Protocol):
    """Takes down what a search asks: see webhook.cel.why.questions."""

    def over(self, record: Record) -> Record:
        """A view of a recording that takes down what is read of it."""

    def kind(self, path: Path, answer: int) -> None:
        """Take down what stands at a path of the object."""

    def read(self, record: Record, reading: Reading) -> Any:
        """The result of a reading of a view."""


class Asked:
    """Answers which parts an object has: ABSENT, TEXT or OTHER, by path. Each is looked up once.

    `searched`: the object. `answers`: all that was asked of it. watch: takes down what is asked of recordings too.
    `by_shape`: whether the search asked no more than what is taken down.
    """

    __slots__ = ("_watch", "answers", "by_shape", "searched")

    def __init__(self, value: Any, watch: Watch | None = None) -> None:
        self.searched = value
        self.answers: dict[Path, int] = {}
        self.by_shape = True
        self._watch = watch

    def kind(self, path: Path) -> int:
        """What stands at a path."""
        known = self.answers.get(path)
        if known is None:
            known = self.answers[path] = kind(self.searched, path)
            if self._watch is not None:
                self._watch.kind(path, known)
        return known

    def is_present(self, path: Path) -> bool:
        """Whether the object has a value at a path; it may be null."""
        return self.kind(path) != ABSENT

    def over(self, record: Record) -> Record:
        """The record to search."""
        return record if self._watch is None else self._watch.over(record)

    def read(self, record: Record, reading: Reading) -> Any:
        """What a reading gives for a record."""
        return read(record, reading) if self._watch is None else self._watch.read(record, reading)


def read(record: Record, reading: Reading) -> Any:
    """What a reading gives for a record."""
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
    """The kind of value at a path: ABSENT, TEXT or OTHER."""
    found = lookup(value, path, _MISSING)
    if found is _MISSING:
        return ABSENT
    return TEXT if isinstance(found, str) else OTHER
