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
"""A name in `match` as Gatekeeper accepts it: `*` stands first, last, or not at all."""
NAMESPACE: Final = "request.?namespace.orValue('')"


def _with_status(rule: Rule) -> None:
    """Adds the status of Services, which Gatekeeper's webhook registers for too."""
    for each in rule.resource_rules:
        if {"services", "*"} & set(each["resources"]) and each["apiGroups"][0] in ("", "*"):
            each["resources"].append("services/status")


def match(given: Any, rule: Rule, outcome: Outcome, kinds: Kinds, operations: Sequence[str], at: Path) -> None:
    """Fill the rule with the resources and conditions of `match`. Without kinds it matches every resource, as
    Gatekeeper does."""
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
            (*at, "scope"), f"the scope {str(scope)[:40]!r} is unknown; as in Gatekeeper, it excludes nothing"
        )
    # The namespace of a request about a Namespace is the Namespace's own name, here and in Gatekeeper.
    # `namespaces` and `excludedNamespaces` do not apply to objects without a namespace.
    if spaces := _globs(named.get("namespaces"), "namespaces", at):
        of_cluster = f"{NAMESPACE} == ''"
        rule.conditions.append(("namespaces", celtext.disjunction([of_cluster, celtext.like_any(NAMESPACE, spaces)])))
    if excluded := _globs(named.get("excludedNamespaces"), "excludedNamespaces", at):
        left_out = celtext.like_any(NAMESPACE, excluded)
        condition = f"{NAMESPACE} == ''" if left_out == "true" else celtext.negation(celtext.enclose(left_out))
        rule.conditions.append(("excluded-namespaces", condition))
    if name := named.get("name"):
        if not isinstance(name, str):
            raise Unsupported("match.name that is not a string", (*at, "name"))
        _globs([name], "name", at)
        subject = "(request.name != '' ? request.name : object.?metadata.?generateName.orValue(''))"
        rule.conditions.append(("name", celtext.like(subject, name)))
    if source := named.get("source"):
        if source not in ("All", "Original", "Generated"):
            raise Unsupported(f"match.source {str(source)[:40]!r}", (*at, "source"))
        if source == "Generated":
            raise Unsupported("match.source Generated: objects that an expansion generates", (*at, "source"))
        if source == "Original":
            text = "`gatewright check` judges the Pods of workloads, which match.source Original excludes"
            outcome.differs((*at, "source"), text)
    rule.object_selector = named.get("labelSelector") or None
    rule.namespace_selector = named.get("namespaceSelector") or None
    for key in ("labelSelector", "namespaceSelector"):
        if named.get(key):
            rules.selector(named[key], "labels")  # raises for one that is malformed


def _exact(names: Any, what: str, at: Path) -> list[str]:
    """The names of groups or kinds; `*` if there are none. `*` within a name is unsupported: Gatekeeper compares it
    literally."""
    found = texts(names or ["*"], what, at)
    for each in found:
        if each != "*" and celtext.is_wild(each):
            raise Unsupported(
                f"{what} with {each[:60]!r}, which Gatekeeper compares literally, so it matches nothing", at
            )
    return found


def _globs(names: Any, what: str, at: Path) -> list[str]:
    """The names, each with at most a leading and a trailing `*`. Raises Unsupported."""
    found = texts(names, what, (*at, what))
    for each in found:
        if not _GLOB.fullmatch(each):
            raise Unsupported(
                f"match.{what} with {each[:60]!r}, which Gatekeeper refuses: * stands first or last in a name",
                (*at, what),
            )
    return found
