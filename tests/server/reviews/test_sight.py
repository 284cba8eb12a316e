"""What a traced review says of itself, and what it never says; that nothing is watched unless it is switched on."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.server.collector import Collector, Span, collecting
from tests.server.direct import HEAD, Direct
from tests.server.running import POLICIES, Running, changed, recorded, wait_for, write_policies
from tests.timing import HANGING
from webhook.access import Access
from webhook.admission import engine
from webhook.policy.load.loading import load
from webhook.policy.policyset import PolicySet
from webhook.server.port.exchange import Head
from webhook.server.reviews import sight
from webhook.server.reviews.sight import Sight, _question
from webhook.server.telemetry.policytimes import PolicyTimes
from webhook.server.telemetry.traces.sampling import Sampler
from webhook.server.telemetry.traces.spans import MAX_PARTS, MAX_TEXT, Record, ReviewSpan

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
POD = recorded("020")

TWO = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: %(name)s}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps, secrets]}]
  matchConditions: [{name: wanted, expression: "%(when)s"}]
  validations: [{expression: "%(expression)s", messageExpression: "'it holds ' + string(object.data['key'])"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: %(name)s-everywhere}
spec: {policyName: %(name)s, validationActions: [%(actions)s]}
"""


def policy(name: str, expression: str, actions: str = "Deny", when: str = "true") -> str:
    return TWO % {"name": name, "expression": expression, "actions": actions, "when": when}


TREE = {
    "passing.yaml": policy("passing", "true"),
    "denying.yaml": policy("denying", "object.metadata.name != 'bad'", "Deny, Audit"),
    "failing.yaml": policy("failing", "object.metadata.name != 'broken' || object.nothing == 1"),
    "skipped.yaml": policy("skipped", "false", when="object.metadata.name == 'other'"),
    "apart.py": '''\
import re
from gatewright import validate


@validate(resources=["v1/configmaps"], operations=["CREATE"])
def apart(request):
    """Runs in a process of its own: a timer might not stop this."""
    if re.compile(request.name).match("x"):
        yield "a match"
''',
    "apart.yaml": """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: apart}
spec: {policyName: apart, validationActions: [Deny]}
""",
}


def configmap(name: str, kind: str = "ConfigMap", **data: str) -> bytes:
    body = json.loads(POD)
    plural = kind.lower() + "s"
    body["request"] |= {
        "kind": {"group": "", "version": "v1", "kind": kind},
        "requestKind": {"group": "", "version": "v1", "kind": kind},
        "resource": {"group": "", "version": "v1", "resource": plural},
        "requestResource": {"group": "", "version": "v1", "resource": plural},
        "name": name,
        "object": {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "data": data or {"key": "value"}},
    }
    return json.dumps(body).encode()


def tree(folder: Path, *names: str) -> PolicySet:
    return load(write_policies(folder / "tree", {name: TREE[name] for name in names}))


def traced(records: list[Record], times: PolicyTimes | None = None) -> Callable[[Any], Sight]:
    return lambda metrics: Sight(metrics, Sampler(), records.append, times)


def read(record: Record) -> ReviewSpan:
    """As the exporter's process reads it."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(record), type=ReviewSpan)


def head(*headers: tuple[bytes, bytes], path: str = "/validate") -> Head:
    return HEAD._replace(path=path, headers=headers)


@pytest.fixture
def cel(tmp_path: Path) -> PolicySet:
    return tree(tmp_path, "passing.yaml", "denying.yaml", "failing.yaml", "skipped.yaml")


def test_a_span_names_the_request_the_verdict_and_the_policies_that_decided(
    tmp_path: Path, cel: PolicySet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sight, "SLOW", math.inf)  # on a busy machine any policy may take its millisecond
    records: list[Record] = []
    direct = Direct(tmp_path, cel, traced(records))
    direct.answer(configmap("bad"), head((b"traceparent", f"00-{TRACE}-{SPAN}-01".encode())))
    span = read(records[0])
    assert (span.trace_id, span.parent, span.path, span.status) == (TRACE, SPAN, "/validate", 200)
    assert (span.verdict, span.code, span.revision, span.client) == ("deny", 422, cel.revision, "192.0.2.1")
    assert span.request is not None
    assert (span.request.resource, span.request.name, span.request.operation) == ("configmaps", "bad", "CREATE")
    assert set(span.evaluated) == {"denying", "failing", "passing", "skipped"}
    (part,) = span.parts
    assert (part.name, part.binding, part.result) == ("denying", "denying-everywhere", "deny,audit")
    assert (part.kind, part.language) == ("ValidatingAdmissionPolicy", "cel")
    assert 0 < part.began < part.ended < span.seconds


def test_policies_that_took_long_are_in_a_span_whatever_they_decided(
    tmp_path: Path, cel: PolicySet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sight, "SLOW", 0.0)
    records: list[Record] = []
    Direct(tmp_path, cel, traced(records)).answer(configmap("bad"))
    assert {part.name: part.result for part in read(records[0]).parts} == {
        "denying": "deny,audit",
        "failing": "passed",
        "passing": "passed",
        "skipped": "skipped",
    }


def test_an_evaluation_error_is_a_result(tmp_path: Path, cel: PolicySet) -> None:
    records: list[Record] = []
    Direct(tmp_path, cel, traced(records)).answer(configmap("broken"))
    results = {part.name: part.result for part in read(records[0]).parts}
    assert results["failing"] == "error"


def test_a_mutation_is_a_result(tmp_path: Path) -> None:
    records: list[Record] = []
    policies = load(write_policies(tmp_path / "tree", POLICIES))
    direct = Direct(tmp_path, policies, traced(records))
    direct.answer(configmap("web", "Service"), head(path="/mutate"))
    results = {part.name: part.result for part in read(records[0]).parts}
    assert results["team-label"] == "changed"


def test_what_is_not_a_review_is_an_error(tmp_path: Path, cel: PolicySet) -> None:
    records: list[Record] = []
    direct = Direct(tmp_path, cel, traced(records))
    assert direct.answer(b"{}").status == 400
    span = read(records[0])
    assert (span.status, span.error, span.request, span.evaluated) == (400, "not a review", None, ())


def test_a_defect_is_an_error(tmp_path: Path, cel: PolicySet, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise LookupError("a secret")

    monkeypatch.setattr(engine, "validate", broken)
    records: list[Record] = []
    assert Direct(tmp_path, cel, traced(records)).answer(configmap("bad")).status == 500
    span = read(records[0])
    assert (span.status, span.error) == (500, "LookupError")
    assert "a secret" not in repr(records)


@pytest.mark.parametrize("kind", ["Secret", "ConfigMap"])
def test_no_value_of_the_object_and_no_message_is_in_a_span(kind: str, tmp_path: Path, cel: PolicySet) -> None:
    records: list[Record] = []
    value = "hunter2-value"
    direct = Direct(tmp_path, cel, traced(records))
    for name in ("bad", "broken"):
        body = direct.answer(configmap(name, kind, key=value)).body
        assert kind == "Secret" or name == "broken" or value.encode() in body
    text = msgspec.json.encode(records).decode()
    for form in (value, base64.b64encode(value.encode()).decode(), value[::-1], value.upper(), "it holds"):
        assert form not in text


def test_an_access_check_is_not_shown() -> None:
    """Policies compose it of what they like, also of what stands in the object."""
    what = _question(Access("ann", "get", resource="hunter2", group="hunter2", path="/hunter2", name="hunter2"))
    assert what == ("access", "")
    assert _question("shop") == ("namespace", "shop")


def test_texts_and_lists_are_bounded(tmp_path: Path) -> None:
    many = {f"p{number:03}.yaml": policy(f"p{number:03}", "false") for number in range(MAX_PARTS + 20)}
    policies = load(write_policies(tmp_path / "tree", many))
    records: list[Record] = []
    long = "n" * 5000
    body = changed(configmap("bad"), name=long, namespace=long, uid=long, userInfo={"username": long})
    Direct(tmp_path, policies, traced(records)).answer(body)
    span = read(records[0])
    assert span.request is not None
    texts = (span.request.name, span.request.namespace, span.request.uid, span.request.user)
    assert {len(text) for text in texts} == {MAX_TEXT}
    assert (len(span.evaluated), len(span.parts)) == (MAX_PARTS, MAX_PARTS)


def test_the_verdict_is_the_same_watched_or_not(tmp_path: Path, cel: PolicySet) -> None:
    for part in ("plain", "watched"):
        (tmp_path / part).mkdir()
    plain = Direct(tmp_path / "plain", cel)
    watched = Direct(tmp_path / "watched", cel, traced([], PolicyTimes()))
    for name in ("bad", "broken", "good", "other"):
        assert plain.answer(configmap(name)).body == watched.answer(configmap(name)).body


def test_nothing_is_watched_unless_it_is_traced_or_timed(tmp_path: Path, cel: PolicySet) -> None:
    """The engine of a review that is not watched has no observer, so it costs what it did before."""
    seen: list[Any] = []
    real = engine.validate

    def spied(*arguments: Any, observer: Any = None, **options: Any) -> Any:
        seen.append(observer)
        return real(*arguments, observer=observer, **options)

    for which in (None, Sampler(0), Sampler()):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine, "validate", spied)
            (tmp_path / str(len(seen))).mkdir()
            watch = (lambda metrics, which=which: Sight(metrics, which)) if which is not None else lambda metrics: None
            Direct(tmp_path / str(len(seen)), cel, watch).answer(configmap("good"))
    assert [each is None for each in seen] == [True, True, False]


def test_an_observer_that_asks_for_no_skips_hears_of_none(cel: PolicySet) -> None:
    class Observer:
        def __init__(self, *, skips: bool) -> None:
            self.skips = skips
            self.heard: list[str] = []

        def evaluated(self, evaluated: Any, /) -> None:
            self.heard.append("evaluated")

        def skipped(self, skipped: Any, /) -> None:
            self.heard.append("skipped")

        def excepted(self, excepted: Any, /) -> None:
            self.heard.append("excepted")

    from webhook.admission import review
    from webhook.cluster.manifestsview import ManifestsView

    heard = []
    for skips in (False, True):
        for body in (POD, configmap("good")):
            observer = Observer(skips=skips)
            engine.validate(review.parse(body), cel, ManifestsView(()), observer=observer)
            heard.append(set(observer.heard))
    assert heard == [set(), {"evaluated"}, {"skipped"}, {"evaluated"}]


def test_a_traced_review_is_the_example_of_its_bucket(tmp_path: Path, cel: PolicySet) -> None:
    direct = Direct(tmp_path, cel, traced([]))
    direct.answer(configmap("good"), head((b"traceparent", f"00-{TRACE}-{SPAN}-01".encode())))
    text = direct.metrics.exposition(openmetrics=True).decode()
    examples = [line for line in text.splitlines() if f'trace_id="{TRACE}"' in line]
    assert len(examples) == 1
    assert examples[0].startswith('gatewright_review_duration_seconds_bucket{le="')
    assert TRACE not in direct.metrics.exposition().decode()  # Prometheus' own format has no exemplars


@pytest.fixture
def collector() -> Any:
    with collecting() as found:
        yield found


def served(start: Callable[..., Running], folder: Path, collector: Collector, *flags: str) -> Running:
    policies = write_policies(folder / "tree", TREE)
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    return start("--policies", str(policies), "--policy-imports", "re", "--traces", *flags, **variables)


def children(span: Span, spans: list[Span]) -> dict[str, Span]:
    return {each.name: each for each in spans if each.parent == span.span_id}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_exports_what_it_decides(
    workers: str, start: Callable[..., Running], tmp_path: Path, collector: Collector
) -> None:
    server = served(start, tmp_path, collector, "--workers", workers, "--policy-times", "--policy-isolation", "all")
    for _ in range(6):
        response = server.post("/validate?timeout=10s", configmap("bad")).response
        assert not response["allowed"]
    reviews = collector.reviews(6)
    wait_for(lambda: all("policy denying" in children(span, collector.spans) for span in reviews))
    for span in reviews:
        assert (span.name, span.attributes["gatewright.verdict"]) == ("POST /validate", "deny")
        part = children(span, collector.spans)["policy denying"]
        assert part.attributes["gatewright.policy.result"] == "deny,audit"
        assert span.began <= part.began <= part.ended <= span.ended
    waited = [each for each in collector.spans if each.name == "run apart apart"]
    assert waited  # the first waits for its process to start
    assert waited[0].attributes["gatewright.lookup"] == "policy"
    metrics = server.get("/metrics").body.decode()
    assert 'gatewright_policy_duration_seconds_count{engine="python",policy="apart"} 6.0' in metrics
    wait_for(lambda: 'gatewright_trace_spans_total{result="exported"} 6.0' in server.get("/metrics").body.decode())
    assert server.stop() == 0


def test_a_server_that_is_stopped_exports_the_rest_and_leaves_no_process(
    start: Callable[..., Running], tmp_path: Path, collector: Collector
) -> None:
    server = served(start, tmp_path, collector)
    server.post("/validate", configmap("bad"))
    collector.reviews(1)  # the process runs
    server.post("/validate", configmap("good"))
    processes = [each.name for each in Path("/proc").iterdir() if each.name.isdigit()]
    exporters = [pid for pid in processes if _parent(pid) == server.process.pid]
    assert exporters
    assert server.stop() == 0
    assert len(collector.reviews(2)) == 2
    wait_for(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() and _traces(pid) for pid in exporters))


def _parent(pid: str) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def _traces(pid: str) -> bool:
    try:
        return b"webhook.server.telemetry.traces.exporter" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_a_dead_collector_costs_reviews_nothing(start: Callable[..., Running], tmp_path: Path) -> None:
    nowhere = Collector(port=1)
    server = served(start, tmp_path, nowhere)
    for _ in range(50):
        assert server.post("/validate?timeout=10s", configmap("good")).response["allowed"]
    server.events("traces not exported")
    assert server.get("/readyz").status == 200


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({"OTEL_TRACES_SAMPLER": "dice"}, "--traces: OTEL_TRACES_SAMPLER: expected one of"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "--traces: OTEL_EXPORTER_OTLP_PROTOCOL: expected http/protobuf"),
    ],
)
def test_a_server_that_cannot_trace_as_it_should_does_not_start(
    variables: dict[str, str], text: str, start: Callable[..., Running], policies: Path
) -> None:
    server = start("--policies", str(policies), "--traces", wait=False, **variables)
    assert server.process.wait(HANGING) == 2
    wait_for(lambda: any(text in line for line in server.said))
