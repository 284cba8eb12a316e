"""`gatewright audit --metrics`: every parser reads the file, the numbers are those of the report, and it is bounded."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from tests.cli.auditsamples import samples
from tests.cli.clusterreports.found import RULES, on
from tests.cli.report.reports import CHECK, report
from webhook.audit.shards import Shard
from webhook.cli.auditmetrics import text
from webhook.cli.auditseries import NAMESPACES
from webhook.cli.report.scores import scores
from webhook.documents.document import Problem

RUN: dict[str, Any] = {"now": 1000.5, "seconds": 2.25}


def test_the_numbers_are_those_of_what_was_found() -> None:
    found = [on("a"), on("b"), on("c", "labels", ""), on("d", "labels", level="warn", action="Warn")]
    judged = {"shop": 7, "bank": 2, "": 1}
    made = replace(report("audit", findings=found, rules=RULES), scores=scores(found, judged, RULES))
    assert samples(text(made, judged, **RUN)) == {
        ("findings", "no-host-path", "shop", "high", "fail"): 2,
        ("findings", "labels", "", "low", "fail"): 1,
        ("findings", "labels", "shop", "low", "warn"): 1,
        ("objects", ""): 1,
        ("objects", "bank"): 2,
        ("objects", "shop"): 7,
        ("score", ""): 95,
        ("score", "bank"): 100,
        ("score", "shop"): 87.8,
        ("complete",): 1,
        ("timestamp_seconds",): 1000.5,
        ("duration_seconds",): 2.25,
    }


def test_what_is_of_a_run_names_its_shard_and_whether_it_was_complete() -> None:
    made = report("audit", problems=[Problem("it", None, None, "pods cannot be listed")])
    found = samples(text(made, {}, **RUN, shard=Shard(1, 4)))
    assert found == {("complete", "1/4"): 0, ("timestamp_seconds", "1/4"): 1000.5, ("duration_seconds", "1/4"): 2.25}


def test_hostile_texts_are_labels() -> None:
    names = ['a"} 1', "b\\n", "c\n# TYPE x", "\x1b[2J"]
    made = report("audit", findings=[*(on("x", each) for each in names), *CHECK.findings], suppressed=CHECK.suppressed)
    found = samples(text(made, {}, **RUN))
    assert {key[1] for key in found if key[0] == "findings"} >= {'a"} 1', "b\\n", "c\\n# TYPE x", "\\x1b[2J"}
    assert {key[4] for key in found if key[0] == "findings"} == {"fail", "warn", "error", "skip"}


def test_names_that_are_written_alike_are_one_series() -> None:
    written = text(report("audit"), {"a\u200b": 1, "a\\u200b": 2}, now=1, seconds=1)
    assert written.count("gatewright_audit_objects{") == 1
    assert samples(written)["objects", "a\\u200b"] == 3


def test_the_number_of_series_is_bounded_and_sums_stay_right() -> None:
    spaces = [f"team-{number:04}" for number in range(NAMESPACES + 50)]
    judged = {each: 1 + number for number, each in enumerate(spaces)}
    made = report(
        "audit", findings=[*(on("a", namespace=each) for each in spaces[:40]), on("b", namespace="team-0039")]
    )
    found = samples(text(made, judged, **RUN, most=10))
    findings = {key: value for key, value in found.items() if key[0] == "findings"}
    assert len(findings) == 11 and sum(findings.values()) == 41
    assert findings["findings", "no-host-path", "team-0039", "", "fail"] == 2  # of those with the most
    assert findings["findings", "no-host-path", "_other", "", "fail"] == 30
    objects = {key[1]: value for key, value in found.items() if key[0] == "objects"}
    assert len(objects) == NAMESPACES + 1 and sum(objects.values()) == sum(judged.values())
    assert objects["_other"] == sum(range(1, 51))
