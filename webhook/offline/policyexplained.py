"""What one policy makes of requests, and why: for `gatewright explain`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from webhook.cluster.view import ClusterView
from webhook.offline.explaining import ExplainedPolicy, explain_binding
from webhook.offline.requests import PlannedRequest
from webhook.offline.unmatched import why_not
from webhook.offline.verdicts import Change, Located, verdicts
from webhook.policy.evaluation import Mutator, Validator
from webhook.policy.matching import RequestNamespace
from webhook.policy.policyset import Binding, Policy, PolicySet, is_exempt


@dataclass(frozen=True, slots=True)
class BindingExplained:
    """A policy under one binding. unmatched: why it is not about the request; else its evaluations, one a param."""

    binding: Binding
    unmatched: str | None
    evaluated: tuple[ExplainedPolicy, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestExplained:
    """What a policy makes of one request.

    unmatched: why it is not about the request, None where it is. findings and changes are the engine's verdict.
    """

    planned: PlannedRequest
    unmatched: str | None
    bindings: tuple[BindingExplained, ...]
    findings: tuple[Located, ...]
    changes: tuple[Change, ...]

    @property
    def matched(self) -> bool:
        """Whether the policy was evaluated on the request."""
        return self.unmatched is None and any(bound.unmatched is None for bound in self.bindings)

    @property
    def denied(self) -> bool:
        """Whether the policy refuses the request."""
        return any(located.finding.action == "Deny" for located in self.findings)


def explain_requests(
    policy: Policy[Validator | Mutator], requests: Iterable[PlannedRequest], policies: PolicySet, cluster: ClusterView
) -> Iterator[RequestExplained]:
    """The policy alone on each request. What mutating policies make of the object first, a validating one sees."""
    alone = _alone(policy, policies)
    for planned in requests:
        (verdict,) = verdicts([planned], alone, cluster)
        findings = tuple(located for located in verdict.findings if located.finding.policy == policy.name)
        request = planned.request
        if verdict.changes and policy.kind == "ValidatingAdmissionPolicy":
            request = request.with_object(verdict.changes[-1].after)
        namespace = RequestNamespace(request, lambda name: cluster.namespace(name).value)
        unmatched = why_not(policy.match, planned.request, namespace, "matchConstraints")
        if unmatched is None and is_exempt(request.resource):
            unmatched = "requests of this kind are subject to no policy, or nobody could mend one"
        if unmatched is None and not policy.bindings:
            unmatched = "no binding names the policy: it never runs"
        bound: list[BindingExplained] = []
        for binding in policy.bindings if unmatched is None else ():
            why = binding.match and why_not(
                binding.match, planned.request, namespace, "matchResources", of_binding=True
            )
            if why:
                bound.append(BindingExplained(binding, why))
                continue
            evaluated = explain_binding(policy, binding, request, cluster)
            bound.append(BindingExplained(binding, None, evaluated))
        changes = verdict.changes if policy.kind == "MutatingAdmissionPolicy" else ()
        yield RequestExplained(planned, unmatched, tuple(bound), findings, changes)


def _alone(policy: Policy[Any], policies: PolicySet) -> PolicySet:
    """The set of this policy alone; for a validating one with the mutating ones that run before it."""
    if policy.kind == "MutatingAdmissionPolicy":
        return PolicySet((), [policy], objects=policies.objects)
    return PolicySet([policy], policies.mutating, objects=policies.objects)
