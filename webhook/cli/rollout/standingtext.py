"""The states of exceptions, as a table for people and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from webhook.cli.report.jsonformat import dumped
from webhook.cli.report.plain import aligned
from webhook.counts import counted
from webhook.rollout.standing import STATES, Standing
from webhook.visible import visible

_HEAD: Final = ("STATE", "EXPIRES", "USES", "EXCEPTION", "POLICIES", "OWNER", "APPROVED BY", "FILE")


def as_text(shown: Sequence[Standing], all_of: Sequence[Standing]) -> Iterator[str]:
    """One line for each exception that is shown, a line for each reason why uses are unknown, and a line that counts
    all."""
    if shown:
        yield from (f"{line}\n" for line in aligned([_HEAD, *map(_row, shown)]))
    for why, number in Counter(each.why_unknown for each in shown if "unknown" in each.states).items():
        yield f"unknown whether {counted(number, 'exception')} {'is' if number == 1 else 'are'} used: {visible(why)}\n"
    counts = Counter(state for each in all_of for state in each.states)
    wrong = ", ".join(f"{counts[state]:,} {state}" for state in STATES if counts[state])
    yield f"{counted(len(all_of), 'exception')}{f': {wrong}' if wrong else ', all in order'}\n"


def _row(each: Standing) -> tuple[str, ...]:
    exception = each.exception
    return (
        " ".join(each.states) or "in force",
        visible(exception.until),
        "?" if each.why_unknown else "-" if each.uses is None else f"{each.uses:,}",
        visible(exception.name),
        visible(",".join(each.policies)),
        visible(exception.owner) or "-",
        visible(exception.approved_by),
        f"{visible(exception.file)}:{exception.line}",
    )


def as_json(shown: Sequence[Standing], all_of: Sequence[Standing]) -> Iterator[str]:
    """The same as one object: `exceptions`, and in `summary` how many there are of all, and in each state."""
    counts = Counter(state for each in all_of for state in each.states)
    summary = {"exceptions": len(all_of)}
    summary |= {state: counts[state] for state in STATES}
    yield dumped({"exceptions": [_value(each) for each in shown], "summary": summary}) + "\n"


def _value(each: Standing) -> dict[str, Any]:
    exception = each.exception
    return {
        "name": exception.name,
        "states": list(each.states),
        "expires": exception.until,
        "days": each.days,
        "uses": each.uses,
        "whyUnknown": each.why_unknown or None,
        "policies": list(each.policies),
        "owner": exception.owner or None,
        "approvedBy": exception.approved_by,
        "reason": exception.reason,
        "file": exception.file,
        "line": exception.line,
    }
