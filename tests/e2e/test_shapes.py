"""Objects in shapes that no policy can judge, sent by a tenant to the real API server.

The policy denies everything and has failurePolicy Ignore, and so has its webhook: if the server answered with an HTTP
error, the object would pass.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.controlplane import ControlPlane
from tests.e2e.objects import definition
from tests.e2e.webhooks import Gatewright, until_seen
from tests.server.running import write_policies

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
WIDGETS = "/apis/shapes.example.com/v1/namespaces/default/widgets"
TREE = {
    "policies.yaml": """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: shapes}
spec:
  failurePolicy: Ignore
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: ["*"], resources: [configmaps]}
    - {apiGroups: [shapes.example.com], apiVersions: [v1], operations: ["*"], resources: [widgets]}
  validations: [{expression: "false", message: never}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: shapes}
spec: {policyName: shapes, validationActions: [Deny]}
"""
}
MEBI = 1 << 20


def _config_map(name: str, text: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"text": text}}


def _widget(value: bytes) -> bytes:
    head = {"apiVersion": "shapes.example.com/v1", "kind": "Widget", "metadata": {"name": "it"}, "x": None}
    return json.dumps(head).encode().replace(b"null", value)


def _registration(gatewright: Gatewright) -> dict[str, Any]:
    groups = {"": "configmaps", "shapes.example.com": "widgets"}
    rules = [
        {"apiGroups": [group], "apiVersions": ["v1"], "operations": ["*"], "resources": [resource]}
        for group, resource in groups.items()
    ]
    url = f"https://127.0.0.1:{gatewright.port}/validate/ignore"
    webhook = {
        "name": "shapes.gatewright.dev",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Ignore",
        "clientConfig": {"url": url, "caBundle": gatewright.ca_bundle},
        "rules": rules,
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}},
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "shapes"},
        "webhooks": [webhook],
    }


@pytest.fixture(scope="module")
def registered(
    cluster: ControlPlane, gatewright: Gatewright, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControlPlane]:
    cluster.apply(definition("shapes.example.com", "widgets", "Widget", "v1"))
    client = cluster.client()
    until_seen(client, "POST", WIDGETS + "?dryRun=All", _widget(b"1"), 201)
    assert client.post(CONFIGMAPS, _config_map("large", "<" * 900_000)).status == 201
    gatewright.start(write_policies(tmp_path_factory.mktemp("tree") / "policies", TREE))
    cluster.apply(_registration(gatewright))
    until_seen(client, "POST", WIDGETS + "?dryRun=All", _widget(b"1"), 422)
    until_seen(client, "POST", CONFIGMAPS + "?dryRun=All", _config_map("it", ""), 422)
    yield cluster
    cluster.kubectl("delete", "validatingwebhookconfiguration", "shapes")
    assert client.request("DELETE", f"{CONFIGMAPS}/large").ok


@pytest.mark.parametrize(
    ("value", "status", "told"),
    [
        (b"[" * 200 + b"]" * 200, 422, "never"),
        (b"[" * 300 + b"]" * 300, 422, "deeper than 250 levels"),
        (b'{"a":' * 2000 + b"1" + b"}" * 2000, 422, "deeper than 250 levels"),
        (b"[" * 9000 + b"]" * 9000, 422, "deeper than 250 levels"),
        (b"[" + b"{}," * (MEBI - 1000) + b"{}]", 422, "never"),
        (b'[{"":1' + b'},{"":1' * (3 * MEBI // 7 - 1000) + b"}]", 413, "of memory (--max-memory)"),
        (b'"' + b"<" * (2 * MEBI) + b'"', 413, "(--max-body)"),  # the API server writes six bytes for each
        (b'"' + b"<" * (3 * MEBI - 1000) + b'"', 413, "(--max-body)"),
    ],
    ids=["200 levels", "300", "2000", "9000", "small values", "many objects", "long", "longest"],
)
def test_a_tenant_gains_nothing_by_the_shape_of_an_object(
    registered: ControlPlane, value: bytes, status: int, told: str
) -> None:
    reply = registered.client().post(WIDGETS, _widget(value))
    assert reply.status == status, reply.message
    assert "'shapes' with binding 'shapes' denied request: " in reply.message
    assert told in reply.message


def test_an_object_and_the_one_that_is_stored_may_be_too_large_together(registered: ControlPlane) -> None:
    body = _config_map("large", "<" * 899_999)
    for method in ("PUT", "DELETE"):
        reply = registered.client().request(method, f"{CONFIGMAPS}/large", body if method == "PUT" else None)
        assert (reply.status, "denied request: " in reply.message) == ({"PUT": 413}.get(method, 422), True)
