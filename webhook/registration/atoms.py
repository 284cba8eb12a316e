"""The requests that a policy under one binding needs to see, as atoms: webhook rules split into their smallest parts.

An atom names one group, version, resource, subresource, operation and scope; each may be "*". Webhook rules cannot
express resourceNames and excludeResourceRules, so atoms leave these out: they cover all that the policy matches, and
sometimes more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct

from webhook.policy.cel.matchconditions import Condition
from webhook.policy.evaluation import Mutator, Validator
from webhook.policy.matching import Match, MatchPolicy, Rule, Scope
from webhook.policy.policyset import EXEMPT, Binding, Policy
from webhook.policy.request import CONNECT, CREATE, OPERATIONS, UPDATE
from webhook.policy.selectors import Requirement, Selector

ANY = "*"

REVIEWS = ("authentication.k8s.io", "authorization.k8s.io")
"""The groups that no webhook is asked about: authentication and authorization."""

# The API server calls no webhook for these (k8s.io/apiserver, IsExemptAdmissionConfigurationResource).
_UNASKED = EXEMPT | {
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
}


class Atom(NamedTuple):
    """The smallest rule. `subresource`: "" is the resource itself, "*" the resource and all its subresources."""

    group: str
    version: str
    resource: str
    subresource: str
    operation: str
    scope: Scope

    def covers(self, other: Atom) -> bool:
        """Whether every request that matches `other`, before conversion, matches this atom too."""
        return all(mine in (ANY, theirs) for mine, theirs in zip(self, other, strict=True))

    def common(self, other: Atom) -> Atom | None:
        """The atom of the requests that match both before conversion; None if there are none."""
        fields: list[str] = []
        for mine, theirs in zip(self, other, strict=True):
            if mine != theirs and ANY not in (mine, theirs):
                return None
            fields.append(theirs if mine == ANY else mine)
        return Atom(*fields)  # type: ignore[arg-type]  # the last is one of two scopes

    def rivals(self, other: Atom) -> bool:
        """Whether some request would match both if they named the same version."""
        return self.common(other._replace(version=self.version)) is not None


class Asked(Struct, frozen=True):
    """A policy under one binding.

    `selectors`: the non-empty objectSelectors of policy and binding. `labels`: the requirements of both
    namespaceSelectors. `conditions`: the binding's. `excludes`: the requests that are left out, before conversion.
    """

    policy: Policy[Validator | Mutator]
    binding: Binding
    atoms: frozenset[Atom]
    selectors: tuple[Selector, ...]
    labels: frozenset[Requirement]
    conditions: tuple[Condition, ...]
    excludes: frozenset[Atom]

    @property
    def match_policy(self) -> MatchPolicy:
        return self.policy.match.match_policy


def asked(policies: Iterable[Policy[Validator | Mutator]]) -> Iterator[Asked]:
    """The requests that each policy needs to see under each of its bindings.

    A policy without bindings never runs and yields nothing. A binding yields nothing if its rules exclude all of the
    policy's."""
    for policy in policies:
        mutates = policy.kind.startswith("Mutating")
        operations = (CREATE, UPDATE, CONNECT) if mutates else OPERATIONS
        for binding in policy.bindings:
            bound = binding.match or Match()
            outside = [
                *_excluded_in_any_version(policy.match, operations),
                *_excluded_in_any_version(bound, operations),
            ]
            atoms = frozenset(
                atom
                for atom in _narrowed(policy.match, bound, operations)
                if not any(exclude.covers(atom) for exclude in outside)
            )
            if not atoms:
                continue
            selectors = (policy.match.object_selector, bound.object_selector)
            yield Asked(
                policy=policy,
                binding=binding,
                atoms=atoms,
                selectors=tuple(selector for selector in selectors if selector),
                labels=frozenset(
                    (*policy.match.namespace_selector.requirements, *bound.namespace_selector.requirements)
                ),
                conditions=binding.conditions.conditions if binding.conditions else (),
                excludes=frozenset(_excluded(policy.match, operations)) | frozenset(_excluded(bound, operations)),
            )


def _narrowed(match: Match, bound: Match, operations: Sequence[str]) -> Iterator[Atom]:
    any_version = bound.match_policy == "Equivalent"
    for atom in _atoms(match.rules, operations):
        if not bound.rules:
            found: Iterable[Atom] = (atom,)
        else:
            # Under Equivalent a binding's rule for one version stands for all; the policy's version is what is asked.
            found = (
                common
                for other in _atoms(bound.rules, operations)
                if (common := atom.common(other._replace(version=atom.version) if any_version else other))
            )
        yield from (each for each in found if not _never(each))


def _atoms(rules: Iterable[Rule], operations: Sequence[str]) -> Iterator[Atom]:
    for rule in rules:
        named = operations if ANY in rule.operations else [each for each in operations if each in rule.operations]
        for group in rule.groups:
            for version in rule.versions:
                for resource, subresource in rule.resources:
                    for operation in named:
                        yield Atom(group, version, resource, subresource, operation, rule.scope)


def _never(atom: Atom) -> bool:
    """Whether the API server calls no webhook for it, or Gatewright does not want to be called."""
    return (atom.group, atom.resource) in _UNASKED or atom.group in REVIEWS


def _excluded(match: Match, operations: Sequence[str]) -> Iterator[Atom]:
    """The excludeResourceRules that hold for all objects."""
    yield from _atoms((rule for rule in match.excludes if not rule.names), operations)


def _excluded_in_any_version(match: Match, operations: Sequence[str]) -> Iterator[Atom]:
    """The excludeResourceRules that also hold for an object that the API server converts, from any version."""
    for atom in _excluded(match, operations):
        if match.match_policy == "Equivalent":
            yield atom._replace(version=ANY)
        elif atom.version == ANY:
            yield atom
