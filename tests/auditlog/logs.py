"""Events of an audit log."""

from __future__ import annotations

from typing import Any

FAILURE = {
    "message": "too many", "policy": "replicas", "binding": "replicas", "expressionIndex": "0",
    "validationActions": ["Audit"],
}  # fmt: skip


def event(annotations: Any = None, **fields: Any) -> dict[str, Any]:
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "stage": "ResponseComplete",
        "verb": "patch",
        "user": {"username": "dora"},
        "requestReceivedTimestamp": "2026-11-29T10:00:00.000000Z",
        "objectRef": {
            "apiGroup": "apps", "apiVersion": "v1", "resource": "deployments", "namespace": "shop", "name": "web",
        },
        "annotations": annotations,
        **fields,
    }  # fmt: skip
