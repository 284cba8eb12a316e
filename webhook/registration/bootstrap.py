"""What a cluster writes before any Pod runs, and what the webhooks therefore leave out.

A webhook with failurePolicy Fail over Nodes makes kubelets wait for a Pod that waits for Nodes: such a cluster never
starts again. A namespaceSelector does not help, because it never excludes cluster-scoped objects. So webhooks with
failurePolicy Fail leave RESOURCES out by a match condition, unless a policy names one in its rules and the operator
confirms it by name. All webhooks leave out what the API server itself writes: it ends if it cannot write its RBAC.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final, NamedTuple

from msgspec.structs import replace

from webhook.documents.reader import Problem
from webhook.nearest import nearest
from webhook.policy.evaluation import Mutator, Validator
from webhook.policy.matching import Scope
from webhook.policy.policyset import Policy, PolicySet
from webhook.policy.request import CONNECT, OPERATIONS
from webhook.policy.startup import RESOURCES, Resource
from webhook.registration.atoms import ANY, Asked, Atom, asked
from webhook.registration.rules import in_cel, merged

API_SERVER: Final = ("not-by-the-api-server", "request.userInfo.?username.orValue('') != 'system:apiserver'")
"""The condition of every webhook. Nobody else has this name who may not impersonate everybody."""

_WRITES: Final = tuple(operation for operation in OPERATIONS if operation != CONNECT)


class Left(NamedTuple):
    """What is left out of one policy. `named`: in its rules by name. `swept`: only through `*`. Both are sorted."""

    named: tuple[str, ...]
    swept: tuple[str, ...]


def unconfirmable(confirmed: Iterable[str], policies: PolicySet) -> str | None:
    """What is wrong with the confirmed names; None if nothing is.

    Each must be one of RESOURCES, and a policy must have it in its rules: `*` alone is nothing to confirm.
    """
    for name in confirmed:
        if name not in RESOURCES:
            close = nearest(name, list(RESOURCES))
            expected = f"did you mean {close}?" if close else f"expected one of: {', '.join(RESOURCES)}"
            return f"{name!r} is nothing that a cluster needs to start; {expected}"
        if not any(name in left_out(policy).named for policy in policies.policies):
            return f"no bound policy with failurePolicy Fail has {name} in its rules by name ('*' does not count)"
    return None


def without(units: Iterable[Asked], confirmed: Collection[str]) -> Iterator[Asked]:
    """The units without the atoms that only ask about RESOURCES that are not confirmed."""
    skipped = frozenset(_written("*", confirmed))
    for unit in units:
        atoms = frozenset(atom for atom in unit.atoms if not any(each.covers(atom) for each in skipped))
        if atoms:
            yield unit if atoms == unit.atoms else replace(unit, atoms=atoms)


def conditions(atoms: Collection[Atom], confirmed: Collection[str]) -> Iterator[tuple[str, str]]:
    """The match condition, as (name, CEL expression), that leaves RESOURCES out of what these atoms ask about."""
    skipped = frozenset(
        # As wide as it may be in what needs no test: all are served in one version and one scope.
        both._replace(version=ANY, scope="*", subresource=ANY)
        for each in _written(None, confirmed)
        for atom in atoms
        if (both := each.common(atom)) is not None
    )
    if skipped:
        yield "not-needed-to-start", f"!({in_cel(merged(skipped), frozenset(atom.operation for atom in atoms))})"


def left_out(policy: Policy[Validator | Mutator], confirmed: Collection[str] = ()) -> Left:
    """Which RESOURCES the policy matches under its bindings, and is not asked about."""
    named: set[str] = set()
    swept: set[str] = set()
    if policy.failure_policy == "Fail":
        for unit in asked((policy,)):
            for name, resource in RESOURCES.items():
                found = [atom for atom in unit.atoms if _asks(unit, atom, resource)]
                if found and name not in confirmed:
                    (named if any(atom.resource == resource.plural for atom in found) else swept).add(name)
    return Left(tuple(sorted(named)), tuple(sorted(swept - named)))


def warnings(
    policies: PolicySet, confirmed: Collection[str] = (), swept: Collection[str] = RESOURCES
) -> Iterator[Problem]:
    """A warning for each policy that matches what the webhooks leave out.

    `swept`: the resources to be warned of where a policy matches them only through `*`. `gatewright check` warns of
    those that it has been given objects of.
    """
    for policy in policies.policies:
        left = left_out(policy, confirmed)
        subject = f"{policy.kind} '{policy.name}'"
        if left.named:
            flags = " ".join(f"--bootstrap {name}" for name in left.named)
            yield Problem(
                policy.file,
                policy.line,
                None,
                f"{subject} has {_listed(left.named)} in its rules; {_WHY}. If it is to wait, confirm it with "
                f"`gatewright manifests {flags}`",
            )
        if found := tuple(name for name in left.swept if name in swept):
            yield Problem(
                policy.file,
                policy.line,
                None,
                f"{subject} matches {_listed(found)} through '*'; {_WHY}. excludeResourceRules with these say the same",
            )


_WHY = (
    "the API server does not ask about these: a cluster writes them before any Pod runs, and under failurePolicy Fail "
    "would wait for Gatewright"
)


def _written(scope: Scope | None, confirmed: Collection[str]) -> Iterator[Atom]:
    """The atoms of RESOURCES that are not confirmed. `scope`: instead of the resource's own."""
    for name, each in RESOURCES.items():
        if name not in confirmed:
            for operation in _WRITES:
                yield Atom(each.group, ANY, each.plural, ANY, operation, scope or each.scope)


def _asks(unit: Asked, atom: Atom, resource: Resource) -> bool:
    """Whether the atom asks about writes of the resource or of a subresource of it, and no exclusion covers these."""
    if atom.operation == CONNECT:
        return False
    version = "v1" if atom.version == ANY else atom.version
    subresource = "" if atom.subresource == ANY else atom.subresource
    asked_about = Atom(resource.group, version, resource.plural, subresource, atom.operation, resource.scope)
    return atom.covers(asked_about) and not any(exclude.covers(asked_about) for exclude in unit.excludes)


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
