"""A PodDisruptionBudget selects Pods of some workload of its namespace: one that selects nothing protects nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gatewright import Request, Violation, selects, validate

ANNOTATIONS = {
    "kubernetes.io/description": "PodDisruptionBudgets select Pods of a workload in their namespace.",
    "gatewright.dev/title": "PodDisruptionBudgets that protect nothing",
    "gatewright.dev/category": "scheduling",
    "gatewright.dev/severity": "low",
    "gatewright.dev/rationale": (
        "A label is changed, and the budget selects nothing any more. Nobody notices until a drain "
        "takes all replicas at once."
    ),
    "gatewright.dev/remediation": (
        "Set spec.selector to labels of the template of the workload that the budget is for."
    ),
    "gatewright.dev/controls": ("NIST-800-53 CP-10\n"),
}

JSON = dict[str, Any]

WORKLOADS = (
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "ReplicaSet"),
    ("apps/v1", "DaemonSet"),
    ("v1", "ReplicationController"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
)


@validate(
    name="pdb-matches-nothing",
    resources=["policy/v1/poddisruptionbudgets"],
    reads=[
        "apps/v1/Deployment",
        "apps/v1/StatefulSet",
        "apps/v1/ReplicaSet",
        "apps/v1/DaemonSet",
        "v1/ReplicationController",
        "batch/v1/Job",
        "batch/v1/CronJob",
    ],
    annotations=ANNOTATIONS,
)
def pdb_matches_nothing(request: Request) -> Iterator[Violation]:
    """A PodDisruptionBudget selects Pods of some workload."""
    selector = request.object["spec"].get("selector")
    if request.operation == "UPDATE" and selector == request.old_object["spec"].get("selector"):
        return
    for api_version, kind in WORKLOADS:
        for each in request.cluster.list(api_version, kind, request.namespace).value:
            if selects(selector, _labels(each["spec"]["jobTemplate"] if kind == "CronJob" else each)):
                return
    yield Violation(
        f"spec.selector selects no Pods of a workload in {request.namespace}, so that the budget protects nothing; set "
        "it to labels of the template of a workload",
        path="spec.selector",
    )


def _labels(workload: JSON) -> dict[str, str]:
    template = workload["spec"].get("template") or {}  # a ReplicationController may have none
    return (template.get("metadata") or {}).get("labels") or {}
