"""Explains one case of a policy test, for `gatewright explain --test`: as `explain` does a manifest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from webhook.admission.decision import MUTATING
from webhook.offline.cases.runs import completed
from webhook.offline.policyexplained import RequestExplained, explain_requests
from webhook.offline.requests import Identity, PlannedRequest
from webhook.versions import NEWEST, Version

if TYPE_CHECKING:
    from webhook.apiserver.problems import FieldProblem
    from webhook.offline.cases.setup import Setup
    from webhook.policy.policyset import Policy
    from webhook.policy.request import Request


class _CaseRequest(PlannedRequest, frozen=True):
    """The request of a case. The object is completed as in `gatewright test`, and nothing is refused."""

    target: Version = NEWEST

    def completed(self, request: Request) -> tuple[Request, Sequence[FieldProblem]]:
        """See PlannedRequest."""
        return completed(request, self.target), ()


def explain_case(setup: Setup) -> list[tuple[Policy[Any], RequestExplained]]:
    """What each policy of the case's name makes of its request, under the bindings and params of the case."""
    planned, policies = setup.planned, setup.policies
    if planned.case.validate_only:
        policies = policies.where(lambda policy: policy.kind != MUTATING)
    subject = planned.request.object if planned.request.object is not None else planned.request.old_object
    kind, request = planned.request.kind, planned.request
    metadata = (subject or {}).get("metadata") or {}
    identity = Identity(kind.api_version, kind.kind, request.namespace, metadata.get("name") or "")
    sent = _CaseRequest(
        request, planned.document, identity, planned.prefix, server=setup.server, target=policies.target
    )
    # Only the case's own request: a workload that is changed is followed by that of its Pod.
    return [(policy, next(explain_requests(policy, [sent], policies, setup.view))) for policy in policies.policies]
