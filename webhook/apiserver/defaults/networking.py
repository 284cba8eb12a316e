"""Defaults of NetworkPolicies and IngressClasses (networking.k8s.io/v1)."""

from __future__ import annotations

from typing import Any, Final

from webhook.apiserver.defaults.absent import constants, struct
from webhook.apiserver.defaults.defaulting import Function


def network_policy(value: dict[str, Any]) -> None:
    """A policy without types is of Ingress, and of Egress if it has rules for that."""
    spec = struct(value, "spec")
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def ingress_class(value: dict[str, Any]) -> None:
    parameters = (value.get("spec") or {}).get("parameters")
    if parameters is not None:
        parameters.setdefault("scope", "Cluster")


FUNCTIONS: Final[dict[str, Function]] = {
    "v1.IngressClass": ingress_class,
    "v1.NetworkPolicy": network_policy,
    "v1.NetworkPolicyPort": constants(protocol="TCP"),
}
