"""Reviews whose objects cannot be read, as they are nested too deeply or would take too much memory.

An HTTP error would leave them to the webhook's failurePolicy, and under Ignore whoever writes an object could choose a
shape in which it passes every policy. So each validating policy that may match fails, under the actions of its
bindings. What it matches by in the object itself, and its matchConditions, cannot be known: they count as true.

A mutating policy that may match fails as on any other error: under Fail it denies, under Ignore the object is left as
it is, and the validating policies, which are asked next, have the last word on it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from webhook.admission import excepting, review
from webhook.admission.decision import Decision, Excepted, Finding, Mutation
from webhook.admission.engine import namespace_in
from webhook.admission.findings import Report, left_out, mutation_finding
from webhook.admission.record import Evaluated
from webhook.cluster.view import Unanswered
from webhook.policy.evaluation import Evaluation, Failure, MutationFault, MutationResult
from webhook.policy.matching import ALWAYS, NamespaceNotFound, RequestNamespace, Residual
from webhook.policy.selectors import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from webhook.admission.record import Observer
    from webhook.cluster.view import ClusterView
    from webhook.policy.policyset import Binding, Candidate, Policy, PolicySet
    from webhook.policy.request import Request

_OBJECTS = (b',"object":{', b',"oldObject":{')  # an API server writes all that identifies the request before them


def without_objects(begin: bytes) -> bytes | None:
    """The text of a review without its objects, from the text up to them; None if an API server did not write it.

    In JSON text these bytes are never within a string, as quotes are escaped there.
    """
    found = [place for text in _OBJECTS if (place := begin.find(text)) >= 0]
    return begin[: min(found)] + b"}}" if found else None


def request_of(text: bytes) -> Request | None:
    """The request of a review without its objects, as `without_objects` gives it; None if it is none."""
    try:
        return review.parse(text)
    except review.BadReview:
        return None


def too_deep() -> Failure:
    """Why a policy fails on objects that are nested too deeply."""
    return Failure(f"objects that are nested deeper than {review.MAX_DEPTH} levels cannot be evaluated", error=True)


def too_large(most: str) -> Failure:
    """Why a policy fails on objects that are too large. most: the limit, and the setting that it has."""
    return Failure(f"objects that take more than {most} cannot be evaluated", "RequestEntityTooLarge", error=True)


def validate(
    request: Request, policies: PolicySet, cluster: ClusterView, failure: Failure, observer: Observer | None = None
) -> Decision:
    """The verdict on a request that `request_of` gives."""
    evaluation = Evaluation(failures=(failure,))
    report = Report(observer, None)
    matched: list[Binding] = []
    for policy, binding in _may_match_all(policies.validators_for(request), request, cluster):
        matched.append(binding)
        evaluated = Evaluated(policy, binding, None, request, evaluation)
        if observer is not None:
            observer.evaluated(evaluated)
        report.add(evaluated, evaluation)
    return report.decision(None, tuple(matched))


def mutate(
    request: Request, policies: PolicySet, cluster: ClusterView, failure: Failure, observer: Observer | None = None
) -> Mutation:
    """What becomes of the object of a request that `request_of` gives: policies under Fail deny it, others leave it."""
    if request.operation == "DELETE":
        return Mutation(None)
    fault = MutationFault(failure.message)
    result = MutationResult(faults=(fault,))
    findings: list[Finding] = []
    excepted: list[Excepted] = []
    matched: list[Binding] = []
    for policy, binding in _may_match_all(policies.mutators_for(request), request, cluster):
        matched.append(binding)
        evaluated = Evaluated(policy, binding, None, request, result)
        if observer is not None:
            observer.evaluated(evaluated)
        exception = excepting.in_force(policy, binding.name, request, None)
        if exception is not None:
            excepted.append(Excepted(exception, left_out(binding, fault, evaluated)))
            if observer is not None:
                observer.excepted(excepted[-1])
        elif policy.failure_policy == "Fail":
            findings.append(mutation_finding(policy, binding, fault, evaluated=evaluated))
    return Mutation(None, findings=tuple(findings), evaluated=tuple(matched), excepted=tuple(excepted))


def _may_match_all(
    candidates: tuple[Candidate[Any], ...], request: Request, cluster: ClusterView
) -> Iterator[tuple[Policy[Any], Binding]]:
    """The policies that may match a request, each with those of its bindings that may."""
    namespace = RequestNamespace(request, partial(namespace_in, cluster))
    for policy, residual, bindings in candidates:
        if _may_match(residual, request, namespace):
            for binding, bound in bindings:
                if _may_match(bound, request, namespace):
                    yield policy, binding


def _may_match(residual: Residual, request: Request, namespace: RequestNamespace) -> bool:
    """Whether the request matches for some labels of its object, and in a Namespace of which nothing is known."""
    if residual is ALWAYS:
        return True
    if request.resource.resource == "namespaces" and not request.subresource:
        residual = replace(residual, namespace_selector=EVERYTHING)  # selects by the object's own labels
    try:
        return replace(residual, object_selector=EVERYTHING).matches(request, namespace)
    except (NamespaceNotFound, Unanswered):
        return True
