"""Report objects in a real API server, with the definitions that their projects publish."""

from __future__ import annotations

import copy
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.audit.clusters import policy
from tests.cli.clusterreports.definitions import definitions
from tests.cli.clusterreports.found import RULES, on
from tests.cli.report.reports import CHECK, report
from tests.cli.running import gatewright
from tests.e2e.controlplane import ADMIN, ControlPlane
from tests.e2e.objects import namespace
from tests.server.running import wait_for
from webhook.cli.clusterreports.dialects import DIALECTS, OPENREPORTS, Dialect, manifests
from webhook.cli.clusterreports.results import Content, contents
from webhook.cli.clusterreports.writing import ReportsError, Written, chosen, write
from webhook.cli.report.model import Finding
from webhook.cluster.connection import APIError, Connection, configuration

NAMESPACES = [f"team-{number:02}" for number in range(20)]
ACCOUNT = ("system:serviceaccount:gatewright-system:gatewright-audit", ("gatewright-system", "gatewright-audit"))


def connection(cluster: ControlPlane, token: str = "") -> Connection:
    file = cluster.kubeconfig("reports", token or cluster.tokens[ADMIN.name])
    return Connection(configuration("kubeconfig", file), 1)


@pytest.fixture(scope="module")
def served(cluster: ControlPlane) -> ControlPlane:
    with pytest.raises(ReportsError, match=r"does not serve openreports\.io/v1alpha1 nor wgpolicyk8s\.io/v1alpha2"):
        chosen(connection(cluster), "auto")
    cluster.apply(*(copy.deepcopy(each) for dialect in DIALECTS for each in definitions(dialect)))
    cluster.apply(*(namespace(each) for each in (*NAMESPACES, "gatewright-system")))
    assert wait_for(lambda: _both(cluster), seconds=30)
    return cluster


def _both(cluster: ControlPlane) -> bool:
    try:
        return chosen(connection(cluster), "both") == list(DIALECTS)
    except ReportsError:
        return False


def findings(*changed: int) -> list[Content]:
    """Two findings in each namespace, and one on what has none; one of the namespaces `changed` has another message."""
    found = [on("pod-1", namespace=each) for each in NAMESPACES]
    found += [
        on("pod-0", "labels", each, message="another text" if index in changed else "pod-0 is wrong")
        for index, each in enumerate(NAMESPACES)
    ]
    return made(*found, on("node", namespace=""))


def made(*found: Finding) -> list[Content]:
    return contents(report("check", findings=list(found)).findings, (), RULES)


def versions(cluster: ControlPlane, dialect: Dialect) -> dict[tuple[str, str], str]:
    items = [
        each
        for plural in (dialect.plural, dialect.cluster_plural)
        for each in cluster.client().get(f"/apis/{dialect.api_version}/{plural}").body["items"]
    ]
    return {
        (each["metadata"].get("namespace", ""), each["metadata"]["name"]): each["metadata"]["resourceVersion"]
        for each in items
    }


def counts(done: Written) -> tuple[int, int, int]:
    assert done.failures == []
    return done.written, done.unchanged, done.deleted


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda each: each.name)
def test_only_what_changes_is_written(served: ControlPlane, dialect: Dialect) -> None:
    with_cluster = connection(served)
    assert counts(write(with_cluster, findings(), dialect, now=1000)) == (21, 0, 0)
    before = versions(served, dialect)
    assert len(before) == 21

    assert counts(write(with_cluster, findings(), dialect, now=2000)) == (0, 21, 0)
    assert versions(served, dialect) == before  # the API server has written nothing either

    changed = (1, 3, 5)
    assert counts(write(with_cluster, findings(*changed), dialect, now=3000)) == (3, 18, 0)
    after = versions(served, dialect)
    assert {key for key in after if after[key] != before[key]} == {
        (NAMESPACES[index], "gatewright-audit") for index in changed
    }
    within = f"/apis/{dialect.api_version}/namespaces/{NAMESPACES[1]}/{dialect.plural}"
    report_of = served.client().get(f"{within}/gatewright-audit").body
    times = {each["message"]: each["timestamp"]["seconds"] for each in report_of["results"]}
    assert times == {"pod-1 is wrong": 1000, "another text": 3000}
    assert report_of["summary"] == {"pass": 0, "fail": 2, "warn": 0, "error": 0, "skip": 0}

    assert counts(write(with_cluster, [], dialect, now=4000, delete=False)) == (0, 21, 0)
    assert counts(write(with_cluster, [], dialect, now=4000)) == (0, 0, 21)
    assert versions(served, dialect) == {}


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda each: each.name)
def test_nothing_of_a_report_is_dropped_or_refused(served: ControlPlane, dialect: Dialect) -> None:
    """Each field of what is sent is stored, with texts that are hostile; more results than fit, in two objects."""
    hostile = contents(CHECK.findings, CHECK.suppressed, {**CHECK.rules, **RULES})
    served.apply(namespace("shop"))
    many = made(*(on(f"pod-{number}", namespace=NAMESPACES[0], message="\x01" * 2000) for number in range(2500)))
    sent = [*(each for each in hostile if each.namespace in ("", "shop")), *many]
    done = write(connection(served), sent, dialect, now=1)
    assert counts(done) == (len(sent), 0, 0)
    for each in sent:
        within = f"namespaces/{each.namespace}/{dialect.plural}" if each.namespace else dialect.cluster_plural
        there = served.client().get(f"/apis/{dialect.api_version}/{within}/{each.name}").body
        results = [{key: value for key, value in result.items() if key != "timestamp"} for result in there["results"]]
        assert results == list(each.results)
        assert there["summary"] == each.summary
    assert [each.name for each in many] == ["gatewright-audit", "gatewright-audit-2"]
    assert many[1].annotations["gatewright.dev/results-left-out"] == str(2500 - sum(len(each.results) for each in many))
    write(connection(served), [], dialect, now=2)


def test_the_rights_are_enough_and_no_more(served: ControlPlane) -> None:
    account, (within, name) = ACCOUNT
    served.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": within, "name": name}})
    token = served.kubectl("create", "token", name, "--namespace", within).stdout.strip()
    with pytest.raises(APIError, match="403"):
        write(connection(served, token), findings(), OPENREPORTS, now=1)
    served.apply(*manifests(within, name))
    mine = connection(served, token)
    assert wait_for(lambda: _lists(mine), seconds=10)
    assert counts(write(mine, findings(), OPENREPORTS, now=1)) == (21, 0, 0)
    role = served.client().get("/apis/rbac.authorization.k8s.io/v1/clusterroles/gatewright-reports").body
    there = (
        served.client().get(f"/apis/openreports.io/v1alpha1/namespaces/{NAMESPACES[0]}/reports/gatewright-audit").body
    )
    (owner,) = there["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("ClusterRole", role["metadata"]["uid"])
    assert counts(write(mine, [], OPENREPORTS, now=1)) == (0, 0, 21)
    for verb, resource in (("get", "reports"), ("update", "reports"), ("list", "pods"), ("list", "clusterroles")):
        may = served.kubectl("auth", "can-i", verb, resource, "--as", account, check=False).stdout.strip()
        assert may == "no", f"{verb} {resource}"


def _lists(mine: Connection) -> bool:
    try:
        mine.get("/apis/openreports.io/v1alpha1/reports")
    except APIError:
        return False
    return True


def test_two_at_once_end_with_the_reports_of_one(served: ControlPlane) -> None:
    done: list[Written] = []
    both = [(connection(served), findings()), (connection(served), findings(*range(20)))]  # each writes a kubeconfig

    def writes(to: Connection, found: list[Content]) -> None:
        done.append(write(to, found, OPENREPORTS, now=1))

    running = [threading.Thread(target=writes, args=each) for each in both]
    for each in running:
        each.start()
    for each in running:
        each.join()
    assert [each.failures for each in done] == [[], []]
    assert len(versions(served, OPENREPORTS)) == 21
    last = write(connection(served), findings(), OPENREPORTS, now=2)
    assert last.failures == []
    assert counts(write(connection(served), findings(), OPENREPORTS, now=3)) == (0, 21, 0)


def test_a_namespace_that_is_gone_or_going_has_no_report(served: ControlPlane, tmp_path: Path) -> None:
    gone = made(on("a", namespace="never-there"), on("b", namespace=NAMESPACES[0]))
    done = write(connection(served), gone, OPENREPORTS, now=1)
    assert done.failures == []
    assert done.notes == ["the Namespace never-there is gone, and has no report"]
    going: dict[str, Any] = namespace("going")
    served.apply(going)
    served.kubectl("delete", "namespace", "going", "--wait=false")  # no controller ends it
    done = write(connection(served), made(on("a", namespace="going")), OPENREPORTS, now=1)
    assert (done.failures, done.notes) == ([], ["the Namespace going is gone, and has no report"])


def test_the_command_writes_what_it_finds(served: ControlPlane, tmp_path: Path) -> None:
    """An audit of the cluster itself, twice, and once more after one of its objects has changed."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "short.yaml").write_text(
        policy("short", "!object.metadata.name.startsWith('wrong')", "a wrong name", on="configmaps")
    )
    file = served.kubeconfig("reports", served.tokens[ADMIN.name])
    for each in NAMESPACES[:3]:
        served.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "wrong", "namespace": each}})
    options = ("audit", "--kubeconfig", file, "--qps", "0", "--write-reports", "both", "--scores")

    def run() -> str:
        done = gatewright(*options, cwd=tmp_path)
        assert done.returncode == 1, done.stderr
        return done.stderr

    first = run()
    assert "openreports.io/v1alpha1: 3 reports written, 0 unchanged" in first
    assert "wgpolicyk8s.io/v1alpha2: 3 reports written, 0 unchanged" in first
    before = versions(served, OPENREPORTS)
    assert "openreports.io/v1alpha1: 0 reports written, 3 unchanged, 0 deleted" in run()
    assert versions(served, OPENREPORTS) == before
    served.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "wrong-2", "namespace": NAMESPACES[0]}})
    assert "openreports.io/v1alpha1: 1 report written, 2 unchanged, 0 deleted" in run()
    served.kubectl("delete", "configmap", "wrong", "--namespace", NAMESPACES[1])
    assert "wgpolicyk8s.io/v1alpha2: 0 reports written, 2 unchanged, 1 deleted" in run()
