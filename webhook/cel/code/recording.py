"""What the recording form of generated code keeps of a loop: its place, and some of its rounds.

A record is flat: id(node) -> value of the last time that the node was evaluated. Before each round of a loop, what the
round before it recorded of the loop's body is dropped, so that the record always tells of one round: that which the
loop is in, or ended in. It is copied before, as far as there is room.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from webhook.cel.tree.ast import Comprehension, Expr, children
from webhook.cel.tree.macros import recognise

FIRST: Final = 3
"""How many rounds are kept from the start of a loop."""

NOTABLE: Final = 3
"""How many more are kept of those that chose their element, or failed."""

MAX_ENTRIES: Final = 100_000
"""How many entries of a record are copied, for all loops together, before only the rounds above are kept."""

_ENTRIES: Final = "entries"

SPENT: Final = "spent"
"""The key in a record of the id() of the tree whose evaluation ran out of its budget."""

Record = dict[Any, Any]
Key = tuple[str, int]


def place_key(node: Comprehension) -> Key:
    """The key in a record of the place, from 0, that a loop is at or ended at."""
    return ("place", id(node))


def chosen_key(node: Comprehension) -> Key:
    """The key in a record of the places, from 0, of the elements that passed a filter."""
    return ("chosen", id(node))


def rounds_key(node: Comprehension) -> Key:
    """The key in a record of a loop's Rounds."""
    return ("rounds", id(node))


def error_key(node: Expr) -> Key:
    """The key in a record of the EvaluationError that a node ended in, where `&&`, `||` or a macro caught it."""
    return ("error", id(node))


@dataclass(slots=True)
class Rounds:
    """The rounds of one run of a loop.

    kept: (place, item, what the body recorded) of some rounds, in order; an item is the element, or a pair of key and
    value in the two-variable forms. records: what the body recorded, by place, of as many rounds as there is room for.
    finished: the loop came to its end; else it was left in its latest round (`place` and `item`), which is in the
    record itself.
    """

    kept: list[tuple[int, Any, Record]] = field(default_factory=list)
    records: dict[int, Record] = field(default_factory=dict)
    place: int = -1
    item: Any = None
    finished: bool = False
    notable: int = 0

    def keep(self, over: Record, record: Record, body: Body) -> None:
        """Keeps what the body recorded in the round that is over, as far as there is room."""
        entries = record.get(_ENTRIES, 0)
        notable = self.notable < NOTABLE and self.place >= FIRST and body.is_notable(over)
        shown = notable or self.place < FIRST
        if shown or entries < MAX_ENTRIES:
            record[_ENTRIES] = entries + len(over)
            self.records[self.place] = over
            if shown:
                self.notable += notable
                self.kept.append((self.place, self.item, over))


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a loop: the keys of everything that one round of it records."""

    place: Key
    rounds: Key
    keys: frozenset[Any]
    chooses: int | None
    """id() of the condition that chooses elements (of filter, exists_one), or decides (of all, exists)."""
    choosing: bool
    fails: frozenset[Key]
    """The keys of the errors that a round may end in while the loop goes on."""

    @classmethod
    def of(cls, node: Comprehension) -> Body:
        fold = recognise(node)
        condition = fold.filter or (fold.value if fold.kind in ("all", "exists", "exists_one") else None)
        keys = frozenset((*_keys(node.condition), *_keys(node.step)))
        choosing = fold.kind not in ("all", "exists")
        fails = frozenset(error_key(part) for part in (fold.filter, fold.value) if part is not None)
        chooses = None if condition is None else id(condition)
        return cls(place_key(node), rounds_key(node), keys, chooses, choosing, fails)

    def is_notable(self, record: Record) -> bool:
        """Whether the round just recorded chose its element or failed."""
        if not self.fails.isdisjoint(record):
            return True
        if self.chooses is None:
            return False
        held = record.get(self.chooses)
        return held is None or (self.choosing and held is True)


def tracked(record: Record, body: Body, items: Iterable[Any]) -> Iterator[Any]:
    """The items of a loop, with the record kept as above. It runs on from `yield` when a round is over."""
    rounds = record[body.rounds] = Rounds()
    for place, item in enumerate(items):
        over = {key: record.pop(key) for key in body.keys & record.keys()}
        if place:
            rounds.keep(over, record, body)
        record[body.place] = rounds.place = place
        rounds.item = item
        yield item
    if rounds.place >= 0:
        rounds.keep({key: record[key] for key in body.keys & record.keys()}, record, body)
    rounds.finished = True


def _keys(node: Expr) -> Iterator[Any]:
    yield id(node)
    yield error_key(node)
    if isinstance(node, Comprehension):
        yield from (place_key(node), chosen_key(node), rounds_key(node))
    for child in children(node):
        yield from _keys(child)
