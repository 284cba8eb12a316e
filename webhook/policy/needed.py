"""The lookups of a policy set in the cluster: params, Namespaces, and the lookups that Python policies declare."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from webhook.cel.tree.ast import variables_in
from webhook.cluster.lookups import ACCESS_KIND, NAMESPACES, Lookups, Target
from webhook.policy.cel.authorization import VARIABLES
from webhook.policy.policyset import Policy, PolicySet
from webhook.schema import Kinds

if TYPE_CHECKING:
    from webhook.paths import Path


def lookups_of(policies: PolicySet) -> Lookups:
    """All that these policies may look up. Policies without a binding never run, and look up nothing."""
    targets: set[Target] = set()
    access = False
    for policy in policies.policies:
        if not policy.bindings:
            continue
        targets.update(_params(policy))
        if policy.match.namespace_selector or any(
            binding.match is not None and binding.match.namespace_selector for binding in policy.bindings
        ):
            targets.add(NAMESPACES)
        if reads_namespaces(policy):
            targets.add(NAMESPACES)
        for _, program in policy.evaluator.programs():
            access = access or not variables_in(program.tree).isdisjoint(VARIABLES)
        for read in policy.reads:
            if read == ACCESS_KIND:
                access = True
            else:
                targets.add(Target(*read))
    return Lookups.of(targets, access)


def reads_namespaces(policy: Policy[Any]) -> bool:
    """Whether the policy itself asks about Namespaces, apart from the selectors of its bindings."""
    return ("v1", "Namespace") in policy.reads or any(
        "namespaceObject" in variables_in(program.tree) and not _before_the_namespace(path)
        for path, program in policy.evaluator.programs()
    )


def _params(policy: Policy[Any]) -> Iterator[Target]:
    kind = policy.param_kind
    if kind is None:
        return
    referred = [binding.param_ref for binding in policy.bindings if binding.param_ref is not None]
    for ref in referred:
        yield Target(kind.api_version, kind.kind, ref.namespace, ref.name if ref.selector is None else "")
    if not referred and Kinds.builtin().for_kind(kind.api_version, kind.kind) is None:
        yield Target(kind.api_version, kind.kind)  # a paramKind that is not served is an error


def _before_the_namespace(path: Path) -> bool:
    """Whether the expression sees null as namespaceObject: matchConditions run before the Namespace is looked up."""
    return path[1:2] == ("matchConditions",)
