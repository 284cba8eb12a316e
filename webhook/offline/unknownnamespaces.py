"""Which of the Namespaces that the inputs lack could change a verdict: their labels are assumed, and a note says so."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from webhook.cluster.view import NAME_LABEL
from webhook.policy.needed import reads_namespaces
from webhook.policy.policyset import Candidate, PolicySet
from webhook.policy.request import Request
from webhook.policy.selectors import Selector


def that_matter(assumed: Collection[str], requests: Iterable[Request], policies: PolicySet) -> set[str]:
    """Those of the `assumed` Namespaces that a policy or binding which may match a request depends on.

    A selector by kubernetes.io/metadata.name does not: this label is known. Nor does a binding that needs a cluster: it
    is for Namespaces that carry labels, and says nothing of others.
    """
    found: set[str] = set()
    if not assumed:
        return found
    asked: dict[tuple[object, ...], bool] = {}
    for request in requests:
        name = request.namespace or request.name  # of a Namespace that is deleted
        if name in found or name not in assumed:
            continue
        kind = (request.resource, request.subresource, request.operation, request.request_resource)
        if kind not in asked:
            validating, mutating = policies.validators_for(request), policies.mutators_for(request)
            asked[kind] = any(map(_depends, validating)) or any(map(_depends, mutating))
        if asked[kind]:
            found.add(name)
    return found


def _depends(candidate: Candidate[Any]) -> bool:
    bindings = [bound for binding, bound in candidate.bindings if not binding.needs_cluster]
    if not bindings:
        return False
    selectors = (candidate.residual.namespace_selector, *(bound.namespace_selector for bound in bindings))
    return any(map(_by_labels, selectors)) or reads_namespaces(candidate.policy)


def _by_labels(selector: Selector) -> bool:
    return any(each.key != NAME_LABEL for each in selector.requirements)
