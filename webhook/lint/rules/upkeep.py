"""The parts that a policy lacks besides its rules, and its annotations.

GW401: no tests. GW402: no description. GW404: a registration that does not cover everything that the policies match.
GW405: an annotation with a value that reports cannot use.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from webhook.documents.reader import Document
from webhook.library import metadata
from webhook.lint.alarms import Alarm, Rule
from webhook.lint.subject import Subject, key_of
from webhook.paths import lookup
from webhook.registration.sending import called, needs, unsent
from webhook.registration.webhooks import Phase

UNTESTED: Final = "GW401"
UNDESCRIBED: Final = "GW402"
OUTDATED: Final = "GW404"
UNREAD: Final = "GW405"

RULES: Final = (
    Rule(UNTESTED, "no-tests", "note", "a policy has no tests"),
    Rule(UNDESCRIBED, "no-description", "note", "a policy has no description"),
    Rule(OUTDATED, "outdated-registration", "error", "the webhook configurations do not send what the policies need"),
    Rule(UNREAD, "unread-annotation", "warning", "what a policy says of itself in an annotation is not understood"),
)

_PHASES: Final[dict[str, Phase]] = {
    "ValidatingWebhookConfiguration": "validate",
    "MutatingWebhookConfiguration": "mutate",
}


def check(subject: Subject) -> Iterator[Alarm]:
    tested = {lookup(document.value, ("policy",)) for document in subject.tests}
    reported: set[str] = set()
    for policy in subject.policies.policies:
        if policy.name not in tested and policy.name not in reported:
            reported.add(policy.name)
            message = f"'{policy.name}' has no tests: no PolicyTest in the tree names it"
            yield subject.of_policy(UNTESTED, policy, ("metadata", "name"), message)
        if not policy.description.strip():
            where = "a docstring" if policy.language == "python" else "the annotation kubernetes.io/description"
            message = f"'{policy.name}' has no description; say what it is for in {where}"
            yield subject.of_policy(UNDESCRIBED, policy, ("metadata", "name"), message)
        for key, fault in metadata.stated(dict(policy.annotations))[1]:
            message = f"{key}: {fault}; reports leave it out"
            yield subject.of_policy(UNREAD, policy, ("metadata", "annotations", key), message)
    yield from _outdated(subject)


def _outdated(subject: Subject) -> Iterator[Alarm]:
    """The alarms about webhook configurations that call Gatewright, in the tree or given besides."""
    found = [document for document in (*subject.documents, *subject.registrations) if _calls(document)]
    if not found:
        return
    by_phase: dict[Phase, list[Document]] = {"validate": [], "mutate": []}
    for document in found:
        by_phase[_PHASES[key_of(document)[0]]].append(document)
    for phase, documents in by_phase.items():
        webhooks = [webhook for document in documents for webhook in _webhooks(document)]
        for missing in unsent(webhooks, phase, needs(subject.policies, phase)):
            at = (documents or found)[0]
            message = f"{missing}; write the configurations again with `gatewright manifests`"
            yield subject.alarm(OUTDATED, at, ("metadata", "name"), message)


def _calls(document: Document) -> bool:
    return key_of(document)[0] in _PHASES and any(map(called, _webhooks(document)))


def _webhooks(document: Document) -> list[dict[str, Any]]:
    listed = document.value.get("webhooks")
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
