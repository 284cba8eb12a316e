"""Pods are selected by a NetworkPolicy of their namespace: without one, everything in the cluster may reach them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from gatewright import Request, Violation, selects, validate

ANNOTATIONS = {
    "kubernetes.io/description": "Pods are selected by a NetworkPolicy of their namespace.",
    "gatewright.dev/title": "NetworkPolicies for all Pods",
    "gatewright.dev/category": "network",
    "gatewright.dev/severity": "medium",
    "gatewright.dev/rationale": (
        "Without a NetworkPolicy every Pod of the cluster may reach every other: whoever takes over "
        "one has the database of the next team before them."
    ),
    "gatewright.dev/remediation": (
        "Add a NetworkPolicy to the namespace, best one that selects all Pods and denies everything, "
        "and others that allow what is needed."
    ),
    "gatewright.dev/controls": (
        "CIS 5.3.2\nNSA-CISA network-separation\nNIST-800-53 SC-7\nPCI-DSS 1.3.1\nPCI-DSS 1.4.1\n"
    ),
}

JSON = dict[str, Any]

# The path of the template of Pods in each kind; WORKLOAD for all others.
TEMPLATES = {"Pod": (), "PodTemplate": ("template",), "CronJob": ("spec", "jobTemplate", "spec", "template")}
WORKLOAD = ("spec", "template")


class Params(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The `data` of the ConfigMap. `directions`: what NetworkPolicies must decide on."""

    directions: Annotated[tuple[Literal["Ingress", "Egress"], ...], Meta(min_length=1)]
    exempt_namespaces: tuple[str, ...] = ()


@validate(
    name="network-policy-required",
    resources=[
        "v1/pods",
        "v1/podtemplates",
        "v1/replicationcontrollers",
        "apps/v1/deployments",
        "apps/v1/replicasets",
        "apps/v1/statefulsets",
        "apps/v1/daemonsets",
        "batch/v1/jobs",
        "batch/v1/cronjobs",
    ],
    param_kind="v1/ConfigMap",
    reads=["networking.k8s.io/v1/NetworkPolicy"],
    annotations=ANNOTATIONS,
)
def network_policy_required(request: Request, params: Params) -> Iterator[Violation]:
    """Pods are selected by a NetworkPolicy of their namespace."""
    if request.namespace in params.exempt_namespaces:
        return
    path = TEMPLATES.get(request.kind.kind, WORKLOAD)
    labels = _labels(request.object, path)
    on_node = _on_node(request.object, path)
    if request.operation == "UPDATE" and (labels, on_node) == (
        _labels(request.old_object, path),
        _on_node(request.old_object, path),
    ):
        return
    if on_node:
        return  # no NetworkPolicy reaches the network of a node
    found = [
        each
        for each in request.cluster.list("networking.k8s.io/v1", "NetworkPolicy", request.namespace).value
        if selects(each["spec"].get("podSelector") or {}, labels)
    ]
    for direction in params.directions:
        if not any(direction in _types(each["spec"]) for each in found):
            yield Violation(
                f"no NetworkPolicy in {request.namespace} decides on {direction} of these Pods, so that everything is "
                "allowed; add one that selects them",
                path=(*path, "metadata", "labels"),
            )


def _types(spec: JSON) -> list[str]:
    """The directions of a NetworkPolicy: where none is said, Ingress, and Egress if there are rules for it."""
    return spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])


def _template(obj: JSON, path: tuple[str, ...]) -> JSON:
    value: Any = obj
    for key in path:
        value = value.get(key) or {}  # a ReplicationController may have no template
    return value


def _labels(obj: JSON, path: tuple[str, ...]) -> dict[str, str]:
    return (_template(obj, path).get("metadata") or {}).get("labels") or {}


def _on_node(obj: JSON, path: tuple[str, ...]) -> bool:
    return bool((_template(obj, path).get("spec") or {}).get("hostNetwork"))
