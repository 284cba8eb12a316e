"""An exception that takes nothing out is never reported as converted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.convert.converted import outcomes
from tests.convert.kyverno.given import expected
from webhook.convert.foreigntests import running
from webhook.versions import NEWEST

POLICY = """\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: p}
spec:
  rules:
  - name: label
    match: {any: [{resources: {kinds: [Pod]}}]}
    validate: {pattern: {metadata: {labels: {a: b}}}}
---
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: signed}
spec:
  rules:
  - name: verify
    match: {any: [{resources: {kinds: [Pod]}}]}
    verifyImages: [{imageReferences: ["*"]}]
---
apiVersion: kyverno.io/v2
kind: PolicyException
metadata: {name: e}
spec:
  match: {any: [{resources: {kinds: [Pod], names: [legacy]}}]}
  exceptions: [%s]
"""
ABSENT = "the policy q, which it names, is not among the sources"
NO_RULE = "the policy p has no rule other, which it names"


@pytest.mark.parametrize(
    ("named", "status", "said"),
    [
        ("{policyName: p}", "whole", []),
        ("{policyName: p, ruleNames: [label]}", "whole", []),
        ("{policyName: p, ruleNames: [autogen-label]}", "whole", []),
        ("{policyName: q}", "not", [ABSENT]),
        ("{policyName: p}, {policyName: q}", "differences", [ABSENT]),
        ("{policyName: p, ruleNames: [other]}", "not", [NO_RULE]),
        ("{policyName: p, ruleNames: [label, other]}", "differences", [NO_RULE]),
        ("{policyName: signed}", "not", ["the policy signed, which it names, is not converted"]),
    ],
)
def test_what_it_names_and_is_not_there_is_said(tmp_path: Path, named: str, status: str, said: list[str]) -> None:
    (exception,) = (each for each in outcomes(tmp_path, POLICY % named) if each.kind == "PolicyException")
    assert exception.status == status
    assert [note.message for note in (*exception.refused, *exception.differences)] == said


CONDITIONS = """\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: p}
spec:
  validationFailureAction: Enforce
  rules:
  - name: label
    match: {any: [{resources: {kinds: [Pod]}}]}
    validate: {pattern: {spec: {=(hostIPC): false}}}
---
apiVersion: kyverno.io/v2
kind: PolicyException
metadata: {name: e, namespace: delta}
spec:
  exceptions: [{policyName: p, ruleNames: [label, autogen-label]}]
  match: {any: [{resources: {kinds: [Pod, Deployment], names: ["tool*"]}}]}
  conditions: %s
"""
EQUAL = "{any: [{key: \"{{ request.object.metadata.labels.app || '' }}\", operator: Equals, value: busybox}]}"
OTHER = "{all: [{key: '{{ request.object.metadata.labels.app }}', operator: NotEquals, value: prod}]}"


@pytest.mark.parametrize(
    ("conditions", "passing", "failing"),
    [
        (EQUAL, [{"app": "busybox"}], [{"app": "other"}, {}]),
        (OTHER, [{"app": "other"}], [{"app": "prod"}, {}]),  # what is missing is an error, and excepts nothing
    ],
)
def test_its_conditions_must_be_met(
    conditions: str, passing: list[dict[str, str]], failing: list[dict[str, str]], tmp_path: Path
) -> None:
    made = outcomes(tmp_path, CONDITIONS % conditions)
    assert [each.status for each in made] == ["whole", "whole"]
    policy = next(each for each in made if each.kind == "ClusterPolicy")
    cases = []
    for wanted, labelled in (("pass-or-skip", passing), ("fail", failing)):
        for labels in labelled:
            metadata = {"name": "tool-1", "labels": labels}
            for kind in ("Pod", "Deployment"):
                given = {"kind": kind, "metadata": metadata, "pod": {"hostIPC": True}}
                cases.append(expected(given, wanted, policy, "Pod"))
    other = {"metadata": {"name": "other", "labels": passing[0]}, "pod": {"hostIPC": True}}
    running.run([*cases, expected(other, "fail", policy, "Pod")], NEWEST)
    assert [f"{each.name}: {each.reason}" for each in policy.tests if not each.passed] == []
    assert len(policy.tests) == len(cases) + 1


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ("{any: [{key: '{{ random(`1`) }}', operator: Equals, value: a}]}", "the JMESPath function random()"),
        ("{none: []}", "'none' in conditions: expected any or all"),
        ("{all: [{key: a, operator: Like, value: a}]}", "the operator 'Like'"),
    ],
)
def test_conditions_that_cannot_be_converted_except_nothing(conditions: str, said: str, tmp_path: Path) -> None:
    policy, exception = outcomes(tmp_path, CONDITIONS % conditions)
    assert (policy.status, exception.status) == ("whole", "not")
    assert exception.refused[0].message == f"{said}; the policy applies without the exception"


@pytest.mark.parametrize(
    ("rules", "excepted"),
    [
        ("[label]", {"Pod"}),
        ("[autogen-label]", {"Deployment", "StatefulSet"}),
        ("[autogen-cronjob-label]", {"CronJob"}),
        ("[label, autogen-cronjob-label]", {"Pod", "CronJob"}),
        ("['autogen-*']", {"Deployment", "StatefulSet", "CronJob"}),
        ("['*label']", {"Pod", "Deployment", "StatefulSet", "CronJob"}),
        ("[]", {"Pod", "Deployment", "StatefulSet", "CronJob"}),
    ],
)
def test_pods_and_their_controllers_are_named_apart(rules: str, excepted: set[str], tmp_path: Path) -> None:
    given = CONDITIONS % "{}"
    given = given.replace("[label, autogen-label]", rules).replace("kinds: [Pod, Deployment]", "kinds: ['*']")
    policy, exception = outcomes(tmp_path, given)
    assert exception.status == "whole"
    cases = []
    for kind in ("Pod", "Deployment", "StatefulSet", "CronJob"):
        judged = {"kind": kind, "metadata": {"name": "tool-1"}, "pod": {"hostIPC": True}}
        cases.append(expected(judged, "pass-or-skip" if kind in excepted else "fail", policy, "Pod"))
    running.run(cases, NEWEST)
    assert [f"{each.name}: {each.reason}" for each in policy.tests if not each.passed] == []
    assert len(policy.tests) == len(cases)
