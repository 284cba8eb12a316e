"""What the API server refuses when a policy or binding is created, `load` refuses too, and says where and why."""

from __future__ import annotations

from typing import Any

import pytest

from tests.policy.trees import ALL, PODS, binding, mutating_binding, policy, problems

CONDITION = {"name": "c", "expression": "true"}
ANNOTATION = {"key": "k", "valueExpression": "'x'"}
SELECTOR = "namespaceSelector"


def rule(**fields: Any) -> dict[str, Any]:
    return {"matchConstraints": {"resourceRules": [{**ALL, **fields}]}}


def selector(**fields: Any) -> dict[str, Any]:
    return {"matchConstraints": {"resourceRules": [ALL], SELECTOR: fields}}


RULE = "spec.matchConstraints.resourceRules[0]"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"matchConstraints": None}, "spec.matchConstraints.resourceRules: required: at least one rule"),
        ({"matchConstraints": {"resourceRules": []}}, "spec.matchConstraints.resourceRules: required"),
        ({"validations": []}, "spec.validations: required: validations or auditAnnotations, at least one"),
        # rules
        (rule(operations=[]), f"{RULE}.operations: required: CREATE, UPDATE, DELETE, CONNECT or '*'"),
        (rule(operations=["*", "CREATE"]), f"{RULE}.operations: '*' must be the only item"),
        (rule(operations=["PATCH"]), f"{RULE}.operations[0]: expected 'CREATE', 'UPDATE', 'DELETE', 'CONNECT' or '*'"),
        (rule(operations=["create"]), "found 'create'"),
        (rule(apiGroups=[]), f"{RULE}.apiGroups: required"),
        (rule(apiGroups=["*", "apps"]), f"{RULE}.apiGroups: '*' must be the only item"),
        (rule(apiVersions=[]), f"{RULE}.apiVersions: required"),
        (rule(apiVersions=[""]), f"{RULE}.apiVersions[0]: expected a version such as v1"),
        (rule(resources=[]), f"{RULE}.resources: required"),
        (rule(resources=[""]), f"{RULE}.resources[0]: expected a resource such as pods"),
        (rule(resources=["*/*", "pods"]), f"{RULE}.resources: '*/*' must be the only item"),
        (rule(resources=["*", "pods"]), f"{RULE}.resources: beside '*' only subresources are allowed"),
        (rule(resources=["pods/*", "pods/exec"]), f"{RULE}.resources[1]: redundant: 'pods/*' covers 'pods/exec'"),
        (rule(resources=["*/scale", "pods/scale"]), f"{RULE}.resources[1]: redundant: '*/scale' covers 'pods/scale'"),
        (rule(scope="namespaced"), f"{RULE}.scope: expected '*', 'Cluster' or 'Namespaced', found 'namespaced'"),
        (rule(resourceNames=["a", "a"]), f"{RULE}.resourceNames[1]: 'a' is listed twice"),
        (rule(resourceNames=["a/b"]), f"{RULE}.resourceNames[0]: expected the name of an object"),
        (
            {"matchConstraints": {"resourceRules": [ALL], "excludeResourceRules": [{**PODS, "operations": []}]}},
            "spec.matchConstraints.excludeResourceRules[0].operations: required",
        ),
        ({"matchConstraints": {"resourceRules": [ALL], "matchPolicy": "exact"}}, "expected 'Exact' or 'Equivalent'"),
        # selectors
        (
            selector(matchLabels={"a b": "c"}),
            f"spec.matchConstraints.{SELECTOR}.matchLabels['a b']: expected a label key",
        ),
        (selector(matchLabels={"a": "b c"}), f"spec.matchConstraints.{SELECTOR}.matchLabels.a: expected a label value"),
        (selector(matchExpressions=[{"key": "a", "operator": "In"}]), "values: required if the operator is In"),
        (
            selector(matchExpressions=[{"key": "a", "operator": "Exists", "values": ["b"]}]),
            "values: must be empty if the operator is Exists",
        ),
        (selector(matchExpressions=[{"key": "a"}]), "operator: required: In, NotIn, Exists or DoesNotExist"),
        (selector(matchExpressions=[{"key": "a", "operator": "Gt"}]), "operator: expected 'In', 'NotIn', 'Exists' or"),
        (selector(matchExpressions=[{"operator": "Exists"}]), "key: expected a label key, [PREFIX/]NAME, found ''"),
        # the rest
        ({"failurePolicy": "fail"}, "spec.failurePolicy: expected 'Fail' or 'Ignore', found 'fail'"),
        ({"paramKind": {"kind": "ConfigMap"}}, "spec.paramKind.apiVersion: required"),
        ({"paramKind": {"apiVersion": "v1"}}, "spec.paramKind.kind: required"),
        ({"paramKind": {"apiVersion": "1", "kind": "X"}}, "spec.paramKind.apiVersion: expected a form such as v1"),
        ({"paramKind": {"apiVersion": "v1", "kind": "Config Map"}}, "spec.paramKind.kind: expected the name of a kind"),
        ({"paramKind": {"apiVersion": "a/b/v1", "kind": "X"}}, "spec.paramKind.apiVersion: expected a form such as v1"),
        (
            {"matchConditions": [CONDITION, CONDITION]},
            "spec.matchConditions[1].name: 'c' is the name of two conditions",
        ),
        ({"matchConditions": [{"expression": "true"}]}, "spec.matchConditions[0].name: required"),
        ({"matchConditions": [{**CONDITION, "name": "a b"}]}, "spec.matchConditions[0].name: expected letters"),
        ({"matchConditions": [{"name": "c"}]}, "spec.matchConditions[0].expression: required: a CEL expression"),
        (
            {"matchConditions": [{**CONDITION, "name": f"c{number}"} for number in range(65)]},
            "spec.matchConditions: at most 64, found 65",
        ),
        ({"variables": [{"name": "a-b", "expression": "1"}]}, "spec.variables[0].name: expected a CEL identifier"),
        ({"variables": [{"name": "in", "expression": "1"}]}, "spec.variables[0].name: expected a CEL identifier"),
        ({"variables": [{"expression": "1"}]}, "spec.variables[0].name: required"),
        ({"validations": [{"expression": "  "}]}, "spec.validations[0].expression: required: a CEL expression"),
        ({"validations": [{"expression": "true", "message": " "}]}, "spec.validations[0].message: must not be blank"),
        ({"validations": [{"expression": "true", "message": "a\nb"}]}, "spec.validations[0].message: must be one line"),
        ({"validations": [{"expression": "true", "messageExpression": " "}]}, "messageExpression: must not be blank"),
        (
            {"validations": [{"expression": "true", "reason": "Conflict"}]},
            "spec.validations[0].reason: expected 'Forbidden', 'Invalid' or 'RequestEntityTooLarge'",
        ),
        (
            {"validations": [{"expression": "true", "reason": "Unauthorized"}]},
            "spec.validations[0].reason: expected 'Forbidden', 'Invalid' or 'RequestEntityTooLarge'",
        ),
        (
            {"auditAnnotations": [ANNOTATION, ANNOTATION]},
            "spec.auditAnnotations[1].key: 'k' is the key of two annotations",
        ),
        ({"auditAnnotations": [{**ANNOTATION, "key": "a/b"}]}, "spec.auditAnnotations[0].key: expected letters"),
        ({"auditAnnotations": [{"key": "k"}]}, "spec.auditAnnotations[0].valueExpression: required"),
        (
            {"auditAnnotations": [{**ANNOTATION, "key": f"k{number}"} for number in range(21)]},
            "spec.auditAnnotations: at most 20, found 21",
        ),
        (
            {"auditAnnotations": [{"key": "k", "valueExpression": f"'{'x' * 5119}'"}]},
            "spec.auditAnnotations[0].valueExpression: must be at most 5120 bytes long",
        ),
    ],
)
def test_of_a_policy(spec: dict[str, Any], expected: str) -> None:
    found = problems(policy(**spec), binding())
    assert len(found) == 1
    assert found[0].startswith("ValidatingAdmissionPolicy 'p': ")
    assert expected in found[0]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"validationActions": []}, "spec.validationActions: required: Deny, Warn or Audit, at least one"),
        ({"validationActions": None}, "spec.validationActions: required"),
        ({"validationActions": ["Audit", "Audit"]}, "spec.validationActions[1]: Audit is listed twice"),
        ({"validationActions": ["Deny", "Warn"]}, "spec.validationActions: Deny and Warn exclude each other"),
        (
            {"validationActions": ["deny"]},
            "spec.validationActions[0]: expected 'Deny', 'Warn' or 'Audit', found 'deny'",
        ),
        ({"policyName": ""}, "spec.policyName: required"),
        ({"policyName": "other"}, "spec.policyName: there is no ValidatingAdmissionPolicy 'other'; expected one of: p"),
        ({"paramRef": {"parameterNotFoundAction": "Deny"}}, "spec.paramRef: expected either name or selector"),
        (
            {"paramRef": {"name": "a", "selector": {}, "parameterNotFoundAction": "Deny"}},
            "spec.paramRef: expected either name or selector, exactly one of them",
        ),
        ({"paramRef": {"name": "a"}}, "spec.paramRef.parameterNotFoundAction: required: Deny or Allow"),
        (
            {"paramRef": {"name": "a", "parameterNotFoundAction": "Fail"}},
            "spec.paramRef.parameterNotFoundAction: expected 'Allow' or 'Deny', found 'Fail'",
        ),
        ({"paramRef": {"name": "a/b", "parameterNotFoundAction": "Deny"}}, "spec.paramRef.name: expected the name"),
        ({"matchResources": {"resourceRules": [{**PODS, "operations": []}]}}, "resourceRules[0].operations: required"),
    ],
)
def test_of_a_binding(spec: dict[str, Any], expected: str) -> None:
    found = problems(policy(), binding(**spec) if "policyName" not in spec else binding(spec["policyName"]))
    assert len(found) == 1
    assert found[0].startswith("ValidatingAdmissionPolicyBinding 'b': ")
    assert expected in found[0]


def test_a_mutating_binding_has_no_actions() -> None:
    found = problems(mutating_binding("p", validationActions=["Deny"]), policy(), binding())
    assert [message for message in found if "spec.validationActions: unknown field" in message]


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a" * 254])
def test_names_are_dns_subdomains(name: str) -> None:
    found = problems(policy(name))
    assert len(found) == 1
    assert "metadata.name: " in found[0]


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({"validations": [{"expression": "true", "reason": "Forbidden"}]}, []),
        ({"validations": [], "auditAnnotations": [ANNOTATION]}, []),
        ({"validations": [{"expression": "true", "message": "", "messageExpression": ""}]}, []),
        ({"matchConditions": [{**CONDITION, "name": "example.com/only-web"}]}, []),
        ({"variables": [{"name": "a", "expression": "1"}, {"name": "a", "expression": "2"}]}, []),
        (rule(resources=["*", "pods/exec"]), []),
        (rule(resources=["pods", "pods/*"]), []),
        (rule(resources=["pods", "*"]), []),
        (rule(resourceNames=[""]), []),
        ({"failurePolicy": None, "paramKind": None, "variables": None, "matchConditions": None}, []),
    ],
)
def test_what_the_server_takes_is_taken(spec: dict[str, Any], found: list[str]) -> None:
    assert problems(policy(**spec), binding()) == found


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {"validations": [{"expression": "object.spec.x"}]},
            "spec.validations[0].expression: must evaluate to bool but got dyn",
        ),
        ({"validations": [{"expression": "'x'"}]}, "must evaluate to bool but got string"),
        (
            {"validations": [{"expression": "true", "messageExpression": "object.x"}]},
            "spec.validations[0].messageExpression: must evaluate to string but got dyn",
        ),
        (
            {"auditAnnotations": [{"key": "k", "valueExpression": "1"}]},
            "spec.auditAnnotations[0].valueExpression: must evaluate to string or null but got int",
        ),
        (
            {"matchConditions": [{"name": "c", "expression": "1"}]},
            "spec.matchConditions[0].expression: must evaluate to bool",
        ),
        (
            {
                "matchConditions": [{"name": "c", "expression": "variables.x"}],
                "variables": [{"name": "x", "expression": "true"}],
            },
            "spec.matchConditions[0].expression: undeclared reference to 'variables",
        ),
        ({"validations": [{"expression": "params.x == 1"}]}, "undeclared reference to 'params"),
        ({"validations": [{"expression": "nope == 1"}]}, "undeclared reference to 'nope'"),
        ({"validations": [{"expression": "variables.x == 1"}]}, "undeclared reference to 'variables"),
        (
            {"variables": [{"name": "a", "expression": "variables.b"}, {"name": "b", "expression": "1"}]},
            "spec.variables[0].expression: undeclared reference to 'variables",
        ),
        ({"validations": [{"expression": "1 +"}]}, "spec.validations[0].expression: Syntax error"),
        (
            {"validations": [{"expression": "cel.bind(x, 1, x == 1)"}]},
            "spec.validations[0].expression: undeclared reference",
        ),
    ],
)
def test_an_expression_that_does_not_compile_or_is_not_of_its_type(spec: dict[str, Any], expected: str) -> None:
    found = problems(policy(**spec), binding())
    assert any(expected in message for message in found)


def test_a_variable_that_does_not_compile_is_not_held_against_its_users() -> None:
    spec: dict[str, Any] = {
        "variables": [{"name": "x", "expression": "nope"}],
        "validations": [{"expression": "variables.x == 1"}, {"expression": "variables.x > 2"}],
    }
    [found] = problems(policy(**spec), binding())
    assert "spec.variables[0].expression: undeclared reference to 'nope'" in found


def test_a_variable_that_is_declared_again_cannot_come_to_use_itself() -> None:
    spec: dict[str, Any] = {
        "variables": [
            {"name": "a", "expression": "1"},
            {"name": "b", "expression": "variables.a"},
            {"name": "a", "expression": "variables.b"},
        ]
    }
    found = problems(policy(**spec), binding())
    assert [message.partition("spec.")[2].partition(" (at")[0] for message in found] == [
        "variables[1].expression: variables.b comes to use itself, for a variable is declared twice",
        "variables[2].expression: variables.a comes to use itself, for a variable is declared twice",
    ]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("request.user == 'x'", "undefined field 'user'"),
        ("request.object.metadata.name == 'x'", "undefined field 'object'"),
        ("request.uid == 'x'", "undefined field 'uid'"),
        ("request.name + 1 == 2", "found no matching overload for '_+_' applied to '(string, int)'"),
        ("namespaceObject.metadata.uid == 'x'", "undefined field 'uid'"),
        ("namespaceObject.metadata.managedFields == []", "undefined field 'managedFields'"),
        ("namespaceObject.spec.x == 'x'", "undefined field 'x'"),
    ],
)
def test_the_fields_of_request_and_namespace_object_are_known(expression: str, expected: str) -> None:
    [found] = problems(policy(validations=[{"expression": expression}]), binding())
    assert expected in found


def test_their_types_count() -> None:
    spec: dict[str, Any] = {
        "validations": [{"expression": "request.dryRun", "messageExpression": "request.userInfo.username"}],
        "auditAnnotations": [{"key": "k", "valueExpression": "namespaceObject.metadata.labels['team']"}],
    }
    assert problems(policy(**spec), binding()) == []
