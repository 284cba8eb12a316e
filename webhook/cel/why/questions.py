"""The questions of a search for witnesses, in order, and the answers to the same questions in other evaluations.

A search is deterministic: what it asks next depends on the answers so far. So the questions of many searches are a tree
(`Questions`), and an evaluation that gives the answers of an earlier one has its places. Of most values a search reads
only whether they are true, how long they are, or what type they have; that is the answer. Where it reads values
themselves (the position of a sorted element, the one that equals another), the reading is the question.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct

from webhook.cel.code.recording import Record, Rounds
from webhook.cel.tree.ast import Call, Comprehension, Expr, MapLiteral, Node, nodes
from webhook.cel.tree.declared import Shape
from webhook.cel.value.numbers import UInt
from webhook.cel.value.values import NONE, Optional
from webhook.cel.why.asked import UNKNOWN, Reading, kind, read, valued
from webhook.paths import Path

MAX_QUESTIONS: Final = 2_000
"""The most questions of one search that are kept."""

MAX_READ: Final = 200
"""The most numbers of one answer."""

_OBJECT, _RECORD, _READING = range(3)

Question = tuple[int, int, Any]
"""What is asked: what stands at a path of the object; the value of a key in a record; a reading of a record. With the
number of the record."""

_UNLIKE: Final = object()  # the answer of what answers do not tell apart


class Abstraction(Struct, frozen=True):
    """What searches read of values. `exact`: id(node) of those whose value they read, as it is a key. `ranges`: of the
    maps that a loop goes over, whose keys and their order they read. Whether a value is equal to a constant is a
    reading."""

    exact: set[int]
    ranges: set[int]

    @classmethod
    def of(cls, trees: Iterable[Expr]) -> Abstraction:
        found = cls(set(), set())
        for tree in trees:
            for node in nodes(tree):
                if isinstance(node, Comprehension):
                    found.ranges.add(id(node.range))
                elif isinstance(node, MapLiteral):
                    found.exact.update(id(entry.key) for entry in node.entries)
                elif isinstance(node, Call) and node.declared.shape is Shape.PART:
                    found.exact.add(id(node.args[1]))
        return found

    def answer(self, key: Any, value: Any) -> Any:
        """The answer of a key's value to a search. Equal answers mean that the search reads the same."""
        made = type(value)
        if made is bool:
            return "T" if value else "F"
        if made is str:
            return ("=", value) if key in self.exact else "s"
        if made is list:
            # The key of a list of indices, those that a filter chose, is no node.
            return tuple(value) if type(key) is tuple else ("l", len(value))
        if made is dict:
            return ("k", *value) if key in self.ranges else ("d", len(value))
        if made is Rounds:
            kept = len(value.records)
            return ("r", value.place, kept) if next(reversed(value.records), -1) == kept - 1 else _UNLIKE
        if made is Optional:
            inner = NONE if value is NONE else self.answer(key, value.value)
            return inner if inner is NONE or inner is _UNLIKE else ("o", inner)
        if value is None or value is UNKNOWN or made is int or made is UInt:
            return value
        if isinstance(value, str | int | list | dict):
            return _UNLIKE  # one of these under another name
        return made


class Frames:
    """The numbers of records: 0 is that of the evaluation, others are those of rounds of loops."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, Any, int], int] = {}
        self._all: list[tuple[int, Any, int]] = [(-1, None, 0)]

    def inside(self, frame: int, rounds: Any, at: int) -> int:
        """The number of the record of the round `at` of a loop in another record. rounds: the key of its Rounds."""
        key = frame, rounds, at
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = len(self._all)
            self._all.append(key)
        return found

    def record(self, frame: int, known: dict[int, Record]) -> Record:
        """The record of a number. known: those of this evaluation, with that of 0."""
        found = known.get(frame)
        if found is None:
            outer, rounds, at = self._all[frame]
            around = self.record(outer, known).get(rounds)
            found = known[frame] = around.records.get(at, {}) if type(around) is Rounds else {}
        return found


class Watching:
    """Takes down what one search asks of an evaluation, each question once: see Watch.

    `log`: the answers, by question. `readings`: the reading of a question. `keys`: those whose values were read, in any
    record. `whole`: whether this is all that was asked.
    """

    __slots__ = ("_abstraction", "_frames", "keys", "log", "readings", "whole")

    def __init__(self, abstraction: Abstraction, frames: Frames) -> None:
        self._abstraction = abstraction
        self._frames = frames
        self.log: dict[Question, Any] = {}
        self.readings: dict[Question, Reading] = {}
        self.keys: set[Any] = set()
        self.whole = True

    def over(self, record: Record) -> Record:
        """See Watch."""
        return _View(self, record, 0)

    def kind(self, path: Path, answer: int) -> None:
        """See Watch."""
        self._took((_OBJECT, 0, path), answer)

    def value(self, frame: int, record: Record, key: Any) -> Any:
        """The value of a key; UNKNOWN if there is none."""
        found = record.get(key, UNKNOWN)
        self.keys.add(key)
        answer = self._abstraction.answer(key, found)
        self._took((_RECORD, frame, key), answer)
        if type(found) is not Rounds:
            return found
        if len(found.records) > MAX_READ:
            self.whole = False
        inner: dict[int, Record] = {
            at: _View(self, each, self._frames.inside(frame, key, at)) if self.whole else each
            for at, each in found.records.items()
        }
        return Rounds(records=inner, place=found.place)

    def read(self, record: Record, reading: Reading) -> Any:
        """See Watch."""
        if not isinstance(record, _View):  # of a round that was not kept
            return read(record, reading)

        def value(node: Expr) -> Any:
            self.keys.add(id(node))
            return valued(node, record.record)

        answer = reading(value)
        named = reading.func, *(id(each) if isinstance(each, Node) else each for each in reading.args)
        question = _READING, record.frame, named
        self.readings.setdefault(question, reading)
        self._took(question, answer)
        return answer

    def _took(self, question: Question, answer: Any) -> None:
        long = type(answer) is tuple and len(answer) > MAX_READ
        if answer is _UNLIKE or long or len(self.log) >= MAX_QUESTIONS:
            self.whole = False
        elif self.whole:
            self.log[question] = answer


class _View(Record):
    """A record whose readers are watched. It holds nothing itself."""

    __slots__ = ("_watching", "frame", "record")

    def __init__(self, watching: Watching, record: Record, frame: int) -> None:
        super().__init__()
        self._watching = watching
        self.record = record
        self.frame = frame

    def get(self, key: Any, default: Any = None, /) -> Any:
        found = self._watching.value(self.frame, self.record, key)
        return default if found is UNKNOWN else found

    def __contains__(self, key: object) -> bool:
        return self._watching.value(self.frame, self.record, key) is not UNKNOWN


class _Step:
    """A question, and what follows each answer that is known: another question, or the places."""

    __slots__ = ("after", "question", "reading")

    def __init__(self, question: Question, reading: Reading | None) -> None:
        self.question = question
        self.reading = reading
        self.after: dict[Any, _Step | tuple[Path, ...]] = {}


class _Kinds:
    """What stands at the paths of one object: that which was asked about last, as many policies ask of the same paths.

    An object that is judged does not change.
    """

    def __init__(self) -> None:
        self._value: Any = None
        self._known: dict[Path, int] = {}

    def of(self, value: Any) -> dict[Path, int]:
        """Path → what `kind` says, for the paths that were asked for so far."""
        if value is not self._value:
            self._value, self._known = value, {}
        return self._known


_KINDS: Final = _Kinds()


class Questions:
    """The questions of the searches of one expression, with their answers and the places that they found.

    `known`: how many different searches there were.
    """

    def __init__(self, abstraction: Abstraction, frames: Frames) -> None:
        self._abstraction = abstraction
        self._frames = frames
        self._first: _Step | None = None
        self.known = 0
        self.steps = 0

    def places(self, record: Record, value: Any) -> tuple[Path, ...] | None:
        """The places of an evaluation; None if they have to be searched. value: the object."""
        step: _Step | tuple[Path, ...] | None = self._first
        records = {0: record}
        answer_of, frames = self._abstraction.answer, self._frames
        kinds = _KINDS.of(value)
        while type(step) is _Step:
            how, frame, what = step.question
            if step.reading is not None:
                answer = read(frames.record(frame, records), step.reading)
            elif how == _RECORD:
                within = record if not frame else frames.record(frame, records)
                found = within.get(what, UNKNOWN)
                answer = answer_of(what, found) if found is not True and found is not False else "T" if found else "F"
            else:
                answer = kinds.get(what)
                if answer is None:
                    answer = kinds[what] = kind(value, what)
            step = step.after.get(answer)
        return step  # type: ignore[return-value]  # no step is left

    def keep(self, watching: Watching, places: tuple[Path, ...]) -> bool:
        """Keep what a search asked, and found. Returns whether it could: it may have asked more."""
        if not watching.whole or not watching.log:
            return False
        before: tuple[_Step, Any] | None = None
        step: _Step | tuple[Path, ...] | None = self._first
        for question, answer in watching.log.items():
            if step is None:
                step = _Step(question, watching.readings.get(question))
                self.steps += 1
                if before is None:
                    self._first = step
                else:
                    before[0].after[before[1]] = step
            elif not isinstance(step, _Step) or step.question != question:
                return False
            before = step, answer
            step = step.after.get(answer)
        if before is None or step is not None:
            return False
        before[0].after[before[1]] = places
        self.known += 1
        return True
