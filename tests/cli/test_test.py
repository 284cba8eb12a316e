"""`gatewright test`, as a person runs it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cli import running

LIBRARY = Path(__file__).parent.parent.parent / "policies"

TREE = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-latest}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  validations:
  - {expression: "object.metadata.name != 'latest'", message: not latest}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-latest}
spec: {policyName: no-latest, validationActions: [Deny]}
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: NAME}
spec: {containers: [{name: web, image: "web:1"}]}
"""
EXPIRED = """\
apiVersion: gatewright.dev/v1
kind: PolicyException
metadata: {name: old}
spec:
  policies: [{name: no-latest}]
  objects: {names: [latest]}
  reason: r
  approvedBy: s
  expires: 2020-01-31
"""
TESTS = """\
apiVersion: gatewright.dev/v1
kind: PolicyTest
metadata: {name: no-latest}
policy: no-latest
cases:
- {name: latest is denied, object: {file: latest.yaml}, expect: deny}
- {name: "others pass\\e[31m", object: {file: NAME.yaml}, expect: allow}
"""


def gatewright(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GATEWRIGHT_")}
    return running.gatewright("test", *arguments, cwd=cwd, env=environment)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "policy.yaml").write_text(TREE)
    for name in ("latest", "web"):
        (tmp_path / "policies" / f"{name}.yaml").write_text(POD.replace("NAME", name))
    return tmp_path


def write(root: Path, tests: str) -> None:
    (root / "policies" / "tests.yaml").write_text(tests)


def test_the_shipped_policies_pass() -> None:
    done = gatewright(cwd=LIBRARY.parent)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].endswith("0 failed")
    assert "pass no-host-path: " in done.stdout


def test_all_pass(root: Path) -> None:
    write(root, TESTS.replace("NAME", "web"))
    done = gatewright(cwd=root)
    assert done.returncode == 0
    assert done.stdout == "pass no-latest: 2 of 2 cases\n2 cases: 2 passed, 0 failed\n"


def test_a_failure_says_where_what_and_why(root: Path) -> None:
    write(root, TESTS.replace("NAME", "latest"))
    done = gatewright(cwd=root)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "FAIL no-latest: 1 of 2 cases",
        "  FAIL policies/tests.yaml:7: others pass\\x1b[31m",
        "       expected allow, got deny",
        "       found: ValidatingAdmissionPolicy 'no-latest' with binding 'no-latest' denied request: not latest",
        "2 cases: 1 passed, 1 failed",
    ]


def test_verbose_names_the_cases_that_pass(root: Path) -> None:
    write(root, TESTS.replace("NAME", "web"))
    assert "  pass policies/tests.yaml:6: latest is denied\n" in gatewright("-v", cwd=root).stdout


def test_json(root: Path) -> None:
    write(root, TESTS.replace("NAME", "latest"))
    done = gatewright("-o", "json", "--policies", root / "policies", cwd=root)
    assert done.returncode == 1
    report = json.loads(done.stdout)
    counted = {"error": 1, "warning": 0, "note": 0, "excepted": 0, "known": 0, "silenced": 0, "errors": 0}
    assert report["summary"] == {"cases": 2, "passed": 1, "failed": 1, "untested": [], **counted}
    assert [(each["rule"], each["line"], each["level"]) for each in report["findings"]] == [("no-latest", 7, "error")]
    assert report["cases"][0] == {
        "file": str(root / "policies" / "tests.yaml"),
        "line": 6,
        "policy": "no-latest",
        "case": "latest is denied",
        "expect": "deny",
        "verdict": "deny",
        "passed": True,
        "failures": [],
        "texts": ["ValidatingAdmissionPolicy 'no-latest' with binding 'no-latest' denied request: not latest"],
        "refused": [],
        "notes": [],
        "exceptedBy": None,
        "excepted": [],
    }


def test_a_policy_without_tests_is_named(root: Path) -> None:
    done = gatewright(cwd=root)
    assert done.returncode == 0
    assert done.stdout == "note: no-latest has no tests\n0 cases: 0 passed, 0 failed\n"


def test_a_wrong_test_fails_the_run(root: Path) -> None:
    write(root, TESTS.replace("expect: deny", "expect: denied"))
    done = gatewright(cwd=root)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "policies/tests.yaml:6:" in done.stderr
    assert "cases[0].expect: expected 'allow', 'deny', 'warn', 'audit' or 'error', found 'denied'" in done.stderr


def test_a_wrong_policy_fails_the_run(root: Path) -> None:
    (root / "policies" / "policy.yaml").write_text(TREE.replace("!= 'latest'", "!="))
    done = gatewright(cwd=root)
    assert done.returncode == 2
    assert "policies/policy.yaml:9:" in done.stderr


def test_no_policies_fail_the_run(tmp_path: Path) -> None:
    done = gatewright(cwd=tmp_path)
    assert done.returncode == 2
    assert "no such file or folder" in done.stderr


def test_exceptions_are_no_matter_of_tests_but_for_one_that_has_expired(root: Path) -> None:
    write(root, TESTS.replace("NAME", "web"))
    folder = root / "policies"
    (folder / "exception.yaml").write_text(EXPIRED.replace("2020", "2999"))
    run = gatewright(cwd=root)
    assert (run.returncode, run.stderr) == (0, "")  # what is excepted is still denied
    (folder / "exception.yaml").write_text(EXPIRED)
    run = gatewright(cwd=root)
    assert run.returncode == 0
    assert "exception.yaml:9:3: PolicyException 'old' expired (2020-01-31) and has no effect" in run.stderr
