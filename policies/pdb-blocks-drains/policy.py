"""A PodDisruptionBudget leaves room for evictions: a node that is drained empties, and the cluster can be upgraded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gatewright import Request, Violation, selects, validate

ANNOTATIONS = {
    "kubernetes.io/description": "PodDisruptionBudgets leave room for the eviction of a Pod.",
    "gatewright.dev/title": "PodDisruptionBudgets that block drains",
    "gatewright.dev/category": "scheduling",
    "gatewright.dev/severity": "medium",
    "gatewright.dev/rationale": (
        "A budget that allows no eviction holds up every drain: upgrades of nodes hang until somebody"
        " deletes the Pod by hand, and an autoscaler keeps nodes that nobody needs."
    ),
    "gatewright.dev/remediation": "Set maxUnavailable to 1, or run more replicas than minAvailable.",
    "gatewright.dev/controls": ("NIST-800-53 CP-10\n"),
}

JSON = dict[str, Any]

WORKLOADS = ("Deployment", "StatefulSet")


@validate(
    name="pdb-blocks-drains",
    resources=["policy/v1/poddisruptionbudgets"],
    reads=["apps/v1/Deployment", "apps/v1/StatefulSet", "policy/v1/PodDisruptionBudget"],
    annotations=ANNOTATIONS,
)
def pdb_blocks_drains(request: Request) -> Iterator[Violation]:
    """A PodDisruptionBudget leaves room for evictions."""
    spec = request.object["spec"]
    if request.operation == "UPDATE" and spec == request.old_object["spec"]:
        return
    most, least = spec.get("maxUnavailable"), spec.get("minAvailable")
    if most is not None and _of(most, 100) == 0:
        yield Violation(
            f"spec.maxUnavailable is {most}, so that no Pod may be evicted and no node be drained; set it to 1 or more",
            path="spec.maxUnavailable",
        )
    chosen = {f"{kind} {each['metadata']['name']}": each for kind in WORKLOADS for each in _chosen(request, kind)}
    # Workloads that are scaled to nothing have nothing to evict.
    replicas = sum(_replicas(each["spec"].get("replicas")) for each in chosen.values())
    if isinstance(least, str) and _of(least, 100) >= 100:
        yield Violation(
            f"spec.minAvailable is {least}, so that no Pod may be evicted and no node be drained; set "
            "maxUnavailable to 1",
            path="spec.minAvailable",
        )
    elif least is not None and 0 < replicas <= _of(least, replicas):
        yield Violation(
            f"spec.minAvailable is {least}, and {', '.join(chosen)} has {replicas} replicas, so that no Pod may be "
            "evicted and no node be drained; set maxUnavailable to 1, or raise the replicas",
            path="spec.minAvailable",
        )
    for other in request.cluster.list("policy/v1", "PodDisruptionBudget", request.namespace).value:
        if other["metadata"]["name"] == request.name:
            continue
        for named, each in chosen.items():
            if selects(other["spec"].get("selector"), _labels(each)):
                yield Violation(
                    f"spec.selector: {other['metadata']['name']} selects the Pods of {named} too, and "
                    "Pods of two PodDisruptionBudgets are never evicted; keep one",
                    path="spec.selector",
                )


def _of(value: int | str, whole: int) -> int:
    """A number, or a percentage of the whole, rounded up as the controller does."""
    if isinstance(value, str):
        return -(-int(value.removesuffix("%")) * whole // 100)
    return value


def _replicas(value: int | None) -> int:
    """The API server writes 1 where there is nothing; manifests may have null."""
    return 1 if value is None else value


def _chosen(request: Request, kind: str) -> Iterator[JSON]:
    """The workloads of the namespace whose Pods the budget selects."""
    for each in request.cluster.list("apps/v1", kind, request.namespace).value:
        if selects(request.object["spec"].get("selector"), _labels(each)):
            yield each


def _labels(workload: JSON) -> dict[str, str]:
    return (workload["spec"]["template"].get("metadata") or {}).get("labels") or {}
