"""`gatewright manifests` before a real API server: it takes what is rendered, and asks for each policy once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.e2e.trees import ROOT, rendered, written
from tests.e2e.webhooks import Gatewright
from tests.server.running import wait_for
from webhook.policy.unmatchable import subresources_of
from webhook.schema import Kinds

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


def test_policies_that_are_loaded_and_not_asked_are_said(
    cluster: ControlPlane, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A tree changes, and its registration does not: the server says so until it does."""
    server = Gatewright(tmp_path_factory.mktemp("gatewright"))
    folder = written(tmp_path, ("one", "Fail", "Equivalent", '""', "v1", "configmaps", "*"))
    server.look_up_in(cluster, "--webhook-configuration", "gatewright")
    try:
        server.start(folder)

        def register() -> None:
            cluster.apply(*server.registrations(yaml.safe_load_all(rendered(folder, "--no-ca"))))

        def unready() -> str:
            return server.running.get("/readyz").body.decode()

        register()
        wait_for(lambda: unready() == "ok\n", 60)
        written(
            folder,
            ("one", "Fail", "Equivalent", '""', "v1", "configmaps", "*"),
            ("two", "Fail", "Equivalent", '""', "v1", "services", "*"),
        )
        wait_for(lambda: "'two' needs: " in unready(), 60)
        answer = server.running.get("/readyz")
        assert answer.status == 200
        text = "no webhook sends what ValidatingAdmissionPolicy 'two' needs: CONNECT of v1/services, "
        assert answer.body.decode().startswith(f"ok\nbut validatingwebhookconfigurations: {text}")
        listed = {each["name"]: each["notSent"] for each in server.running.get("/policies").json["policies"]}
        assert listed["one"] is None and listed["two"].startswith("CONNECT of v1/services")
        metrics = server.running.get("/metrics").body.decode()
        assert 'gatewright_policies_not_sent{resource="validatingwebhookconfigurations"} 1.0' in metrics
        register()
        wait_for(lambda: unready() == "ok\n", 60)
        assert any("all that policies need is sent" in str(line) for line in server.running.events("registration"))
    finally:
        server.kill()


def test_the_subresources_that_are_known_are_those_that_are_served(cluster: ControlPlane) -> None:
    """What webhook.policy.unmatchable warns of does not exist, and it knows all that does."""
    client = cluster.client()
    groups = [f"/apis/{each['preferredVersion']['groupVersion']}" for each in client.get("/apis").body["groups"]]
    checked = 0
    for path in ("/api/v1", *groups):
        found = client.get(path).body
        group, _, version = found["groupVersion"].rpartition("/")
        served: dict[str, set[str]] = {}
        for each in found["resources"]:
            name, _, subresource = each["name"].partition("/")
            served.setdefault(name, set()).update({subresource} - {""})
        for name, subresources in served.items():
            resource = Kinds.builtin().for_resource(group, version, name)
            if resource is not None:
                assert subresources <= subresources_of(resource), (group, name)
                assert subresources_of(resource) - subresources <= {"status"}, (group, name)
                checked += 1
    assert checked > 40
