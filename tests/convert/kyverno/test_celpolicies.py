"""Kyverno's kinds in CEL: what stands around their expressions changes no verdict, and what is missing is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.convert.converted import only, outcomes
from tests.convert.kyverno.given import expected
from webhook.convert.foreigntests import running
from webhook.convert.model import Outcome
from webhook.documents.yamlwriting import stream
from webhook.versions import NEWEST

RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}


def policy(name: str = "p", kind: str = "ValidatingPolicy", namespace: str = "", **spec: Any) -> dict[str, Any]:
    whole = {"matchConstraints": {"resourceRules": [RULE]}, "validations": [{"expression": "has(object.data)"}], **spec}
    if kind.endswith("MutatingPolicy"):
        del whole["validations"]
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "policies.kyverno.io/v1", "kind": kind, "metadata": metadata, "spec": whole}


def exception(*references: dict[str, str], namespace: str = "live", **spec: Any) -> dict[str, Any]:
    metadata = {"name": "e", "namespace": namespace}
    whole = {"policyRefs": list(references), **spec}
    return {"apiVersion": "policies.kyverno.io/v1", "kind": "PolicyException", "metadata": metadata, "spec": whole}


def verdicts(outcome: Outcome, *objects: dict[str, Any]) -> list[str]:
    """The verdict of the converted policy on each ConfigMap."""
    cases = [expected(each, "pass-or-skip", outcome, "ConfigMap") for each in objects]
    running.run(cases, NEWEST)
    return ["pass" if each.passed else each.reason for each in outcome.tests]


OLD = {
    "apiVersion": "kyverno.io/v1",
    "kind": "Policy",
    "metadata": {"name": "p", "namespace": "live"},
    "spec": {
        "validationFailureAction": "Enforce",
        "rules": [
            {
                "name": "r",
                "match": {"any": [{"resources": {"kinds": ["ConfigMap"]}}]},
                "validate": {"pattern": {"metadata": {"labels": {"a": "b"}}}},
            }
        ],
    },
}


def old_exception(named: str, **more: Any) -> dict[str, Any]:
    match = {"any": [{"resources": {"kinds": ["ConfigMap"]}}]}
    spec = {"match": match, "exceptions": [{"policyName": named, **more}]}
    return {"apiVersion": "kyverno.io/v2", "kind": "PolicyException", "metadata": {"name": "e"}, "spec": spec}


@pytest.mark.parametrize(
    ("of", "given", "applies"),
    [
        (policy(), exception({"name": "p", "kind": "ValidatingPolicy"}), True),
        (policy(), exception({"name": "p", "kind": "ValidatingPolicy"}, reportResult="pass"), True),
        (policy(), exception({"name": "p", "kind": "MutatingPolicy"}), False),
        (policy(), exception({"name": "p", "kind": "NamespacedValidatingPolicy"}), False),
        (policy(), old_exception("p"), False),
        (policy(), old_exception("p", ruleNames=["r"]), False),
        (policy(kind="NamespacedValidatingPolicy", namespace="live"),
         exception({"name": "p", "kind": "NamespacedValidatingPolicy"}), True),
        (policy(kind="NamespacedValidatingPolicy", namespace="live"),
         exception({"name": "p", "kind": "NamespacedValidatingPolicy"}, namespace="dev"), False),
        (OLD, exception({"name": "p", "kind": "ValidatingPolicy"}), False),
        (OLD, old_exception("live/p", ruleNames=["r"]), True),
        (OLD, old_exception("dev/p", ruleNames=["r"]), False),
        (OLD, old_exception("p", ruleNames=["r"]), False),
    ],
)  # fmt: skip
def test_an_exception_is_of_the_policy_of_its_kind_and_namespace(
    of: dict[str, Any], given: dict[str, Any], applies: bool, tmp_path: Path
) -> None:
    """Equal names are not enough: another policy would be without force."""
    converted, taken = outcomes(tmp_path, stream([of, given]))
    assert converted.status == "whole"
    live = {"metadata": {"namespace": "live"}}
    assert (verdicts(converted, live) == ["pass"]) is applies
    assert taken.status == ("whole" if applies else "not")
    if not applies:
        assert f"there is a {of['kind']} of that name" in taken.refused[0].message


@pytest.mark.parametrize(
    ("condition", "excepted"),
    [
        ("""object.metadata.name == "o'brien" || object.metadata.name == "x" """, True),
        ("""object.metadata.name == "o'brien" && object.metadata.name == "y" """, False),
        ("object.metadata.name == 'x' // it is x", True),
        ("object.metadata.name == 'y' || // (one of\nobject.metadata.name == 'x' // two)", True),
        ("object.metadata.name == r'\\' || object.metadata.name == 'x'", True),
        ('''object.metadata.name == """'""" || false''', False),
    ],
)
def test_a_condition_of_an_exception_counts_as_it_is_written(condition: str, excepted: bool, tmp_path: Path) -> None:
    """Quotes, comments and operators in it change nothing around it."""
    given = exception({"name": "p", "kind": "ValidatingPolicy"}, matchConditions=[
        {"name": "a", "expression": condition}, {"name": "b", "expression": "true || false"}
    ])  # fmt: skip
    converted, taken = outcomes(tmp_path, stream([policy(), given]))
    assert (converted.status, taken.status) == ("whole", "whole")
    assert (verdicts(converted, {}) == ["pass"]) is excepted


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("resource.Get('v1', 'configmaps', 'a', 'b').data.x == 'y'", "resource is in Kyverno's CEL"),
        ("false) || (true", "a condition of an exception: "),
        ("'text'", "a condition of an exception: must evaluate to bool"),
        ("variables.x) || (true", "an expression whose parentheses do not match"),
    ],
)
def test_a_condition_that_is_none_leaves_the_policy_whole(expression: str, said: str, tmp_path: Path) -> None:
    given = exception(
        {"name": "p", "kind": "ValidatingPolicy"}, matchConditions=[{"name": "a", "expression": expression}]
    )
    converted, taken = outcomes(tmp_path, stream([policy(), given]))
    assert (converted.status, taken.status) == ("whole", "not")
    assert said in taken.refused[0].message
    assert taken.refused[0].message.endswith("; the policy applies without the exception")
    assert verdicts(converted, {}) != ["pass"]


CONDITION: dict[str, Any] = {
    "matchConditions": [{"name": "live", "expression": "namespaceObject.metadata.name == 'live'"}]
}


@pytest.mark.parametrize(
    "expression",
    [
        """object.metadata.name == "o'brien" ? true : has(object.data)""",
        "has(object.data) // or not: (",
        "has(object.data) || false",
    ],
)
def test_a_condition_about_the_namespace_stands_around_the_expression(expression: str, tmp_path: Path) -> None:
    """Kubernetes has no namespaceObject in matchConditions, Kyverno has."""
    given = policy(
        variables=[{"name": "applies", "expression": "false"}],
        auditAnnotations=[{"key": "k", "valueExpression": "has(object.data) ? 'a' : 'b' // one of"}],
        validations=[{"expression": expression}],
        **CONDITION,
    )
    converted = only(tmp_path, stream([given]))
    assert converted.status == "whole", converted.refused
    names = [each["name"] for each in converted.policies[0]["spec"]["variables"]]
    assert len(set(names)) == len(names)
    other, live = ({"metadata": {"namespace": name}} for name in ("dev", "live"))
    assert [each == "pass" for each in verdicts(converted, other, live, live | {"data": {"a": "b"}})] == [
        True, False, True,
    ]  # fmt: skip


def test_a_mutation_that_is_a_choice_of_its_own(tmp_path: Path) -> None:
    choice = "has(object.data) ? Object{metadata: Object.metadata{labels: {'a': 'b'}}} : Object{} // or none"
    mutations = [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": choice}}]
    converted = only(tmp_path, stream([policy(kind="MutatingPolicy", mutations=mutations, **CONDITION)]))
    assert converted.status == "whole", converted.refused


@pytest.mark.parametrize(
    ("spec", "line", "said"),
    [
        ({"validationActions": ["Enforce"]}, "validationActions", "the validation action 'Enforce'"),
        ({"evaluation": {"mode": "JSON"}}, "mode", "the evaluation of JSON"),
        ({"evaluation": {"admission": {"enabled": False}}}, "admission", "for background scans alone"),
        ({"evaluation": {"sometimes": True}}, "sometimes", "evaluation.sometimes"),
        ({"images": [{"name": "x", "expression": "[]"}]}, "images", "spec.images"),
        *(
            ({"variables": [{"name": "found", "expression": each}]}, each, "is in Kyverno's CEL, but not in that of")
            for each in (
                "resource.List('v1', 'pods', 'a').items", "http.Get('https://a.example')", "image('a/b:1').registry()",
                "globalContext.Get('a', 'b')", "parseServiceAccount(request.userInfo.username).Namespace",
                "sha256(object.metadata.name)", "json.unmarshal(object.data.a)", "exceptions.allowedImages",
                "images.containers", "random('a')", "yaml.parse(object.data.a)", "x509.decode('a')",
            )
        ),
    ],
)  # fmt: skip
def test_what_kubernetes_has_not_is_named_with_its_line(
    spec: dict[str, Any], line: str, said: str, tmp_path: Path
) -> None:
    text = stream([policy(**spec)])
    converted = only(tmp_path, text)
    assert converted.status == "not"
    (note,) = converted.refused
    assert said in note.message
    named = next(number for number, each in enumerate(text.splitlines(), 1) if line.split("(")[0] in each)
    assert note.line == named
