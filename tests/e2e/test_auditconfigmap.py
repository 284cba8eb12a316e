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


def mounted(folder: Path, version: str, value: Any) -> None:
    """Write the keys of a ConfigMap as a kubelet does: links to a folder, which is exchanged as a whole."""
    (folder / version).mkdir()
    for name, text in value["binaryData"].items():
        (folder / version / name).write_bytes(base64.b64decode(text))
    for name, text in value["data"].items():
        (folder / version / name).write_text(text)
    (folder / "..data_tmp").symlink_to(version)
    (folder / "..data_tmp").replace(folder / "..data")
    for each in (folder / "..data").iterdir():
        if not (folder / each.name).is_symlink():
            (folder / each.name).symlink_to(f"..data/{each.name}")
    for link in folder.iterdir():
        if not link.name.startswith("..") and not link.exists():
            link.unlink()


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
    env = {**os.environ, "GATEWRIGHT_POLICIES": str(ROOT / "policies")}

    def may(verb: str, resource: str, within: str = "gatewright-system") -> bool:
        given = ("auth", "can-i", verb, resource, "--as", USER, "--namespace", within)
        return cluster.kubectl(*given, check=False).stdout.strip() == "yes"

    def audit(index: int = 0, number: int = 1) -> Any:
        divided = [f"--shards={number}" if each.startswith("--shards") else each for each in args]
        assert divided != args or number == 1
        given = {**env, "JOB_COMPLETION_INDEX": str(index), "HOSTNAME": f"gatewright-audit-7-{index}"}
        return gatewright(*divided, "--kubeconfig", "kubeconfig", cwd=tmp_path, env=given)

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
    page = ("--page", "--page-audit", str(folder))
    server = launch("--policies", policies, "--webhook-configuration", "", *page)
    try:
        assert "no audit has written" in wait_for(lambda: state_of(server)["audit"]["problem"], seconds=30)
        mounted(folder, "..1", there)
        assert wait_for(lambda: state_of(server)["audit"]["version"] == 1, seconds=60)
        shown = asked(server, "/page/audit").json
        assert "Deployment shop/mounting" in {each["object"] for each in shown["findings"]}
        assert (len(shown["history"]), shown["left"], bool(shown["scores"])) == (1, 0, True)
        assert state_of(server)["audit"]["problem"] == ""

        cluster.kubectl("delete", "deployment", "mounting", "--namespace", "shop")
        assert audit().returncode == 0
        again = cluster.client().get(PATH).body
        mounted(folder, "..2", again)
        assert wait_for(lambda: state_of(server)["audit"]["version"] == 2, seconds=60)
        shown = asked(server, "/page/audit").json
        assert "Deployment shop/mounting" not in {each["object"] for each in shown["findings"]}
        assert len(shown["history"]) == 2

        cluster.apply(MOUNTING)
        assert [audit(index, 3).returncode for index in range(3)] == [0, 0, 0]
        parts = cluster.client().get(PATH).body
        assert sorted(parts["binaryData"]) == [f"audit-{index}-of-3.json.gz" for index in range(3)]
        assert parts["metadata"]["ownerReferences"] == [owner]
        runs = {f"gatewright.dev/run-of-shard-{index}": "gatewright-audit-7" for index in range(3)}
        assert parts["metadata"]["annotations"] == runs
        mounted(folder, "..3", parts)
        assert wait_for(lambda: state_of(server)["audit"]["version"] == 3, seconds=60)
        sharded = asked(server, "/page/audit").json
        assert "Deployment shop/mounting" in {each["object"] for each in sharded["findings"]}
        assert sharded["problems"] == [] and sharded["complete"]
        assert len(sharded["history"]) == 3
        assert audit().returncode == 0
        whole = cluster.client().get(PATH).body
        assert list(whole["binaryData"]) == ["audit.json.gz"]
        assert "annotations" not in whole["metadata"]
        mounted(folder, "..4", whole)
        assert wait_for(lambda: state_of(server)["audit"]["version"] == 4, seconds=60)
        one = asked(server, "/page/audit").json
        found = [{(each["object"], each["rule"], each["message"]) for each in of["findings"]} for of in (sharded, one)]
        assert found[0] == found[1] and len(one["history"]) == 4
    finally:
        end(server)
