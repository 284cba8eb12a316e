"""The plain port: health, readiness, metrics, and the policies in force."""

from __future__ import annotations

import http.client
import re

import pytest

from tests.server.running import POLICIES, Running, changed, recorded
from tests.timing import HANGING

CREATE_POD = recorded("020")


def _samples(server: Running) -> dict[str, float]:
    """The samples of /metrics, by name and labels."""
    answer = server.get("/metrics")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    samples = {}
    for line in answer.body.decode().splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            samples[name] = float(value)
    return samples


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_server_that_serves_is_healthy_and_ready(server: Running, path: str) -> None:
    answer = server.get(path)
    assert (answer.status, answer.body) == (200, b"ok\n")


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/validate", 404), ("POST", "/readyz", 405), ("GET", "/docs", 404)]
)
def test_anything_else_is_an_error_in_json(server: Running, method: str, path: str, status: int) -> None:
    answer = server.get(path, method)
    assert answer.status == status
    assert list(answer.json) == ["error"]


def test_the_policies_in_force_are_listed_with_their_places(server: Running) -> None:
    listing = server.get("/policies").json
    assert re.fullmatch(r"\w{8,}", listing["revision"])
    by_name = {(policy["kind"], policy["name"]): policy for policy in listing["policies"]}
    assert sorted(by_name) == [
        ("MutatingAdmissionPolicy", "broken"),
        ("MutatingAdmissionPolicy", "team-label"),
        ("ValidatingAdmissionPolicy", "no-host-path"),
        ("ValidatingAdmissionPolicy", "quoting"),
    ]
    native = by_name["ValidatingAdmissionPolicy", "no-host-path"]
    assert native["file"].endswith("no-host-path.yaml")
    assert (native["line"], native["language"], native["failurePolicy"]) == (1, "cel", "Fail")
    (binding,) = native["bindings"]
    line = POLICIES["no-host-path.yaml"].splitlines().index("---") + 2
    assert (binding["name"], binding["actions"], binding["line"]) == ("everywhere", ["Deny"], line)
    python = by_name["MutatingAdmissionPolicy", "team-label"]
    assert python["file"].endswith("label.py")
    assert (python["language"], python["description"]) == ("python", "Services carry the label of a team.")


def test_reviews_are_counted_and_timed(server: Running) -> None:
    name = 'gatewright_reviews_total{operation="CREATE",path="/validate",resource="pods",verdict="deny"}'
    timed = 'gatewright_review_duration_seconds_count{path="/validate"}'
    found = (
        'gatewright_policy_findings_total{binding="everywhere",phase="validate",policy="no-host-path",result="deny"}'
    )
    refused = 'gatewright_requests_refused_total{code="400"}'
    before = _samples(server)
    for _ in range(3):
        server.post("/validate", CREATE_POD)
    server.post("/validate", b"{")
    after = _samples(server)
    assert {sample: after[sample] - before.get(sample, 0) for sample in (name, timed, found, refused)} == {
        name: 3,
        timed: 3,
        found: 3,
        refused: 1,
    }


def test_a_mutation_is_counted_by_its_policy(server: Running) -> None:
    name = 'gatewright_policy_mutations_total{policy="team-label"}'
    before = _samples(server).get(name, 0)
    server.post("/mutate", recorded("011"))
    assert _samples(server)[name] - before == 1


def test_what_is_loaded_and_running_is_told(server: Running) -> None:
    samples = _samples(server)
    revision = server.get("/policies").json["revision"]
    assert samples["gatewright_ready"] == 1
    assert samples["gatewright_policies"] == 4
    assert samples["gatewright_policy_bindings"] == 4
    assert samples[f'gatewright_policy_revision_info{{revision="{revision}"}}'] == 1
    assert samples["gatewright_policies_loaded_timestamp_seconds"] > 1.7e9
    assert samples['gatewright_log_lines_lost_total{output="stdout"}'] == 0
    assert [name for name in samples if name.startswith("gatewright_build_info{")]


def test_labels_stay_few_whatever_is_asked(server: Running) -> None:
    before = len(_samples(server))
    for number in range(50):
        resource = {"group": f"g{number}.example", "version": "v1", "resource": f"r{number}"}
        body = changed(CREATE_POD, resource=resource, requestResource=resource, subResource=f"s{number}")
        assert server.post("/validate", body).status == 200
        assert server.post("/validate", changed(CREATE_POD, subResource=f"s{number}")).status == 200
        assert server.post(f"/validate{number}", CREATE_POD).status == 404
    assert len(_samples(server)) - before < 10
    assert any('resource="pods/other"' in name for name in _samples(server))
    assert any('resource="other"' in name for name in _samples(server))


def test_metrics_come_in_the_format_that_is_accepted(server: Running) -> None:
    for accept, content_type in (
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5", "application/openmetrics-text"),
        ("text/plain", "text/plain"),
        ("*/*", "text/plain"),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", server.plain_port, timeout=HANGING)
        connection.request("GET", "/metrics", headers={"accept": accept})
        answer = connection.getresponse()
        text = answer.read()
        assert answer.headers["content-type"].partition(";")[0] == content_type
        assert text.endswith(b"# EOF\n") is (content_type == "application/openmetrics-text")
        connection.close()
