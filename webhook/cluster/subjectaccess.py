"""Access checks by the API server: SubjectAccessReview.

https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/subject-access-review-v1/
"""

from __future__ import annotations

from typing import Any, Final

from webhook.access import Access, AccessDecision
from webhook.cluster.connection import Connection, Unreachable

_PATH: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


def ask(connection: Connection, access: Access, seconds: float) -> AccessDecision:
    """The API server's decision. `seconds`: the timeout of the connection and of each read.

    Raises APIError, Unreachable.
    """
    answer = connection.post(_PATH, _review(access), seconds)
    status = answer.get("status")
    if not isinstance(status, dict):
        raise Unreachable("the answer to a SubjectAccessReview has no status")
    return AccessDecision(
        status.get("allowed") is True,
        str(status.get("reason") or ""),
        str(status.get("evaluationError") or ""),
    )


def _review(access: Access) -> dict[str, Any]:
    spec: dict[str, Any] = {"user": access.user, "groups": list(access.groups)}
    if access.uid:
        spec["uid"] = access.uid
    if access.extra:
        spec["extra"] = {key: list(values) for key, values in access.extra}
    if access.path:
        spec["nonResourceAttributes"] = {"path": access.path, "verb": access.verb}
    else:
        attributes: dict[str, Any] = {
            "verb": access.verb,
            "group": access.group,
            "version": "*",  # as Kubernetes' CEL authorizer library sends it
            "resource": access.resource,
            "subresource": access.subresource,
            "namespace": access.namespace,
            "name": access.name,
        }
        if access.field_selector:
            attributes["fieldSelector"] = {"rawSelector": access.field_selector}
        if access.label_selector:
            attributes["labelSelector"] = {"rawSelector": access.label_selector}
        spec["resourceAttributes"] = attributes
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
