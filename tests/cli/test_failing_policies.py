"""Policies that fail while they run: an exception, params that are not there. What a person sees, and a machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import pytest
import yaml

from tests.cli import running
from webhook.cli.report.writing import FORMATS

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


# ----------------------------------------------------------------------------------- an error among violations, written

_COUNT: Final = '''\
from gatewright import validate


@validate(resources=["v1/pods"], name="{name}")
def check(request):
    """At least two."""
    if int(request.object["metadata"]["labels"]["count"]) < 2:
        yield "too few"
'''
_BINDING: Final = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: {name}}}
spec: {{policyName: {name}, validationActions: [{action}]}}
---
"""
BOUND: Final = {"denies": "Deny", "warns": "Warn", "audits": "Audit"}
COUNTS: Final = {"breaks": "one", "small": "1"}
"""Pods: of one the policies fail, the other violates them."""

POINTS: Final = "function 'check' resulted in error: ValueError"


@pytest.fixture
def counted(tmp_path: Path) -> Path:
    """Three policies, each of which fails on one Pod and finds a violation in another."""
    (tmp_path / "policies").mkdir()
    for name, action in BOUND.items():
        (tmp_path / "policies" / f"{name}.py").write_text(_COUNT.format(name=name))
        (tmp_path / "policies" / f"{name}.yaml").write_text(_BINDING.format(name=name, action=action))
    for name, count in COUNTS.items():
        pod = POD.replace("name: web, namespace", f"name: {name}, namespace").replace("seven", f'"{count}"')
        (tmp_path / f"{name}.yaml").write_text(pod)
    return tmp_path


def _text(report: str) -> None:
    for name, action in BOUND.items():
        assert f"breaks.yaml:1:1: {action.lower()} (error) {name}\n" in report
        assert report.count(f": {action.lower()} {name}\n") == 1
    assert SUMMARY in report.splitlines()[-1]


SUMMARY: Final = (
    "1 denied, 1 denied by an evaluation error, 1 warning, 1 warning of an evaluation error, 1 for the audit log, "
    "1 evaluation error for the audit log"
)


def _value(report: Any) -> None:
    assert {(each["object"]["name"], each["error"]) for each in report["findings"]} == {
        ("breaks", True),
        ("small", False),
    }
    summary = report["summary"]
    assert [summary[each] for each in ("deny", "warn", "audit", "evaluationErrors")] == [2, 2, 2, 3]


def _sarif(report: str) -> None:
    results = json.loads(report)["runs"][0]["results"]
    errors = [each for each in results if "evaluation error: Pod shop/breaks: " in each["message"]["text"]]
    assert sorted(each["level"] for each in errors) == ["error", "note", "warning"]
    assert all(each["properties"]["error"] for each in errors)
    others = [each for each in results if each not in errors]
    assert len(others) == 3 and not any("error" in each["message"]["text"] for each in others)


def _junit(report: str) -> None:
    suites = {each.get("name"): each for each in ElementTree.fromstring(report)}
    assert {name: (suites[name].get("failures"), suites[name].get("errors")) for name in BOUND} == {
        "denies": ("1", "1"),
        "warns": ("0", "0"),
        "audits": ("0", "0"),
    }
    (error,) = suites["denies"].findall("testcase/error")
    assert error.get("type") == "deny" and (error.get("message") or "").startswith(POINTS)
    (failure,) = suites["denies"].findall("testcase/failure")
    assert failure.get("message") == "too few"
    for name in ("warns", "audits"):
        passed = [each.text or "" for each in suites[name].findall("testcase/system-out")]
        assert ["evaluation error: Pod shop/breaks" in each for each in passed] == [True, False]


def _github(report: str) -> None:
    commands = report.splitlines()
    for name, action in BOUND.items():
        assert [f"title={name} ({action.lower()}%2C evaluation error)::" in each for each in commands].count(True) == 1
        assert [f"title={name} ({action.lower()})::" in each for each in commands].count(True) == 1


def _gitlab(report: str) -> None:
    said = sorted(each["description"] for each in json.loads(report))
    assert [each.startswith("evaluation error: Pod shop/breaks") for each in said].count(True) == 3
    assert [each.startswith("Pod shop/small") for each in said].count(True) == 3


def _checkstyle(report: str) -> None:
    said = [each.get("message") or "" for each in ElementTree.fromstring(report).iter("error")]
    assert [each.startswith("evaluation error: Pod shop/breaks") for each in said].count(True) == 3
    assert [each.startswith("Pod shop/small") for each in said].count(True) == 3


def _markdown(report: str) -> None:
    assert SUMMARY in report
    marked = [line for line in report.splitlines() if "**evaluation error** `breaks.yaml" in line]
    assert len(marked) == report.count("**evaluation error**") == 3
    assert "| rule | deny | deny (evaluation error) | warn | warn (evaluation error) | audit |" in report
    assert "| `denies` | 1 | 1 |  |  |  |  |" in report


def _html(report: str) -> None:
    assert f"<h1>{SUMMARY}</h1>" in report
    data = json.loads(report.partition('id="report">')[2].partition("</script>")[0])
    assert {(each["object"], each.get("error", False)) for each in data["findings"]} == {
        ("Pod shop/breaks", True),
        ("Pod shop/small", False),
    }


WRITTEN: Final[dict[str, Callable[[str], None]]] = {
    "text": _text,
    "json": lambda report: _value(json.loads(report)),
    "yaml": lambda report: _value(yaml.safe_load(report)),
    "sarif": _sarif,
    "junit": _junit,
    "github": _github,
    "gitlab": _gitlab,
    "checkstyle": _checkstyle,
    "markdown": _markdown,
    "html": _html,
}


@pytest.mark.parametrize("output", FORMATS)
def test_an_error_is_told_from_a_violation_in_every_format(counted: Path, output: str) -> None:
    WRITTEN[output](gatewright(counted, "check", "breaks.yaml", "small.yaml", "-o", output))


def test_a_case_that_gets_an_error_is_one_to_junit(tree: Path) -> None:
    suites = {each.get("name"): each for each in ElementTree.fromstring(gatewright(tree, "test", "-o", "junit"))}
    assert [suites["floor"].get(each) for each in ("tests", "failures", "errors")] == ["1", "0", "1"]
    (error,) = suites["floor"].findall("testcase/error")
    assert error.get("message") == "expected deny, got error"
