from typing import Any

import pytest
import yaml

from webhook.offline.wholeness import is_whole

CONTAINERS = "containers: [{name: c, image: x}]"


@pytest.mark.parametrize(
    ("api_version", "kind", "rest", "whole"),
    [
        ("v1", "Pod", f"spec: {{{CONTAINERS}}}", True),
        ("v1", "Pod", "spec: {containers: [{name: c}]}", False),
        ("v1", "Pod", "spec: {nodeName: n}", False),
        ("apps/v1", "Deployment", f"spec: {{template: {{spec: {{{CONTAINERS}}}}}}}", False),
        (
            "apps/v1",
            "Deployment",
            f"spec: {{selector: {{matchLabels: {{a: b}}}}, template: {{spec: {{{CONTAINERS}}}}}}}",
            True,
        ),
        (
            "apps/v1",
            "DaemonSet",
            "spec: {selector: {matchLabels: {a: b}}, template: {spec: {containers: [{name: c}]}}}",
            False,
        ),
        ("batch/v1", "CronJob", f"spec: {{jobTemplate: {{spec: {{template: {{spec: {{{CONTAINERS}}}}}}}}}}}", False),
        ("v1", "Service", "metadata: {annotations: {a: b}}", False),
        ("v1", "Service", "spec: {type: NodePort}", False),
        ("v1", "Service", "spec: {type: ExternalName, externalName: x}", True),
        ("v1", "Service", "spec: {ports: [{port: 1}]}", True),
        ("networking.k8s.io/v1", "Ingress", "spec: {tls: []}", False),
        ("networking.k8s.io/v1", "Ingress", "spec: {rules: [{host: a}]}", True),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "subjects: []", False),
        ("v1", "ConfigMap", "data: {a: b}", True),
        ("v1", "ServiceAccount", "metadata: {annotations: {a: b}}", True),
        ("shop.example/v1", "Gadget", "spec: {}", True),
    ],
)
def test_what_the_api_server_would_create_from_a_file_alone(
    api_version: str, kind: str, rest: str, whole: bool
) -> None:
    value: dict[str, Any] = {"apiVersion": api_version, "kind": kind, **yaml.safe_load(rest)}
    assert is_whole(value) is whole
