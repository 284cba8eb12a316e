"""The state of each exception of a policy tree on a day: in force, about to expire or expired, and used or not.

A report shows that an exception was needed. That it was not needed is known only if every report could have shown it:
the run read everything, had this exception, and evaluated its policies for requests that it covers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, Literal

from msgspec import Struct

from webhook.audit.listings import annotation, operations
from webhook.policy.exceptions import PolicyException
from webhook.policy.policyset import Policy, PolicySet
from webhook.policy.request import CREATE, UPDATE
from webhook.rollout.reports import Saved

State = Literal["expired", "expiring", "unused", "unknown"]

STATES: Final[tuple[State, ...]] = ("expired", "expiring", "unused", "unknown")

DAY: Final = 86400.0

Named = tuple[str, Saved]
"""A report with the name of its file."""


class Standing(Struct, frozen=True):
    """An exception. `days`: until it ends, begun ones too; 0 or less if it has expired. `uses`: on how many
    objects it covered something in the reports; None without reports, and if it is unknown. `states`: those that need
    an action. `why_unknown`: why the reports do not tell whether it is used; "" if they do, or without reports."""

    exception: PolicyException
    policies: tuple[str, ...]
    days: int
    uses: int | None
    states: tuple[State, ...]
    why_unknown: str = ""


def standings(policies: PolicySet, now: float, within: int, reports: Sequence[Named] | None) -> list[Standing]:
    """The state of each exception, sorted by its end. now: seconds since the epoch. within: an exception that ends in
    so many days is about to expire. reports: the reports that tell which are used; None without reports."""
    used: Counter[str] = Counter()
    for _, report in reports or ():
        used.update(report.exceptions_used)
    of: dict[str, list[Policy[Any]]] = {}
    for policy in policies.policies:
        for name in {exempt.exception.name for exempt in policy.exceptions}:
            of.setdefault(name, []).append(policy)
    found = []
    for exception in policies.exceptions:
        excepted = of[exception.name]
        uses, why = (used[exception.name] if reports is not None else None), ""
        if reports is not None and not uses:
            why = _unknown(exception, excepted, reports)
            uses = None if why else 0
        names = tuple(sorted({policy.name for policy in excepted}))
        found.append(_standing(exception, names, now, within, uses, why))
    return sorted(found, key=lambda each: (each.exception.expires, each.exception.name))


def _unknown(exception: PolicyException, policies: Sequence[Policy[Any]], reports: Sequence[Named]) -> str:
    """Why it is unknown whether the exception is needed, which no report says; "" if it is not needed."""
    if exception.users is not None:
        return "it is for requests of users, and reports have the requests of one user"
    of_objects = [(name, report) for name, report in reports if not report.of_log]
    if not of_objects:
        return "audit logs show what was needed, but not what was not"
    shards = Counter(report.shards for _, report in of_objects if report.shards)
    for name, report in of_objects:
        if report.errors:
            return f"{name}: the run could not read everything: {report.errors[0].message}"
        if report.shards and shards[report.shards] < report.shards:
            return f"{name}: does not tell of the namespaces of other shards"
        if lacking := sorted({policy.name for policy in policies} - report.policies):
            return f"{name}: made without the policy {lacking[0]}"
        if exception.name not in report.exceptions_used:
            return f"{name}: made without this exception, or by an earlier version"
        if report.command == "audit" and (why := _never_asked(exception, policies)):
            return f"{name}: {why}"
    return ""


def _never_asked(exception: PolicyException, policies: Sequence[Policy[Any]]) -> str:
    """Why an audit cannot tell; "" if it can."""
    if exception.operations is not None and not exception.operations & {CREATE, UPDATE}:
        return f"an audit makes no requests of {', '.join(sorted(exception.operations))}"
    for policy in policies:
        if annotation(policy) == "never" or not operations(policy):
            return f"an audit does not evaluate the policy {policy.name}"
    return ""


def _standing(
    exception: PolicyException, policies: tuple[str, ...], now: float, within: int, uses: int | None, why: str
) -> Standing:
    left = exception.expires - now
    states: list[State] = []
    if left <= 0:
        states.append("expired")  # and covers nothing, so that its use says nothing
    else:
        if left <= within * DAY:
            states.append("expiring")
        if why:
            states.append("unknown")
        elif uses == 0:
            states.append("unused")
    return Standing(exception, policies, math.ceil(left / DAY), uses, tuple(states), why)
