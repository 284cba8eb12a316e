"""An audit in a Pod: the cluster is that of the service account's token and authority, as a kubelet mounts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.audit.clusters import policy
from tests.cli.running import gatewright
from tests.e2e.controlplane import ControlPlane
from tests.e2e.objects import namespace
from tests.server.running import wait_for
from tests.timing import HANGING

IN_POD = """\
import sys
from pathlib import Path

from kubernetes.config import incluster_config

from webhook.cli.main import main
from webhook.cluster import connection

mounted = Path(sys.argv.pop(1))
connection.TOKEN = mounted / "token"
incluster_config.SERVICE_TOKEN_FILENAME = str(mounted / "token")
incluster_config.SERVICE_CERT_FILENAME = str(mounted / "ca.crt")
main()
"""
"""Runs the command where the folder of the first argument is that of the service account."""


def mounted(folder: Path, version: str, token: str, authority: bytes) -> None:
    """Write the files as a kubelet does: links to a folder, which is exchanged as a whole."""
    (folder / version).mkdir(parents=True)
    (folder / version / "token").write_text(token)
    (folder / version / "ca.crt").write_bytes(authority)
    (folder / version / "namespace").write_text("gatewright-system")
    (folder / "..data_tmp").symlink_to(version)
    (folder / "..data_tmp").replace(folder / "..data")
    for name in ("token", "ca.crt", "namespace"):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")


def test_in_a_pod_the_cluster_is_that_of_the_service_account(cluster: ControlPlane, tmp_path: Path) -> None:
    tree, account, home = tmp_path / "policies", tmp_path / "serviceaccount", tmp_path / "home"
    tree.mkdir()
    home.mkdir()
    (tree / "short.yaml").write_text(policy("short", "object.metadata.name.size() < 12", "too long", on="configmaps"))
    found = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rather-a-long-name", "namespace": "shop"}}
    cluster.apply(namespace("gatewright-system"), namespace("shop"), found)
    cluster.kubectl("create", "serviceaccount", "gatewright-audit", "--namespace", "gatewright-system")
    token = cluster.kubectl("create", "token", "gatewright-audit", "--namespace", "gatewright-system").stdout.strip()
    other = cluster.kubeconfig("without-rights", "no-token")
    clean = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    environment = {
        **clean,
        "HOME": str(home),
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(cluster.port),
    }

    def audit(*options: str, env: dict[str, str] = environment) -> tuple[int, Any]:
        command = [sys.executable, "-c", IN_POD, str(account), "audit", "-o", "json", *options]
        done = subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=HANGING, check=False
        )
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr

    code, said = audit()  # nothing is mounted, so that a kubeconfig is looked for
    assert code == 2 and "no cluster to audit: kubeconfig: there is no ~/.kube/config" in said

    mounted(account, "..2026_one", token, cluster.authority.pem)
    code, report = audit()
    assert code == 2
    assert any("configmaps" in each["message"] and "403" in each["message"] for each in report["errors"])

    cluster.kubectl("apply", "--filename", "-", stdin=gatewright("audit", "--rbac", cwd=tmp_path).stdout)

    def allowed() -> bool:
        return not audit()[1]["errors"]

    wait_for(allowed, seconds=30)
    code, report = audit()
    assert code == 1 and not report["errors"]
    hits = [each for each in report["findings"] if each["object"]["namespace"] == "shop"]
    assert [(each["cluster"], each["object"]["name"]) for each in hits if "rather" in each["object"]["name"]] == [
        ("the cluster", "rather-a-long-name")
    ]

    # The kubelet exchanges the folder when the token is renewed: the next run has what is there then.
    mounted(account, "..2026_two", "no-token", cluster.authority.pem)
    code, report = audit()
    assert code == 2 and any("401" in each["message"] for each in report["errors"])
    mounted(account, "..2026_three", token, cluster.authority.pem)
    assert audit()[0] == 1

    # What is named comes before the Pod's own.
    for options, env in (
        (("--kubeconfig", str(other)), environment),
        ((), {**environment, "KUBECONFIG": str(other)}),
    ):
        code, report = audit(*options, env=env)
        assert code == 2 and any("401" in each["message"] for each in report["errors"]), options

    mounted(account, "..2026_four", token, b"no certificate")
    code, said = audit()
    assert code == 2 and token not in str(said)
