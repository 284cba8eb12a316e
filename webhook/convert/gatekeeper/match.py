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
from webhook.lazypatterns import lazily
from webhook.paths import Path
from webhook.schema.kinds import Kinds

_KNOWN: Final = frozenset(
    {"kinds", "scope", "namespaces", "excludedNamespaces", "labelSelector", "namespaceSelector", "name", "source"}
)
_GLOB: Final = lazily(r"\*?[-:a-z0-9]{0,253}\*?")
"""What Gatekeeper takes for a name of `match`: `*` stands at its beginning or its end, or nowhere."""
NAMESPACE: Final = "request.?namespace.orValue('')"


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
            for group in _exact(entry.get("apiGroups"), "apiGroups", (*at, "kinds", index))
            for kind in _exact(entry.get("kinds"), "kinds", (*at, "kinds", index))
        ] or [Kind()]
        rule.resource_rules, guessed = rules.resource_rules(wanted, kinds, operations)
        for text in guessed:
            outcome.differs((*at, "kinds"), text)
        _with_status(rule)
    scope = named.get("scope") or "*"
    if scope in ("Namespaced", "Cluster"):
        for each in rule.resource_rules:
            each["scope"] = scope
    elif scope != "*":
        outcome.differs(
            (*at, "scope"), f"the scope {str(scope)[:40]!r} is none, and leaves nothing out, as in Gatekeeper"
        )
    # A Namespace is in its own namespace here; for Gatekeeper it is of the name that it has, too.
    # Objects that are in none are neither left out nor asked for by the names of namespaces.
    if spaces := _globs(named.get("namespaces"), "namespaces", at):
        of_cluster = f"{NAMESPACE} == ''"
        rule.conditions.append(("namespaces", celtext.disjunction([of_cluster, celtext.like_any(NAMESPACE, spaces)])))
    if excluded := _globs(named.get("excludedNamespaces"), "excludedNamespaces", at):
        left_out = celtext.like_any(NAMESPACE, excluded)
        condition = f"{NAMESPACE} == ''" if left_out == "true" else celtext.negation(celtext.enclose(left_out))
        rule.conditions.append(("excluded-namespaces", condition))
    if name := named.get("name"):
        if not isinstance(name, str):
            raise Unsupported("match.name that is no text", (*at, "name"))
        _globs([name], "name", at)
        subject = "(request.name != '' ? request.name : object.?metadata.?generateName.orValue(''))"
        rule.conditions.append(("name", celtext.like(subject, name)))
    if source := named.get("source"):
        if source not in ("All", "Original", "Generated"):
            raise Unsupported(f"match.source {str(source)[:40]!r}", (*at, "source"))
        if source == "Generated":
            raise Unsupported("match.source Generated: objects that an expansion generates", (*at, "source"))
        if source == "Original":
            text = "`gatewright check` judges the Pods of workloads, which match.source Original leaves out"
            outcome.differs((*at, "source"), text)
    rule.object_selector = named.get("labelSelector") or None
    rule.namespace_selector = named.get("namespaceSelector") or None
    for key in ("labelSelector", "namespaceSelector"):
        if named.get(key):
            rules.selector(named[key], "labels")  # raises for one that is malformed


def _exact(names: Any, what: str, at: Path) -> list[str]:
    """The names of groups or kinds; `*` for none. `*` is not a part of a name: Gatekeeper compares it as it is."""
    found = texts(names or ["*"], what, at)
    for each in found:
        if each != "*" and celtext.is_wild(each):
            raise Unsupported(f"{what} with {each[:60]!r}, which Gatekeeper takes for a name that nothing has", at)
    return found


def _globs(names: Any, what: str, at: Path) -> list[str]:
    """The names, with `*` where Gatekeeper takes one."""
    found = texts(names, what, (*at, what))
    for each in found:
        if not _GLOB.fullmatch(each):
            raise Unsupported(
                f"match.{what} with {each[:60]!r}, which Gatekeeper refuses: * stands first or last in a name",
                (*at, what),
            )
    return found
