"""The shipped CEL policies, applied as they are to a real API server: it takes them, and refuses what we refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.e2e.controlplane import ControlPlane
from tests.e2e.objects import deployment, namespace, pod
from tests.e2e.webhooks import POLICIES, Gatewright, rendered, until_seen
from tests.policies.generated_pods import PREFIX, Pods

CEL = sorted(path.parent for path in POLICIES.glob("*/binding.yaml") if (path.parent / "policy.yaml").exists())
"""Those that are in force as they ship."""
SEED = 20261129
PODS = "/api/v1/namespaces/default/pods?dryRun=All"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments?dryRun=All"
HEADERS = ('pods "web" is forbidden: ', 'admission webhook "validate-fail.gatewright.dev" denied the request: ')
DENIED = "ValidatingAdmissionPolicy '{0}' with binding '{0}' denied request: "


def files(folder: Path) -> list[str]:
    return [str(folder / name) for name in ("policy.yaml", "params.yaml", "binding.yaml") if (folder / name).exists()]


@pytest.fixture(scope="module")
def native(cluster: ControlPlane) -> ControlPlane:
    """The cluster with the CEL policies in the server itself."""
    cluster.apply(namespace("gatewright-system"))
    for folder in CEL:
        for file in files(folder):
            cluster.kubectl("apply", "--filename", file)
    until_seen(cluster.client(), "POST", PODS, pod("web", host_path=True), 403)
    until_seen(cluster.client(), "POST", DEPLOYMENTS, deployment("web", 99), 422)
    return cluster


def test_there_are_some() -> None:
    assert [folder.name for folder in CEL] == [
        "no-host-path",
        "pod-security-baseline",
        "pod-security-labels",
        "pod-security-restricted",
        "replica-bounds",
    ]


@pytest.mark.parametrize("folder", CEL, ids=lambda folder: folder.name)
def test_the_server_takes_the_file_as_it_is(cluster: ControlPlane, folder: Path) -> None:
    cluster.apply(namespace("gatewright-system"))
    for file in files(folder):
        applied = cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "--filename", file)
        assert "(server dry run)" in applied.stdout
        assert applied.stderr == ""
    policy = yaml.safe_load((folder / "policy.yaml").read_text())
    assert policy["metadata"]["name"] == folder.name


@pytest.mark.parametrize("version", ["v1.25", "v1.30", "v1.34", "v1.35", "latest"])
@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_pod_security_warns_about_what_the_built_in_admission_warns_about(
    native: ControlPlane, level: str, version: str
) -> None:
    """The server asks both of the same Pod: of those that it does not refuse for other reasons."""
    name = f"{level}-{version.replace('.', '-')}"
    native.apply(namespace(name, **{PREFIX + "warn": level, PREFIX + "warn-version": version}))
    native.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}})
    client, path, generated = native.client(), f"/api/v1/namespaces/{name}/pods?dryRun=All", Pods(SEED)
    seen = {True: 0, False: 0}
    for _ in range(120):
        made = generated.pod()
        made["metadata"]["namespace"] = name
        made["spec"].pop("ephemeralContainers", None)
        reply = client.post(path, made)
        if not reply.ok:
            assert reply.status == 422 or "no-host-path" in reply.message, reply.message
            continue
        theirs = any("would violate PodSecurity" in each for each in reply.warnings)
        ours = any("ValidatingAdmissionPolicy 'pod-security-" in each for each in reply.warnings)
        assert ours == theirs, (reply.warnings, made)
        seen[theirs] += 1
    assert min(seen.values()) >= 3, seen


def test_it_refuses_with_the_same_words(native: ControlPlane, gatewright: Gatewright, tmp_path: Path) -> None:
    sent = [(PODS, pod("web", host_path=True)), (DEPLOYMENTS, deployment("web", 99)), (PODS, pod("web"))]
    by_server = [native.client().post(path, body) for path, body in sent]
    assert [reply.status for reply in by_server] == [403, 422, 201]
    assert by_server[0].message.startswith('pods "web" is forbidden: ' + DENIED.format("no-host-path"))
    assert by_server[1].message.startswith('deployments.apps "web" is forbidden: ' + DENIED.format("replica-bounds"))

    for folder in CEL:
        native.kubectl("delete", "--filename", str(folder / "binding.yaml"))
    for path, body in sent:
        until_seen(native.client(), "POST", path, body, 201)
    gatewright.start(POLICIES)
    native.apply(*gatewright.registrations(rendered(native, "overlays/enforcing")))
    until_seen(native.client(), "POST", PODS, pod("web", host_path=True), 403)
    by_us = [native.client().post(path, body) for path, body in sent]
    for theirs, ours in zip(by_server, by_us, strict=True):
        assert (ours.status, ours.reason) == (theirs.status, theirs.reason)
        own = theirs.message.partition(" is forbidden: ")[2]
        assert ours.message.partition(" denied the request: ")[2] == own
