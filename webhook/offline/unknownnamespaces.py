"""Which of the Namespaces that the inputs lack could change a verdict: their labels are assumed, and a note says so."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from webhook.cluster.view import NAME_LABEL
from webhook.policy.needed import reads_namespaces
from webhook.policy.policyset import Candidate, PolicySet
from webhook.policy.request import Request
from webhook.policy.selectors import Selector


class Depending:
    """The Namespaces that a policy or binding which may match a request depends on.

    A selector by kubernetes.io/metadata.name does not: this label is known. Nor does a binding that needs a cluster: it
    is for Namespaces that carry labels, and says nothing of others.
    """

    def __init__(self, policies: PolicySet) -> None:
        self._policies = policies
        self._asked: dict[tuple[object, ...], bool] = {}

    def of(self, requests: Iterable[Request], among: Collection[str] | None = None) -> set[str]:
        """Their names, for some requests. among: the Namespaces that are asked about; None for all."""
        found: set[str] = set()
        for request in requests:
            name = request.namespace or request.name  # of a Namespace that is deleted
            if name in found or (among is not None and name not in among):
                continue
            kind = (request.resource, request.subresource, request.operation, request.request_resource)
            depends = self._asked.get(kind)
            if depends is None:
                validating, mutating = self._policies.validators_for(request), self._policies.mutators_for(request)
                depends = self._asked[kind] = any(map(_depends, validating)) or any(map(_depends, mutating))
            if depends:
                found.add(name)
        return found


def that_matter(assumed: Collection[str], requests: Iterable[Request], policies: PolicySet) -> set[str]:
    """Those of the `assumed` Namespaces that verdicts on requests depend on."""
    return Depending(policies).of(requests, assumed) if assumed else set()


def _depends(candidate: Candidate[Any]) -> bool:
    bindings = [bound for binding, bound in candidate.bindings if not binding.needs_cluster]
    if not bindings:
        return False
    selectors = (candidate.residual.namespace_selector, *(bound.namespace_selector for bound in bindings))
    return any(map(_by_labels, selectors)) or reads_namespaces(candidate.policy)


def _by_labels(selector: Selector) -> bool:
    return any(each.key != NAME_LABEL for each in selector.requirements)
