"""The resources that a cluster writes before any Pod runs, which webhooks leave out (registration/bootstrap.py)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from webhook.policy.matching import Scope
    from webhook.policy.policyset import PolicySet
    from webhook.policy.request import Request


class Resource(NamedTuple):
    group: str
    plural: str
    scope: Scope


RESOURCES: Final = MappingProxyType(
    {
        each.plural if not each.group else f"{each.plural}.{each.group}": each
        for each in (
            Resource("", "nodes", "Cluster"),
            Resource("apiextensions.k8s.io", "customresourcedefinitions", "Cluster"),
            Resource("apiregistration.k8s.io", "apiservices", "Cluster"),
            Resource("certificates.k8s.io", "certificatesigningrequests", "Cluster"),
            Resource("coordination.k8s.io", "leases", "Namespaced"),
            Resource("storage.k8s.io", "csinodes", "Cluster"),
        )
    }
)
"""What kubelets, controllers and aggregated API servers write before Pods can run, by the name that kubectl has for it.

Connections (`nodes/proxy`) are asked about all the same: no start needs them. Webhook configurations and policies are
missing because the API server asks no webhook about them; RBAC, priorities, the Namespaces of the system and the
Service `kubernetes` because the API server itself writes them.
"""


def among(requests: Iterable[Request]) -> frozenset[str]:
    """The names of RESOURCES that requests are about."""
    kinds = {(request.resource.group, request.resource.resource) for request in requests}
    return frozenset(name for name, each in RESOURCES.items() if (each.group, each.plural) in kinds)


def concerns(policies: PolicySet, met: Collection[str]) -> bool:
    """Whether a policy with failurePolicy Fail may match RESOURCES: by name, or, of those that were `met`, by `*`.

    It says yes too often. What imports the registration only to warn asks it first.
    """
    plurals = {each.plural for each in RESOURCES.values()}
    return any(
        resource in plurals or (resource == "*" and bool(met))
        for policy in policies.policies
        if policy.bindings and policy.failure_policy == "Fail"
        for rule in policy.match.rules
        for resource, _ in rule.resources
    )
