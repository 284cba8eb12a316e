"""GW305: exceptions without a date. GW306: those that have expired. GW307: those that except nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from webhook.documents.reader import Document
from webhook.lint.alarms import Alarm, Rule
from webhook.lint.subject import AnyPolicy, Subject
from webhook.paths import Path, lookup
from webhook.policy.exceptions import PolicyException, moment
from webhook.policy.matching import RequestKey
from webhook.policy.request import OPERATIONS
from webhook.policy.written import policykinds

ENDLESS: Final = "GW305"
EXPIRED: Final = "GW306"
UNUSED: Final = "GW307"

RULES: Final = (
    Rule(ENDLESS, "endless-exception", "warning", "an exception has no expiry, or one that is years away"),
    Rule(EXPIRED, "expired-exception", "warning", "an exception has expired"),
    Rule(UNUSED, "unused-exception", "warning", "an exception excepts nothing"),
)

YEARS: Final = 2
"""A later expiry is as good as none."""

_YEAR: Final = 366 * 86400.0
_EXPIRES: Final[Path] = ("spec", "expires")


def check(subject: Subject) -> Iterator[Alarm]:
    """Also runs on a tree that does not load, as an exception without a date does not load."""
    for document in subject.of_kind(policykinds.EXCEPTION):
        if policykinds.is_own(document.value["apiVersion"]):
            yield from _dates(subject, document)
    if subject.loaded:
        yield from _unused(subject)


def _dates(subject: Subject, document: Document) -> Iterator[Alarm]:
    text = lookup(document.value, _EXPIRES)
    if text in (None, ""):
        yield subject.alarm(ENDLESS, document, _EXPIRES, "the exception has no expiry; give it a date")
        return
    ends = moment(text) if isinstance(text, str) else None
    if ends is None:
        return  # loading reports it
    if ends <= subject.now:
        message = f"the exception expired ({text}) and has no effect: remove it, or renew its approval"
        yield subject.alarm(EXPIRED, document, _EXPIRES, message, value=True)
    elif ends > subject.now + YEARS * _YEAR:
        message = f"the exception ends in more than {YEARS} years ({text}), which is as good as never"
        yield subject.alarm(ENDLESS, document, _EXPIRES, message, value=True)


def _unused(subject: Subject) -> Iterator[Alarm]:
    for exception in subject.policies.exceptions:
        policies = [
            policy
            for policy in subject.policies.policies
            if any(exempt.exception.name == exception.name for exempt in policy.exceptions)
        ]
        document = next(
            (each for each in subject.of_kind(policykinds.EXCEPTION) if _name(each) == exception.name), None
        )
        if document is None:
            continue
        idle = [policy for policy in policies if not policy.bindings or not _meet(subject, exception, policy)]
        if policies and len(idle) == len(policies):
            names = ", ".join(sorted({f"'{policy.name}'" for policy in policies}))
            message = (
                f"the exception excepts nothing: {names} {'is' if len(policies) == 1 else 'are'} about none of this"
            )
            yield subject.alarm(UNUSED, document, ("spec", "policies"), message)


def _meet(subject: Subject, exception: PolicyException, policy: AnyPolicy) -> bool:
    """Whether the policy may match what the exception covers."""
    operations = exception.operations or frozenset(OPERATIONS)
    for rule in policy.match.rules:
        if "*" not in rule.operations and not rule.operations & operations:
            continue
        if exception.resources is None:
            return True
        for group, resource, subresource in exception.resources:
            key = RequestKey(group, "", resource, subresource, next(iter(rule.operations)))
            if rule.covers_another_version(key):
                return True
    return False


def _name(document: Document) -> str | None:
    name = lookup(document.value, ("metadata", "name"))
    return name if isinstance(name, str) else None
