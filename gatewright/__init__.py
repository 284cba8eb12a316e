"""What policy authors import, and all that they import: `validate`, `mutate`, `Violation`, `Request`.

A policy is a function. Its name, with dashes for underscores, is the policy's name; its docstring the description. A
ValidatingAdmissionPolicyBinding binds a `@validate` function, a MutatingAdmissionPolicyBinding a `@mutate` function::

    from gatewright import Request, Violation, validate

    @validate(resources=["apps/v1/deployments"])
    def replica_floor(request: Request):
        \"\"\"Deployments keep at least two replicas.\"\"\"
        if request.object["spec"].get("replicas", 1) < 2:
            yield Violation("at least 2 replicas, please", path="spec.replicas")
"""

from webhook.policy.python.decorators import Violation, mutate, validate
from webhook.policy.request import GroupVersionKind, GroupVersionResource, Request, User

__all__ = ["GroupVersionKind", "GroupVersionResource", "Request", "User", "Violation", "mutate", "validate"]
