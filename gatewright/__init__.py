"""The API for authors of Python policies. The reference is docs/policy-api.md.

A policy is a function. Its name, with dashes for underscores, is the policy's name; its docstring is the description. A
ValidatingAdmissionPolicyBinding binds a `@validate` function, a MutatingAdmissionPolicyBinding a `@mutate` function::

    from gatewright import Request, Violation, validate

    @validate(resources=["apps/v1/deployments"])
    def replica_floor(request: Request):
        \"\"\"Deployments keep at least two replicas.\"\"\"
        if request.object["spec"].get("replicas", 1) < 2:
            yield Violation("at least 2 replicas, please", path="spec.replicas")

The import takes a few milliseconds: it imports neither pydantic nor the engine.
"""

from webhook.access import Access, AccessDecision
from webhook.policy.python.decorators import PolicyDefinitionError, mutate, validate
from webhook.policy.python.given import Operation, Request
from webhook.policy.python.reading import Cluster, Found, UndeclaredLookup
from webhook.policy.python.selecting import selects
from webhook.policy.python.violation import Reason, Violation
from webhook.policy.readonly import ReadOnlyError
from webhook.policy.request import GroupVersionKind, GroupVersionResource, JSONObject, User

__all__ = [
    "Access",
    "AccessDecision",
    "Cluster",
    "Found",
    "GroupVersionKind",
    "GroupVersionResource",
    "JSONObject",
    "Operation",
    "PolicyDefinitionError",
    "ReadOnlyError",
    "Reason",
    "Request",
    "UndeclaredLookup",
    "User",
    "Violation",
    "mutate",
    "selects",
    "validate",
]
