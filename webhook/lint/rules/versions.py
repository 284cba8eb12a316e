"""GW108: API versions that are deprecated: of the policies themselves, in rules, and of params."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from webhook.documents.reader import Document
from webhook.lint.alarms import Alarm, Rule
from webhook.lint.subject import Subject, replaced
from webhook.paths import Path
from webhook.policy import unmatchable
from webhook.policy.matching import Rule as MatchRule
from webhook.policy.written.model import API_VERSION
from webhook.policy.written.policykinds import POLICY_KINDS
from webhook.schema import Resource
from webhook.versions import shown

DEPRECATED: Final = "GW108"

RULES: Final = (
    Rule(DEPRECATED, "deprecated-version", "warning", "an API version that a later one has replaced", fixable=True),
)


def check(subject: Subject) -> Iterator[Alarm]:
    for document in subject.of_kind(*POLICY_KINDS):
        written, kind = document.value["apiVersion"], document.value["kind"]
        if written != API_VERSION and subject.kinds.for_kind(API_VERSION, kind) is not None:
            message = (
                f"{written} is deprecated: Kubernetes {shown(subject.target)} serves {kind} as {API_VERSION}, with the "
                "same fields"
            )
            edits = replaced(document, ("apiVersion",), API_VERSION)
            yield subject.alarm(
                DEPRECATED, document, ("apiVersion",), message, edits, f"write {API_VERSION}", value=True
            )
    for policy in subject.policies.policies:
        holder = subject.document(policy) if policy.language == "cel" else None
        for index, rule in enumerate(policy.match.rules):
            for old, new in _replaced(subject, rule):
                message = f"{old.api_version} {old.plural} is deprecated: write version {new.version}"
                at: Path = (*unmatchable.CONSTRAINTS, "resourceRules", index, "apiVersions")
                yield (
                    subject.of_policy(DEPRECATED, policy, (), message)
                    if holder is None
                    else _in_rule(subject, holder, at, message)
                )
        kind_of = policy.param_kind
        if kind_of is not None:
            known = subject.kinds.for_kind(kind_of.api_version, kind_of.kind)
            later = None if known is None else _later(subject, known)
            if known is not None and later is not None:
                message = f"paramKind {known.api_version} is deprecated: write {later.api_version}"
                yield subject.of_policy(DEPRECATED, policy, ("spec", "paramKind", "apiVersion"), message)


def _in_rule(subject: Subject, document: Document, at: Path, message: str) -> Alarm:
    return subject.alarm(DEPRECATED, document, at, message)


def _replaced(subject: Subject, rule: MatchRule) -> Iterator[tuple[Resource, Resource]]:
    """The resources that a rule names only in beta or alpha versions, each with its stable version."""
    if "*" in rule.versions:
        return
    for resource, _ in rule.resources:
        served = subject.served.of(rule, resource)
        named = [each for each in served if each.version in rule.versions]
        later = None if not named else _later(subject, named[0])
        if later is not None and not any(each.version == later.version for each in named):
            yield named[0], later


def _later(subject: Subject, known: Resource) -> Resource | None:
    """The stable version of a resource that a rule names in an alpha or beta version."""
    if "alpha" not in known.version and "beta" not in known.version:
        return None
    stable = [
        each
        for each in subject.served.named.get((known.group, known.plural), ())
        if "alpha" not in each.version and "beta" not in each.version
    ]
    return stable[-1] if stable else None
