"""Figures of policies that were saved, and what has become of them.

Costs are compared exactly, by the name of the object: they depend on nothing else than the policy and the object. Times
are compared only if that is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from webhook.documents.undecodable import UNDECODABLE
from webhook.offline.measuring import Figures
from webhook.visible import encodable

_VERSION: Final = 1


class Saved(Struct, frozen=True, rename="camel"):
    """The figures of one policy. p50: of its times, in microseconds. costs: in units, by the name of the object."""

    kind: str
    name: str
    p50_micros: float
    costs: dict[str, int]


class File(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What `bench --save` writes."""

    gatewright_bench: Literal[1]
    policies: list[Saved]


class NotSaved(Exception):
    """The file does not hold figures of `bench --save`. The text says why not."""


def saved(figures: Iterable[Figures]) -> bytes:
    """The text of a file of these figures. Policies that were not measured are left out."""
    policies = [
        Saved(each.policy.kind, each.policy.name, each.micros(0.5), each.costs) for each in figures if each.took
    ]
    text = msgspec.json.encode(encodable(msgspec.to_builtins(File(_VERSION, policies))))
    return msgspec.json.format(text, indent=1) + b"\n"


def read(file: Path) -> list[Saved]:
    """The figures of a file. Raises NotSaved."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=File).policies
    except OSError as error:
        raise NotSaved(error.strerror or str(error)) from None
    except UNDECODABLE as error:
        raise NotSaved(f"expected what `bench --save` writes: {error}") from None


class Change(Struct, frozen=True):
    """A figure of a policy in two runs. what: "cost" of all objects that both have, "worst cost" of one of them, or
    "p50" in microseconds. objects: how many both have. over: it has risen by more than is allowed."""

    kind: str
    name: str
    what: Literal["cost", "worst cost", "p50"]
    before: float
    after: float
    objects: int
    over: bool


def compared(
    before: Iterable[Saved], after: Sequence[Figures], allowed: float, allowed_time: float | None
) -> tuple[list[Change], list[str]]:
    """The figures that differ, and notes about those that cannot be compared.

    allowed: the share by which a cost may rise. allowed_time: that by which the median of the times may; None not to
    compare it.
    """
    known = {(each.kind, each.name): each for each in before}
    changes: list[Change] = []
    notes: list[str] = []
    for each in after:
        was = known.pop((each.policy.kind, each.policy.name), None)
        if not each.took:
            if was is not None:
                notes.append(f"{each.policy.name}: matched objects before, and matches none now")
            continue
        if was is None:
            notes.append(f"{each.policy.name}: there are no saved figures of it")
            continue
        changes += _changes(was, each, allowed, allowed_time, notes)
    notes += [f"{name}: it was measured before, and is not there now" for _, name in known]
    return changes, notes


def _changes(
    was: Saved, now: Figures, allowed: float, allowed_time: float | None, notes: list[str]
) -> Iterable[Change]:
    costs = now.costs
    both = was.costs.keys() & costs.keys()
    apart = len(was.costs.keys() ^ costs.keys())
    if apart:
        notes.append(f"{was.name}: {apart} object{'' if apart == 1 else 's'} only one run has; compared on {len(both)}")

    def change(what: Literal["cost", "worst cost", "p50"], before: float, after: float, most: float) -> Change:
        return Change(was.kind, was.name, what, before, after, len(both), after > before * (1 + most))

    if both:
        old, new = [was.costs[each] for each in both], [costs[each] for each in both]
        for what, before, after in (("cost", sum(old), sum(new)), ("worst cost", max(old), max(new))):
            if before != after:
                yield change("cost" if what == "cost" else "worst cost", before, after, allowed)
    if allowed_time is not None:
        found = change("p50", was.p50_micros, now.micros(0.5), allowed_time)
        if found.over:
            yield found
