"""Reviews whose objects cannot be read, as they are nested too deeply or would take too much memory.

An HTTP error would leave them to the webhook's failurePolicy, and under Ignore whoever writes an object could choose a
shape in which it passes every policy. So each validating policy that may match fails, under the actions of its
bindings. What it matches by in the object itself, and its matchConditions, cannot be known: they count as true.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from webhook.admission import review
from webhook.admission.decision import Decision, Mutation
from webhook.admission.engine import namespace_in
from webhook.admission.findings import Report
from webhook.admission.record import Evaluated
from webhook.cluster.view import Unanswered
from webhook.policy.evaluation import Evaluation, Failure
from webhook.policy.matching import ALWAYS, NamespaceNotFound, RequestNamespace, Residual
from webhook.policy.selectors import EVERYTHING

if TYPE_CHECKING:
    from webhook.cluster.view import ClusterView
    from webhook.policy.policyset import Binding, PolicySet
    from webhook.policy.request import Request

_OBJECTS = (b',"object":{', b',"oldObject":{')  # an API server writes all that identifies the request before them


def request_of(begin: bytes) -> Request | None:
    """The request of a review without its objects, from the text up to them; None if an API server did not write it.

    In JSON text these bytes are never within a string, as quotes are escaped there.
    """
    found = [place for text in _OBJECTS if (place := begin.find(text)) >= 0]
    if not found:
        return None
    try:
        return review.parse(begin[: min(found)] + b"}}")
    except review.BadReview:
        return None


def too_deep() -> Failure:
    """Why a policy fails on objects that are nested too deeply."""
    return Failure(f"objects that are nested deeper than {review.MAX_DEPTH} levels cannot be evaluated", error=True)


def too_large(most: str) -> Failure:
    """Why a policy fails on objects that are too large. most: the limit, and the setting that it has."""
    return Failure(f"objects that take more than {most} cannot be evaluated", "RequestEntityTooLarge", error=True)


def validate(request: Request, policies: PolicySet, cluster: ClusterView, failure: Failure) -> Decision:
    """The verdict on a request that `request_of` gives."""
    namespace = RequestNamespace(request, partial(namespace_in, cluster))
    evaluation = Evaluation(failures=(failure,))
    report = Report(None, None)
    matched: list[Binding] = []
    for policy, residual, bindings in policies.validators_for(request):
        if not _may_match(residual, request, namespace):
            continue
        for binding, bound in bindings:
            if _may_match(bound, request, namespace):
                matched.append(binding)
                report.add(Evaluated(policy, binding, None, request, evaluation), evaluation)
    return report.decision(None, tuple(matched))


def mutate(request: Request, policies: PolicySet) -> Mutation | None:
    """What becomes of the object: it is left alone if no policy matches requests of its kind. None if one does: then
    the webhook's failurePolicy decides, as a patch cannot be made."""
    return None if policies.mutators_for(request) else Mutation(None)


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
