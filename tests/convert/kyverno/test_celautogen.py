"""Rules in CEL about Pods: what is made for the controllers. Their verdicts are compared in test_judging.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.convert.converted import outcomes
from webhook.convert.model import Outcome
from webhook.documents.yamlwriting import dumped

PODS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}


def converted(folder: Path, name: str = "p", **spec: Any) -> Outcome:
    constraints = {"resourceRules": [PODS]} | spec.pop("matchConstraints", {})
    policy = {
        "apiVersion": "policies.kyverno.io/v1",
        "kind": "ValidatingPolicy",
        "metadata": {"name": name},
        "spec": {"matchConstraints": constraints, "validations": [{"expression": "has(object.spec.nodeName)"}], **spec},
    }
    (outcome,) = outcomes(folder, dumped(policy))
    return outcome


def rule(name: str, cel: dict[str, Any], **more: Any) -> dict[str, Any]:
    match = {"any": [{"resources": {"kinds": ["Pod"], "operations": ["CREATE"]}}]}
    return {"name": name, "match": match, "validate": {"cel": cel}, **more}


def of_rules(folder: Path, *rules: dict[str, Any], name: str = "p") -> Outcome:
    policy = {"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": name}}
    (outcome,) = outcomes(folder, dumped(policy | {"spec": {"rules": list(rules)}}))
    return outcome


def expressions(outcome: Outcome) -> dict[str, str]:
    return {each["metadata"]["name"]: each["spec"]["validations"][0]["expression"] for each in outcome.policies}


def test_a_policy_becomes_one_for_pods_for_controllers_and_for_cron_jobs(tmp_path: Path) -> None:
    outcome = converted(tmp_path)
    assert outcome.status == "whole"
    assert expressions(outcome) == {
        "p": "has(object.spec.nodeName)",
        "p-controllers": "has(object.spec.template.spec.nodeName)",
        "p-cronjobs": "has(object.spec.jobTemplate.spec.template.spec.nodeName)",
    }
    assert [each["spec"]["policyName"] for each in outcome.bindings] == ["p", "p-controllers", "p-cronjobs"]
    resources = [each["spec"]["matchConstraints"]["resourceRules"] for each in outcome.policies]
    named = [[name for each in rules for name in each["resources"]] for rules in resources]
    assert named == [["pods"], ["daemonsets", "deployments", "replicasets", "statefulsets", "jobs"], ["cronjobs"]]


@pytest.mark.parametrize(
    "constraints",
    [
        {"objectSelector": {"matchLabels": {"a": "b"}}},
        {"excludeResourceRules": [PODS]},
        {"resourceRules": [PODS | {"resources": ["pods", "services"]}]},
        {"resourceRules": [PODS | {"apiVersions": ["*"]}]},
        {"resourceRules": [PODS | {"resourceNames": ["a"]}]},
        {"resourceRules": [PODS, PODS | {"operations": ["UPDATE"]}]},
    ],
)
def test_no_rules_are_derived_where_kyverno_derives_none(constraints: dict[str, Any], tmp_path: Path) -> None:
    outcome = converted(tmp_path, matchConstraints=constraints)
    assert (list(expressions(outcome)), outcome.status) == (["p"], "whole")


def test_controllers_that_are_stated(tmp_path: Path) -> None:
    stated = {"podControllers": {"controllers": ["jobs"]}}
    outcome = converted(tmp_path, autogen=stated)
    assert list(expressions(outcome)) == ["p", "p-controllers"]
    (only,) = outcome.policies[1]["spec"]["matchConstraints"]["resourceRules"]
    assert (only["apiGroups"], only["resources"]) == (["batch"], ["jobs"])
    assert outcome.status == "whole"


def test_names_of_controllers_that_kyverno_does_not_know(tmp_path: Path) -> None:
    stated = {"podControllers": {"controllers": ["Deployment", "replicationcontrollers", "none"]}}
    outcome = converted(tmp_path, autogen=stated)
    assert list(expressions(outcome)) == ["p"]
    assert [each.message for each in outcome.differences] == [
        f"'{name}' names no controllers of Pods: no rules are derived for it"
        for name in ("Deployment", "replicationcontrollers")
    ]


def test_the_namespace_stays_that_of_the_controller(tmp_path: Path) -> None:
    text = "object.metadata.namespace == 'a' || oldObject.metadata.namespace == 'a' || object.metadata.name == 'b'"
    made = expressions(converted(tmp_path, validations=[{"expression": text}]))["p-controllers"]
    assert made == text.replace("object.metadata.name ==", "object.spec.template.metadata.name ==")


def test_a_rule_in_cel_is_rewritten_in_each_of_its_texts(tmp_path: Path) -> None:
    cel = {
        "variables": [{"name": "pod", "expression": "object.spec"}],
        "expressions": [
            {
                "expression": "has(variables.pod.nodeName) || oldObject != null && has(oldObject.spec.nodeName)",
                "messageExpression": "'of ' + object.metadata.generateName",
            }
        ],
        "auditAnnotations": [{"key": "k", "valueExpression": "string(object.metadata.namespace)"}],
    }
    conditions = [{"name": "labelled", "expression": "has(object.metadata.labels)"}]
    outcome = of_rules(tmp_path, rule("r", cel, celPreconditions=conditions))
    assert outcome.status == "whole"
    spec = outcome.policies[1]["spec"]
    assert spec["variables"] == [{"name": "pod", "expression": "object.spec.template.spec"}]
    assert spec["validations"] == [
        {
            "expression": "has(variables.pod.nodeName) || "
            "oldObject != null && has(oldObject.spec.template.spec.nodeName)",
            "messageExpression": "'of ' + object.spec.template.metadata.generateName",
        }
    ]
    assert spec["matchConditions"][0]["expression"] == "has(object.spec.template.metadata.labels)"
    assert spec["auditAnnotations"][0]["valueExpression"] == "string(object.spec.template.metadata.namespace)"


def test_cel_that_is_rewritten_stays_as_the_author_wrote_it(tmp_path: Path) -> None:
    """What could be smaller is not made so, for controllers either."""
    text = "object.metadata.?labels.?a.orValue('') != '' && true && has(object.spec)"
    made = expressions(of_rules(tmp_path, rule("r", {"expressions": [{"expression": text}]})))
    assert made["p"] == text
    assert made["p-controllers"] == text.replace("object.", "object.spec.template.")


def test_a_message_with_a_variable_names_the_controller(tmp_path: Path) -> None:
    given = rule("r", {"expressions": [{"expression": "false"}]})
    given["validate"]["message"] = "{{ request.object.kind }}"
    outcome = of_rules(tmp_path, given)
    texts = [each["spec"]["validations"][0]["messageExpression"] for each in outcome.policies]
    assert all("template" not in each and "kind" in each for each in texts), texts


def test_long_names_of_policies_and_rules_stay_different(tmp_path: Path) -> None:
    """A name has 63 characters at most: what tells policies apart is not cut off."""
    rules = [rule(f"{'long-' * 12}{each}", {"expressions": [{"expression": "false"}]}) for each in "ab"]
    overrides = [{"action": "Audit", "namespaces": [each]} for each in ("x", "y")]
    rules[0]["validate"]["failureActionOverrides"] = overrides
    outcome = of_rules(tmp_path, *rules, name="name-" * 10 + "p")
    names = [each["metadata"]["name"] for each in outcome.policies]
    assert len(names) == len(set(names)) == 6
    bindings = [each["metadata"]["name"] for each in outcome.bindings]
    assert len(bindings) == len(set(bindings)) == 12
    assert max(map(len, [*names, *bindings])) <= 63


def test_what_does_not_compile_is_named_once_at_its_line(tmp_path: Path) -> None:
    outcome = converted(tmp_path, validations=[{"expression": "resource.Get(object.spec.nodeName) == null"}])
    assert (outcome.policies, outcome.bindings) == ([], [])
    (note,) = outcome.refused
    source = (tmp_path / "source.yaml").read_text().splitlines()
    assert "resource.Get" in source[note.line - 1]
