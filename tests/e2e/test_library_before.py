"""What is there from before the library can be labelled, owned, scaled and deleted, and loses its finalizers.

Everything is as bad as the API server takes it. Then every policy in CEL is in force with Deny.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.controlplane import DEVELOPER, ControlPlane
from tests.e2e.libraries import enforce
from tests.e2e.objects import namespace
from tests.e2e.people import roles
from tests.e2e.ways import KINDS, TEMPLATE, send, workload

Object = dict[str, Any]

SPEC: Object = {
    "hostNetwork": True,
    "hostPID": True,
    "hostAliases": [{"ip": "192.0.2.1", "hostnames": ["a"]}],
    "nodeSelector": {"node-role.kubernetes.io/control-plane": ""},
    "tolerations": [{"operator": "Exists"}],
    "terminationGracePeriodSeconds": 9999,
    "securityContext": {"runAsUser": 0},
    "containers": [
        {
            "name": "c",
            "image": "evil.example.org/x",
            "env": [
                {"name": "PASSWORD", "value": "changeme"},
                {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            ],
            "resources": {"limits": {"cpu": "100"}, "requests": {"cpu": "1"}},
            "securityContext": {"privileged": True, "capabilities": {"add": ["SYS_ADMIN"]}},
        }
    ],
    "volumes": [{"name": "h", "hostPath": {"path": "/"}}],
}
BACKEND = {"service": {"name": "x", "port": {"number": 80}}}


def _of(api_version: str, kind: str, metadata: Object | None = None, **spec: Any) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", **(metadata or {})}, "spec": spec}


OBJECTS: dict[str, Object] = {
    **{path: workload(kind, pod_spec=SPEC) for kind, path in KINDS.items()},
    "pods": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {**TEMPLATE["spec"], **SPEC}},
    "persistentvolumeclaims": _of(
        "v1",
        "PersistentVolumeClaim",
        storageClassName="evil",
        accessModes=["ReadWriteOnce"],
        resources={"requests": {"storage": "9000Gi"}},
    ),
    "services": _of("v1", "Service", type="LoadBalancer", externalIPs=["192.0.2.1"], ports=[{"port": 80}]),
    "networking.k8s.io/ingresses": _of(
        "networking.k8s.io/v1",
        "Ingress",
        {"annotations": {"nginx.ingress.kubernetes.io/server-snippet": "a;"}},
        ingressClassName="evil",
        rules=[{"host": "evil.example.org"}],
        defaultBackend=BACKEND,
    ),
    "networking.k8s.io/networkpolicies": _of("networking.k8s.io/v1", "NetworkPolicy", podSelector={}, ingress=[{}]),
    "autoscaling/horizontalpodautoscalers": _of(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        minReplicas=1,
        maxReplicas=500,
        scaleTargetRef={"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"},
    ),
}
CHANGES: dict[str, tuple[str, Object]] = {
    "a label": ("", {"metadata": {"labels": {"new": "y"}}}),
    "an annotation": ("", {"metadata": {"annotations": {"new": "y"}}}),
    "a finalizer": ("", {"metadata": {"finalizers": ["example.com/f"]}}),
    "no finalizer": ("", {"metadata": {"finalizers": None}}),
    "an owner": (
        "",
        {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "1"}]}},
    ),
    "the status": ("/status", {"metadata": {"annotations": {"status": "y"}}}),
}
SCALED = ("apps/deployments", "apps/statefulsets", "apps/replicasets", "replicationcontrollers")


@pytest.fixture(scope="module")
def enforced(cluster: ControlPlane) -> ControlPlane:
    cluster.apply(namespace("before"), *roles())
    client = cluster.client(DEVELOPER)
    for path, value in OBJECTS.items():
        made = send(client, "before", "POST", path, value)
        assert made.ok, (path, made.message)
    enforce(cluster)
    return cluster


@pytest.mark.parametrize("path", OBJECTS)
def test_it_changes_where_no_policy_looks_and_goes(enforced: ControlPlane, path: str) -> None:
    client = enforced.client(DEVELOPER)
    again = send(client, "before", "POST", path, {**OBJECTS[path], "metadata": {"name": "again"}})
    assert "ValidatingAdmissionPolicy" in again.message, again.body
    refused = {}
    for what, (subresource, body) in CHANGES.items():
        reply = send(client, "before", "MERGE", f"{path}/x{subresource}", body)
        if not reply.ok and not (subresource and reply.status == 404):  # not every kind has a status
            refused[what] = reply.message
    if path in SCALED:
        reply = send(client, "before", "MERGE", f"{path}/x/scale", {"spec": {"replicas": 2}})
        if not reply.ok:
            refused["scale"] = reply.message
    gone = send(client, "before", "DELETE", f"{path}/x", None)
    assert (refused, gone.ok) == ({}, True), gone.message
