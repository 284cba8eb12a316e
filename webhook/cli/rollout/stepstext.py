"""The steps of bindings, as a table for people and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from webhook.cli.report.jsonformat import dumped
from webhook.cli.report.plain import aligned
from webhook.counts import counted
from webhook.rollout.evidence import Hit
from webhook.rollout.scraped import Scraped
from webhook.rollout.steps import STATES, Step
from webhook.rollout.waiving import ForWhom, Impossible, Needed
from webhook.visible import visible

_HEAD: Final = ("STATE", "NOW", "NEXT", "BINDING", "POLICY", "WHY")
_BY_RING: Final = ("STATE", "NOW", "NEXT", "RING", "BINDING", "POLICY", "WHY")
_SHOWN: Final = 10
"""Hits of a binding that the table lists; JSON has all of them. So with exceptions, and what cannot have one."""


def as_text(found: Sequence[Step], needs: Sequence[Needed | None], *, by_ring: bool = False) -> Iterator[str]:
    """One line for each binding with its hits and the exceptions for them below it, and a line that counts all.
    needs: of each step. by_ring: one line for each ring."""
    if found:
        rows = [_row(each, by_ring=by_ring) for each in found]
        lines = aligned([_BY_RING if by_ring else _HEAD, *rows])
        for line, step, need in zip(lines, (None, *found), (None, *needs), strict=True):
            yield f"{line}\n"
            if step is not None:
                yield from (f"    {_hit(each)}\n" for each in step.hits[:_SHOWN])
                if len(step.hits) + step.beyond > _SHOWN:
                    yield f"    and {len(step.hits) + step.beyond - _SHOWN:,} more\n"
            if need is not None:
                yield from (f"    {each}\n" for each in _needed(need))
    counts = Counter(each.state for each in found)
    said = ", ".join(f"{counts[state]:,} {state}" for state in STATES if counts[state])
    bindings = counted(len({(each.binding.policy, each.binding.name) for each in found}), "binding")
    steps = f", {counted(len(found), 'step')}" if by_ring else ""
    yield f"{bindings}{steps}{f': {said}' if said else ''}\n"


def _row(each: Step, *, by_ring: bool) -> tuple[str, ...]:
    after = ", ".join(each.proposed) if each.edit is not None else "-"
    binding = each.binding
    ring = (visible(each.ring) or "-",) if by_ring else ()
    name = f"{binding.name} + {each.adds.name}" if each.adds is not None else binding.name
    said = (visible(name), visible(binding.policy), visible(each.why))
    return (each.state, ", ".join(binding.actions), after, *ring, *said)


def _hit(hit: Hit) -> str:
    name = f"{hit.namespace}/{hit.name}" if hit.namespace else hit.name
    times = f"{counted(hit.requests, 'request')}, the last at {visible(hit.last)}" if hit.requests else "is there"
    return f"{visible(hit.owner) or '-'}: {visible(hit.kind)} {visible(name)}: {times}: {visible(hit.message)}"


def _needed(need: Needed) -> Iterator[str]:
    if need.exceptions:
        most_first = sorted(need.exceptions, key=lambda each: -each.exceptions)
        more = f" and {len(most_first) - _SHOWN:,} more" if len(most_first) > _SHOWN else ""
        yield f"exceptions needed: {need.number:,}: {', '.join(map(_whose, most_first[:_SHOWN]))}{more}"
    yield from map(_refused, need.impossible[:_SHOWN])
    if len(need.impossible) > _SHOWN:
        yield f"no exception for {len(need.impossible) - _SHOWN:,} more"
    if need.requested:
        told = counted(need.requested, "object")
        yield f"no exception from an audit for {told} of requests: write one by hand where it is still needed"


def _whose(each: ForWhom) -> str:
    where = f"in {visible(each.namespace)}" if each.namespace else "cluster-scoped"
    return f"{each.exceptions:,} {where} of {visible(each.owner) or 'nobody known'}"


def _refused(each: Impossible) -> str:
    name = f"{each.namespace}/{each.name}" if each.namespace else each.name
    return f"no exception for {visible(each.kind)} {visible(name)}: {visible(each.why)}"


def as_json(
    found: Sequence[Step], needs: Sequence[Needed | None], *, by_ring: bool = False, metrics: Scraped | None = None
) -> Iterator[str]:
    """The same as one object: `bindings`, and in `summary` how many there are, and in each state. With metrics it also
    has what they counted for each binding, and the time that they cover.
    """
    counts = Counter(each.state for each in found)
    summary = {"bindings": len({(each.binding.policy, each.binding.name) for each in found})}
    summary |= {str(state): counts[state] for state in STATES}
    of = {}
    if metrics is not None:
        covered = round(metrics.covered.total_seconds() / 86400, 2)
        of = {"metrics": {"processes": metrics.processes, "daysCovered": covered}}
    bindings = [_value(each, need, metrics, by_ring=by_ring) for each, need in zip(found, needs, strict=True)]
    yield dumped({"bindings": bindings, "summary": summary, **of}) + "\n"


def _value(each: Step, need: Needed | None, metrics: Scraped | None, *, by_ring: bool) -> dict[str, Any]:
    binding = each.binding
    counted = metrics.counted.get((binding.policy, binding.name)) if metrics is not None else None
    of_ring = {"ring": each.ring or None, "adds": each.adds.name if each.adds is not None else None}
    return {
        "binding": binding.name,
        "policy": binding.policy,
        **(of_ring if by_ring else {}),
        "file": binding.file,
        "line": binding.line,
        "state": each.state,
        "actions": list(binding.actions),
        "proposed": each.proposed if each.edit is not None else None,
        "why": each.why,
        "hits": [_hit_value(hit) for hit in each.hits],
        "hitsNotKept": each.beyond,
        "exceptionsNeeded": _needed_value(need) if need is not None else None,
        **({} if metrics is None else {"counted": counted.results if counted is not None else {}}),
    }


def _needed_value(need: Needed) -> dict[str, Any]:
    return {
        "exceptions": need.number,
        "for": [msgspec.to_builtins(each) for each in need.exceptions],
        "impossible": [msgspec.to_builtins(each) for each in need.impossible],
        "ofRequests": need.requested,
    }


def _hit_value(hit: Hit) -> dict[str, Any]:
    return {
        "kind": hit.kind,
        "namespace": hit.namespace,
        "name": hit.name,
        "owner": hit.owner,
        "message": hit.message,
        "requests": hit.requests,
        "last": hit.last or None,
    }
