"""Rules and selectors that match nothing, or not what they say: GW101 to GW106.

webhook.policy.unmatchable finds the first five; `check`, `test` and `manifests` warn of them too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from webhook.documents.reader import Document
from webhook.lint.alarms import Alarm, Edit, Rule
from webhook.lint.subject import Subject, replaced
from webhook.paths import Path, lookup, render
from webhook.policy import unmatchable
from webhook.policy.matching import Match
from webhook.policy.selectors import Requirement, Selector
from webhook.policy.unmatchable import Finding
from webhook.schema import resourcenames

CONTRADICTORY: Final = "GW106"

RULES: Final = (
    Rule("GW101", "unknown-resource", "error", "a rule names a resource that its groups do not have", fixable=True),
    Rule("GW102", "unserved-version", "error", "a rule names no version that serves the resource", fixable=True),
    Rule("GW103", "unknown-subresource", "error", "a rule names a subresource that does not exist"),
    Rule("GW104", "impossible-scope", "error", "a rule has a scope that none of its resources has"),
    Rule("GW105", "idle-namespace-selector", "warning", "a namespaceSelector has no effect on cluster-scoped objects"),
    Rule(CONTRADICTORY, "contradictory-selector", "error", "a selector that no labels meet"),
)


def check(subject: Subject) -> Iterator[Alarm]:
    for policy in subject.policies.policies:
        document = subject.document(policy) if policy.language == "cel" else None
        for found in unmatchable.findings(policy.match, subject.served):
            if document is None:
                yield subject.of_policy(found.rule, policy, (), found.message)
            else:
                yield _located(subject, document, found)
        if document is not None:
            yield from _contradictory(subject, document, policy.match, unmatchable.CONSTRAINTS)
        for binding in policy.bindings:
            bound = subject.document(binding)
            if bound is not None and binding.match is not None:
                at = unmatchable.RESOURCES
                for found in unmatchable.findings(binding.match, subject.served, at, policy.match.rules):
                    yield _located(subject, bound, found)
                yield from _contradictory(subject, bound, binding.match, at)


def _located(subject: Subject, document: Document, found: Finding) -> Alarm:
    edits, remedy = _mended(subject, document, found)
    message = f"{render(found.path)}: {found.message}"
    return subject.alarm(found.rule, document, found.path, message, edits, remedy)


def _mended(subject: Subject, document: Document, found: Finding) -> tuple[tuple[Edit, ...], str]:
    """The edits where only one correction is possible: another spelling of a resource in the rule's own groups."""
    rule = found.path[:-1] if isinstance(found.path[-1], str) else found.path[:-2]
    groups = lookup(document.value, (*rule, "apiGroups"))
    if not isinstance(groups, list):
        return (), ""
    if found.rule == "GW101":
        return _resource(subject, document, rule, found.path, groups)
    if found.rule == "GW102":
        versions = lookup(document.value, (*rule, "apiVersions"))
        for index, version in enumerate(versions if isinstance(versions, list) else ()):
            group, slash, name = str(version).rpartition("/")
            if slash and groups == [group]:
                return replaced(document, (*rule, "apiVersions", index), name), f"write {name}"
    return (), ""


def _resource(
    subject: Subject, document: Document, rule: Path, path: Path, groups: list[str]
) -> tuple[tuple[Edit, ...], str]:
    text = lookup(document.value, path)
    name, slash, subresource = str(text).partition("/")
    kinds = subject.kinds
    if groups == ["core"] and not resourcenames.unknown(frozenset({""}), name, kinds):
        return replaced(document, (*rule, "apiGroups", 0), ""), 'write ""'
    lower = name.lower()
    plural = resourcenames.SHORT_NAMES.get(lower, lower)
    meant = {
        each.plural
        for each in kinds
        if each.group in groups and plural in (each.plural, each.kind.lower(), f"{each.kind.lower()}s")
    }
    if len(meant) != 1 or len(groups) != 1:
        return (), ""
    spelled = f"{meant.pop()}{slash}{subresource}"
    return replaced(document, path, spelled), f"write {spelled}"


# Selectors


def _contradictory(subject: Subject, document: Document, match: Match, at: Path) -> Iterator[Alarm]:
    for field, selector in (("namespaceSelector", match.namespace_selector), ("objectSelector", match.object_selector)):
        key = _impossible(selector)
        if key is not None:
            message = f"no labels meet this {field}: its requirements for {key} exclude each other"
            yield subject.alarm(CONTRADICTORY, document, (*at, field), message)


def _impossible(selector: Selector) -> str | None:
    """The label for which a selector has contradictory requirements."""
    by_key: dict[str, list[Requirement]] = {}
    for each in selector.requirements:
        by_key.setdefault(each.key, []).append(each)
    for key, requirements in by_key.items():
        values = {value for each in requirements for value in each.values}
        candidates = [{}, {key: "\0"}, *({key: value} for value in values)]
        if not any(all(each.matches(labels) for each in requirements) for labels in candidates):
            return key
    return None
