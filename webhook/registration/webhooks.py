"""The webhooks to register: the fewest that send the server every request that its policies match.

Each path of the server runs all policies of one phase and one failurePolicy, so a request should reach a path once.
Most trees need one webhook a path. There are more if

- policies name different versions of a resource: the API server converts an object to a version that the webhook names,
  so each version needs a webhook;
- policies have matchPolicy Exact: their webhook must not receive converted objects;
- bindings have conditions (webhook.policy.conditions): their webhook has these conditions too.

A webhook's matchConditions exclude requests that an earlier webhook of its path already receives; docs/decisions/009
says why that is right.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import product
from typing import Literal

from msgspec import Struct

from webhook.documents.reader import Problem
from webhook.policy.evaluation import FailurePolicy
from webhook.policy.matching import MatchPolicy
from webhook.policy.policyset import PolicySet
from webhook.policy.selectors import EVERYTHING, Requirement, Selector
from webhook.registration import bootstrap
from webhook.registration.atoms import ANY, REVIEWS, Asked, Atom, asked
from webhook.registration.rules import WebhookRule, in_cel, merged, pruned

Phase = Literal["validate", "mutate"]
PHASES: tuple[Phase, ...] = ("validate", "mutate")
FAILURE_POLICIES: tuple[FailurePolicy, ...] = ("Fail", "Ignore")
STEADY = 2
"""Webhooks of a path that are always there: what all but few trees need, with conditions and without."""


class Webhook(Struct, frozen=True):
    """A webhook without the operator's part (see configurations.Options). `policies`: the names of its policies.

    `number`: from 1, among those of its path. `labels`: requirements on the Namespace, besides the exempt names.
    `conditions`: (name, CEL expression). One without rules is never called.
    """

    number: int
    phase: Phase
    failure_policy: FailurePolicy
    match_policy: MatchPolicy
    rules: tuple[WebhookRule, ...]
    labels: tuple[Requirement, ...]
    object_selector: Selector
    conditions: tuple[tuple[str, str], ...]
    policies: tuple[str, ...]

    @property
    def name(self) -> str:
        suffix = f"-{self.number}" if self.number > 1 else ""
        return f"{self.phase}-{self.failure_policy.lower()}{suffix}.gatewright.dev"

    @property
    def path(self) -> str:
        """Where the server answers."""
        return f"/{self.phase}/{self.failure_policy.lower()}"


def webhooks(policies: PolicySet, confirmed: Collection[str] = ()) -> tuple[Webhook, ...]:
    """The webhooks of all bound policies: validating before mutating, failurePolicy Fail before Ignore.

    `confirmed`: of startup.RESOURCES, those to be asked about although a cluster needs them to start. Each path has
    at least STEADY webhooks, so that the set of their names seldom changes (docs/decisions/030): those that no policy
    needs have no rules. Further webhooks stand at the end of their phase, so that the others keep their places.
    """
    found: list[Webhook] = []
    for phase, failure_policy in product(PHASES, FAILURE_POLICIES):
        of_phase = policies.validating if phase == "validate" else policies.mutating
        units = tuple(asked(policy for policy in of_phase if policy.failure_policy == failure_policy))
        if failure_policy == "Fail":
            units = tuple(bootstrap.without(units, confirmed))
        made = list(_of_path(phase, failure_policy, units, confirmed)) if units else []
        found += made
        found += (_unused(phase, failure_policy, index) for index in range(len(made), STEADY))
    return tuple(sorted(found, key=lambda webhook: (PHASES.index(webhook.phase), webhook.number > STEADY)))


def never_asked(policies: PolicySet) -> Iterator[Problem]:
    """A note on each bound policy whose requests the API server never sends to a webhook."""
    for policy in policies.policies:
        if policy.bindings and not any(asked((policy,))):
            message = (
                f"{policy.kind} '{policy.name}' is never asked: it matches nothing under its bindings, or only what "
                "the API server sends to no webhook"
            )
            yield Problem(policy.file, policy.line, None, message)


class _Group(Struct, frozen=True):
    """The atoms of one webhook, and the bindings whose conditions it has."""

    match_policy: MatchPolicy
    atoms: frozenset[Atom]
    conditions: tuple[tuple[str, str], ...]
    policies: tuple[str, ...]


def _of_path(
    phase: Phase, failure_policy: FailurePolicy, units: Sequence[Asked], confirmed: Collection[str]
) -> Iterator[Webhook]:
    labels = _sorted(frozenset.intersection(*(unit.labels for unit in units)))
    selector = _shared_selector(units)
    tokens = any(_names_tokens(atom) for unit in units for atom in unit.atoms)
    groups = _groups(units)
    for index, group in enumerate(groups):
        conditions = [bootstrap.API_SERVER]
        if failure_policy == "Fail":
            conditions += bootstrap.conditions(group.atoms, confirmed)
        conditions += _not_identity(group.atoms, tokens)
        conditions += _asked_once(group, groups[:index])
        conditions += group.conditions
        yield Webhook(
            number=index + 1,
            phase=phase,
            failure_policy=failure_policy,
            match_policy=group.match_policy,
            rules=merged(group.atoms),
            labels=labels,
            object_selector=selector,
            conditions=tuple(_distinct(conditions)),
            policies=group.policies,
        )


def _unused(phase: Phase, failure_policy: FailurePolicy, index: int) -> Webhook:
    return Webhook(
        number=index + 1,
        phase=phase,
        failure_policy=failure_policy,
        match_policy="Equivalent",
        rules=(),
        labels=(),
        object_selector=EVERYTHING,
        conditions=(),
        policies=(),
    )


def _groups(units: Sequence[Asked]) -> list[_Group]:
    """The groups of one path, in order: without conditions, with conditions, then the same under matchPolicy Exact."""
    found: list[_Group] = []
    for match_policy in ("Equivalent", "Exact"):
        for conditional in (False, True):
            chosen = [
                unit for unit in units if unit.match_policy == match_policy and bool(unit.conditions) == conditional
            ]
            in_any_case = [atom for group in found if not group.conditions for atom in group.atoms]
            for atoms in _layers(chosen, match_policy):
                left = frozenset(atom for atom in atoms if not _asked_anyway(atom, in_any_case, match_policy))
                if left:
                    found.append(_group(match_policy, left, [unit for unit in chosen if unit.atoms & left]))
    return found


def _group(match_policy: MatchPolicy, atoms: frozenset[Atom], members: Sequence[Asked]) -> _Group:
    conditions: list[tuple[str, str]] = []
    excludes = frozenset.intersection(*(unit.excludes for unit in members))
    excluded = merged(exclude for exclude in excludes if any(exclude.common(atom) for atom in atoms))
    if excluded:
        conditions.append(("not-excluded", f"!({in_cel(excluded, _operations(atoms))})"))
    conditions += _own_conditions(members)
    names = sorted({unit.policy.name for unit in members})
    return _Group(match_policy, pruned(atoms), tuple(conditions), tuple(names))


def _operations(atoms: Iterable[Atom]) -> frozenset[str]:
    return frozenset(atom.operation for atom in atoms)


def _asked_anyway(atom: Atom, earlier: Iterable[Atom], match_policy: MatchPolicy) -> bool:
    """Whether an earlier webhook without conditions receives every request of this atom.

    The API server converts to the version that a webhook names, so both must name the same version.
    """
    return any(other.covers(atom) and (match_policy == "Exact" or other.version == atom.version) for other in earlier)


# Versions


def _layers(units: Sequence[Asked], match_policy: MatchPolicy) -> list[frozenset[Atom]]:
    """The atoms, distributed over as many webhooks as needed; newer versions go into earlier webhooks.

    Two atoms must not share a webhook if a policy names the version of one and not of the other. The API server does
    not convert what a webhook accepts in the version it was sent in, but the policy needs it converted.
    """
    owners: dict[Atom, frozenset[str]] = {}
    every = frozenset(atom for unit in units for atom in unit.atoms)
    for atom in every:
        owners[atom] = frozenset(unit.policy.name for unit in units if any(other.covers(atom) for other in unit.atoms))
    layers: list[list[Atom]] = []
    for atom in sorted(every, key=_by_version):
        for layer in layers:
            if match_policy == "Exact" or not any(
                other.version != atom.version and owners[other] != owners[atom] and other.rivals(atom)
                for other in layer
            ):
                layer.append(atom)
                break
        else:
            layers.append([atom])
    return [frozenset(layer) for layer in layers]


_VERSION = re.compile(r"v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?")


def _by_version(atom: Atom) -> tuple[object, ...]:
    """Newest first, as Kubernetes orders versions (v2, v1, v1beta1, others by name); "*" last."""
    match = _VERSION.fullmatch(atom.version)
    if atom.version == ANY:
        rank: tuple[object, ...] = (2,)
    elif match is None:
        rank = (1, atom.version)
    else:
        stability = {None: 0, "beta": 1, "alpha": 2}[match[2]]
        rank = (0, stability, -int(match[1]), -int(match[3] or 0))
    return (*rank, *atom)


# Selectors


def _shared_selector(units: Sequence[Asked]) -> Selector:
    """An objectSelector that selects every object that one of the units selects.

    A selector matches if the old or the new object matches. The selector of a policy may match one of them and that of
    its binding the other, so the two cannot be joined into one: the result comes from one of the two.
    """
    best: frozenset[Requirement] = frozenset()
    for first in units[0].selectors:
        shared = frozenset(first.requirements)
        for unit in units[1:]:
            each = [shared & frozenset(selector.requirements) for selector in unit.selectors]
            shared = max(each, key=_most, default=frozenset())
        best = max(best, shared, key=_most)
    return Selector(_sorted(best)) if best else EVERYTHING


def _most(requirements: frozenset[Requirement]) -> tuple[int, list[tuple[str, str, list[str]]]]:
    """A sort key for sets of requirements: by their number, then by content, so that the order is fixed."""
    return len(requirements), sorted(map(_order, requirements))


def _sorted(requirements: Iterable[Requirement]) -> tuple[Requirement, ...]:
    return tuple(sorted(requirements, key=_order))


def _order(requirement: Requirement) -> tuple[str, str, list[str]]:
    return requirement.key, requirement.operator, sorted(requirement.values)


# Conditions


def _not_identity(atoms: Iterable[Atom], tokens: bool) -> Iterator[tuple[str, str]]:
    """Conditions that exclude authentication and authorization kinds, if a wildcard would include them.

    They test the kind, so they exclude tokens of service accounts (serviceaccounts/token) too, unless a policy names
    these.
    """
    if any(atom.group == ANY or (not tokens and _takes_tokens(atom)) for atom in atoms):
        field = "request.resource.group" if tokens else "request.kind.group"
        groups = ", ".join(f"'{group}'" for group in REVIEWS)
        yield "no-reviews-of-identity", f"!({field} in [{groups}])"


def _takes_tokens(atom: Atom) -> bool:
    return atom.group in ("", ANY) and atom.resource in ("serviceaccounts", ANY) and atom.subresource in ("token", ANY)


def _names_tokens(atom: Atom) -> bool:
    return _takes_tokens(atom) and (atom.resource == "serviceaccounts" or atom.subresource == "token")


def _asked_once(group: _Group, earlier: Iterable[_Group]) -> Iterator[tuple[str, str]]:
    """Conditions that exclude what an earlier webhook of the path receives unconverted: all policies run there.

    A request that is only converted for this webhook reaches no earlier one, and stays.
    """
    parts = []
    for before in earlier:
        common = {both for atom in before.atoms for each in group.atoms if (both := atom.common(each))}
        if common:
            rules = in_cel(merged(common), _operations(group.atoms))
            tests = [f"({rules})", *(_enclosed(expression) for _, expression in before.conditions)]
            parts.append(" && ".join(tests) if before.conditions else rules)
    if parts:
        yield "asked-once", f"!({' || '.join(f'({part})' for part in parts) if len(parts) > 1 else parts[0]})"


def _own_conditions(members: Sequence[Asked]) -> list[tuple[str, str]]:
    """The conditions of the bindings: unchanged if all bindings have the same, else one that ORs the bindings."""
    each = {
        tuple((condition.name, condition.program.source) for condition in unit.conditions): None for unit in members
    }
    if len(each) == 1:
        return list(next(iter(each)))
    alternatives = sorted({" && ".join(_enclosed(expression) for _, expression in all_of) for all_of in each})
    if "" in alternatives:
        return []
    return [("any-binding", " || ".join(f"({alternative})" for alternative in alternatives))]


def _enclosed(expression: str) -> str:
    # A CEL comment at the end would swallow the closing bracket.
    return f"({expression}\n)" if "//" in expression else f"({expression})"


def _distinct(conditions: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The conditions with unique names: a name that is taken gets a suffix."""
    taken: Counter[str] = Counter()
    for name, expression in conditions:
        taken[name] += 1
        yield (name if taken[name] == 1 else f"{name[:60]}-{taken[name]}"), expression
