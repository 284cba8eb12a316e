"""What a policy, as one of its bindings narrows it, is to be asked about, in atoms: the rules of webhooks taken apart.

An atom names one group, version, resource, subresource, operation and scope, each perhaps "*". What rules of webhooks
cannot say (resourceNames, excludeResourceRules) is left out, so atoms cover what the policy matches, and more at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from webhook.policy.conditions import Condition
from webhook.policy.evaluation import Mutator, Validator
from webhook.policy.matching import Match, MatchPolicy, Requirement, Rule, Scope, Selector
from webhook.policy.policyset import EXEMPT, Binding, Policy
from webhook.policy.request import CONNECT, CREATE, OPERATIONS, UPDATE

ANY = "*"

REVIEWS = ("authentication.k8s.io", "authorization.k8s.io")
"""The groups of which nothing is asked: who somebody is, and what they may do."""

# The API server calls no webhook for these (k8s.io/apiserver, IsExemptAdmissionConfigurationResource).
_UNASKED = EXEMPT | {
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
}


class Atom(NamedTuple):
    """The smallest rule. `subresource` "" is the resource itself; "*" is it and all its subresources."""

    group: str
    version: str
    resource: str
    subresource: str
    operation: str
    scope: Scope

    def covers(self, other: Atom) -> bool:
        """Whether a request that matches `other` as it was sent always matches this one."""
        return all(mine in (ANY, theirs) for mine, theirs in zip(self, other, strict=True))

    def common(self, other: Atom) -> Atom | None:
        """What matches both as it was sent; None if nothing does."""
        fields: list[str] = []
        for mine, theirs in zip(self, other, strict=True):
            if mine != theirs and ANY not in (mine, theirs):
                return None
            fields.append(theirs if mine == ANY else mine)
        return Atom(*fields)  # type: ignore[arg-type]  # the last is one of two scopes

    def rivals(self, other: Atom) -> bool:
        """Whether something matches both, were they of one version."""
        return self.common(other._replace(version=self.version)) is not None


@dataclass(frozen=True, slots=True)
class Asked:
    """A policy under one binding.

    `selectors`: the objectSelectors, of policy and binding, that are not empty. `labels`: what both namespaceSelectors
    ask of a Namespace. `conditions`: the binding's. `excludes`: what is not asked about, as it was sent.
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
    """What each policy under each of its bindings is to be asked about; nothing for one without bindings, as it never
    runs, and for a binding whose rules have nothing in common with the policy's."""
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
    """Whether the API server asks no webhook, or Gatewright is not to be asked."""
    return (atom.group, atom.resource) in _UNASKED or atom.group in REVIEWS


def _excluded(match: Match, operations: Sequence[str]) -> Iterator[Atom]:
    """The excludeResourceRules that hold for all objects."""
    yield from _atoms((rule for rule in match.excludes if not rule.names), operations)


def _excluded_in_any_version(match: Match, operations: Sequence[str]) -> Iterator[Atom]:
    """Those that hold for an object that the server converts, too: from whatever version."""
    for atom in _excluded(match, operations):
        if match.match_policy == "Equivalent":
            yield atom._replace(version=ANY)
        elif atom.version == ANY:
            yield atom
