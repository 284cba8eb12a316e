"""Scores: the formula by hand, what counts for nothing, vetoes, and those of manifests that `check` has judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.report.reports import WEB, finding
from tests.cli.running import gatewright
from webhook.cli.report.model import Finding, Rule
from webhook.cli.report.scores import WEIGHTS, Environment, Gate, Score, Scores, Threshold, Veto, scores
from webhook.library.metadata import SEVERITIES
from webhook.offline.requests import Identity

RULES = {name: Rule(name, "ValidatingAdmissionPolicy", severity=name) for name in WEIGHTS}


def on(name: str, rule: str, namespace: str = "shop", **fields: object) -> Finding:
    return finding(rule=rule, policy=rule, object=Identity("v1", "Pod", namespace, name), **fields)


def of(found: Scores, namespace: str) -> Score:
    return next(each for each in found.namespaces if each.namespace == namespace)


def test_every_severity_of_policies_has_a_weight() -> None:
    assert set(WEIGHTS) == set(SEVERITIES)


@pytest.mark.parametrize(
    ("findings", "judged", "value"),
    [
        ([], 0, None),
        ([], 3, 100.0),
        ([on("a", "high")], 4, 90.0),  # (60 + 3 * 100) / 4
        ([on("a", "high"), on("b", "low")], 2, 77.5),
        ([on("a", "high"), on("a", "medium"), on("a", "low")], 1, 40.0),
        ([on("a", "critical"), on("a", "high")], 2, 50.0),  # never less than 0
        ([on("a", "no such policy")], 1, 85.0),  # as if it were of medium severity
        ([on("a", "low")], 3, 98.3),  # cut, not rounded: 98.33
        ([on("a", "low")], 10_000, 99.9),  # and 100 only where nothing is violated
        ([on("a", "high"), on("b", "high"), on("c", "high")], 1, 60.0),  # more than were counted
    ],
)
def test_the_formula(findings: list[Finding], judged: int, value: float | None) -> None:
    found = scores(findings, {"shop": judged}, RULES)
    assert of(found, "shop").value == value
    assert found.cluster.value == value
    assert not found.failed


def test_a_policy_counts_once_an_object_whatever_its_levels_bindings_and_places() -> None:
    found = [
        on("a", "high"),
        on("a", "high", level="audit"),
        on("a", "high", binding="other", path="spec.containers[1].image"),
    ]
    assert of(scores(found, {"shop": 2}, RULES), "shop").value == 80.0


def test_the_whole_is_the_mean_of_objects_and_not_of_namespaces() -> None:
    found = scores([on("a", "critical", "small")], {"small": 1, "large": 9}, RULES)
    assert (of(found, "small").value, of(found, "large").value, found.cluster.value) == (0.0, 100.0, 90.0)
    assert (found.cluster.objects, found.cluster.violating) == (10, 1)


def test_objects_of_one_name_in_two_namespaces_or_of_two_kinds_are_two() -> None:
    other = finding(rule="high", object=Identity("v1", "Service", "shop", "a"))
    found = scores([on("a", "high"), other, on("a", "high", "else")], {"shop": 2, "else": 1}, RULES)
    assert (of(found, "shop").violating, found.cluster.violating) == (2, 3)


def test_what_could_not_be_evaluated_takes_no_points_and_is_counted() -> None:
    found = scores([on("a", "critical", error=True)], {"shop": 1}, RULES)
    assert (of(found, "shop").value, of(found, "shop").errors, of(found, "shop").violating) == (100.0, 1, 0)


def test_findings_about_no_object_count_for_nothing() -> None:
    assert scores([finding(object=None)], {"shop": 1}, RULES).cluster.value == 100.0


GATE = Gate(
    "gate.yaml",
    vetoes=(Veto("open", ("no-host-*",), (), ("deny",)),),
    environments=(
        Environment(("shop", "prod-*"), Threshold("production", 90, (Veto("critical", (), ("critical",)),))),
        Environment(("*",), Threshold("the rest", 50)),
    ),
    cluster=Threshold("cluster", 70),
)


def test_of_a_namespace_is_demanded_what_the_first_environment_says() -> None:
    high = [on("a", "high", namespace) for namespace in ("shop", "prod-1", "test")]
    found = scores(high, {"shop": 1, "prod-1": 8, "test": 1}, RULES, GATE)
    whys = {each.namespace: list(each.whys()) for each in found.namespaces}
    assert whys == {"shop": ["below 90 (production)"], "prod-1": [], "test": []}
    assert [each.namespace for each in found.namespaces] == ["shop", "test", "prod-1"]  # the worst first
    assert found.failed
    assert not found.cluster.failed


def test_a_score_equal_to_what_is_demanded_passes() -> None:
    assert not scores([on("a", "high")], {"shop": 4}, RULES, GATE).failed


def test_a_veto_fails_a_score_whatever_its_value_is() -> None:
    found = scores([on("a", "critical")], {"shop": 1000, "test": 1}, RULES, GATE)
    assert of(found, "shop").value == 99.9
    assert list(of(found, "shop").whys()) == ["veto critical: 1 of critical"]
    assert found.failed
    assert not scores([on("a", "critical", "test")], {"test": 1000}, RULES, GATE).failed  # it is production's


def test_a_veto_of_the_gate_is_hit_anywhere_by_its_level_only() -> None:
    hit = [on("a", "no-host-path", "", level="deny"), on("b", "no-host-pid", "", level="deny")]
    found = scores(hit, {"": 1000}, RULES, GATE)
    assert list(of(found, "").whys()) == ["veto open: 2 of no-host-path, no-host-pid"]
    assert list(found.cluster.whys()) == ["veto open: 2 of no-host-path, no-host-pid"]
    assert not scores([on("a", "no-host-path", "", level="warn")], {"": 1000}, RULES, GATE).failed
    assert not scores([on("a", "no-host-path", "", error=True)], {"": 1000}, RULES, GATE).failed  # no violation


def test_the_whole_fails_by_itself() -> None:
    found = scores([on(str(number), "critical", "test") for number in range(4)], {"test": 8, "quiet": 2}, RULES, GATE)
    assert list(found.cluster.whys()) == ["below 70 (cluster)"]
    assert not any(each.failed for each in found.namespaces)
    assert found.failed


def test_an_environment_without_a_namespace_is_named() -> None:
    assert scores([], {"test": 1}, RULES, GATE).unmet == ("production",)
    assert scores([], {"shop": 1}, RULES, GATE).unmet == ("the rest",)


def test_weights_of_the_gate() -> None:
    gate = Gate("gate.yaml", weights={**WEIGHTS, "low": 50})
    assert scores([on("a", "low")], {"shop": 1}, RULES, gate).cluster.value == 50.0


def test_the_scores_of_what_check_finds_follow_the_severities_of_its_policies() -> None:
    """By hand, of docs/examples/web.yaml: the Service violates one policy, the Deployment two."""
    root = Path(__file__).parents[3]
    run = gatewright("check", str(root / "docs" / "examples" / "web.yaml"), "-o", "json", cwd=root)
    said = json.loads(run.stdout)
    rules = {each["id"]: Rule(each["id"], each["kind"], severity=each["severity"] or "") for each in said["rules"]}
    made = [
        finding(
            rule=each["rule"],
            object=Identity(
                each["object"]["apiVersion"],
                each["object"]["kind"],
                each["object"]["namespace"],
                each["object"]["name"],
            ),
        )
        for each in said["findings"]
    ]
    assert {each.rule: rules[each.rule].severity for each in made} == {
        "protocol-whitelist": rules["protocol-whitelist"].severity,
        "replica-bounds": "medium",
        "no-host-path": "high",
    }
    lost = WEIGHTS[rules["protocol-whitelist"].severity or "medium"] + WEIGHTS["medium"] + WEIGHTS["high"]
    found = scores(made, {WEB.namespace: 0, "default": 2}, rules)
    assert of(found, "default").tenths == (2000 - 10 * lost) // 2
