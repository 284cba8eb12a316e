"""The state of each exception of a policy tree on a day: in force, about to expire or expired, and used or not."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, Literal

from msgspec import Struct

from webhook.policy.exceptions import PolicyException
from webhook.policy.policyset import PolicySet
from webhook.rollout.reports import Saved

State = Literal["expired", "expiring", "unused"]

STATES: Final[tuple[State, ...]] = ("expired", "expiring", "unused")

DAY: Final = 86400.0


class Standing(Struct, frozen=True):
    """An exception. `days`: until it ends, begun ones too; 0 or less if it has expired. `uses`: on how many
    objects it covered something in the reports; None without reports. `states`: those that need an action."""

    exception: PolicyException
    policies: tuple[str, ...]
    days: int
    uses: int | None
    states: tuple[State, ...]


def standings(policies: PolicySet, now: float, within: int, reports: Sequence[Saved] | None) -> list[Standing]:
    """The state of each exception, sorted by its end. now: seconds since the epoch. within: an exception that ends in
    so many days is about to expire. reports: the reports that tell which are used; None without reports."""
    uses = _uses(reports) if reports is not None else None
    of: dict[str, set[str]] = {}
    for policy in policies.policies:
        for exempt in policy.exceptions:
            of.setdefault(exempt.exception.name, set()).add(policy.name)
    found = [
        _standing(exception, tuple(sorted(of[exception.name])), now, within, uses) for exception in policies.exceptions
    ]
    return sorted(found, key=lambda each: (each.exception.expires, each.exception.name))


def _uses(reports: Iterable[Saved]) -> Counter[str]:
    found: Counter[str] = Counter()
    for report in reports:
        found.update(report.exceptions_used)
    return found


def _standing(
    exception: PolicyException, policies: tuple[str, ...], now: float, within: int, uses: Counter[str] | None
) -> Standing:
    left = exception.expires - now
    number = uses[exception.name] if uses is not None else None
    states: list[State] = []
    if left <= 0:
        states.append("expired")  # and covers nothing, so that its use says nothing
    else:
        if left <= within * DAY:
            states.append("expiring")
        if number == 0:
            states.append("unused")
    return Standing(exception, policies, math.ceil(left / DAY), number, tuple(states))
