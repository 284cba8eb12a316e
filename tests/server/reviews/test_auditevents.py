"""`--audit-webhook`: batches of audit events at /audit. tests/e2e/test_auditlog.py has real ones."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.auditlog.logs import FAILURE, event
from tests.server.authorities import Authority
from tests.server.page.asking import asked
from tests.server.running import POLICIES, Answer, Running, ask, end, launch, recorded, wait_for, write_policies
from tests.timing import HANGING
from webhook.auditlog.notes import FAILED_OPEN, NATIVE
from webhook.server.reviews.auditevents import MOST, MOST_WEBHOOKS, OTHER, EventMetrics

Samples = dict[tuple[str, ...], float]

OURS = "it.gatewright.dev"
AUDITED = {f"{NATIVE}/validation_failure": json.dumps([FAILURE])}
DENIED = {
    "code": 422,
    "message": "services \"web\" is forbidden: ValidatingAdmissionPolicy 'ports' with binding 'all' denied request: no",
}
SEVERITIES = {"replicas": "high", "ports": "none that exists"}


def batch(*events: Any, **fields: Any) -> bytes:
    return json.dumps(
        {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": events, **fields}
    ).encode()


def counts(server: Running) -> Samples:
    """The metrics of the audit webhook: name and labels, in the order of their names, without those that are 0."""
    return {
        (
            sample.name.removeprefix("gatewright_audit_webhook_"),
            *(value for _, value in sorted(sample.labels.items())),
        ): sample.value
        for family in text_string_to_metric_families(server.get("/metrics").body.decode())
        for sample in family.samples
        if sample.name.startswith("gatewright_audit_webhook_") and sample.value
    }


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Policies, two of which the API server is to have, too: one has a severity, the other none that exists."""
    made = {
        f"{name}.yaml": policy.replace("name: no-host-path\n", f"name: {name}\n  annotations: {said}\n", 1)
        for policy in (POLICIES["no-host-path.yaml"].split("---")[0],)
        for name, severity in SEVERITIES.items()
        for said in (json.dumps({"gatewright.dev/severity": severity}),)
    }
    return write_policies(tmp_path_factory.mktemp("tree") / "policies", {**POLICIES, **made})


@pytest.fixture
def served(tree: Path) -> Iterator[Running]:
    running = launch("--policies", str(tree), "--audit-webhook", "--page")
    yield running
    end(running)


def test_without_the_setting_there_is_no_such_path(server: Running) -> None:
    answer = server.post("/audit", batch(event(AUDITED)))
    assert answer.status == 404
    assert "gatewright_audit_webhook" not in server.get("/metrics").body.decode()


def test_events_become_metrics_and_findings_of_the_page(served: Running) -> None:
    covered = [{"exception": "logs", "policy": "replicas", "binding": "replicas", "message": "too many"}]
    secret = {"apiVersion": "v1", "resource": "secrets", "namespace": "shop", "name": "key"}
    service = {"apiVersion": "v1", "resource": "services", "subresource": "status", "namespace": "bank", "name": "web"}
    quoting = json.dumps([{**FAILURE, "message": "it is hunter2", "validationActions": ["Warn", "Audit"]}])
    sent = [
        event(AUDITED),
        event(AUDITED, requestReceivedTimestamp="2999-01-01T00:00:00Z"),
        event({f"{OURS}/validation_failure": json.dumps([FAILURE]), f"{OURS}/policy_exception": json.dumps(covered)}),
        event({f"{NATIVE}/validation_failure": quoting}, objectRef=secret, requestObject={"data": {"a": "hunter2"}}),
        event(responseStatus=DENIED, objectRef=service, verb="create", requestReceivedTimestamp="yesterday"),
        event({f"{FAILED_OPEN}round_0_index_1": "other.example.com"}),
        event(AUDITED, stage="RequestReceived"),
        event(),
    ]
    answer = served.post("/audit?timeout=30s", batch(*sent))
    assert (answer.status, answer.json) == (200, {})
    assert counts(served) == {
        ("events_total", "read"): len(sent),
        ("findings_total", "shop", "replicas", "audit", "high"): 3,
        ("findings_total", "shop", "replicas", "exception", "high"): 1,
        ("findings_total", "shop", "replicas", "warn", "high"): 1,
        ("findings_total", "bank", "ports", "deny", ""): 1,
        ("failed_open_total", "other.example.com"): 1,
    }
    found = {each["namespace"] + each["resource"]: each for each in asked(served, "/page/findings").json["findings"]}
    of_web = found["shopdeployments.apps"]
    named = ("path", "operation", "name", "user", "policy", "binding", "result", "message", "count")
    assert [of_web[name] for name in named] == [
        "/audit", "UPDATE", "web", "dora", "replicas", "replicas", "audit", "too many", 2,
    ]  # fmt: skip
    assert of_web["at"] < 32503680000, "a time that has not come"
    assert (found["shopsecrets"]["result"], found["shopsecrets"]["message"]) == ("warn", "")
    assert (found["bankservices/status"]["result"], found["bankservices/status"]["message"]) == ("deny", "no")
    assert len(found) == 3, "what webhooks found is not told twice"
    served.stop()
    (line,) = served.events("audit webhook")
    assert line["level"] == "info"
    assert "hunter2" not in json.dumps(served.lines)


def test_reviews_are_answered_beside_batches(served: Running) -> None:
    connection = served.connect()
    for _ in range(3):
        assert ask(connection, "POST", "/audit", batch(*[event(AUDITED)] * 400), "application/json").status == 200
        assert not ask(connection, "POST", "/validate", recorded("020"), "application/json").response["allowed"]
    assert counts(served)["events_total", "read"] == 1200
    assert ask(connection, "POST", "/elsewhere", b"{}", "application/json").status == 404


def test_events_that_cannot_be_read_are_counted_and_the_rest_is_read(served: Running) -> None:
    wrong = [event(verb=3), event({"a": 1}), event(objectRef=[]), "text", None, event(responseStatus={"code": "x"})]
    deep: Any = []
    for _ in range(900):
        deep = [deep]
    fine = [event(AUDITED, requestObject=deep), event({f"{NATIVE}/validation_failure": "[" * 500})]
    assert served.post("/audit", batch(*wrong, *fine)).status == 200
    assert counts(served) == {
        ("events_total", "read"): 2,
        ("events_total", "unreadable"): len(wrong),
        ("findings_total", "shop", "replicas", "audit", "high"): 1,
    }


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not a batch of audit events: Input data was truncated"),
        (b"[]", "not a batch of audit events: Expected `object`, got `array`"),
        (b"\xff", "not a batch"),
        (b'{"items":' + b"[" * 100_000, "not a batch"),
        (batch(items=3), "not a batch of audit events: Expected `array`, got `int` - at `$.items`"),
        (batch(kind="Event"), "expected an EventList of audit.k8s.io/v1, got 'Event of audit.k8s.io/v1'"),
        (recorded("020"), "expected an EventList of audit.k8s.io/v1, got 'AdmissionReview of admission.k8s.io/v1'"),
    ],
)
def test_what_is_no_batch_is_refused(body: bytes, said: str, audited: Running) -> None:
    answer = audited.post("/audit", body)
    assert answer.status == 400
    assert answer.json["error"].startswith(said)


@pytest.fixture(scope="module")
def audited(tree: Path) -> Iterator[Running]:
    """A server whose counts tests do not look at."""
    running = launch("--policies", str(tree), "--audit-webhook", "--max-memory", "16Mi", "--max-body", "2Mi")
    yield running
    end(running)


def test_method_type_and_size_are_those_of_reviews(audited: Running) -> None:
    def refused(*arguments: Any, **options: Any) -> tuple[int, str]:
        answer = audited.post(*arguments, **options)
        return answer.status, answer.json["error"]

    assert refused("/audit", b"", method="PUT") == (405, "the API server's audit webhook sends with POST, not PUT")
    assert refused("/audit", b"{}", content_type=None) == (415, "content-type: expected application/json, got none")
    assert refused("/audit", b" " * (3 << 20))[0] == 413
    many = batch(event(requestObject=[{} for _ in range(200_000)]))
    status, said = refused("/audit", many)
    assert status == 413
    assert said.startswith("the events would take more than")
    assert audited.post("/audit", batch(event(requestObject="x" * 1_000_000))).status == 200
    codes = {line["status"] for line in audited.events("request refused", 4)}
    assert codes >= {405, 413, 415}


def test_whoever_may_not_send_reviews_may_not_send_events(
    tree: Path, start: Callable[..., Running], tmp_path: Path
) -> None:
    clients = Authority("clients")
    (tmp_path / "ca.crt").write_bytes(clients.pem)
    who = ("--client-ca", str(tmp_path / "ca.crt"), "--client-name", "kube-apiserver")
    running = start("--policies", str(tree), "--audit-webhook", *who)

    def sent(name: str) -> Answer:
        trust = clients.client(tmp_path, running.ca, name=name) if name else running.trust
        connection = http.client.HTTPSConnection("127.0.0.1", running.port, timeout=HANGING, context=trust)
        try:
            return ask(connection, "POST", "/audit", batch(event(AUDITED)), "application/json")
        finally:
            connection.close()

    assert sent("kube-apiserver").status == 200
    assert sent("somebody").status == 403
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        sent("")
    assert counts(running)["events_total", "read"] == 1


def test_workers_report_what_they_were_sent(tree: Path, start: Callable[..., Running]) -> None:
    running = start("--policies", str(tree), "--audit-webhook", "--page", "--workers", "2")
    for _ in range(8):
        assert running.post("/audit", batch(event(AUDITED))).status == 200
    assert wait_for(lambda: counts(running).get(("findings_total", "shop", "replicas", "audit", "high")) == 8)
    found = wait_for(lambda: (all_of := asked(running, "/page/findings").json["findings"]) and all_of[0]["count"] == 8)
    assert found


def test_the_number_of_series_is_bounded_and_sums_stay_right() -> None:
    metrics = EventMetrics()
    sent = 3 * MOST
    for number in range(sent):
        metrics.finding(f"policy-{number}" if number % 2 else "one", f"namespace-{number}", "", "audit")
        metrics.failed_open(f"webhook-{number}\x1b")
    _, findings, failed_open = metrics.collect()
    assert sum(each.value for each in findings.samples) == sum(each.value for each in failed_open.samples) == sent
    assert len(findings.samples) <= 2 * MOST + 1
    assert {each.labels["namespace"] for each in findings.samples} >= {"namespace-0", OTHER}
    assert len(failed_open.samples) == MOST_WEBHOOKS + 1
    assert not any("\x1b" in each.labels["webhook"] for each in failed_open.samples)
