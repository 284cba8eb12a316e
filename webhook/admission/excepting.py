"""PolicyExceptions at work: what a policy found, and an exception in force covers, is noted instead.

Looked at only when a policy has found something, or changed something; so an exception that nobody needs costs nothing,
and one that is told of was needed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from webhook.admission.decision import Excepted
from webhook.policy.evaluation import Failure
from webhook.policy.exceptions import PolicyException
from webhook.policy.policyset import Policy
from webhook.policy.request import Request

ANNOTATION = "policy_exception"
"""The audit annotation: a JSON list of {exception, policy, binding, message}."""

MAX_NOTED = 20
MAX_MESSAGE = 256
"""How many are noted of one request, and how many characters of each message."""


def in_force(policy: Policy[Any], binding: str, request: Request, index: int | None) -> PolicyException | None:
    """The first exception, by name, that covers the request now; `index` as for Exemption.concerns."""
    now = time.time()
    for exemption in policy.exceptions:
        exception = exemption.exception
        if now < exception.expires and exemption.concerns(binding, index) and exception.covers(request):
            return exception
    return None


def without_excepted(
    policy: Policy[Any], binding: str, request: Request, failures: Iterable[Failure]
) -> tuple[list[Failure], list[tuple[Failure, PolicyException]]]:
    """What is left of a policy's failures, and those that exceptions cover.

    A policy that could not be evaluated is covered by an exception for all of it, and not by one for some validations.
    """
    left: list[Failure] = []
    excepted: list[tuple[Failure, PolicyException]] = []
    for failure in failures:
        exception = in_force(policy, binding, request, None if failure.error else failure.index)
        if exception is None:
            left.append(failure)
        else:
            excepted.append((failure, exception))
    return left, excepted


def annotation(excepted: Sequence[Excepted]) -> str:
    """The value of ANNOTATION."""
    noted = [
        {
            "exception": each.exception.name,
            "policy": each.finding.policy,
            "binding": each.finding.binding,
            # A policy's message may hold what UTF-8 cannot.
            "message": each.finding.message[:MAX_MESSAGE].encode("utf-8", "backslashreplace").decode(),
        }
        for each in excepted[:MAX_NOTED]
    ]
    return orjson.dumps(noted).decode()


def warnings(excepted: Sequence[Excepted]) -> list[str]:
    """What the user is told of exceptions that say so."""
    return [
        f"Excepted by {each.exception.name} until {each.exception.until}: {each.finding.text()}"
        for each in excepted
        if each.exception.warn
    ]
