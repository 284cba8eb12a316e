"""Metrics: bounded labels, right sums, and no name that the documentation does not have."""

from __future__ import annotations

import asyncio
import os
import re
import time
from pathlib import Path

import pytest
from msgspec.structs import replace
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.report.reports import finding, report, written
from tests.policy.trees import binding, exception, loaded, policy
from webhook.admission.decision import Finding
from webhook.cli.report.scores import scores
from webhook.cluster.live import LiveView
from webhook.cluster.lookups import NAMESPACES, Lookups
from webhook.policy.load.loading import load
from webhook.policy.policyset import PolicySet
from webhook.policy.request import GroupVersionKind, GroupVersionResource, Request
from webhook.recordings.records import Writing
from webhook.schema import Kinds
from webhook.server.cluster.events import Events
from webhook.server.cluster.livecluster import CacheMetrics
from webhook.server.life.gathering import families, merged
from webhook.server.page.lastaudit import LastAudit
from webhook.server.policies.reload import ReloadMetrics
from webhook.server.python.isolation import Isolation, IsolationMetrics
from webhook.server.reviews.auditevents import EventMetrics
from webhook.server.reviews.turns import TurnMetrics, Turns
from webhook.server.telemetry.logs import Log
from webhook.server.telemetry.metrics import Metrics
from webhook.server.telemetry.policytimes import PolicyTimes
from webhook.server.telemetry.recording import Recorder
from webhook.server.telemetry.traces.sending import Sending

DOCUMENTED = Path(__file__).parents[3] / "docs" / "serve.md"
SHIPPED = Path(__file__).parents[3] / "policies"
ANY_KIND = GroupVersionKind("", "v1", "Any")


def _metrics() -> Metrics:
    return Metrics(Kinds.builtin(), {"stdout": Log(-1)})


def _request(group: str, resource: str, subresource: str = "") -> Request:
    return Request(
        operation="UPDATE",
        resource=GroupVersionResource(group, "v1", resource),
        kind=ANY_KIND,
        subresource=subresource,
    )


def _samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(metrics.exposition().decode())
    # by name and the values of the labels, the labels in alphabetical order
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_resources_that_nobody_knows_are_one() -> None:
    metrics = _metrics()
    for number in range(5000):
        metrics.review("/validate", _request(f"g{number}", "pods"), "allow", 0.001)
        metrics.review("/validate", _request("apps", "deployments", f"s{number}"), "allow", 0.001)
    metrics.review("/validate", _request("apps", "deployments", "scale"), "deny", 0.001)
    metrics.review("/validate", _request("", "pods"), "allow", 0.001)
    reviews = {name[1:]: value for name, value in _samples(metrics).items() if name[0] == "gatewright_reviews_total"}
    assert {(resource, verdict): value for _, _, resource, verdict, value in ((*k, v) for k, v in reviews.items())} == {
        ("other", "allow"): 5000,
        ("deployments.apps/other", "allow"): 5000,
        ("deployments.apps/scale", "deny"): 1,
        ("pods", "allow"): 1,
    }


def test_durations_are_a_cumulative_histogram_by_path() -> None:
    metrics = _metrics()
    for seconds in (0.0001, 0.0004, 0.0005, 0.03, 99.0):
        metrics.review("/validate", _request("", "pods"), "allow", seconds)
    metrics.review("/mutate", _request("", "pods"), "allow", 0.2)
    name = "gatewright_review_duration_seconds"
    samples = _samples(metrics)
    buckets = {key[1]: value for key, value in samples.items() if (key[0], key[-1]) == (f"{name}_bucket", "/validate")}
    assert (buckets["0.00025"], buckets["0.0005"], buckets["0.05"], buckets["10.0"], buckets["+Inf"]) == (1, 3, 4, 4, 5)
    assert samples[f"{name}_count", "/validate"] == 5
    assert abs(samples[f"{name}_sum", "/validate"] - 99.031) < 1e-9
    assert samples[f"{name}_count", "/mutate"] == 1


def test_a_new_policy_tree_replaces_the_revision() -> None:
    metrics = _metrics()
    metrics.policies(PolicySet(revision="one"))
    metrics.policies(PolicySet(revision="two"))
    assert [key for key in _samples(metrics) if key[0] == "gatewright_policy_revision_info"] == [
        ("gatewright_policy_revision_info", "two")
    ]


def test_evaluations_are_counted_by_binding_over_one_tree_and_the_next() -> None:
    metrics = _metrics()
    first, second = load(SHIPPED), load(SHIPPED)
    chosen = first.bindings[0]
    metrics.policies(first)
    metrics.evaluated(first.bindings)
    metrics.evaluated((chosen,))
    metrics.policies(second)
    metrics.evaluated(second.bindings)
    counts = {
        key[1:]: value for key, value in _samples(metrics).items() if key[0] == "gatewright_policy_evaluations_total"
    }
    assert counts.pop((chosen.name, "validate", chosen.policy)) == 3
    assert len(counts) == len(first.bindings) - 1
    assert set(counts.values()) == {2}


def test_the_end_of_every_exception_is_told_until_it_is_gone() -> None:
    metrics = _metrics()
    name = "gatewright_policy_exception_expiry_timestamp_seconds"
    metrics.policies(loaded(policy(), binding(), exception("a", expires="1970-01-01"), exception("b")))
    samples = _samples(metrics)
    assert samples[name, "a"] == 86400
    assert samples[name, "b"] > time.time()
    assert samples["gatewright_policy_exceptions_used_total", "a", "p"] == 0
    metrics.policies(loaded(policy(), binding()))
    assert not [key for key in _samples(metrics) if key[0] == name]


def test_the_documentation_names_every_metric_and_no_other(tmp_path: Path) -> None:
    metrics = _metrics()
    metrics.policies(load(SHIPPED))
    metrics.review("/validate", _request("", "pods"), "allow", 0.1)
    metrics.finding(Finding("p", "b", "Deny", "Invalid", 422, "no"), "deny")
    metrics.mutation("p")
    metrics.policies(loaded(policy(), binding(), exception()))
    metrics.refused(400)
    metrics.reload_failed("certificate")
    metrics.in_step("certificate")
    metrics.handshake_failed("timeout")
    metrics.trusted("validatingwebhookconfigurations", True)
    metrics.not_sent("validatingwebhookconfigurations", 0)
    view = LiveView(Lookups((NAMESPACES,)))
    view.caches[0].heard, view.caches[0].listed_at = time.monotonic(), time.time()  # as after a list
    metrics.registry.register(CacheMetrics(lambda: view))
    ReloadMetrics(metrics.registry)
    isolation = Isolation(1.0, Log(os.open(os.devnull, os.O_WRONLY)))
    isolation.use(load(SHIPPED))
    metrics.registry.register(IsolationMetrics(isolation))
    times = PolicyTimes()
    times.add(load(SHIPPED).policies[0], 0.001)
    metrics.registry.register(times)
    events = EventMetrics()
    events.finding("p", "shop", "high", "audit")
    events.failed_open("w")
    metrics.registry.register(events)
    metrics.registry.register(Events(isolation._log, lambda: pytest.fail("no cluster")))

    async def sending() -> None:
        metrics.registry.register(Sending(isolation._log))
        metrics.registry.register(Recorder(isolation._log, Writing("", 0, 0, [], "")))

    asyncio.run(sending())
    audited = report("audit", findings=[finding()], at="2026-11-29T20:00:04Z")
    (tmp_path / "audit.json").write_text(
        written(replace(audited, scores=scores(audited.findings, {"": 1}, {})), "json")
    )
    audit = LastAudit("webhook.cli.auditpage", tmp_path / "audit.json")
    asyncio.run(audit.look())
    metrics.registry.register(audit)
    metrics.registry.register(TurnMetrics(Turns(0.5, Log(os.open(os.devnull, os.O_WRONLY))), lambda: 0))
    exposed = {
        re.sub("_(bucket|count|sum)$", "", name) for name, *_ in _samples(metrics) if name.startswith("gatewright_")
    }
    rows = re.findall(r"^\| (`gatewright_.*?) \|", DOCUMENTED.read_text(), re.M)
    documented = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert exposed == documented


def test_the_format_of_openmetrics_is_what_its_parser_reads_with_exemplars() -> None:
    metrics = _metrics()
    metrics.policies(load(SHIPPED))
    metrics.review("/validate", _request("", "pods"), "allow", 0.02)
    metrics.exemplar("/validate", 0.02, ("a" * 32, "b" * 16, "", ""), 1_795_910_739_000_000_000)
    text = metrics.exposition(openmetrics=True).decode()
    parsed = list(openmetrics_families(text))  # type: ignore[no-untyped-call]
    plain = {name for name, *_ in _samples(metrics)}
    assert {sample.name for family in parsed for sample in family.samples} == plain
    examples = [sample for family in parsed for sample in family.samples if sample.exemplar is not None]
    (found,) = examples
    assert (found.name, found.labels["le"]) == ("gatewright_review_duration_seconds_bucket", "0.025")
    assert found.exemplar is not None
    assert found.exemplar.labels == {"trace_id": "a" * 32, "span_id": "b" * 16}
    assert (found.exemplar.value, float(found.exemplar.timestamp or 0)) == (0.02, 1795910739.0)


def test_exemplars_are_now_and_then_one_and_every_slow_one() -> None:
    metrics = _metrics()
    for number, seconds in enumerate((0.0001, 0.0003, 0.02, 0.3)):
        metrics.review("/validate", _request("", "pods"), "allow", seconds)
        metrics.exemplar("/validate", seconds, (f"{number:032x}", "b" * 16), 1000 + number)
    text = metrics.exposition(openmetrics=True).decode()
    assert [f"{number:032x}" in text for number in range(4)] == [True, False, True, True]


def test_of_several_processes_the_latest_exemplar_is_shown() -> None:
    snapshots = []
    for number in (1, 3, 2):
        metrics = _metrics()
        metrics.review("/validate", _request("", "pods"), "allow", 0.02)
        metrics.exemplar("/validate", 0.02, (f"{number:032x}", "b" * 16), number * 1_000_000_000)
        snapshots.append(families(metrics.registry.collect()))
    samples = [sample for family in merged(snapshots) for sample in family.samples if sample.exemplar is not None]
    assert [(sample.value, sample.exemplar.labels["trace_id"]) for sample in samples if sample.exemplar] == [
        (3, f"{3:032x}")
    ]
