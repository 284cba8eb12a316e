"""The contents of report objects: what a finding becomes, the bounds, the order, and nothing that breaks out."""

from __future__ import annotations

import orjson
import pytest

from tests.cli.clusterreports.found import RULES, on
from tests.cli.report.reports import CHECK, HOSTILE, finding, report
from webhook.cli.clusterreports.results import DEFAULT, INCOMPLETE, LEFT_OUT, SCORE, Bounds, Content, contents
from webhook.cli.report.model import Finding, Suppression
from webhook.cli.report.scores import scores


def made(*findings: Finding, suppressed: tuple[Finding, ...] = (), bounds: Bounds = DEFAULT) -> list[Content]:
    found = report("check", findings=list(findings), suppressed=list(suppressed))
    return contents(found.findings, found.suppressed, RULES, bounds=bounds)


def test_a_finding_as_a_result() -> None:
    (content,) = made(on("a", path="spec.volumes[0]", binding="everywhere", owner="team-a"))
    assert (content.namespace, content.name) == ("shop", "gatewright-audit")
    assert content.summary == {"pass": 0, "fail": 1, "warn": 0, "error": 0, "skip": 0}
    (result,) = content.results
    fingerprint = result["properties"].pop("fingerprint")
    assert len(fingerprint) == 32
    assert result == {
        "source": "gatewright",
        "policy": "no-host-path",
        "result": "fail",
        "scored": True,
        "severity": "high",
        "category": "pod-security",
        "resources": [{"apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": "a"}],
        "message": "a is wrong",
        "properties": {
            "binding": "everywhere",
            "action": "Deny",
            "path": "spec.volumes[0]",
            "owner": "team-a",
            "reason": "Invalid",
        },
    }


@pytest.mark.parametrize(
    ("given", "result", "scored"),
    [
        (on("a"), "fail", True),
        (on("a", level="warn"), "warn", False),
        (on("a", level="audit"), "warn", False),
        (on("a", error=True), "error", True),
        (on("a", error=True, level="warn"), "error", True),
        (on("a", suppression=Suppression("exception", "logs", "2999-12-31", "reads logs")), "skip", False),
    ],
)
def test_what_a_finding_becomes(given: Finding, result: str, scored: bool) -> None:
    (content,) = made(given) if given.suppression is None else made(suppressed=(given,))
    assert [(each["result"], each["scored"]) for each in content.results] == [(result, scored)]
    assert content.summary[result] == 1
    if given.suppression is not None:
        assert content.results[0]["properties"]["suppressedBy"] == "logs"
        assert content.results[0]["properties"]["until"] == "2999-12-31"


def test_one_finding_under_several_actions_is_one_result() -> None:
    (content,) = made(on("a"), on("a", level="audit", action="Audit"))
    assert [each["result"] for each in content.results] == ["fail"]


def test_a_report_for_each_namespace_and_one_for_what_has_none() -> None:
    found = made(on("a", namespace="z"), on("b", namespace=""), on("c", namespace="a"))
    assert [each.namespace for each in found] == ["", "a", "z"]
    assert found[0].results[0]["resources"] == [{"apiVersion": "v1", "kind": "Pod", "name": "b"}]


def test_the_gravest_come_first_and_the_order_of_the_findings_does_not_matter() -> None:
    given = [on("a", "labels"), on("b", level="warn"), on("c"), on("a"), on("d", "labels", error=True)]
    (content,) = made(*given)
    (again,) = made(*reversed(given))
    order = [(each["result"], each["policy"], each["resources"][0]["name"]) for each in content.results]
    assert order == [
        ("fail", "no-host-path", "a"),
        ("fail", "no-host-path", "c"),
        ("fail", "labels", "a"),
        ("error", "labels", "d"),
        ("warn", "no-host-path", "b"),
    ]
    assert again == content


def test_beyond_the_bound_results_are_counted_in_the_last_summary() -> None:
    given = [on(f"pod-{number:02}", level="deny" if number < 6 else "warn") for number in range(10)]
    found = made(*given, bounds=Bounds(objects=2, results=3))
    assert [(each.name, len(each.results)) for each in found] == [("gatewright-audit", 3), ("gatewright-audit-2", 3)]
    assert [each.summary["fail"] for each in found] == [3, 3]
    assert [each.summary["warn"] for each in found] == [0, 4]
    assert [each.annotations.get(LEFT_OUT) for each in found] == [None, "4"]


def test_a_report_is_split_by_its_size() -> None:
    given = [on(f"pod-{number:02}", message="x" * 1000) for number in range(10)]
    found = made(*given, bounds=Bounds(objects=5, size=5000))
    assert [len(each.results) for each in found] == [3, 3, 3, 1]
    assert all(len(orjson.dumps(list(each.results))) <= 5000 + 10 for each in found)
    assert not any(LEFT_OUT in each.annotations for each in found)


def test_no_report_is_larger_than_what_etcd_takes() -> None:
    """However long, and however escaped, the texts are."""
    given = [
        on(f"pod-{number}", message="\x01" * 10_000, path="\x01" * 10_000, owner="o" * 9000) for number in range(900)
    ]
    found = made(*given)
    assert len(found) == 2
    assert all(len(orjson.dumps(list(each.results))) < 1 << 20 for each in found)
    assert sum(each.summary["fail"] for each in found) == 900


def test_the_score_of_a_namespace_and_that_the_audit_saw_not_everything() -> None:
    given = report("check", findings=[on("a")])
    (content,) = contents(given.findings, (), RULES, scores=scores(given.findings, {"shop": 4}, RULES), incomplete=True)
    assert content.annotations == {SCORE: "90.0", INCOMPLETE: "true"}


def test_findings_about_no_object_are_left_out() -> None:
    assert made(finding(object=None)) == []


def test_nothing_hostile_is_unescaped() -> None:
    found = contents(CHECK.findings, CHECK.suppressed, CHECK.rules)
    text = orjson.dumps([list(each.results) for each in found]).decode()
    assert HOSTILE not in text
    assert not any(each in text for each in ("\\u001b", "\\u0000", "\u202e"))
