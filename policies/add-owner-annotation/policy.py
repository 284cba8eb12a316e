"""Objects say who created them, in an annotation that nobody can forge or change.

The mutating policy writes the user's name at the creation, over whatever the request says, and puts back what an update
leaves out. The validating one refuses an object in which it is another, such as one that a later webhook has changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gatewright import Request, Violation, mutate, validate

ANNOTATIONS = {
    "kubernetes.io/description": "Objects carry the name of the user who created them, which nobody can change.",
    "gatewright.dev/title": "Record who created an object",
    "gatewright.dev/category": "metadata",
    "gatewright.dev/severity": "low",
    "gatewright.dev/rationale": "The audit log knows who created an object, if somebody finds the line, and only as "
    "long as it is kept. An annotation says it where one looks.",
    "gatewright.dev/remediation": "Leave the annotation gatewright.dev/created-by as it is, or leave it out: it is "
    "set.",
    "gatewright.dev/controls": "NIST-800-53 AU-10\n",
}

ANNOTATION = "gatewright.dev/created-by"
RESOURCES = [
    "v1/namespaces",
    "v1/services",
    "v1/persistentvolumeclaims",
    "apps/v1/deployments",
    "apps/v1/statefulsets",
    "apps/v1/daemonsets",
    "batch/v1/cronjobs",
    "networking.k8s.io/v1/ingresses",
    "networking.k8s.io/v1/networkpolicies",
    # The subresources that take annotations along.
    "v1/namespaces/status",
    "v1/namespaces/finalize",
    "v1/services/status",
    "v1/persistentvolumeclaims/status",
    "apps/v1/deployments/status",
    "apps/v1/statefulsets/status",
    "apps/v1/daemonsets/status",
    "batch/v1/cronjobs/status",
    "networking.k8s.io/v1/ingresses/status",
]


@mutate(resources=RESOURCES, operations=["CREATE", "UPDATE"], annotations=ANNOTATIONS)
def add_owner_annotation(request: Request) -> None:
    """Write the creator's name at the creation, and keep it at each update."""
    metadata = request.object.setdefault("metadata", {})
    annotations = dict(metadata.get("annotations") or {})
    owner = _owner(request)
    if annotations.get(ANNOTATION) == owner:
        return
    annotations.pop(ANNOTATION, None)
    if owner is not None:
        annotations[ANNOTATION] = owner
    metadata["annotations"] = annotations


@validate(name="add-owner-annotation", resources=RESOURCES, operations=["CREATE", "UPDATE"], annotations=ANNOTATIONS)
def owner_stays(request: Request) -> Iterator[Violation]:
    """The annotation names the creator, and stays."""
    owner, found = _owner(request), _annotations(request.object).get(ANNOTATION)
    if found != owner:
        expected = (
            f"it is {owner}, who created the object" if owner else "the object is from before the policy, and has none"
        )
        yield Violation(
            f"metadata.annotations['{ANNOTATION}'] cannot be {found or 'left out'}: {expected}",
            path=("metadata", "annotations", ANNOTATION),
            reason="Forbidden",
        )


def _owner(request: Request) -> str | None:
    """Who created the object; None if nobody knows any more."""
    if request.operation == "UPDATE":
        return _annotations(request.old_object).get(ANNOTATION)
    return request.user.username


def _annotations(obj: dict[str, Any] | None) -> dict[str, str]:
    return ((obj or {}).get("metadata") or {}).get("annotations") or {}
