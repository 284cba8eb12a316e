"""Alerts and dashboard: promtool takes each query, a running server has each metric and label, and alerts fire."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.report.reports import finding, report, written
from tests.goprograms import built
from tests.server.livecluster import cluster
from tests.server.page.asking import state_of
from tests.server.running import Running, announced, end, launch, recorded, wait_for, write_policies
from tests.timing import HANGING

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "manifests" / "monitoring"
PAGE = ROOT / "docs" / "operations" / "monitoring.md"
RULE = yaml.safe_load((MONITORING / "prometheusrule.yaml").read_text())
ALERTS: list[dict[str, Any]] = [each for group in RULE["spec"]["groups"] for each in group["rules"]]
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text())
OTHERS = {"kube_cronjob_status_last_successful_time"}
"""Metrics of kube-state-metrics."""
ADDED = {"job", "pod", "namespace", "cronjob"}
"""Labels that Prometheus, its operator and kube-state-metrics add."""

POLICIES = {
    "policies.yaml": """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: named}
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  validations: [{expression: "object.metadata.name == params.data.allowed", message: only web}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: named}
spec:
  policyName: named
  validationActions: [Deny]
  paramRef: {name: names, namespace: shop, parameterNotFoundAction: Deny}
---
apiVersion: gatewright.dev/v1
kind: PolicyException
metadata: {name: old}
spec:
  policies: [{name: named}]
  objects: {namespaces: [office]}
  reason: an old one
  approvedBy: shop
  expires: 2999-12-31
""",
}


def queries() -> list[tuple[str, str]]:
    """The queries of alerts and dashboard, each with what it is called."""
    found = [(each["alert"], each["expr"]) for each in ALERTS]
    for panel in DASHBOARD["panels"]:
        found += [(panel["title"], target["expr"]) for target in panel["targets"]]
    return [*found, *((each["name"], each["expr"]) for each in DASHBOARD["annotations"]["list"])]


def filled(query: str) -> str:
    """The query as Grafana sends it."""
    return query.replace("$__rate_interval", "5m").replace("$job", ".*")


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = built(
        Path(__file__).parent / "promtool", "github.com/prometheus/prometheus/cmd/promtool", "remove_all_sd"
    )
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=HANGING)


def test_promtool_takes_every_query(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    records = [{"record": f"query:{number}", "expr": filled(query)} for number, (_, query) in enumerate(queries())]
    rules.write_text(yaml.safe_dump({"groups": [*RULE["spec"]["groups"], {"name": "all", "rules": records}]}))
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", rules)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(records) + len(ALERTS)} rules found" in done.stdout + done.stderr
    rules.write_text(yaml.safe_dump({"groups": [{"name": "a", "rules": [{"record": "a", "expr": "sum by (("}]}]}))
    assert promtool("check", "rules", rules).returncode == 1


# Of each alert a series, and the values with which it fires.
SERIES: dict[str, tuple[str, str]] = {
    "GatewrightDown": ("other", "1"),
    "GatewrightNotReady": ('gatewright_ready{pod="a"}', "0"),
    "GatewrightReviewErrors": ('gatewright_reviews_total{path="/validate",verdict="error"}', "0+1"),
    "GatewrightPolicyErrors": ('gatewright_policy_findings_total{policy="p",binding="b",result="error"}', "0+1"),
    "GatewrightReviewsSlow": ('gatewright_review_duration_seconds_bucket{path="/validate",le="*"}', ""),
    "GatewrightReviewsRefused": ('gatewright_reviews_refused_total{reason="queue"}', "0+1"),
    "GatewrightCertificateExpires": ("gatewright_tls_certificate_expiry_timestamp_seconds", "300000"),
    "GatewrightCertificateExpiresSoon": ("gatewright_tls_certificate_expiry_timestamp_seconds", "80000"),
    "GatewrightCertificateReloadFailed": ('gatewright_tls_last_reload_successful{file="certificate"}', "0"),
    "GatewrightWebhookDistrustsCertificate": ('gatewright_webhook_trusts_certificate{resource="r"}', "0"),
    "GatewrightPolicyReloadFailed": ("gatewright_policy_last_reload_successful", "0"),
    "GatewrightPoliciesNotSent": ('gatewright_policies_not_sent{resource="r"}', "2"),
    "GatewrightPolicySetAside": ('gatewright_policy_set_aside{policy="p"}', "1"),
    "GatewrightCacheStale": ('gatewright_cluster_cache_age_seconds{resource="pods"}', "301"),
    "GatewrightCacheNotSynced": ('gatewright_cluster_cache_synced{resource="pods"}', "0"),
    "GatewrightExceptionExpires": ('gatewright_policy_exception_expiry_timestamp_seconds{exception="e"}', "1000000"),
    "GatewrightWorkersRestart": ('gatewright_worker_restarts_total{pod="a"}', "0+1"),
    "GatewrightLogLinesLost": ('gatewright_log_lines_lost_total{output="stdout"}', "0+1"),
    "GatewrightFailedOpen": ('gatewright_audit_webhook_failed_open_total{webhook="w"}', "0+1"),
    "GatewrightAuditOld": ('gatewright_audit_timestamp_seconds{job="gatewright"}', "-200000"),
    "GatewrightAuditJobFails": (
        'kube_cronjob_status_last_successful_time{namespace="n",cronjob="gatewright-audit"}',
        "-200000",
    ),
}
FINE: dict[str, str] = {
    "GatewrightReviewErrors": "5",
    "GatewrightPolicyErrors": "5",
    "GatewrightReviewsRefused": "5",
    "GatewrightCertificateExpires": "10000000",
    "GatewrightCertificateExpiresSoon": "500000",
    "GatewrightPoliciesNotSent": "0",
    "GatewrightPolicySetAside": "0",
    "GatewrightCacheStale": "299",
    "GatewrightExceptionExpires": "10000000",
    "GatewrightWorkersRestart": "5",
    "GatewrightLogLinesLost": "5",
    "GatewrightFailedOpen": "5",
    "GatewrightAuditOld": "0",
    "GatewrightAuditJobFails": "0",
}
"""The values with which an alert does not fire; 1 of those that are missing here."""
AT = 60 * 130  # seconds; no alert waits as long


def series(alert: str, value: str) -> list[dict[str, str]]:
    """The series of an alert's test, a sample each minute."""
    name, _ = SERIES[alert]
    many = f"x{AT // 60 + 10}"
    if alert == "GatewrightReviewsSlow":
        fast, slow = ("0+9", "0+10") if value else ("0+10", "0+10")
        bounds = {"0.1": fast, "0.5": fast, "1.0": slow, "+Inf": slow}
        return [{"series": name.replace("*", le), "values": f"{step}{many}"} for le, step in bounds.items()]
    return [{"series": name, "values": f"{value}{many}" if "+" in value else f"{value}+0{many}"}]


@pytest.mark.parametrize("fires", [True, False])
def test_every_alert_fires_when_it_should_and_only_then(tmp_path: Path, fires: bool) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(RULE["spec"]))
    tests = []
    for each in ALERTS:
        _, bad = SERIES[each["alert"]]
        good = FINE.get(each["alert"], "1")
        given = series(each["alert"], (bad or "bad") if fires else ("" if not bad else good))
        if each["alert"] == "GatewrightDown" and not fires:
            given = [{"series": "gatewright_build_info", "values": f"1+0x{AT // 60 + 10}"}]
        query = f'count(ALERTS{{alertname="{each["alert"]}",alertstate="firing"}}) or vector(0)'
        expected = [{"labels": "{}", "value": 1 if fires else 0}]
        tests.append(
            {
                "name": each["alert"],
                "interval": "1m",
                "input_series": given,
                "promql_expr_test": [{"expr": query, "eval_time": f"{AT}s", "exp_samples": expected}],
            }
        )
    (tmp_path / "tests.yaml").write_text(
        yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests})
    )
    done = promtool("test", "rules", tmp_path / "tests.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, set[str]]]:
    """The metrics of a running server, each with its labels, after it has allowed, denied and refused."""
    folder = tmp_path_factory.mktemp("monitored")
    ready = threading.Event()
    with cluster(folder, ready) as kubeconfig:
        policies = write_policies(folder / "policies", POLICIES)
        (folder / "audit.json").write_text(
            written(report("audit", findings=[finding()], at="2026-11-29T20:00:04Z"), "json")
        )
        server = launch(
            *(
                "--policies",
                str(policies),
                "--cluster",
                "kubeconfig",
                "--kubeconfig",
                str(kubeconfig),
                "--audit-webhook",
                "--page",
                "--page-audit",
                str(folder / "audit.json"),
            ),
            wait=False,
        )
        try:
            wait_for(lambda: server.events("cluster"))
            ready.set()
            announced(server)
            assert not server.post("/validate", recorded("020")).response["allowed"]
            server.post("/validate", b"no review")
            with server.connected():  # and gone, before the TLS handshake's request
                pass
            wait_for(lambda: state_of(server)["audit"]["version"], HANGING)
            yield labels(server)
        finally:
            end(server)


def labels(server: Running) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(server.get("/metrics").body.decode()):
        found.setdefault(family.name if family.type != "counter" else f"{family.name}_total", set())
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def selected(query: str) -> Iterator[tuple[str, set[str]]]:
    """The metrics of a query with the labels that it names of them."""
    text = filled(query)
    grouped = {name.strip() for names in re.findall(r"\bby \(([^)]*)\)", text) for name in names.split(",")}
    for metric, matchers in re.findall(r"\b((?:gatewright|kube)_\w+)(?:\{([^}]*)\})?", text):
        yield metric, grouped | set(re.findall(r"(\w+)=?[=~!]", matchers))


DOCUMENTED = {
    name: set(re.findall(r"\w+", row[1])) if row[1].strip() != "the same" else {"resource", "namespace", "name"}
    for line in (ROOT / "docs" / "serve.md").read_text().splitlines()
    if line.startswith("| `gatewright_")
    for row in [line.strip("|").split("|")]
    for name in re.findall(r"`(\w+)`", row[0])
}


@pytest.mark.parametrize(("name", "query"), queries())
def test_the_server_has_every_metric_and_label(exposed: Mapping[str, set[str]], name: str, query: str) -> None:
    found = list(selected(query))
    assert found, f"{name} asks for no metric"
    for metric, named in found:
        if metric in OTHERS:
            assert named <= ADDED
            continue
        base = metric.removesuffix("_bucket")
        assert metric in exposed or base in exposed, f"{name}: no server has {metric}"
        known = exposed.get(metric) or DOCUMENTED[base]  # a metric without a sample yet shows no labels
        assert named <= known | ADDED, f"{name}: {metric} has no label {named - known - ADDED}"


def test_every_alert_has_its_runbook() -> None:
    headings = re.findall(r"^### (\w+)$", PAGE.read_text(), re.M)
    assert headings == [each["alert"] for each in ALERTS]
    for each in ALERTS:
        address = each["annotations"]["runbook_url"]
        assert address == f"https://gatewright.dev/docs/operations/monitoring#{each['alert'].lower()}"
        assert each["labels"]["severity"] in ("info", "warning", "critical")
        section = PAGE.read_text().partition(f"### {each['alert']}\n\n*")[2]
        assert section.startswith(each["labels"]["severity"])
    assert set(SERIES) == set(headings)


def test_labels_in_texts_are_those_of_the_query() -> None:
    for each in ALERTS:
        named = set(re.findall(r"\$labels\.(\w+)", each["annotations"]["summary"]))
        grouped = re.search(r"\bby \(([^)]*)\)", each["expr"])
        if grouped is not None:
            assert named <= {name.strip() for name in grouped[1].split(",")}


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    ids = [each["id"] for each in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for each in DASHBOARD["panels"]:
        at = each["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, f"{each['title']} lies on another panel"
        taken |= cells
        assert each["datasource"]["uid"] == "${datasource}"
    files = yaml.safe_load((MONITORING / "kustomization.yaml").read_text())["configMapGenerator"][0]["files"]
    assert files == ["gatewright.json=dashboard.json"]
