"""From the CronJob to the page, on a real kube-apiserver: the audit writes its ConfigMap with the rights of the
component `page` alone, and a server that has it mounted, as a kubelet does, shows it."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import yaml

from tests.cli.clusterreports.definitions import definitions
from tests.cli.running import gatewright
from tests.e2e.controlplane import ControlPlane
from tests.e2e.objects import namespace
from tests.manifests.kustomize import ROOT
from tests.server.page.asking import asked, state_of
from tests.server.running import end, launch, wait_for
from webhook.cli.clusterreports.dialects import OPENREPORTS

COMPONENTS = ROOT / "manifests" / "components"
PATH = "/api/v1/namespaces/gatewright-system/configmaps/gatewright-audit"
USER = "system:serviceaccount:gatewright-system:gatewright-audit"
MOUNTING = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "mounting", "namespace": "shop"},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "containers": [{"name": "web", "image": "web"}],
                "volumes": [{"name": "logs", "hostPath": {"path": "/var/log"}}],
            },
        },
    },
}


def mounted(folder: Path, version: str, content: bytes) -> None:
    """Write a key of a ConfigMap as a kubelet does: a link to a folder, which is exchanged as a whole."""
    (folder / version).mkdir()
    (folder / version / "audit.json.gz").write_bytes(content)
    (folder / "..data_tmp").symlink_to(version)
    (folder / "..data_tmp").replace(folder / "..data")
    if not (folder / "audit.json.gz").is_symlink():
        (folder / "audit.json.gz").symlink_to("..data/audit.json.gz")


def test_what_the_cronjob_finds_is_on_the_page(cluster: ControlPlane, tmp_path: Path) -> None:
    cluster.apply(*definitions(OPENREPORTS), namespace("gatewright-system"), namespace("shop"), MOUNTING)
    for file in ("serviceaccount", "rbac", "reports"):
        cluster.kubectl("apply", "--filename", str(COMPONENTS / "audit" / f"{file}.yaml"))
    token = cluster.kubectl("create", "token", "gatewright-audit", "--namespace", "gatewright-system").stdout.strip()
    (tmp_path / "kubeconfig").write_bytes(cluster.kubeconfig("its-own", token).read_bytes())
    job = yaml.safe_load((COMPONENTS / "audit" / "cronjob.yaml").read_text())["spec"]["jobTemplate"]["spec"]
    (patch,) = yaml.safe_load((COMPONENTS / "page" / "cronjob.yaml").read_text())
    assert patch["path"] == "/spec/jobTemplate/spec/template/spec/containers/0/args/-"
    args = [*job["template"]["spec"]["containers"][0]["args"], patch["value"]]
    env = {**os.environ, "JOB_COMPLETION_INDEX": "0", "GATEWRIGHT_POLICIES": str(ROOT / "policies")}

    def may(verb: str, resource: str, within: str = "gatewright-system") -> bool:
        given = ("auth", "can-i", verb, resource, "--as", USER, "--namespace", within)
        return cluster.kubectl(*given, check=False).stdout.strip() == "yes"

    def audit() -> Any:
        return gatewright(*args, "--kubeconfig", "kubeconfig", cwd=tmp_path, env=env)

    assert wait_for(lambda: may("list", "pods") and may("patch", "reports.openreports.io"), seconds=30)
    refused = audit()
    assert refused.returncode == 2
    assert "ConfigMap gatewright-system/gatewright-audit cannot be written: 403" in refused.stderr

    cluster.kubectl("apply", "--validate=strict", "--filename", str(COMPONENTS / "page" / "rbac.yaml"))
    assert wait_for(lambda: may("patch", "configmaps/gatewright-audit"), seconds=30)
    done = audit()
    assert done.returncode == 0, done.stderr
    assert "note: ConfigMap gatewright-system/gatewright-audit: written, " in done.stderr
    there = cluster.client().get(PATH).body
    (owner,) = there["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("ClusterRole", "gatewright-reports")
    for verb, resource, within in (
        ("delete", "configmaps/gatewright-audit", "gatewright-system"),
        ("update", "configmaps/gatewright-audit", "gatewright-system"),
        ("patch", "configmaps/gatewright-policies", "gatewright-system"),
        ("create", "configmaps", "gatewright-system"),
        ("patch", "configmaps/gatewright-audit", "shop"),
        ("get", "secrets", "gatewright-system"),
    ):
        assert not may(verb, resource, within), f"{verb} {resource} in {within}"

    folder = tmp_path / "mounted"
    folder.mkdir()
    policies = str(ROOT / "policies")
    page = ("--page", "--page-audit", str(folder / "audit.json.gz"))
    server = launch("--policies", policies, "--webhook-configuration", "", *page)
    try:
        assert "cannot be read" in wait_for(lambda: state_of(server)["audit"]["problem"], seconds=30)
        mounted(folder, "..1", base64.b64decode(there["binaryData"]["audit.json.gz"]))
        assert wait_for(lambda: state_of(server)["audit"]["version"] == 1, seconds=60)
        shown = asked(server, "/page/audit").json
        assert "Deployment shop/mounting" in {each["object"] for each in shown["findings"]}
        assert (len(shown["history"]), shown["left"], bool(shown["scores"])) == (1, 0, True)
        assert state_of(server)["audit"]["problem"] == ""

        cluster.kubectl("delete", "deployment", "mounting", "--namespace", "shop")
        assert audit().returncode == 0
        again = cluster.client().get(PATH).body
        mounted(folder, "..2", base64.b64decode(again["binaryData"]["audit.json.gz"]))
        assert wait_for(lambda: state_of(server)["audit"]["version"] == 2, seconds=60)
        shown = asked(server, "/page/audit").json
        assert "Deployment shop/mounting" not in {each["object"] for each in shown["findings"]}
        assert len(shown["history"]) == 2
    finally:
        end(server)
