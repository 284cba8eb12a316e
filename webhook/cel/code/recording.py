"""The record of a loop in the recording form of generated code: its position, and some of its rounds.

A record is flat: id(node) -> the node's last value. Before each round, the values of the loop's body from the previous
round are removed, so the record holds those of one round: the current one, or the last one. They are copied first, as
far as MAX_ENTRIES allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from typing import Any, Final

from msgspec import Struct, field

from webhook.cel.tree.ast import Comprehension, Expr, children, nodes
from webhook.cel.tree.macros import recognise

FIRST: Final = 3
"""The number of rounds that are kept from the start of a loop."""

NOTABLE: Final = 3
"""The number of further rounds that are kept because they chose their element, or failed."""

MAX_ENTRIES: Final = 100_000
"""The most entries that are copied, for all loops together. Beyond it only the rounds above are kept."""

_ENTRIES: Final = "entries"

SPENT: Final = "spent"
"""The key of the id() of the tree that exceeded its budget."""

Record = dict[Any, Any]
Key = tuple[str, int]


def place_key(node: Comprehension) -> Key:
    """The key of a loop's current or last position, from 0."""
    return ("place", id(node))


def chosen_key(node: Comprehension) -> Key:
    """The key of the indices, from 0, of the elements that passed a filter."""
    return ("chosen", id(node))


def rounds_key(node: Comprehension) -> Key:
    """The key of a loop's Rounds."""
    return ("rounds", id(node))


def error_key(node: Expr) -> Key:
    """The key of a node's EvaluationError that `&&`, `||` or a macro caught."""
    return ("error", id(node))


def recordable(tree: Expr, wanted: Set[Any]) -> set[Any]:
    """The keys of a tree's values and loops that are wanted, without those of errors."""
    found: set[Any] = set()
    for node in nodes(tree):
        found.add(id(node))
        if isinstance(node, Comprehension):
            found |= {chosen_key(node), rounds_key(node)}
    return found & wanted


class Rounds(Struct):
    """The rounds of one run of a loop.

    kept: (place, item, record of the body) of some rounds, in order. An item is the element, or a pair of key and value
    in the two-variable forms. records: the records of the body by place, up to MAX_ENTRIES entries. finished: the loop
    went over all items. If not, it ended in the round at `place` with `item`, whose values are in the record itself.
    """

    kept: list[tuple[int, Any, Record]] = field(default_factory=list)
    records: dict[int, Record] = field(default_factory=dict)
    place: int = -1
    item: Any = None
    finished: bool = False
    notable: int = 0

    def keep(self, over: Record, record: Record, body: Body) -> None:
        """Copy the record of the body after a round, as far as MAX_ENTRIES allows."""
        entries = record.get(_ENTRIES, 0)
        notable = self.notable < NOTABLE and self.place >= FIRST and body.is_notable(over)
        shown = notable or self.place < FIRST
        if shown or entries < MAX_ENTRIES:
            record[_ENTRIES] = entries + len(over)
            self.records[self.place] = over
            if shown:
                self.notable += notable
                self.kept.append((self.place, self.item, over))


class Body(Struct, frozen=True):
    """The body of a loop, as the keys of all values that a round records."""

    place: Key
    rounds: Key
    keys: frozenset[Any]
    chooses: int | None
    """id() of the condition that chooses elements (filter, exists_one) or decides (all, exists)."""
    choosing: bool
    fails: frozenset[Key]
    """The keys of the errors after which the loop continues."""

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
    """Yields the items of a loop, and copies the record after each round."""
    if body.rounds in record:  # it ran before on this record, and left its last round
        for key in (body.place, *body.keys):
            record.pop(key, None)
    rounds = record[body.rounds] = Rounds()
    mark = body.place
    for place, item in enumerate(items):
        if place:
            rounds.keep(_taken(record, body), record, body)
        record[mark] = rounds.place = place  # what follows it in the record, the round has recorded
        rounds.item = item
        yield item
    if rounds.place >= 0:
        over = _taken(record, body)
        record[mark] = rounds.place
        record.update(over)
        rounds.keep(over, record, body)
    rounds.finished = True


def _taken(record: Record, body: Body) -> Record:
    """Take the values of a round out of the record: those that follow the loop's position, but for the values of
    variables that were first used in it."""
    over: Record = {}
    others: list[tuple[Any, Any]] = []
    while True:
        key, value = record.popitem()
        if key in body.keys:
            over[key] = value
        elif key == body.place:
            break
        else:
            others.append((key, value))
    record.update(reversed(others))
    return over


def _keys(node: Expr) -> Iterator[Any]:
    yield id(node)
    yield error_key(node)
    if isinstance(node, Comprehension):
        yield from (place_key(node), chosen_key(node), rounds_key(node))
    for child in children(node):
        yield from _keys(child)
