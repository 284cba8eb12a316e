"""Policies that are handed over to the API server: as objects, and as files that it reads at its start."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.apiserver import Reply
from tests.e2e.controlplane import ControlPlane, started
from tests.e2e.objects import deployment, namespace, pod
from tests.e2e.webhooks import POLICIES, Gatewright, until_seen
from tests.server.running import COMMAND

GROUP = "admissionregistration.k8s.io/v1"
HANDED = ("no-host-path", "replica-bounds")
PATHS = {
    "Pod": "/api/v1/namespaces/{}/pods?dryRun=All",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments?dryRun=All",
}
SENT = (
    pod("web"),
    pod("web", host_path=True),
    deployment("web", 3),
    deployment("web", 99),
    deployment("web", 99, "kube-system"),  # exempt
    deployment("web", 99, "gatewright-system"),
)
MUTATING = {
    "apiVersion": GROUP,
    "kind": "MutatingAdmissionPolicy",
    "metadata": {"name": "team"},
    "spec": {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
            ]
        },
        "mutations": [
            {
                "patchType": "ApplyConfiguration",
                "applyConfiguration": {"expression": 'Object{metadata: Object.metadata{labels: {"team": "web"}}}'},
            }
        ],
    },
}
MUTATING_BINDING = {
    "apiVersion": GROUP,
    "kind": "MutatingAdmissionPolicyBinding",
    "metadata": {"name": "team"},
    "spec": {"policyName": "team"},
}


def gatewright_manifests(*arguments: str) -> None:
    subprocess.run([*COMMAND, "manifests", *arguments], check=True)


def answers(cluster: ControlPlane) -> list[Reply]:
    client = cluster.client()
    return [client.post(PATHS[each["kind"]].format(each["metadata"]["namespace"]), each) for each in SENT]


def reasons(replies: list[Reply]) -> list[str]:
    """What follows the prefix, which names the one that refuses."""
    return [
        reply.message.rpartition(" denied the request: ")[2].rpartition(" denied request: ")[2] for reply in replies
    ]


def test_the_api_server_gives_the_webhooks_verdicts(
    cluster: ControlPlane, gatewright: Gatewright, tmp_path: Path
) -> None:
    """Also in the namespaces that the registration exempts."""
    cluster.apply(namespace("gatewright-system"))
    gatewright.start(POLICIES)
    ours, theirs = tmp_path / "webhook.yaml", tmp_path / "native.yaml"
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(base64.b64decode(gatewright.ca_bundle))
    url = f"https://127.0.0.1:{gatewright.port}"
    common = ("--exempt-namespace", "gatewright-system")
    gatewright_manifests(str(POLICIES), "--url", url, "--ca-bundle", str(bundle), *common, "--write", str(ours))
    cluster.kubectl("apply", "--filename", str(ours))
    until_seen(cluster.client(), "POST", PATHS["Pod"].format("default"), SENT[1], 403)
    by_webhook = answers(cluster)
    assert [reply.status for reply in by_webhook] == [201, 403, 201, 422, 201, 201]
    cluster.kubectl("delete", "--filename", str(ours))
    until_seen(cluster.client(), "POST", PATHS["Pod"].format("default"), SENT[1], 201)

    handed = [word for name in HANDED for word in ("--native", name)]
    gatewright_manifests(str(POLICIES), *handed, "--url", url, *common, "--write", str(theirs))
    assert cluster.kubectl("apply", "--validate=strict", "--filename", str(theirs)).stderr == ""
    for body, status in ((SENT[1], 403), (SENT[3], 422)):
        until_seen(cluster.client(), "POST", PATHS[body["kind"]].format("default"), body, status)
    by_server = answers(cluster)
    assert [(each.status, each.reason) for each in by_server] == [(each.status, each.reason) for each in by_webhook]
    assert reasons(by_server) == reasons(by_webhook)
    assert "ValidatingAdmissionPolicy 'no-host-path'" in by_server[1].message
    assert not by_server[1].message.startswith("admission webhook")


@pytest.fixture(scope="module")
def governed(
    assets: Path, gatewright: Gatewright, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ControlPlane, Path]]:
    """A control plane that has no-host-path, a mutating policy, and the webhook for the rest, all as files."""
    tree, files = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("files")
    for name in HANDED:
        shutil.copytree(POLICIES / name, tree / name)
    (tree / "team.yaml").write_text(yaml.safe_dump_all([MUTATING, MUTATING_BINDING]))
    gatewright.start(tree)
    bundle = files / "ca.pem"
    bundle.write_bytes(base64.b64decode(gatewright.ca_bundle))
    url = ("--url", f"https://127.0.0.1:{gatewright.port}", "--ca-bundle", str(bundle))
    handed = ("--native", "no-host-path", "--native", "team", "--static", "--static-directory", str(files))
    gatewright_manifests(str(tree), *handed, *url, "--write", str(files))
    gatewright_manifests(str(tree), *handed, *url, "--check", str(files))
    with started(assets, admission=files / "admission-configuration.yaml") as plane:
        yield plane, files


def test_files_are_in_force_from_the_start(governed: tuple[ControlPlane, Path]) -> None:
    cluster, _ = governed
    client = cluster.client()
    refused = client.post(PATHS["Pod"].format("default"), pod("web", host_path=True))
    assert refused.status == 403
    assert "'no-host-path.static.k8s.io' with binding 'no-host-path.static.k8s.io'" in refused.message
    assert client.post(PATHS["Pod"].format("default"), pod("web")).body["metadata"]["labels"] == {"team": "web"}
    by_webhook = client.post(PATHS["Deployment"].format("default"), deployment("web", 99))
    assert by_webhook.status == 422
    assert by_webhook.message.startswith("admission webhook")
    assert client.post(PATHS["Deployment"].format("kube-system"), deployment("web", 99, "kube-system")).status == 201


def test_nobody_can_delete_them(governed: tuple[ControlPlane, Path]) -> None:
    cluster, _ = governed
    client = cluster.client()
    for resource in ("validatingadmissionpolicies", "mutatingadmissionpolicies", "validatingwebhookconfigurations"):
        listed: dict[str, Any] = client.get(f"/apis/{GROUP}/{resource}").body
        assert [each for each in listed["items"] if each["metadata"]["name"].endswith(".static.k8s.io")] == []
        deleted = client.request("DELETE", f"/apis/{GROUP}/{resource}/no-host-path.static.k8s.io", None)
        assert deleted.status == 404
