"""The defaults of the core group that depend on other fields. test_defaulting holds all of them against Kubernetes."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.apiserver.defaults.defaulting import set_defaults


def defaulted(kind: str, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"apiVersion": "v1", "kind": kind, **fields}
    set_defaults(made, "v1", kind)
    return made


@pytest.mark.parametrize(
    ("spec", "defaults"),
    [
        ({}, {"type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster"}),
        ({"type": "ExternalName"}, {"type": "ExternalName", "sessionAffinity": "None"}),
        (
            {"type": "LoadBalancer"},
            {
                "type": "LoadBalancer",
                "sessionAffinity": "None",
                "internalTrafficPolicy": "Cluster",
                "externalTrafficPolicy": "Cluster",
                "allocateLoadBalancerNodePorts": True,
            },
        ),
        (
            {"sessionAffinity": "ClientIP", "externalIPs": ["192.0.2.1"]},
            {
                "type": "ClusterIP",
                "sessionAffinity": "ClientIP",
                "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}},
                "externalIPs": ["192.0.2.1"],
                "internalTrafficPolicy": "Cluster",
                "externalTrafficPolicy": "Cluster",
            },
        ),
        (
            {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 1}}, "ports": [{"port": 80}]},
            {
                "type": "ClusterIP",
                "sessionAffinity": "None",
                "internalTrafficPolicy": "Cluster",
                "ports": [{"port": 80, "targetPort": 80, "protocol": "TCP"}],
            },
        ),
    ],
)
def test_services(spec: dict[str, Any], defaults: dict[str, Any]) -> None:
    assert defaulted("Service", spec=spec)["spec"] == defaults


def test_a_namespace_has_the_label_of_its_name_unless_it_is_generated() -> None:
    made = defaulted("Namespace", metadata={"name": "a", "labels": {"b": "c"}})
    assert made["metadata"]["labels"] == {"b": "c", "kubernetes.io/metadata.name": "a"}
    assert made["status"] == {"phase": "Active"}
    assert "labels" not in defaulted("Namespace", metadata={"generateName": "a-"})["metadata"]


def test_limits_of_containers() -> None:
    item = {"type": "Container", "max": {"cpu": "2", "memory": "2Gi"}, "min": {"a": "1"}, "default": {"cpu": "1"}}
    made = defaulted("LimitRange", spec={"limits": [{**item}, {**item, "type": "Pod"}]})["spec"]["limits"]
    assert made[0]["default"] == {"cpu": "1", "memory": "2Gi"}
    assert made[0]["defaultRequest"] == {"a": "1", "cpu": "1", "memory": "2Gi"}
    assert made[1] == {**item, "type": "Pod"}


def test_a_controller_takes_the_labels_of_its_template_as_its_own() -> None:
    made = defaulted("ReplicationController", spec={"template": {"metadata": {"labels": {"a": "b"}}}})
    assert made["metadata"]["labels"] == made["spec"]["selector"] == {"a": "b"}
    made["metadata"]["labels"]["c"] = "d"
    assert made["spec"]["selector"] == {"a": "b"}, "they are one object"


def test_a_node_can_allocate_its_capacity_unless_it_says_nothing_of_it() -> None:
    made = defaulted("Node", status={"capacity": {"cpu": "1"}})
    assert made["status"]["allocatable"] == {"cpu": "1"}
    made = defaulted("Node", status={"capacity": {"cpu": "1"}, "allocatable": {}})
    assert "allocatable" not in made["status"]
