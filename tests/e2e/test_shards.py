"""`gatewright audit --shards`, as the Pods of an Indexed Job run it, on a real kube-apiserver: four processes at once
write the reports that one writes, and two whole audits at once do no harm."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest
import yaml

from tests import forking
from tests.audit.clusters import policy
from tests.cli.clusterreports.definitions import definitions
from tests.cli.running import gatewright
from tests.e2e.controlplane import ADMIN, ControlPlane
from tests.e2e.objects import namespace
from tests.manifests.kustomize import ROOT
from tests.server.running import wait_for
from webhook.cli.clusterreports.dialects import OPENREPORTS

TEAMS = [f"team-{number:02}" for number in range(24)]
SHARDS = 4
OPTIONS = ("audit", "--kubeconfig", "kubeconfig", "--qps", "0", "--write-reports", "auto", "--scores")
POLICIES = (
    policy("short", "!object.metadata.name.startsWith('wrong')", "a wrong name", on="configmaps,serviceaccounts"),
    policy("teams", "!object.metadata.name.endsWith('3')", "not a 3", on="namespaces"),
    policy("images", "object.spec.containers.all(c, c.image.contains(':'))", "no tag", on="pods"),
)


def pods(name: str) -> dict[str, Any]:
    labels = {"app": "web"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "app"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": pod}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": name}, "spec": spec}


@pytest.fixture(scope="module")
def folder(cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with policies and a kubeconfig; in the cluster enough ConfigMaps that they are listed by namespace."""
    folder = tmp_path_factory.mktemp("shards")
    (folder / "policies").mkdir()
    for number, text in enumerate(POLICIES):
        (folder / "policies" / f"{number}.yaml").write_text(text)
    (folder / "kubeconfig").write_bytes(cluster.kubeconfig("sharding", cluster.tokens[ADMIN.name]).read_bytes())
    cluster.apply(*(copy.deepcopy(each) for each in definitions(OPENREPORTS)), *map(namespace, TEAMS))
    assert wait_for(lambda: cluster.client().get(f"/apis/{OPENREPORTS.api_version}/reports").ok, seconds=30)
    for number, name in enumerate(TEAMS):
        maps = [f"fine-{each}" for each in range(8)] + [f"wrong-{each}" for each in range(number % 5)]
        made = [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": each, "namespace": name}} for each in maps
        ]
        cluster.apply(*made, *([pods(name)] if number % 3 == 0 else []))
    return folder


def at_once(folder: Path, *runs: Sequence[str], index: Sequence[str] = ()) -> list[str]:
    """What runs of the command write to stderr that begin together, each with its JOB_COMPLETION_INDEX."""
    with ExitStack() as files:
        written = [files.enter_context(TemporaryFile()) for _ in runs]
        out = files.enter_context(TemporaryFile())
        started = [
            forking.start(
                *each,
                cwd=folder,
                env={**os.environ, **({"JOB_COMPLETION_INDEX": index[number]} if index else {})},
                stdin=out.fileno(),
                stdout=out.fileno(),
                stderr=written[number].fileno(),
            )
            for number, each in enumerate(runs)
        ]
        codes = [each.wait() for each in started]
        for file in written:
            file.seek(0)
        said = [file.read().decode() for file in written]
    assert all(code in (0, 1) for code in codes), said
    return said


def sharded(folder: Path) -> list[str]:
    runs = [(*OPTIONS, "--shards", str(SHARDS))] * SHARDS
    return at_once(folder, *runs, index=[str(each) for each in range(SHARDS)])


def reports(cluster: ControlPlane) -> dict[tuple[str, str], Any]:
    """The reports without their times and versions."""
    found: dict[tuple[str, str], Any] = {}
    for plural in (OPENREPORTS.plural, OPENREPORTS.cluster_plural):
        for each in cluster.client().get(f"/apis/{OPENREPORTS.api_version}/{plural}").body["items"]:
            metadata = each["metadata"]
            results = [{**result, "timestamp": None} for result in each["results"]]
            said = (metadata["labels"], metadata.get("annotations"), each["summary"], results)
            found[metadata.get("namespace", ""), metadata["name"]] = said
    return found


def emptied(cluster: ControlPlane) -> None:
    cluster.kubectl("delete", "reports.openreports.io,clusterreports.openreports.io", "--all", "--all-namespaces")
    assert reports(cluster) == {}


def test_four_processes_write_the_reports_of_one(
    cluster: ControlPlane, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = gatewright(*OPTIONS, cwd=folder)
    assert whole.returncode == 1, whole.stderr
    of_one = reports(cluster)
    assert len(of_one) > len(TEAMS) // 2 and ("", "gatewright-audit") in of_one
    said = sharded(folder)  # each of them finds what it would write
    assert [each for each in said if ": 0 reports written" not in each or ", 0 deleted" not in each] == []
    assert sum(int(each.partition("reports written, ")[2].partition(" ")[0]) for each in said) == len(of_one)
    emptied(cluster)
    said = sharded(folder)
    assert reports(cluster) == of_one
    with capsys.disabled():
        notes = [line for each in (whole.stderr, *said) for line in each.splitlines() if " requests" in line]
        print("", *notes, sep="\n")


def test_what_nothing_stands_for_any_more_is_deleted_by_its_shard(cluster: ControlPlane, folder: Path) -> None:
    gatewright(*OPTIONS, cwd=folder)
    before = reports(cluster)
    gone = [name for number, name in enumerate(TEAMS) if number % 5 == 1 and number % 3]
    for name in gone:
        cluster.kubectl("delete", "configmap", "wrong-0", "--namespace", name)
    said = sharded(folder)
    assert sum(int(each.partition(" unchanged, ")[2].partition(" ")[0]) for each in said) == len(gone) > 1
    assert reports(cluster) == {key: each for key, each in before.items() if key[0] not in gone}


def test_two_audits_at_once_leave_the_reports_of_one(cluster: ControlPlane, folder: Path) -> None:
    """A whole one and a sharded one, twice: with nothing there, and with everything."""
    gatewright(*OPTIONS, cwd=folder)
    of_one = reports(cluster)
    emptied(cluster)
    shards = [(*OPTIONS, "--shards", str(SHARDS))] * SHARDS
    index = [str(each) for each in (*range(SHARDS), 0)]
    for _ in range(2):
        at_once(folder, *shards, OPTIONS, index=index)
        assert reports(cluster) == of_one


def test_the_cronjob_has_the_rights_that_it_needs(cluster: ControlPlane, folder: Path, tmp_path: Path) -> None:
    """With the policies that ship, by its own command and service account."""
    component = ROOT / "manifests" / "components" / "audit"
    mounting = pods(TEAMS[0])
    mounting["metadata"]["name"] = "mounting"
    mounting["spec"]["template"]["spec"]["volumes"] = [{"name": "logs", "hostPath": {"path": "/var/log"}}]
    cluster.apply(namespace("gatewright-system"), mounting)
    for file in ("serviceaccount", "rbac", "reports", "networkpolicy", "cronjob"):
        cluster.kubectl("apply", "--validate=strict", "--filename", str(component / f"{file}.yaml"))
    token = cluster.kubectl("create", "token", "gatewright-audit", "--namespace", "gatewright-system").stdout.strip()
    (tmp_path / "kubeconfig").write_bytes(cluster.kubeconfig("its-own", token).read_bytes())
    spec = yaml.safe_load((component / "cronjob.yaml").read_text())["spec"]["jobTemplate"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    env = {**os.environ, "JOB_COMPLETION_INDEX": "0", "GATEWRIGHT_POLICIES": str(ROOT / "policies")}
    user = "system:serviceaccount:gatewright-system:gatewright-audit"

    def may(verb: str, resource: str) -> bool:
        asked = cluster.kubectl("auth", "can-i", verb, resource, "--as", user, "--all-namespaces", check=False)
        return asked.stdout.strip() == "yes"

    assert wait_for(lambda: may("list", "pods") and may("patch", "reports.openreports.io"), seconds=30)
    done = gatewright(*container["args"], "--kubeconfig", "kubeconfig", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert "openreports.io/v1alpha1: " in done.stderr
    path = f"/apis/{OPENREPORTS.api_version}/namespaces/{TEAMS[0]}/reports/gatewright-audit"
    there = cluster.client().get(path).body
    assert "no-host-path" in {each["policy"] for each in there["results"]}
    (owner,) = there["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("ClusterRole", "gatewright-reports")
    for verb, resource in (("create", "pods"), ("watch", "secrets"), ("get", "secrets"), ("delete", "configmaps")):
        assert not may(verb, resource), f"{verb} {resource}"
