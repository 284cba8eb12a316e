"""GW107: failurePolicy Fail on objects that a cluster writes when it starts; GW301: on objects that it removes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from webhook.cel.tree.ast import Const, nodes
from webhook.lint.alarms import Alarm, Rule
from webhook.lint.subject import AnyPolicy, Subject
from webhook.policy import startup
from webhook.policy.request import CONNECT
from webhook.registration import bootstrap

BOOTSTRAP: Final = "GW107"

RULES: Final = (
    Rule(BOOTSTRAP, "fail-closed-on-start", "warning", "failurePolicy Fail on what a cluster writes before any Pod"),
)

_RBAC: Final = frozenset({"clusterroles", "clusterrolebindings", "roles", "rolebindings"})
_GROUP: Final = "rbac.authorization.k8s.io"


def check(subject: Subject) -> Iterator[Alarm]:
    for policy in subject.policies.policies:
        if policy.failure_policy != "Fail":
            continue
        left = bootstrap.left_out(policy)
        names = [*left.named, *(left.swept if _sweeps(policy) else ())]
        if names:
            through = "" if left.named else " through '*'"
            message = (
                f"failurePolicy Fail on {', '.join(names)}{through}: a cluster writes these before any Pod runs. In "
                "the API server an error of the policy then stops its start, and webhooks leave these out. Set "
                "failurePolicy Ignore, or name them in excludeResourceRules"
            )
            yield subject.of_policy(BOOTSTRAP, policy, _place(policy, names, left.named), message)
        rbac = sorted(_named(policy))
        if rbac and not _spares_system(policy):
            message = (
                f"failurePolicy Fail on {', '.join(rbac)}: the API server writes `system:` roles and bindings when it "
                "starts, and ends if it cannot. Leave these out by a matchCondition, such as "
                "!request.name.startsWith('system:')"
            )
            yield subject.of_policy(BOOTSTRAP, policy, _place(policy, rbac, tuple(rbac)), message)


def _sweeps(policy: AnyPolicy) -> bool:
    """Whether `*` in the rules covers the objects themselves or their status. None of these resources has a `scale`."""
    return any(
        resource == "*" and subresource in ("", "*", "status")
        for rule in policy.match.rules
        for resource, subresource in rule.resources
    )


def _place(policy: AnyPolicy, names: list[str], named: tuple[str, ...]) -> tuple[str | int, ...]:
    """The path of the first rule that names one of these."""
    plurals = {startup.RESOURCES[name].plural if name in startup.RESOURCES else name for name in names}
    for index, rule in enumerate(policy.match.rules):
        for number, (resource, _) in enumerate(rule.resources):
            if resource in plurals or (not named and resource == "*"):
                return ("spec", "matchConstraints", "resourceRules", index, "resources", number)
    return ("spec", "matchConstraints")


def _named(policy: AnyPolicy) -> Iterator[str]:
    """The resources of RBAC that a bound policy names, and would deny or change."""
    if not policy.bindings:
        return
    for rule in policy.match.rules:
        if _GROUP in rule.groups and not rule.names and rule.operations != {CONNECT}:
            yield from (resource for resource, _ in rule.resources if resource in _RBAC)


def _spares_system(policy: AnyPolicy) -> bool:
    """Whether an expression of the policy or of its bindings mentions `system:`."""
    programs = [program for _, program in policy.evaluator.programs()]
    programs += [
        condition.program
        for binding in policy.bindings
        if binding.conditions is not None
        for condition in binding.conditions.conditions
    ]
    if policy.language == "python":
        return any(binding.conditions or binding.match for binding in policy.bindings)
    return any(
        isinstance(node, Const) and isinstance(node.value, str) and node.value.startswith("system:")
        for program in programs
        for node in nodes(program.tree)
    )
