"""A cluster that starts from nothing, Gatewright last: what Pods need to run is written, and everything else waits.

etcd is emptied of all but the registration. So the API server makes its Namespaces, RBAC, priorities and Service anew,
and all of it meets fail-closed webhooks that nobody answers.
"""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.e2e.controlplane import ControlPlane, started
from tests.e2e.objects import namespace, pod, service
from tests.e2e.trees import rendered
from tests.e2e.webhooks import POLICIES, Gatewright, until_seen

Object = dict[str, Any]

REGISTRATIONS = ("/registry/validatingwebhookconfigurations/", "/registry/mutatingwebhookconfigurations/")
EVERYTHING = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: everything}
spec:
  matchConstraints:
    namespaceSelector: {matchLabels: {env: prod}}
    resourceRules:
    - {apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["*/*"]}
  validations: [{expression: "true"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: everything}
spec: {policyName: everything, validationActions: [Deny]}
"""


def everything(folder: Path) -> Path:
    (folder / "policies.yaml").write_text(EVERYTHING)
    return folder


def shipped(folder: Path) -> Path:
    ignored = shutil.ignore_patterns("params.yaml")
    return Path(shutil.copytree(POLICIES, folder / "policies", ignore=ignored))


@pytest.fixture
def plane(assets: Path) -> Iterator[ControlPlane]:
    """A control plane of the test's own: it is emptied."""
    with started(assets) as found:
        yield found


def certificate_request() -> str:
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
            x509.NameAttribute(NameOID.COMMON_NAME, "system:node:n1"),
        ]
    )
    made = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(name)
        .sign(ec.generate_private_key(ec.SECP256R1()), SHA256())
    )
    return base64.b64encode(made.public_bytes(Encoding.PEM)).decode()


def needed() -> list[tuple[str, Object]]:
    """What is written before Gatewright's Pod runs, in this order: (path of the collection, object)."""

    def lease(where: str) -> tuple[str, Object]:
        path = f"/apis/coordination.k8s.io/v1/namespaces/{where}/leases"
        return path, made("coordination.k8s.io/v1", "Lease", "n1", spec={"holderIdentity": "n1"})

    group = "things.example.com"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    names = {"plural": "drivers", "singular": "driver", "kind": "Driver"}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    driver = {"group": group, "scope": "Cluster", "names": names, "versions": [version]}
    local = {"group": "local.example.com", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 10}
    signing = {
        "request": certificate_request(),
        "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
        "usages": ["client auth"],
    }
    return [
        collected("certificates.k8s.io/v1", "CertificateSigningRequest", "n1", spec=signing),
        collected("v1", "Node", "n1"),
        collected("storage.k8s.io/v1", "CSINode", "n1", spec={"drivers": []}),
        lease("kube-node-lease"),
        lease("default"),
        ("/api/v1/namespaces/kube-public/configmaps", made("v1", "ConfigMap", "cluster-info", data={"a": "b"})),
        collected("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"drivers.{group}", spec=driver),
        collected("apiregistration.k8s.io/v1", "APIService", "v1.local.example.com", spec=local),
        ("/api/v1/namespaces", namespace("gatewright-system")),
        ("/api/v1/namespaces/gatewright-system/pods", pod("gatewright", "gatewright-system", host_path=True)),
    ]


def collected(api_version: str, kind: str, name: str, **fields: Any) -> tuple[str, Object]:
    """A cluster-scoped object, and the path of its collection."""
    root = "/api/v1" if api_version == "v1" else f"/apis/{api_version}"
    return f"{root}/{kind.lower()}s", made(api_version, kind, name, **fields)


def made(api_version: str, kind: str, name: str, **fields: Any) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **fields}


def written_by_the_server() -> list[str]:
    roles = "/apis/rbac.authorization.k8s.io/v1"
    return [
        *(f"/api/v1/namespaces/{name}" for name in ("default", "kube-system", "kube-public", "kube-node-lease")),
        f"{roles}/clusterroles/system:node",
        f"{roles}/clusterrolebindings/cluster-admin",
        f"{roles}/namespaces/kube-public/roles/system:controller:bootstrap-signer",
        "/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical",
        "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/exempt",
        "/api/v1/namespaces/default/services/kubernetes",
    ]


ORDINARY: dict[Any, list[tuple[str, Object]]] = {
    everything: [
        ("/api/v1/namespaces?dryRun=All", namespace("shop", env="prod")),
        ("/apis/node.k8s.io/v1/runtimeclasses?dryRun=All", made("node.k8s.io/v1", "RuntimeClass", "r", handler="r")),
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterroles?dryRun=All",  # the name is nobody's privilege
            made("rbac.authorization.k8s.io/v1", "ClusterRole", "system:mine", rules=[]),
        ),
    ],
    shipped: [
        ("/api/v1/namespaces/default/pods?dryRun=All", pod("p")),
        ("/api/v1/namespaces/default/services?dryRun=All", service("s", {"port": 443, "appProtocol": "https"})),
        (
            "/api/v1/namespaces/default/configmaps?dryRun=All",
            {**made("v1", "ConfigMap", "c"), "metadata": {"name": "c", "finalizers": ["example.com/cleanup"]}},
        ),
    ],
}


@pytest.mark.parametrize("tree", [everything, shipped])
def test_a_cluster_starts_before_gatewright_and_ordinary_objects_wait_for_it(
    plane: ControlPlane, gatewright: Gatewright, tmp_path: Path, tree: Any
) -> None:
    policies = tree(tmp_path)
    gatewright.look_up_in(plane)
    if tree is shipped:
        plane.apply(namespace("gatewright-system"))
        for params in POLICIES.glob("*/params.yaml"):
            plane.kubectl("apply", "--filename", str(params))
    gatewright.start(policies)
    text = rendered(policies, "--no-ca")
    gatewright.kill()
    plane.apply(*gatewright.registrations(yaml.safe_load_all(text)))

    plane.stop_server()
    plane.forget(*REGISTRATIONS)
    plane.start_server()

    client = plane.client()
    for path in written_by_the_server():
        until_seen(client, "GET", path, None, 200, seconds=30)
    for path, value in needed():
        reply = client.post(path, value)
        assert reply.status == 201, (path, reply.message)
        if value["kind"] in ("Node", "Lease"):
            patch = {"metadata": {"labels": {"beat": "1"}}}
            beat = client.request("PATCH", f"{path}/n1", patch, content_type="application/merge-patch+json")
            assert beat.ok, (path, beat.message)
        if value["kind"] == "CertificateSigningRequest":
            signed = reply.body
            signed["status"] = {
                "conditions": [{"type": "Approved", "status": "True", "reason": "e2e", "message": "e2e"}]
            }
            approved = client.request("PUT", f"{path}/n1/approval", signed)
            assert approved.ok, approved.message

    for path, value in ORDINARY[tree]:
        waiting = client.post(path, value)
        assert waiting.status == 500, (path, waiting.status, waiting.message)
        assert "failed calling webhook" in waiting.message
    for params in POLICIES.glob("*/params.yaml"):
        plane.kubectl("apply", "--filename", str(params))
    gatewright.look_up_in(plane)
    gatewright.start(policies)
    for path, value in ORDINARY[tree]:
        passed = client.post(path, value)
        assert passed.status == 201, (path, passed.message)
