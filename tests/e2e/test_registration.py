"""`gatewright manifests` before a real API server: it takes what is rendered, and asks for each policy once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.e2e.trees import ROOT, rendered, written

if TYPE_CHECKING:
    from tests.e2e.controlplane import ControlPlane

controlplane = pytest.importorskip("tests.e2e.controlplane", reason="the real control plane is not here")

# name, failurePolicy, matchPolicy, group, version, resource, scope
TREE = [
    ("one", "Fail", "Equivalent", "autoscaling", "v1", "horizontalpodautoscalers", "*"),
    ("two", "Fail", "Equivalent", "autoscaling", "v2", "horizontalpodautoscalers", "Namespaced"),
    ("any", "Fail", "Equivalent", '"*"', '"*"', '"*/*"', "*"),
    ("scale", "Fail", "Exact", '"*"', "v1", '"*/scale"', "*"),
    ("mild", "Ignore", "Exact", '""', "v1", "pods/*", "*"),
    ("cluster", "Ignore", "Equivalent", '""', "v1", '"*"', "Cluster"),
]


@pytest.mark.parametrize(
    "arguments", [[], ["--no-ca", "--exclude-namespace", "calico-system"], ["--url", "https://[::1]:1"]]
)
def test_the_server_takes_what_is_rendered(cluster: ControlPlane, tmp_path: Path, arguments: list[str]) -> None:
    for tree in (ROOT / "policies", written(tmp_path, *TREE)):
        strict = ("--dry-run=server", "--validate=strict", "--filename", "-")
        applied = cluster.kubectl("apply", *strict, stdin=rendered(tree, *arguments))
        assert applied.stdout.count("(server dry run)") == 2
        assert "Warning" not in applied.stderr


def autoscaler(version: str) -> dict[str, object]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    return {
        "apiVersion": f"autoscaling/{version}",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"maxReplicas": 3, "scaleTargetRef": target},
    }


def test_each_policy_is_asked_once_in_the_version_that_it_names(
    cluster: ControlPlane, gatewright: object, tmp_path: Path
) -> None:
    """Audited rather than denied, so that all webhooks are called, and the server's own conversions seen."""
    folder = written(tmp_path, *TREE[:2])
    text = (folder / "policies.yaml").read_text().replace("[Deny]", "[Audit]")
    text = text.replace(
        "message: refused",
        "messageExpression: \"'saw ' + object.apiVersion + ', sent ' + request.requestResource.version\"",
    )
    (folder / "policies.yaml").write_text(text)
    gatewright.start(folder)  # type: ignore[attr-defined]
    objects = gatewright.registrations(yaml.safe_load_all(rendered(folder, "--no-ca")))  # type: ignore[attr-defined]
    cluster.apply(*objects)
    client = cluster.client()
    for version in ("v1", "v2"):
        path = f"/apis/autoscaling/{version}/namespaces/default/horizontalpodautoscalers?dryRun=All"
        found: dict[str, str] = {}
        for _ in range(100):  # until the API server has seen the registration
            reply = client.post(path, autoscaler(version))
            assert reply.ok, reply
            found = cluster.audit_annotations(reply)
            if sum("validation_failure" in key for key in found) == 2:
                break
        said = " ".join(value for key, value in sorted(found.items()) if "validation_failure" in key)
        for policy, sees in (("one", "v1"), ("two", "v2")):
            assert said.count(f"saw autoscaling/{sees}, sent {version}") == 1, (policy, said)
