"""Witnesses by shape: a search whose answer is known from an object of the same shape is left out.

In a tree of manifests many objects fail a policy in the same way. The search for the places that decided
(webhook.cel.why.witness) reads a recorded evaluation and some parts of the object, but of most values only whether they
are true, how long they are, or what type they have. Two evaluations that agree in all of this have the same places. The
*shape* of a record is what the search may read of it; what it asked of the object is written down beside the places
(webhook.cel.why.asked), and asked again of the next object.

The shape must tell apart whatever the search tells apart. Where it reads values themselves (the position of a sorted
element, the one that equals another), what it read is written down too, and read again of the next record.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from webhook.cel.code.recording import SPENT, Record, Rounds
from webhook.cel.tree.ast import Call, Comprehension, MapLiteral, nodes
from webhook.cel.tree.declared import Shape
from webhook.cel.value.numbers import UInt
from webhook.cel.value.values import NONE, Optional
from webhook.cel.why.asked import Asked, Reading, Within, answered, kind
from webhook.paths import Path

if TYPE_CHECKING:  # an import at run time would be circular
    from webhook.cel.program import Program, Recording

MAX_SHAPES: Final = 64
"""The most shapes that are kept of an expression."""

_MAX_ENTRIES: Final = 2_000  # of a shape
_MAX_ANSWERS: Final = 8  # of objects whose records have the same shape

_Kept = list[tuple[tuple[tuple[Path, int], ...], tuple[tuple[Within, Reading, Any], ...], tuple[Path, ...]]]
"""What was asked of the object, what was read of values, and the places."""


class _Facts(Struct, frozen=True):
    """Whose values the search reads, by id(node): those that are keys, and the maps that a loop goes over, whose keys
    are in an order. Whether a value is equal to a constant is the value of the comparison."""

    exact: set[int]
    ranges: set[int]

    @classmethod
    def of(cls, programs: Iterable[Program]) -> _Facts:
        found = cls(set(), set())
        for program in programs:
            for node in nodes(program.tree):
                if isinstance(node, Comprehension):
                    found.ranges.add(id(node.range))
                elif isinstance(node, MapLiteral):
                    found.exact.update(id(entry.key) for entry in node.entries)
                elif isinstance(node, Call) and node.declared.shape is Shape.PART:
                    found.exact.add(id(node.args[1]))
        return found


class Shapes:
    """The witnesses of a policy's expressions in the object, by the shape of their evaluation.

    programs: all of the policy's, with those of its variables. They must live as long as this.
    """

    def __init__(self, programs: Iterable[Program]) -> None:
        self._facts = _Facts.of(programs)
        self._known: dict[int, dict[tuple[Any, ...], _Kept]] = {}  # by id(program)

    def witnesses(self, program: Program, activation: Recording) -> tuple[Path, ...]:
        """Program.decided for the root `object`."""
        if SPENT in activation.record:
            return program.decided(activation, "object")
        shape = self._shape(activation.record)
        if shape is None:
            return program.decided(activation, "object")
        known = self._known.setdefault(id(program), {})
        value = activation.get("object")
        kept = known.get(shape, ())
        record = activation.record
        for answers, readings, paths in kept:
            if all(kind(value, path) == answer for path, answer in answers) and all(
                answered(record, within, reading) == answer for within, reading, answer in readings
            ):
                return paths
        asked = Asked(value)
        found = program.decided(activation, "object", asked)
        if asked.by_shape and len(kept) < _MAX_ANSWERS and (kept or len(known) < MAX_SHAPES):
            known.setdefault(shape, []).append((tuple(asked.answers.items()), tuple(asked.readings), found))
        return found

    def _shape(self, record: Record) -> tuple[Any, ...] | None:
        """What the search may read of a record; None if that is too much."""
        found: list[Any] = []
        exact, ranges = self._facts.exact, self._facts.ranges
        for key, value in record.items():
            found.append(key)
            made = type(value)
            if made is bool:
                found.append("T" if value else "F")
            elif made is str:
                found.append(("=", value) if key in exact else "s")
            elif made is list:
                # The key of a list of indices, those that a filter chose, is no node.
                found.append(tuple(value) if type(key) is tuple else ("l", len(value)))
            elif made is dict:
                found.append(("k", *value) if key in ranges else ("d", len(value)))
            elif made is Rounds:
                rounds = self._rounds(value)
                if rounds is None:
                    return None
                found.append(rounds)
            elif made is Optional:
                inner = None if value is NONE else self._shape({key: value.value})
                if inner is None and value is not NONE:
                    return None
                found.append(("o", inner))
            elif value is None or made is int or made is UInt:
                found.append(value)
            elif isinstance(value, str | int | list | dict):
                return None  # one of these under another name
            else:
                found.append(made)
            if len(found) > _MAX_ENTRIES:
                return None
        return tuple(found)

    def _rounds(self, rounds: Rounds) -> tuple[Any, ...] | None:
        found: list[Any] = [rounds.place]
        entries = 0
        for at, record in rounds.records.items():
            shape = self._shape(record)
            if shape is None:
                return None
            entries += len(shape)
            if entries > _MAX_ENTRIES:
                return None
            found += (at, shape)
        return tuple(found)
