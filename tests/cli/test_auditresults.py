"""`gatewright audit` with scores and a gate, with reports written to the cluster, and of audit logs.

tests/e2e/test_clusterreports.py and tests/e2e/test_auditlog.py have a real kube-apiserver.
"""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.audit.clusters import Server, kubeconfig, made, policy
from tests.auditlog.logs import FAILURE, event
from tests.cli.clusterreports.store import Store
from tests.cli.running import gatewright
from tests.cluster.apiserver import Exchange, playing
from webhook.auditlog.notes import NATIVE

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/report.schema.json").read_text())
SEVERE = {"annotations": {"gatewright.dev/severity": "high"}}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[tuple[Path, Store]]:
    """A folder with a policy and a kubeconfig, and the reports of the cluster to which it leads: of four ConfigMaps in
    the Namespace shop one is wrong, of two in bank none is, and of the three Pods of a Deployment all are."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "short.yaml").write_text(
        policy("short", "object.metadata.name.size() < 6", "too long", on="configmaps,pods", **SEVERE)
    )
    web = made("Deployment", "web", "yard")
    cluster = Server(
        [
            *(made("ConfigMap", name) for name in ("a", "b", "c", "too-long")),
            *(made("ConfigMap", name, "bank") for name in ("a", "b")),
            web,
            *(made("Pod", f"web-{number}-x", "yard", owner=web) for number in range(3)),
        ]
    )
    reports = Store()

    def answer(exchange: Exchange) -> None:
        named = any(each in exchange.path for each in ("openreports", "wgpolicy", "clusterroles"))
        if named or (exchange.method, exchange.path) in reports.refused:
            reports.answer(exchange)
        else:
            cluster(exchange)

    with playing(answer) as (url, _):
        kubeconfig(tmp_path, url)
        yield tmp_path, reports


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return gatewright("audit", "--kubeconfig", "kubeconfig", "--qps", "0", *options, cwd=folder)


def test_scores_of_what_is_there(here: tuple[Path, Store]) -> None:
    done = run(here[0], "--scores", "--history", "audits.jsonl", "-o", "json")
    report = json.loads(done.stdout)
    jsonschema.validate(report, SCHEMA)
    scores = {each["namespace"]: (each["score"], each["objects"]) for each in report["scores"]["namespaces"]}
    # The Pods are the Deployment's, and count as one.
    assert scores == {"yard": (60.0, 1), "shop": (90.0, 4), "bank": (100.0, 2)}
    assert report["scores"]["cluster"]["score"] == 88.5
    again = json.loads(run(here[0], "--history", "audits.jsonl", "-o", "json").stdout)
    jsonschema.validate(again, SCHEMA)
    assert "scores" not in again
    assert [(each["deny"], each["score"]) for each in again["history"]] == [(2, 88.5), (2, None)]
    assert [each["at"] for each in again["history"]] == [report["at"], again["at"]]


def test_a_gate_decides_the_exit_code(here: tuple[Path, Store]) -> None:
    gate = here[0] / "gate.yaml"
    gate.write_text("environments: [{name: production, namespaces: [shop], score: 90}]")
    done = run(here[0], "--gate", "gate.yaml", "--fail-on", "never")
    assert done.returncode == 0, done.stderr
    assert "scores, of 100 (gate: gate.yaml)" in done.stdout
    gate.write_text("environments: [{name: production, namespaces: [shop], score: 91}]")
    done = run(here[0], "--gate", "gate.yaml", "--fail-on", "never")
    assert done.returncode == 1
    assert "1 of 4 violating  fails: below 91 (production)" in done.stdout


def test_of_nothing_there_is_no_score_and_no_gate_passes(here: tuple[Path, Store]) -> None:
    folder, _ = here
    (folder / "policies" / "short.yaml").write_text(policy("short", "false", on="secrets"))
    asked = ("--history", "audits.jsonl", "--metrics", "audit.prom", "-o", "json", "-o", "markdown=audit.md")
    done = run(folder, "--scores", *asked, "-o", "html=audit.html", "-o", "text=audit.txt")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    jsonschema.validate(report, SCHEMA)
    whole = report["scores"]["cluster"]
    assert (whole["score"], whole["objects"], report["scores"]["passed"]) == (None, 0, True)
    assert report["history"][0]["score"] is None
    assert "gatewright_audit_score{" not in (folder / "audit.prom").read_text()
    assert "| all objects | none |  | 0 | 0 |  |" in (folder / "audit.md").read_text()
    assert "all objects   none  0 of 0 violating\n" in (folder / "audit.txt").read_text()
    assert '"value":null' in (folder / "audit.html").read_text()
    for gate in (
        "environments: [{name: all, namespaces: ['*'], score: 1}]",
        "vetoes: [{levels: [deny]}]",
        "cluster: {score: 75}",
    ):
        (folder / "gate.yaml").write_text(gate)
        done = run(folder, "--gate", "gate.yaml", *asked)
        assert done.returncode == 2, gate
        report = json.loads(done.stdout)
        jsonschema.validate(report, SCHEMA)
        assert not report["scores"]["passed"]
        assert [each["message"].partition(",")[0] for each in report["errors"]] == ["--gate: nothing was judged"]
    assert "nothing was judged, for 75 (cluster)" in (folder / "audit.md").read_text()


def test_a_veto_of_a_policy_that_is_not_there_is_an_error(here: tuple[Path, Store]) -> None:
    folder, _ = here
    gate = folder / "gate.yaml"
    for text, said in (
        ("vetoes:\n- policies: [shrt]", "gate.yaml:2:14: vetoes[0].policies[0]: there is no policy 'shrt'; did you"),
        (
            "cluster:\n  vetoes:\n  - policies: [short, 'no-*']",
            "vetoes[0].policies[1]: there is no policy 'no-*'",
        ),
        (
            "environments:\n- {name: a, namespaces: [b], vetoes: [{policies: [x]}]}",
            "environments[0].vetoes[0].policies",
        ),
    ):
        gate.write_text(text)
        for native in ((), ("--native", "--policies", "policies")):
            done = run(folder, "--gate", "gate.yaml", "--fail-on", "never", *native)
            assert done.returncode == 2, (text, native)
            assert said in done.stderr, (said, done.stderr)
    gate.write_text("vetoes:\n- policies: ['sh*', short]")
    done = run(folder, "--gate", "gate.yaml", "--fail-on", "never")
    assert done.returncode == 1 and "there is no policy" not in done.stderr


def test_a_gate_that_cannot_be_used(here: tuple[Path, Store]) -> None:
    (here[0] / "gate.yaml").write_text("environments: x")
    done = run(here[0], "--gate", "gate.yaml")
    assert done.returncode == 2
    assert "gate.yaml:1" in done.stderr and "environments: expected a list" in done.stderr
    assert not done.stdout


def test_reports_are_written_once(here: tuple[Path, Store]) -> None:
    folder, store = here
    done = run(folder, "--write-reports", "auto", "--scores")
    assert done.returncode == 1, done.stderr
    assert "note: openreports.io/v1alpha1: 2 reports written, 0 unchanged, 0 deleted" in done.stderr
    before = json.dumps(store.objects)
    assert set(store.objects) == {
        f"/apis/openreports.io/v1alpha1/namespaces/{each}/reports/gatewright-audit" for each in ("shop", "yard")
    }
    result = store.objects["/apis/openreports.io/v1alpha1/namespaces/yard/reports/gatewright-audit"]
    assert [each["resources"][0]["name"] for each in result["results"]] == ["web"]
    assert result["results"][0]["severity"] == "high"
    assert result["metadata"]["annotations"] == {"gatewright.dev/score": "60.0"}
    done = run(folder, "--write-reports", "openreports", "--scores")
    assert "0 reports written, 2 unchanged, 0 deleted" in done.stderr
    assert json.dumps(store.objects) == before


def test_metrics_are_written_and_what_cannot_be_fails_the_run(here: tuple[Path, Store]) -> None:
    folder, _ = here
    done = run(folder, "--metrics", "audit.prom", "--scores")
    assert done.returncode == 1, done.stderr
    written = (folder / "audit.prom").read_text()
    assert 'findings{policy="short",namespace="yard",severity="high",result="fail"} 1\n' in written
    assert 'gatewright_audit_objects{namespace="bank"} 2\n' in written
    assert 'gatewright_audit_score{namespace="yard"} 60.0\n' in written
    assert "gatewright_audit_complete 1\n" in written
    done = run(folder, "--metrics", "missing/audit.prom", "-o", "json")
    assert done.returncode == 2
    (problem,) = json.loads(done.stdout)["errors"]
    assert problem["message"] == "--metrics: cannot be written: No such file or directory"


def test_shards_write_the_reports_of_one_audit_and_leave_those_of_others(here: tuple[Path, Store]) -> None:
    folder, store = here
    run(folder, "--write-reports", "auto", "--scores")

    def there() -> dict[str, object]:
        return {
            path: (each["summary"], each["metadata"]["annotations"], [{**it, "timestamp": 0} for it in each["results"]])
            for path, each in store.objects.items()
        }

    whole = there()
    store.objects.clear()

    def shards() -> list[str]:
        options = ("--write-reports", "auto", "--scores")
        done = [run(folder, *options, "--shard", f"{index}/3") for index in range(3)]
        return [
            f"{part} {line.split(': ')[2]}"
            for part, each in enumerate(done)
            for line in each.stderr.splitlines()
            if line.startswith("note: openreports")
        ]

    # yard is in shard 0, shop in 1, and bank, in which nothing is found, too.
    assert shards() == [
        "0 1 report written, 0 unchanged, 0 deleted",
        "1 1 report written, 0 unchanged, 0 deleted",
        "2 0 reports written, 0 unchanged, 0 deleted",
    ]
    assert there() == whole
    gone = "/apis/openreports.io/v1alpha1/namespaces/bank/reports/gatewright-audit"
    store.objects[gone] = {**next(iter(store.objects.values()))}
    store.objects[gone]["metadata"] = {**store.objects[gone]["metadata"], "namespace": "bank"}
    assert [each.rpartition(", ")[2] for each in shards()].count("1 deleted") == 1
    assert there() == whole


def test_an_audit_that_saw_not_everything_deletes_nothing(here: tuple[Path, Store]) -> None:
    folder, store = here
    run(folder, "--write-reports", "auto")
    gone = "/apis/openreports.io/v1alpha1/namespaces/gone/reports/gatewright-audit"
    store.objects[gone] = {**next(iter(store.objects.values()))}
    store.objects[gone]["metadata"] = {**store.objects[gone]["metadata"], "namespace": "gone"}
    store.refused[("GET", "/api/v1/pods")] = (403, "pods is forbidden")
    done = run(folder, "--write-reports", "auto")
    assert done.returncode == 2
    assert gone in store.objects
    shop = store.objects["/apis/openreports.io/v1alpha1/namespaces/shop/reports/gatewright-audit"]
    assert shop["metadata"]["annotations"] == {"gatewright.dev/incomplete": "true"}
    store.refused.clear()
    done = run(folder, "--write-reports", "auto")
    assert "1 report written, 1 unchanged, 1 deleted" in done.stderr
    assert gone not in store.objects


@pytest.mark.parametrize("wanted", ["both", "policyreport"])
def test_definitions_that_are_missing_are_told_and_the_formats_written(here: tuple[Path, Store], wanted: str) -> None:
    done = run(here[0], "--write-reports", wanted, "-o", "json")
    assert done.returncode == 2
    report = json.loads(done.stdout)
    assert len(report["findings"]) == 2
    (error,) = report["errors"]
    assert error["message"].startswith("--write-reports: the cluster does not serve wgpolicyk8s.io/v1alpha2: install")
    assert not here[1].objects


def test_reports_that_must_not_be_written_fail_the_run(here: tuple[Path, Store]) -> None:
    folder, store = here
    path = "/apis/openreports.io/v1alpha1/namespaces/shop/reports/gatewright-audit"
    store.refused[("PATCH", path)] = (403, "may not")
    done = run(folder, "--write-reports", "auto")
    assert done.returncode == 2
    assert "Report shop/gatewright-audit cannot be written: 403: may not" in done.stderr
    assert "1 report written" in done.stderr


def logs(folder: Path) -> Path:
    value = json.dumps([FAILURE])
    file = folder / "audit.log"
    file.write_text(json.dumps(event({f"{NATIVE}/validation_failure": value})) + "\n")
    return file


def test_an_audit_log(tmp_path: Path) -> None:
    file = logs(tmp_path)
    packed = tmp_path / "audit-1.log.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    done = gatewright("audit", "--log", "audit.log", "--log", "audit-1.log.gz", "-o", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    jsonschema.validate(report, SCHEMA)
    (one,) = report["findings"]
    assert (one["file"], one["line"], one["level"], one["policy"]) == ("audit-1.log.gz", 1, "audit", "replicas")
    assert one["asides"][0].startswith("said 2 times")
    assert report["summary"]["events"] == 2


def test_an_audit_log_as_reports(here: tuple[Path, Store]) -> None:
    folder, store = here
    assert run(folder, "--write-reports", "auto", "--fail-on", "never").returncode == 0
    of_objects = dict(store.objects)
    denied = "ValidatingAdmissionPolicy 'short' with binding 'short' denied request: no"
    scaled = {"resource": "deployments", "apiGroup": "apps", "apiVersion": "v1", "namespace": "bank", "name": "api"}
    lines = [
        event({f"{NATIVE}/validation_failure": json.dumps([FAILURE])}),
        event({}, responseStatus={"code": 422, "message": denied}),
        event({f"{NATIVE}/validation_failure": json.dumps([FAILURE])}, objectRef={**scaled, "subresource": "scale"}),
    ]
    file = folder / "audit.log"
    file.write_text("".join(json.dumps(each) + "\n" for each in lines))
    done = run(folder, "--log", "audit.log", "--write-reports", "auto", "--fail-on", "never")
    assert done.returncode == 0, done.stderr
    assert "2 reports written, 0 unchanged, 0 deleted" in done.stderr and "2 for the audit log" in done.stdout
    made = {key: value for key, value in store.objects.items() if key not in of_objects}
    root = "/apis/openreports.io/v1alpha1/namespaces"
    assert sorted(made) == [f"{root}/{each}/reports/gatewright-audit-log" for each in ("bank", "shop")]
    (result,) = made[f"{root}/bank/reports/gatewright-audit-log"]["results"]
    assert (result["policy"], result["result"], result["message"]) == ("replicas", "warn", "too many")
    assert result["resources"] == [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "api", "namespace": "bank"}]
    (only,) = made[f"{root}/shop/reports/gatewright-audit-log"]["results"]  # what was denied is not there
    assert only["policy"] == "replicas"

    again = run(folder, "--log", "audit.log", "--write-reports", "auto", "--fail-on", "never")
    assert "0 reports written, 2 unchanged, 0 deleted" in again.stderr
    file.write_text(json.dumps(lines[0]) + "\n" + '{"kind": "Ev')
    torn = run(folder, "--log", "audit.log", "--write-reports", "auto", "--fail-on", "never")
    assert torn.returncode == 2 and "1 report written, 1 unchanged, 0 deleted" in torn.stderr  # it says: incomplete
    file.write_text(json.dumps(lines[0]) + "\n")
    later = run(folder, "--log", "audit.log", "--write-reports", "auto", "--fail-on", "never")
    assert "1 report written, 0 unchanged, 1 deleted" in later.stderr
    assert {key: store.objects[key] for key in of_objects} == of_objects


def test_the_number_of_reports_is_bounded_as_asked(here: tuple[Path, Store]) -> None:
    folder, store = here
    about = {"apiVersion": "v1", "resource": "configmaps", "namespace": "shop"}
    note = {f"{NATIVE}/validation_failure": json.dumps([FAILURE])}
    events = [event(note, objectRef={**about, "name": f"c-{number}"}) for number in range(2010)]
    (folder / "audit.log").write_text("".join(json.dumps(each) + "\n" for each in events))

    def kept(*options: str) -> tuple[list[int], str]:
        done = run(folder, "--log", "audit.log", "--write-reports", "auto", "--fail-on", "never", *options)
        assert done.returncode == 0, done.stderr
        reports = [each for _, each in sorted(store.objects.items())]
        left = reports[-1]["metadata"]["annotations"].get("gatewright.dev/results-left-out", "0")
        assert sum(sum(each["summary"].values()) for each in reports) == len(events)
        return [len(each["results"]) for each in reports], left

    assert kept() == ([1000], "1010")
    assert kept("--max-reports", "3") == ([1000, 1000, 10], "0")
    assert kept("--max-reports", "2") == ([1000, 1000], "10")
    for wrong in (("--max-reports", "0"), ("--max-reports", "21")):
        assert run(folder, "--log", "audit.log", "--write-reports", "auto", *wrong).returncode == 2
    alone = run(folder, "--max-reports", "2")
    assert alone.returncode == 2 and "--max-reports needs --write-reports" in alone.stderr


def test_reports_of_a_log_go_to_one_cluster(here: tuple[Path, Store]) -> None:
    logs(here[0])
    done = run(here[0], "--log", "audit.log", "--write-reports", "auto", "--context", "a", "--context", "b")
    assert done.returncode == 2 and "give the one --context whose logs these are" in done.stderr


def test_an_audit_log_as_metrics(tmp_path: Path) -> None:
    file = logs(tmp_path)
    done = gatewright("audit", "--log", "audit.log", "--metrics", "log.prom", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    families = {each.name: each for each in text_string_to_metric_families((tmp_path / "log.prom").read_text())}
    (found,) = families["gatewright_audit_log_findings"].samples
    assert (found.labels["policy"], found.labels["result"], found.value) == ("replicas", "warn", 1)
    assert set(families) == {f"gatewright_audit_log_{name}" for name in ("findings", "complete", "timestamp_seconds")}
    assert families["gatewright_audit_log_complete"].samples[0].value == 1
    with file.open("a") as more:
        more.write('{"kind": "Ev')
    assert gatewright("audit", "--log", "audit.log", "--metrics", "log.prom", cwd=tmp_path).returncode == 2
    assert "gatewright_audit_log_complete 0\n" in (tmp_path / "log.prom").read_text()
    done = gatewright("audit", "--log", "audit.log", "--metrics", "no/log.prom", cwd=tmp_path)
    assert done.returncode == 2 and "no/log.prom: --metrics: cannot be written" in done.stderr


def test_a_torn_log_fails_the_run_and_is_read(tmp_path: Path) -> None:
    file = logs(tmp_path)
    with file.open("a") as more:
        more.write('{"kind": "Ev')
    done = gatewright("audit", "--log", "audit.log", cwd=tmp_path)
    assert done.returncode == 2
    assert "error: audit.log:2: no event of an audit log: torn: the file ends within it" in done.stderr
    assert "audit.log:1: audit replicas" in done.stdout


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--scores"], "--scores"),
        (["--kubeconfig", "x", "--gate", "y"], "--kubeconfig, --gate"),
        (["--context", "x", "--history", "y"], "--context, --history"),
        (["--qps", "20", "--as", "alice", "--as-group", "dev"], "--qps, --as, --as-group"),
        (
            ["--authorizations", "x", "--settings", "y", "--owner-label", "team"],
            "--authorizations, --settings, --owner",
        ),
        (["--policies", "x", "--assume-bound", "warn"], "--assume-bound, --policies"),
        (["--policy-imports", "x", "--verify-key", "y", "--shards", "1"], "--policy-imports, --verify-key, --shards"),
        (["--snapshot", "x", "--explain", "--rbac"], "--rbac, --snapshot, --explain"),
    ],
)
def test_what_a_log_cannot_say(tmp_path: Path, options: list[str], named: str) -> None:
    done = gatewright("audit", "--log", "audit.log", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert f"--log: expected no {named}" in done.stderr
    assert done.stderr.strip().endswith(": a log has requests, not the objects of a cluster")


def test_a_log_is_read_whatever_variables_say_of_policies(tmp_path: Path) -> None:
    (tmp_path / "audit.log").write_text(json.dumps(event({})) + "\n")
    (tmp_path / ".gatewright.toml").write_text('policies = ["nowhere"]\nowner-label = "team"\n')
    done = gatewright("audit", "--log", "audit.log", cwd=tmp_path, env={"GATEWRIGHT_POLICIES": "nowhere"})
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("option", [["--scores"], ["--write-reports", "auto"]])
def test_scores_and_reports_are_of_one_cluster(here: tuple[Path, Store], option: list[str]) -> None:
    done = run(here[0], "--context", "it", "--context", "other", *option)
    assert done.returncode == 2
    assert f"{option[0]}: is of one cluster; audit each by itself" in done.stderr


def test_a_snapshot_has_scores_and_no_reports(here: tuple[Path, Store]) -> None:
    folder, _ = here
    live = json.loads(run(folder, "--snapshot", "it.snapshot", "--scores", "-o", "json").stdout)
    done = gatewright("audit", "it.snapshot", "--scores", "-o", "json", cwd=folder)
    assert json.loads(done.stdout)["scores"] == live["scores"]
    done = gatewright("audit", "it.snapshot", "--write-reports", "auto", cwd=folder)
    assert done.returncode == 2
    assert "a snapshot is judged without a cluster; leave --write-reports out" in done.stderr
