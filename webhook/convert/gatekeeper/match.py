"""The `match` of constraints and mutators -> resource rules, selectors and conditions.

Source: the documentation of Gatekeeper, "The match field".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from webhook.convert import celtext, rules
from webhook.convert.model import Outcome, Unsupported, listing, mapping, texts
from webhook.convert.rules import Kind
from webhook.convert.standard import Rule
from webhook.paths import Path
from webhook.schema.kinds import Kinds

_KNOWN: Final = frozenset(
    {"kinds", "scope", "namespaces", "excludedNamespaces", "labelSelector", "namespaceSelector", "name", "source"}
)
NAMESPACE: Final = "request.?namespace.orValue('')"
IS_NAMESPACE: Final = "request.kind.group == '' && request.kind.kind == 'Namespace'"


def _with_status(rule: Rule) -> None:
    """Services come with their status too, as Gatekeeper's webhook asks for them."""
    for each in rule.resource_rules:
        if {"services", "*"} & set(each["resources"]) and each["apiGroups"][0] in ("", "*"):
            each["resources"].append("services/status")


def match(given: Any, rule: Rule, outcome: Outcome, kinds: Kinds, operations: Sequence[str], at: Path) -> None:
    """Fill the rule with what `match` lets through. Without kinds it is every resource, as for Gatekeeper."""
    named = mapping(given, "match", at)
    if unknown := sorted(named.keys() - _KNOWN):
        raise Unsupported(f"match.{unknown[0]}", (*at, unknown[0]))
    if not rule.resource_rules:
        wanted = [
            Kind(group, "*", kind)
            for index, each in enumerate(listing(named.get("kinds"), "kinds", (*at, "kinds")))
            for entry in [mapping(each, "an item of kinds", (*at, "kinds", index))]
            for group in texts(entry.get("apiGroups") or ["*"], "apiGroups", (*at, "kinds", index))
            for kind in texts(entry.get("kinds") or ["*"], "kinds", (*at, "kinds", index))
        ] or [Kind()]
        rule.resource_rules, guessed = rules.resource_rules(wanted, kinds, operations)
        for text in guessed:
            outcome.differs((*at, "kinds"), text)
        _with_status(rule)
    scope = named.get("scope") or "*"
    if scope not in ("*", "Namespaced", "Cluster"):
        raise Unsupported(f"the scope {str(scope)[:40]!r}", (*at, "scope"))
    if scope != "*":
        for each in rule.resource_rules:
            each["scope"] = scope
    # A Namespace is in its own namespace here; for Gatekeeper it is of the name that it has, too.
    spaces = texts(named.get("namespaces"), "namespaces", (*at, "namespaces"))
    if spaces:
        of_cluster = f"{NAMESPACE} == ''"
        rule.conditions.append(("namespaces", celtext.disjunction([of_cluster, celtext.like_any(NAMESPACE, spaces)])))
    if excluded := texts(named.get("excludedNamespaces"), "excludedNamespaces", (*at, "excludedNamespaces")):
        rule.conditions.append(
            ("excluded-namespaces", celtext.negation(celtext.enclose(celtext.like_any(NAMESPACE, excluded))))
        )
    if name := named.get("name"):
        if not isinstance(name, str):
            raise Unsupported("match.name that is no text", (*at, "name"))
        subject = "(request.name != '' ? request.name : object.?metadata.?generateName.orValue(''))"
        rule.conditions.append(("name", celtext.like(subject, name)))
    if source := named.get("source"):
        if source not in ("All", "Original", "Generated"):
            raise Unsupported(f"match.source {str(source)[:40]!r}", (*at, "source"))
        if source == "Generated":
            raise Unsupported("match.source Generated: objects that an expansion generates", (*at, "source"))
        outcome.differs(
            (*at, "source"), "`gatewright check` judges the Pods of workloads, which match.source Original leaves out"
        )
    rule.object_selector = named.get("labelSelector") or None
    rule.namespace_selector = named.get("namespaceSelector") or None
    for key in ("labelSelector", "namespaceSelector"):
        if named.get(key):
            rules.selector(named[key], "labels")  # raises for one that is malformed
