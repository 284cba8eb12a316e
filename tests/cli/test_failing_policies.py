"""Policies that fail while they run: an exception, params that are not there. What a person sees, and a machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli import running

RAISES = '''\
from gatewright import validate


def number(value):
    try:
        return int(value)
    except ValueError as error:
        raise RuntimeError("no \\x1b[31mnumber") from error


@validate(resources=["v1/pods", "v1/secrets"])
def floor(request):
    """At least two."""
    if number(request.object["metadata"]["labels"]["count"]) < 2:
        yield "too few"
'''
POLICIES = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: floor}
spec: {policyName: floor, validationActions: [Deny, Audit]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: limits}
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints:
    resourceRules:
    - {operations: [CREATE], apiGroups: [""], apiVersions: [v1], resources: [pods]}
  validations:
  - expression: object.metadata.name == params.data.name
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: by-name}
spec:
  policyName: limits
  validationActions: [Deny]
  paramRef: {name: "limit\\eset", parameterNotFoundAction: Deny}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: by-labels}
spec:
  policyName: limits
  validationActions: [Deny]
  paramRef:
    namespace: shared
    selector:
      matchLabels: {app: web}
      matchExpressions:
      - {key: tier, operator: In, values: [b, a]}
      - {key: old, operator: DoesNotExist}
    parameterNotFoundAction: Deny
---
apiVersion: gatewright.dev/v1
kind: PolicyTest
metadata: {name: floor}
policy: floor
cases:
- name: breaks
  object:
    {apiVersion: v1, kind: Pod, metadata: {name: x, labels: {count: seven}}, spec: {containers: [{name: a, image: b}]}}
  expect: deny
---
apiVersion: gatewright.dev/v1
kind: PolicyTest
metadata: {name: limits}
policy: limits
cases:
- name: none
  object: {apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: [{name: a, image: b}]}}
  expect: allow
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {count: seven}}
spec: {containers: [{name: web, image: "web:1"}]}
"""
MESSAGE = "function 'floor' resulted in error: RuntimeError: no \\x1b[31mnumber (policies/floor.py:8, in number)"
TRACEBACK = [
    "policies/floor.py:6, in number",
    "    return int(value)",
    "ValueError, which led to:",
    "policies/floor.py:14, in floor",
    '    if number(request.object["metadata"]["labels"]["count"]) < 2:',
    "policies/floor.py:8, in number",
    '    raise RuntimeError("no \\x1b[31mnumber") from error',
    "RuntimeError",
]
NO_PARAMS = "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
BY_NAME = (
    "looked for v1 ConfigMap 'limit\\x1bset' in namespace 'shop', as binding 'by-name' says (policies/limits.yaml:17); "
    "there is none in the policy tree, nor among the manifests"
)
BY_LABELS = (
    "looked for a v1 ConfigMap with the labels app=web,tier in (a,b),!old in namespace 'shared', "
    "as binding 'by-labels' says (policies/limits.yaml:25); "
    "there is none in the policy tree, nor among the manifests"
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "floor.py").write_text(RAISES)
    (tmp_path / "policies" / "limits.yaml").write_text(POLICIES)
    (tmp_path / "pod.yaml").write_text(POD)
    return tmp_path


def gatewright(tree: Path, *arguments: str) -> str:
    run = running.gatewright(*arguments, cwd=tree)
    assert (run.stderr, run.returncode) == ("", 1)
    return run.stdout


def findings(tree: Path, *arguments: str) -> list[dict[str, Any]]:
    report: dict[str, Any] = json.loads(gatewright(tree, *arguments, "-o", "json"))
    if "findings" not in report:
        [policy] = report["policies"]
        [explained] = policy["objects"]
        report = explained
    found: list[dict[str, Any]] = report["findings"]
    return found


class TestAnException:
    def test_names_file_line_and_function_and_is_no_violation(self, tree: Path) -> None:
        report = gatewright(tree, "check", "pod.yaml")
        assert f"  pod.yaml:1:1: deny, audit (error) floor\n      Pod shop/web\n      {MESSAGE}\n" in report
        assert "which led to" not in report

    def test_has_a_traceback_where_it_is_asked_for(self, tree: Path) -> None:
        report = gatewright(tree, "check", "pod.yaml", "--verbose")
        assert "\n".join(f"      {line}" for line in (MESSAGE, *TRACEBACK)) in report

    def test_is_explained(self, tree: Path) -> None:
        report = gatewright(tree, "explain", "floor", "pod.yaml")
        assert f"is denied  pod.yaml:1\n  {MESSAGE}\n  pod.yaml:1:1 (error)\n" in report
        report = gatewright(tree, "explain", "floor", "pod.yaml", "-v")
        assert "\n".join(f"  {line}" for line in (MESSAGE, *TRACEBACK)) in report

    @pytest.mark.parametrize("arguments", [("check",), ("explain", "floor")])
    def test_is_an_error_to_machines(self, tree: Path, arguments: tuple[str, ...]) -> None:
        found = [each for each in findings(tree, *arguments, "pod.yaml") if each["binding"] == "floor"]
        assert [(each["error"], each["action"], "traceback" in each) for each in found] == [
            (True, "Deny", False),
            (True, "Audit", False),
        ]
        found = [each for each in findings(tree, *arguments, "pod.yaml", "-v") if each["binding"] == "floor"]
        assert [[line.replace("\\x1b", "\x1b") for line in each["traceback"]] for each in found] == [
            [line.replace("\\x1b", "\x1b") for line in TRACEBACK]
        ] * 2

    def test_fails_a_test_that_expects_a_denial(self, tree: Path) -> None:
        report = gatewright(tree, "test")
        assert "expected deny, got error" in report
        assert MESSAGE in report
        assert "which led to" not in report
        assert "\n".join(f"       {line}" for line in TRACEBACK) in gatewright(tree, "test", "--verbose")
        cases = json.loads(gatewright(tree, "test", "-o", "json"))["cases"]
        assert [case["verdict"] for case in cases if case["policy"] == "floor"] == ["error"]

    def test_on_a_secret_tells_no_value(self, tree: Path) -> None:
        (tree / "pod.yaml").write_text(
            "{apiVersion: v1, kind: Secret, metadata: {name: s, labels: {count: hunter2}}, stringData: {a: hunter2}}"
        )
        for output in ("text", "json"):
            for command in (("check",), ("explain", "floor")):
                report = gatewright(tree, *command, "pod.yaml", "--verbose", "-o", output)
                assert "policies/floor.py:8, in number" in report
                assert "hunter2" not in report


class TestParamsThatAreNotThere:
    def test_are_named_with_the_binding_that_names_them(self, tree: Path) -> None:
        report = gatewright(tree, "check", "pod.yaml")
        assert f"      {NO_PARAMS}\n      {BY_NAME}\n" in report
        assert f"      {NO_PARAMS}\n      {BY_LABELS}\n" in report
        shown = " ".join(gatewright(tree, "explain", "limits", "pod.yaml").split())
        assert f"{NO_PARAMS} {BY_NAME}" in shown
        assert (
            f"       {BY_NAME.replace('shop', 'default').replace('among the manifests', 'in the case')}\n"
            in gatewright(tree, "test")
        )

    @pytest.mark.parametrize("arguments", [("check",), ("explain", "limits")])
    def test_are_a_field_of_their_own_to_machines(self, tree: Path, arguments: tuple[str, ...]) -> None:
        found = {each["binding"]: each for each in findings(tree, *arguments, "pod.yaml")}
        assert found["by-name"]["message"] == NO_PARAMS
        assert found["by-name"]["lookedFor"] == {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": "limit\x1bset",
            "selector": None,
            "namespace": "shop",
            "binding": "by-name",
            "file": "policies/limits.yaml",
            "line": 17,
        }
        assert found["by-labels"]["lookedFor"]["selector"] == "app=web,tier in (a,b),!old"
        assert found["by-labels"]["lookedFor"]["namespace"] == "shared"
        assert all(each["lookedFor"] is None for name, each in found.items() if name == "floor")
