"""Applies PolicyExceptions: a finding that an exception in force covers is reported as excepted instead.

Exceptions are consulted only after a policy has found or changed something. An unused exception costs nothing, and
every reported one was needed.
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
"""The limits of the annotation: entries of one request, and characters of each message."""


def in_force(policy: Policy[Any], binding: str, request: Request, index: int | None) -> PolicyException | None:
    """The first exception, by name, that covers the request now; None if there is none.

    index: see Exemption.concerns.
    """
    now = time.time()
    for exemption in policy.exceptions:
        exception = exemption.exception
        if now < exception.expires and exemption.concerns(binding, index) and exception.covers(request):
            return exception
    return None


def without_excepted(
    policy: Policy[Any], binding: str, request: Request, failures: Iterable[Failure]
) -> tuple[list[Failure], list[tuple[Failure, PolicyException]]]:
    """A policy's failures, split into those that no exception covers and those that one does.

    An evaluation error is covered only by an exception for the whole policy, not by one for some validations.
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
            # A policy's message may hold surrogates, which UTF-8 cannot encode.
            "message": each.finding.message[:MAX_MESSAGE].encode("utf-8", "backslashreplace").decode(),
        }
        for each in excepted[:MAX_NOTED]
    ]
    return orjson.dumps(noted).decode()


def warnings(excepted: Sequence[Excepted]) -> list[str]:
    """The warnings to the user, of the exceptions that have `warn` set."""
    return [
        f"Excepted by {each.exception.name} until {each.exception.until}: {each.finding.text()}"
        for each in excepted
        if each.exception.warn
    ]
