"""Cases of the rules beside the examples of their pages (test_pages), one policy each."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.lint.pages import of_text
from webhook.lint.linting import Linted
from webhook.lint.table import RULES
from webhook.versions import NEWEST, Version

NOTES = {rule.id for rule in RULES.values() if rule.severity == "note"}
PODS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["pods"]}
API = "admissionregistration.k8s.io/v1"


CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap"}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace"}
IN_N = {"namespace": "n", "parameterNotFoundAction": "Allow"}
ALL = {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}
ROLES = {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"]}
DENY = {"parameterNotFoundAction": "Deny"}


def policy(*expressions: str, mutating: str = "", rule: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    kind = "MutatingAdmissionPolicy" if mutating else "ValidatingAdmissionPolicy"
    what: dict[str, Any] = {"validations": [{"expression": each, "message": "m"} for each in expressions]}
    if mutating:
        patch = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": mutating}}
        what = {"mutations": [patch], "reinvocationPolicy": "Never"}
    constraints = {"resourceRules": [PODS | (rule or {})], **spec.pop("constraints", {})}
    return {
        "apiVersion": API,
        "kind": kind,
        "metadata": {"name": "p"},
        "spec": {"matchConstraints": constraints, **what, **spec},
    }


def binding(name: str = "b", kind: str = "Validating", **spec: Any) -> dict[str, Any]:
    actions = {"validationActions": ["Deny"]} if kind == "Validating" else {}
    return {
        "apiVersion": API,
        "kind": f"{kind}AdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": "p", **actions, **spec},
    }


def exception(**spec: Any) -> dict[str, Any]:
    given = {
        "policies": [{"name": "p"}],
        "objects": {"namespaces": ["a"]},
        "reason": "r",
        "approvedBy": "a",
        "expires": "2027-01-01",
    }
    return {
        "apiVersion": "gatewright.dev/v1",
        "kind": "PolicyException",
        "metadata": {"name": "e"},
        "spec": given | spec,
    }


def params(name: str, namespace: str, labels: dict[str, str] | None = None, kind: str = "ConfigMap") -> dict[str, Any]:
    metadata = {"name": name, "labels": labels or {}, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata}


def linted(*objects: dict[str, Any], version: Version = NEWEST) -> Linted:
    text = "\n".join(f"---\n{orjson.dumps(each).decode()}" for each in objects)
    return of_text(text, version=version)


def found(*objects: dict[str, Any], version: Version = NEWEST) -> list[str]:
    result = linted(*objects, version=version)
    return [each.rule for each in result.alarms if each.rule not in {*NOTES, "GW201"} - {"GW308"}]


CASES: list[tuple[list[str], list[dict[str, Any]]]] = [
    # GW202, GW203
    (["GW202"], [policy("object.a == 1", rule={"operations": ["DELETE"]})]),
    (["GW202"], [policy("has(object.a) && has(object.b)", rule={"operations": ["CREATE", "DELETE"]})]),
    ([], [policy("request.operation != 'DELETE'", rule={"operations": ["CREATE", "DELETE"]})]),
    ([], [policy("object.a == 1", rule={"operations": ["*"]}, matchConditions=[
        {"name": "there", "expression": "object != null"}])]),
    (["GW202"], [policy("true == object.b", rule={"operations": ["*"]}, matchConditions=[
        {"name": "there", "expression": "object.a == 1"}])]),
    ([], [policy("object.a == 1", rule={"operations": ["*"]}, matchConditions=[
        {"name": "b", "expression": "object.b == 1"},
        {"name": "a", "expression": "request.operation == 'UPDATE'"}])]),
    (["GW203"], [policy("variables.old == 1", variables=[{"name": "old", "expression": "oldObject.a"}])]),
    ([], [policy("oldObject == null || variables.old == 1", variables=[{"name": "old", "expression": "oldObject.a"}])]),
    (["GW203"], [policy(mutating="Object{metadata: Object.metadata{labels: oldObject.metadata.labels}}")]),
    ([], [policy("object.a == oldObject.a", rule={"operations": ["UPDATE"]})]),
    # GW204, GW205, GW212
    (["GW204"], [policy("oldObject == null", rule={"operations": ["CREATE"]})]),
    (["GW204"], [policy("object.a == 1", matchConditions=[{"name": "c", "expression": "1 == 1"}])]),
    (["GW205"], [policy("object.a == 1", matchConditions=[
        {"name": "c", "expression": "request.operation == 'DELETE'"}])]),
    (["GW205"], [policy("object.a == 1 && size(object.b) < 0 || object.c")]),
    ([], [policy("false", matchConditions=[{"name": "c", "expression": "object.a == 1"}])]),
    (["GW204"], [policy("variables.v == true", variables=[
        {"name": "v", "expression": "object.a != 1 || object.a != 2"}])]),
    ([], [policy("variables.b == 1", variables=[
        {"name": "a", "expression": "object.a"}, {"name": "b", "expression": "variables.a"}])]),
    (["GW212", "GW212"], [policy("object.a == 1", variables=[
        {"name": "a", "expression": "object.a"}, {"name": "b", "expression": "variables.a"}])]),
    # GW208
    (["GW208"], [policy("object.spec.containers[0].image == 'a'")]),
    (["GW208"], [policy("object.spec.containers.all(c, c.?image.orValue('') == 'a')")]),
    (["GW208"], [policy("variables.all.all(c, c.image == 'a')", variables=[
        {"name": "all", "expression": "object.spec.containers + object.spec.?initContainers.orValue([])"}])]),
    ([], [policy("object.spec.template.spec.containers.all(c, c.image == 'a') && "
                 "object.spec.template.spec.?initContainers.orValue([]).all(c, c.image == 'a')",
                 rule={"apiGroups": ["apps"], "resources": ["deployments"]})]),
    ([], [policy("object.spec.containers.all(c, has(c.livenessProbe))")]),
    ([], [policy("size(object.spec.containers) < 5")]),
    ([], [policy("object.spec.containers.all(c, c.image == 'a')",
                 rule={"apiGroups": ["example.com"], "resources": ["widgets"]})]),
    # GW301, GW302
    (["GW301"], [policy("params.a == 1", paramKind=CONFIG_MAP),
                 binding(paramRef={"name": "x", **DENY})]),
    ([], [policy("params.a == 1", paramKind=CONFIG_MAP),
          binding(paramRef={"name": "x", "namespace": "n", **DENY}), params("x", "n")]),
    ([], [policy("params.a == 1", paramKind=CONFIG_MAP, failurePolicy="Ignore"),
          binding(paramRef={"name": "x", **DENY})]),
    ([], [policy("params.a == 1", rule={"operations": ["CREATE"]}, paramKind=CONFIG_MAP),
          binding(paramRef={"name": "x", **DENY})]),
    # GW308
    (["GW308"], [policy("params.a == 1", paramKind=CONFIG_MAP), binding(paramRef={"name": "x", **IN_N})]),
    ([], [policy("params.a == 1", paramKind=CONFIG_MAP), binding(paramRef={"name": "x", **IN_N}), params("x", "n")]),
    (["GW308"], [policy("params.a == 1", paramKind=CONFIG_MAP), binding(paramRef={"name": "x", **IN_N}),
                 params("x", "other"), params("y", "n")]),
    (["GW308"], [policy("params.a == 1", paramKind=CONFIG_MAP), params("x", "n"),
                 binding(paramRef={"selector": {"matchLabels": {"a": "b"}}, **IN_N})]),
    ([], [policy("params.a == 1", paramKind=CONFIG_MAP), params("x", "n", {"a": "b"}),
          binding(paramRef={"selector": {"matchLabels": {"a": "b"}}, **IN_N})]),
    ([], [policy("params.a == 1", paramKind=NAMESPACE), params("x", "", kind="Namespace"),
          binding(paramRef={"name": "x", "parameterNotFoundAction": "Allow"})]),
    (["GW308"], [policy("params.a == 1", paramKind=NAMESPACE),
                 binding(paramRef={"name": "x", "parameterNotFoundAction": "Allow"})]),
    (["GW302"], [policy("params.a == 1", paramKind={"apiVersion": "v1", "kind": "ConfigMapp"})]),
    # GW303
    (["GW303"], [policy("object.a == 1"), binding("a"), binding("b")]),
    ([], [policy("object.a == 1"), binding("a"), binding("b", validationActions=["Audit"])]),
    (["GW303"], [policy("object.a == 1"), binding(paramRef={"name": "x", "parameterNotFoundAction": "Allow"})]),
    (["GW105"], [policy("object.a == 1", failurePolicy="Ignore", rule={"resources": ["nodes"]}),
                 binding(matchResources={"namespaceSelector": {"matchLabels": {"a": "b"}}})]),
    (["GW106"], [policy("object.a == 1"), binding(matchResources={"objectSelector": {"matchExpressions": [
        {"key": "a", "operator": "In", "values": ["x"]}, {"key": "a", "operator": "NotIn", "values": ["x"]}]}})]),
    ([], [policy("object.a == 1"), binding(matchResources={"objectSelector": {"matchExpressions": [
        {"key": "a", "operator": "Exists"}, {"key": "a", "operator": "NotIn", "values": ["x"]}]}})]),
    # GW305 to GW307
    (["GW306"], [policy("object.a == 1"), binding(), exception(expires="2020-01-01")]),
    (["GW307"], [policy("object.a == 1"), binding(), exception(operations=["DELETE"])]),
    (["GW307"], [policy("object.a == 1"), exception()]),
    (["GW307"], [policy("object.a == 1"), binding(),
                 exception(objects={"namespaces": ["a"], "resources": ["pods/exec"]})]),
    ([], [policy("object.a == 1"), binding(), exception(objects={"namespaces": ["a"], "resources": ["pods"]})]),
    (["GW001", "GW305"], [policy("object.a == 1"), binding(), exception(expires="")]),
    # GW107
    (["GW107"], [policy("object.a == 1", rule=ROLES),
                 binding()]),
    ([], [policy("object.a == 1", rule=ROLES,
                 matchConditions=[
        {"name": "c", "expression": "!object.metadata.name.startsWith('system:')"}]), binding()]),
    (["GW107"], [policy("object.a == 1", rule=ALL), binding()]),
    ([], [policy("object.a == 1", rule={**ALL, "resources": ["*/scale"]}), binding()]),
    # GW108
    (["GW108"], [policy("object.a == 1", rule={"apiGroups": ["storagemigration.k8s.io"], "apiVersions": ["v1beta1"],
                                          "resources": ["storageversionmigrations"]})]),
    ([], [policy("object.a == 1", rule={"apiGroups": ["storagemigration.k8s.io"], "apiVersions": ["v1beta1", "v1"],
                                   "resources": ["storageversionmigrations"]})]),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "objects"), CASES)
def test_cases(expected: list[str], objects: list[dict[str, Any]]) -> None:
    assert found(*objects) == expected


@pytest.mark.parametrize(
    ("expression", "more", "expected"),
    [
        ("'x' + object.a", "m", []),
        ("'x'", "m", ["GW206"]),
        ("'x'", "", []),
        ("''", "m", ["GW206"]),
        ("'a\\nb'", "m", ["GW206"]),
        ("string(object.a)", "m", []),
    ],
)
def test_messages(expression: str, more: str, expected: list[str]) -> None:
    validation = {"expression": "object.a == 1", "messageExpression": expression} | ({"message": more} if more else {})
    assert found(policy(validations=[validation])) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("'x'", ["GW207"]),
        ("object.a ? 'x' : 'y'", ["GW207"]),
        ("object.a ? 'x' : ''", []),
        ("string(object.a)", []),
    ],
)
def test_audit_annotations(expression: str, expected: list[str]) -> None:
    given = [{"key": "k", "valueExpression": expression}]
    assert found(policy("object.a == 1", auditAnnotations=given)) == expected


def test_a_message_about_null_stands_at_the_read() -> None:
    (alarm,) = [each for each in linted(policy("object.b && object.a.c == 1", rule={"operations": ["DELETE"]})).alarms
                if each.rule == "GW202" and "object.a" in (each.excerpt.text if each.excerpt else "")][:1]  # fmt: skip
    assert alarm.excerpt is not None
    assert alarm.excerpt.text[alarm.excerpt.column - 1 :].startswith(".b")


def test_what_the_target_does_not_know_is_told_from_what_none_knows() -> None:
    newer = policy("isIP(object.a)")
    assert found(newer, version=(1, 29)) == ["GW211"]
    assert found(newer) == []
    assert found(policy("nope(object.a)"), version=(1, 29)) == ["GW001"]


def test_control_characters_that_yaml_makes() -> None:
    text = orjson.dumps(policy("object.a.matches('x')")).decode()
    yaml = text.replace("\"object.a.matches('x')\"", "\"object.a.matches('\\bx')\"")
    yaml = f"# not JSON\n{yaml}"
    assert [each.rule for each in of_text(yaml).alarms if each.rule not in {*NOTES, "GW201"} - {"GW308"}] == ["GW209"]


PYTHON = """
from __future__ import annotations
{imports}
from gatewright import Request, Violation, validate

KEPT = {{}}
NAMES = frozenset({{"a"}})
{module}

@validate(resources=["v1/pods"], operations=["CREATE"])
def p(request: Request):
    '''Description.'''
    found = []
    found.append(1)
    {body}
    yield Violation("m")
"""


@pytest.mark.parametrize(
    ("imports", "module", "body", "expected"),
    [
        ("", "", "pass", []),
        ("import time", "", "time.sleep(1)", ["GW502"]),
        ("from time import sleep as wait", "", "wait(1)", ["GW502"]),
        ("import time as t", "", "t.time()", ["GW503"]),
        ("import time", "", "time.gmtime()", ["GW503"]),
        ("import time", "", "time.gmtime(5)", []),
        ("import time", "CLOCK = time.monotonic", "CLOCK()", ["GW503"]),
        ("import datetime", "", "datetime.datetime.now(datetime.UTC)", ["GW503"]),
        ("from datetime import date", "", "date.today()", ["GW503"]),
        ("from datetime import date", "", "date(2026, 1, 1)", []),
        ("import random", "", "random.choice([1])", ["GW504"]),
        ("from random import choice", "", "choice([1])", ["GW504"]),
        ("import random", "", "random.Random(1).random()", []),
        ("import uuid", "", "uuid.uuid4()", ["GW504"]),
        ("import uuid", "", "uuid.UUID('0' * 32)", []),
        ("", "", "KEPT['a'] = 1", ["GW505"]),
        ("", "", "KEPT.update(a=1)", ["GW505"]),
        ("", "", "del KEPT['a']", ["GW505"]),
        ("", "", "KEPT.get('a')", []),
        ("", "", "KEPT = {}; KEPT['a'] = 1", []),
        ("", "", "global SEEN", ["GW505"]),
        ("from functools import lru_cache", "@lru_cache(maxsize=1)\ndef f(): return 1", "f()", ["GW505"]),
        ("", "def f(x=[]):\n    x.append(1)", "f()", ["GW505"]),
        ("", "def f(*, x={}):\n    x['a'] = 1", "f()", ["GW505"]),
        ("from collections import defaultdict", "D = defaultdict(int)", "D['a'] += 1", ["GW505"]),
        ("import os.path", "", "pass", ["GW001", "GW501"]),
        ("from urllib import request as r", "", "pass", ["GW001", "GW501"]),
        ("from urllib.parse import quote", "", "quote('a')", []),
        ("", "", "open('a')", ["GW001", "GW501"]),
        ("", "def open(x): return x", "open('a')", []),
    ],
)
def test_python(imports: str, module: str, body: str, expected: list[str]) -> None:
    text = PYTHON.format(imports=imports, module=module, body=body)
    rules = [each.rule for each in of_text(text, "tree/policy.py").alarms if each.rule not in NOTES]
    assert sorted(set(rules)) == expected


def test_a_python_policy_that_forgets_containers() -> None:
    text = PYTHON.format(imports="", module="", body='for c in request.object["spec"]["containers"]: c["image"]')
    assert [each.rule for each in of_text(text, "tree/policy.py").alarms if each.rule not in NOTES] == ["GW208"]
    text = text.replace('["containers"]', '["containers"] + s["initContainers"] + s["ephemeralContainers"]')
    assert [each.rule for each in of_text(text, "tree/policy.py").alarms if each.rule not in NOTES] == []


def test_a_registration_in_the_tree_or_beside_it() -> None:
    hook = {
        "apiVersion": API,
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "w"},
        "webhooks": [{"name": "w", "clientConfig": {"url": "https://a.example.com/validate/fail"}, "rules": [PODS]}],
    }
    other = {
        **hook,
        "webhooks": [{"name": "w", "clientConfig": {"url": "https://a.example.com/else"}, "rules": [PODS]}],
    }
    mutating = policy(mutating="Object{}")
    assert found(policy("object.a == 1"), binding(), hook) == []
    assert found(policy("object.a == 1", rule={"resources": ["services"]}), binding(), hook) == ["GW404"]
    assert found(policy("object.a == 1", rule={"resources": ["services"]}), binding(), other) == []
    assert "GW404" in found(mutating, binding(kind="Mutating"), hook)
