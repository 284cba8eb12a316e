"""The API for authors of Python policies. The reference is docs/policy-api.md.

A policy is a function. Its name, with dashes for underscores, is the policy's name; its docstring is the description. A
ValidatingAdmissionPolicyBinding binds a `@validate` function, a MutatingAdmissionPolicyBinding a `@mutate` function::

    from gatewright import Request, Violation, validate

    @validate(resources=["apps/v1/deployments"])
    def replica_floor(request: Request):
        \"\"\"Deployments keep at least two replicas.\"\"\"
        if request.object["spec"].get("replicas", 1) < 2:
            yield Violation("at least 2 replicas, please", path="spec.replicas")

The import takes a few milliseconds: it imports neither pydantic, msgspec nor the engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from webhook.access import Access, AccessDecision
from webhook.policy.named import GroupVersionKind, GroupVersionResource, JSONObject
from webhook.policy.python.decorators import PolicyDefinitionError, mutate, validate
from webhook.policy.python.given import Operation, Request
from webhook.policy.python.reading import Cluster, Found, UndeclaredLookup
from webhook.policy.python.selecting import selects
from webhook.policy.python.violation import Reason, Violation
from webhook.policy.readonly import ReadOnlyError

if TYPE_CHECKING:
    from webhook.policy.request import User

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


if not TYPE_CHECKING:  # to type checkers, any name would be there

    def __getattr__(name: str) -> Any:
        """`User`, when it is first asked for: few policies name it, and it imports msgspec."""
        if name != "User":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from webhook.policy.request import User

        globals()["User"] = User
        return User
