"""The kinds of a cluster that are listed, each with its version and the policies and operations that judge it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from webhook.policy.matching import RequestKey
from webhook.policy.request import CREATE, UPDATE

if TYPE_CHECKING:
    from webhook.audit.sources import Served
    from webhook.policy.matching import Match
    from webhook.policy.policyset import Policy, PolicySet
    from webhook.schema import Resource

AUDITED: Final = "gatewright.dev/audit"
"""The annotation of a policy that says how it judges stored objects. `update`: as created, and as updated without a
change. `never`: not at all, because the policy is about the sender of a request."""

MUTATING: Final = "MutatingAdmissionPolicy"

PODS: Final = ("", "pods")
"""Group and plural of Pods."""

BETWEEN: Final = frozenset({("apps", "replicasets"), ("batch", "jobs")})
"""What stands between a workload and its Pods."""

_TWICE: Final[dict[tuple[str, str], tuple[str, str]]] = {("events.k8s.io", "events"): ("", "events")}
"""Resources whose objects another group serves, too."""


class Listing(Struct, frozen=True):
    """The objects of one resource. `created`, `updated`: the policies by which they are judged as if created, and as if
    written as they are. Neither has any if only owners are looked for. `first`: whether no other version is listed
    before.
    """

    served: Served
    created: PolicySet
    updated: PolicySet
    first: bool = True

    @property
    def resource(self) -> Resource:
        return self.served.resource

    @property
    def judged(self) -> bool:
        return bool(self.created.policies or self.updated.policies)


def listings(served: Sequence[Served], policies: PolicySet) -> list[Listing]:
    """The resources that are listed for these policies, which are all bound: workloads first, then the objects between
    them and their Pods, Pods last.

    Each policy judges a resource in the first of the served versions that its rules name, so that most resources are
    listed once.
    """
    audited = policies.where(lambda policy: annotation(policy) != "never")
    left: dict[tuple[str, str], PolicySet] = {}  # by resource: the policies that no version yet is listed for
    found: list[Listing] = []
    for each in served:
        resource = each.resource
        key = _key(resource)
        if not each.written or _TWICE.get(key) in left:
            continue
        waiting = left.setdefault(key, audited)
        chosen = {_id(policy) for policy in waiting.policies if _as(policy, resource)}
        if chosen:
            first = waiting is audited
            left[key] = waiting.where(lambda policy, chosen=chosen: _id(policy) not in chosen)  # type: ignore[misc]
            found.append(Listing(each, waiting, _updated(waiting, resource), first))
    listed = {_key(each.resource) for each in found}
    if PODS in listed:
        nothing = policies.where(lambda _: False)
        for each in served:
            key = _key(each.resource)
            if key in BETWEEN and key not in listed:
                listed.add(key)
                found.append(Listing(each, nothing, nothing))
    return sorted(found, key=_turn)


def _updated(policies: PolicySet, resource: Resource) -> PolicySet:
    """The policies that judge an object as if it were written unchanged, with the mutating policies that come before
    them."""
    chosen = {_id(policy) for policy in policies.policies if UPDATE in _as(policy, resource)}
    return policies.where(lambda policy: bool(chosen) and (policy.kind == MUTATING or _id(policy) in chosen))


def _as(policy: Policy[Any], resource: Resource) -> tuple[str, ...]:
    """The operations as which a policy judges the objects of a resource."""
    created, updated = (_covers(policy.match, resource, each) for each in (CREATE, UPDATE))
    if created:
        return (CREATE, UPDATE) if updated and annotation(policy) == "update" else (CREATE,)
    return (UPDATE,) if updated else ()


def _id(policy: Policy[Any]) -> tuple[str, str]:
    return policy.kind, policy.name


def _key(resource: Resource) -> tuple[str, str]:
    return resource.group, resource.plural


def annotation(policy: Policy[Any]) -> str:
    """The value of AUDITED of a policy: `update`, `never`, or ""."""
    return next((value for key, value in policy.annotations if key == AUDITED), "")


def operations(policy: Policy[Any]) -> frozenset[str]:
    """The operations that an audit can ask the policy about: CREATE, UPDATE, both or neither."""
    of_objects = [rule for rule in policy.match.rules if any(part in ("", "*") for _, part in rule.resources)]
    named = frozenset[str]().union(*(rule.operations for rule in of_objects))
    return frozenset(each for each in (CREATE, UPDATE) if named & {each, "*"})


def _covers(match: Match, resource: Resource, operation: str) -> bool:
    key = RequestKey(resource.group, resource.version, resource.plural, "", operation)
    return any(rule.covers(key) for rule in match.rules)


def _turn(listing: Listing) -> int:
    key = _key(listing.resource)
    return 2 if key == PODS else 1 if key in BETWEEN else 0
