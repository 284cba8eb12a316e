"""Rules that match nothing, and selectors without effect: what no cluster serves, or not in this way.

Each function yields findings: the id of the rule of `gatewright lint`, the path in the policy's or binding's object,
and the message. Nothing is said of groups that may have custom resources that are not known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

from webhook.nearest import nearest
from webhook.paths import Path
from webhook.policy.matching import Match, Rule
from webhook.policy.written.model import describe
from webhook.schema import Kinds, Resource, resourcenames

CONSTRAINTS: Final[Path] = ("spec", "matchConstraints")
"""Where a policy says what it matches."""
RESOURCES: Final[Path] = ("spec", "matchResources")
"""Where a binding does."""

_OF_ANY: Final = frozenset({"scale", "status"})
"""Subresources that a custom resource may have."""
_SUBRESOURCES: Final = {
    ("", "namespaces"): frozenset({"finalize", "status"}),
    ("", "nodes"): frozenset({"proxy", "status"}),
    ("", "pods"): frozenset(
        {
            *("attach", "binding", "ephemeralcontainers", "eviction", "exec", "log", "portforward", "proxy", "resize"),
            "status",
        }
    ),
    ("", "replicationcontrollers"): _OF_ANY,
    ("", "serviceaccounts"): frozenset({"token"}),
    ("", "services"): frozenset({"proxy", "status"}),
    ("apps", "deployments"): _OF_ANY,
    ("apps", "replicasets"): _OF_ANY,
    ("apps", "statefulsets"): _OF_ANY,
    ("certificates.k8s.io", "certificatesigningrequests"): frozenset({"approval", "status"}),
}
"""The subresources of built-in resources. Others have `status` at most."""
_EVERY: Final = frozenset({*_OF_ANY, *(name for names in _SUBRESOURCES.values() for name in names)})


class Finding(NamedTuple):
    rule: Literal["GW101", "GW102", "GW103", "GW104", "GW105"]
    path: Path
    message: str


class Served:
    """Kinds, by the names that rules have for them."""

    def __init__(self, kinds: Kinds) -> None:
        self.kinds = kinds
        self.named: dict[tuple[str, str], list[Resource]] = {}
        for each in kinds:
            self.named.setdefault((each.group, each.plural), []).append(each)
        self.groups = frozenset(group for group, _ in self.named)

    def of(self, rule: Rule, resource: str) -> list[Resource]:
        """The resources that a name in a rule means, in any version; none for `*`, and where a group is not known."""
        if resource == "*" or not rule.groups <= self.groups:
            return []
        return [each for group in sorted(rule.groups) for each in self.named.get((group, resource), ())]


def findings(match: Match, served: Served, at: Path = CONSTRAINTS, of_policy: Sequence[Rule] = ()) -> Iterator[Finding]:
    """Everything below, of a policy's constraints, or of a binding's resources. at: their path in its object.

    of_policy: the rules of the policy that a binding binds, which its selector is about if it has no rules of its own.
    """
    for field, rules in (("resourceRules", match.rules), ("excludeResourceRules", match.excludes)):
        for index, rule in enumerate(rules):
            unserved = list(unserved_resources(rule, served))
            found = [*unserved, *unservedsubresources_of(rule, served)]
            if not unserved:
                found += [*unserved_versions(rule, served), *wrong_scopes(rule, served)]
            yield from (Finding(each.rule, (*at, field, index, *each.path), each.message) for each in found)
    yield from idle_selectors(match, served, (*at, "namespaceSelector"), match.rules or of_policy)


def unserved_resources(rule: Rule, served: Served) -> Iterator[Finding]:
    """Resources that none of the rule's groups has, with what was probably meant."""
    for number, (resource, _) in enumerate(rule.resources):
        if resource == "*" or not resourcenames.unknown(rule.groups, resource, served.kinds):
            continue
        groups = ", ".join(group or "v1" for group in sorted(rule.groups))
        meant = resourcenames.meant_by("/".join((*sorted(rule.groups), resource)), served.kinds)
        hint = f"; did you mean {meant}?" if meant else ""
        yield Finding("GW101", ("resources", number), f"there is no resource {describe(resource)} in {groups}{hint}")


def unserved_versions(rule: Rule, served: Served) -> Iterator[Finding]:
    """Versions that are none, and resources that are served in none of the rule's versions."""
    for version in sorted(rule.versions):
        if "/" in version:
            message = f"{describe(version)} is no version; expected {describe(version.rpartition('/')[2])}, and the "
            yield Finding("GW102", ("apiVersions",), f"{message}group in apiGroups")
    if "*" in rule.versions or any("/" in version for version in rule.versions):
        return
    for number, (resource, _) in enumerate(rule.resources):
        found = served.of(rule, resource)
        if found and not any(each.version in rule.versions for each in found):
            versions = ", ".join(sorted({each.api_version for each in found}))
            named = ", ".join(sorted(rule.versions))
            message = f"{describe(resource)} is served as {versions}, and not in version {named}"
            yield Finding("GW102", ("resources", number), message)


def unservedsubresources_of(rule: Rule, served: Served) -> Iterator[Finding]:
    """Subresources that no resource has, or not this built-in one."""
    for number, (resource, subresource) in enumerate(rule.resources):
        if subresource in ("", "*"):
            continue
        found = served.of(rule, resource)
        known: frozenset[str] | None = None
        if resource == "*":
            known = _EVERY if all(group in served.groups or group == "*" for group in rule.groups) else None
        elif found:
            known = frozenset[str]().union(*map(subresources_of, found))
        if known is not None and subresource not in known:
            close = nearest(subresource, known)
            hint = f"did you mean {close}?" if close else f"there is {', '.join(sorted(known))}"
            subject = "no resource has a" if resource == "*" else f"{describe(resource)} has no"
            message = f"{subject} subresource {describe(subresource)}; {hint}"
            yield Finding("GW103", ("resources", number), message)


def wrong_scopes(rule: Rule, served: Served) -> Iterator[Finding]:
    """A scope that none of the rule's resources has."""
    found = [served.of(rule, resource) for resource, _ in rule.resources]
    if rule.scope == "*" or not all(found):
        return
    if not any(each.namespaced == (rule.scope == "Namespaced") for resources in found for each in resources):
        has = "cluster-scoped" if rule.scope == "Namespaced" else "namespaced"
        are = "is" if len(rule.resources) == 1 else "are"
        names = ", ".join(sorted({each.plural for resources in found for each in resources}))
        yield Finding("GW104", ("scope",), f"nothing has the scope {rule.scope}: {names} {are} {has}")


def idle_selectors(match: Match, served: Served, at: Path, rules: Sequence[Rule]) -> Iterator[Finding]:
    """A namespaceSelector over resources that are in no namespace: it never excludes these.

    Of a Namespace the selector looks at its own labels.
    """
    if not match.namespace_selector:
        return
    named = [each for rule in rules for resource, _ in rule.resources for each in served.of(rule, resource)]
    free = sorted({each.plural for each in named if not each.namespaced and (each.group, each.plural) != _NAMESPACES})
    if free:
        message = f"has no effect on {', '.join(free)}: what is in no namespace matches whatever it says"
        yield Finding("GW105", at, message)


_NAMESPACES: Final = ("", "namespaces")


def subresources_of(resource: Resource) -> frozenset[str]:
    """The subresources that a resource may have."""
    if Kinds.builtin().for_resource(resource.group, resource.version, resource.plural) is None:
        return _OF_ANY
    return _SUBRESOURCES.get((resource.group, resource.plural), frozenset({"status"}))
