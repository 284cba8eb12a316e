"""`gatewright test`, as a person runs it."""

from __future__ import annotations

import json
import os
import shutil
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
        "FAIL no-latest: 1 of 2 cases failed",
        "  FAIL policies/tests.yaml:7: others pass\\x1b[31m",
        "       expected allow, got deny",
        "       found: ValidatingAdmissionPolicy 'no-latest' with binding 'no-latest' denied request: not latest",
        "note: gatewright explain --test policies/tests.yaml:7 shows how the case came to its verdict",
        "2 cases: 1 passed, 1 failed",
    ]
    explained = running.gatewright("explain", "--test", "policies/tests.yaml:7", cwd=root)
    assert explained.stdout.startswith("FAIL policies/tests.yaml:7: others pass")


def test_advice_names_the_tree_and_is_for_people(root: Path) -> None:
    write(root, TESTS.replace("NAME", "latest"))
    (root / "policies").rename(root / "our policies")
    options = ["--policies", "our policies"]
    advice = "gatewright explain --policies 'our policies' --test 'our policies/tests.yaml:7' shows how"
    assert advice in gatewright(*options, cwd=root).stdout
    explained = running.gatewright("explain", *options, "--test", "our policies/tests.yaml:7", cwd=root)
    assert explained.stdout.startswith("FAIL our policies/tests.yaml:7: others pass")
    for others in (["--concise"], ["-o", "json"], ["-k", "denied"]):
        assert "gatewright explain" not in gatewright(*options, *others, cwd=root).stdout


def test_verbose_names_the_cases_that_pass(root: Path) -> None:
    write(root, TESTS.replace("NAME", "web"))
    assert "  pass policies/tests.yaml:6: latest is denied\n" in gatewright("-v", cwd=root).stdout


def test_json(root: Path) -> None:
    write(root, TESTS.replace("NAME", "latest"))
    done = gatewright("-o", "json", "--policies", root / "policies", cwd=root)
    assert done.returncode == 1
    report = json.loads(done.stdout)
    counted = {"error": 1, "warning": 0, "note": 0, "excepted": 0, "known": 0, "silenced": 0, "hidden": 0, "errors": 0}
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
        "matched": True,
        "unmatched": [],
        "refused": [],
        "notes": [],
        "exceptedBy": None,
        "excepted": [],
    }


def test_failures_that_a_baseline_has_fail_nothing(root: Path) -> None:
    write(root, TESTS.replace("NAME", "latest"))
    known = ("--baseline", "known.json")
    assert gatewright(*known, "--write-baseline", cwd=root).returncode == 0
    write(root, "# moved\n" + TESTS.replace("NAME", "latest"))
    done = gatewright(*known, "-o", "text", "-o", "junit=out.xml", "-o", "json=out.json", cwd=root)
    assert (done.returncode, done.stdout) == (
        0,
        "pass no-latest: 1 of 2 cases, 1 known to fail\n2 cases: 1 passed, 0 failed, 1 known\n",
    )
    assert 'tests="2" failures="0" errors="0" skipped="1"' in (root / "out.xml").read_text()
    report = json.loads((root / "out.json").read_text())
    assert [each.get("known") for each in report["cases"]] == [None, True]
    assert (report["summary"]["failed"], report["summary"]["known"], report["findings"]) == (0, 1, [])
    write(root, TESTS.replace("NAME", "latest").replace("expect: deny", "expect: warn"))
    done = gatewright(*known, cwd=root)
    assert done.returncode == 1
    assert done.stdout.startswith("FAIL no-latest: 1 of 2 cases failed, 1 known to fail\n")
    assert "tests.yaml:6: latest is denied" in done.stdout and "others pass" not in done.stdout


def test_policies_without_tests_that_a_baseline_has_fail_nothing(root: Path) -> None:
    known = ("--require-tests", "--baseline", "known.json")
    assert gatewright(*known, "--write-baseline", cwd=root).returncode == 0
    assert gatewright(*known, cwd=root).returncode == 0
    (root / "policies" / "more.yaml").write_text(TREE.replace("no-latest", "more"))
    done = gatewright(*known, cwd=root)
    assert (done.returncode, "FAIL more: it has no tests" in done.stdout) == (1, True)
    assert "FAIL no-latest" not in done.stdout


NONE = (
    "error: policies: no tests: there is no object of kind PolicyTest with a case (--allow-no-tests lets this pass)\n"
)


def test_a_policy_without_tests_is_named(root: Path) -> None:
    said = "note: no-latest has no tests\n0 cases: 0 passed, 0 failed\n"
    done = gatewright("--allow-no-tests", cwd=root)
    assert (done.returncode, done.stdout, done.stderr) == (0, said, "")


def test_a_tree_without_tests_fails_the_run(root: Path) -> None:
    done = gatewright(cwd=root)
    assert (done.returncode, done.stderr) == (2, NONE)
    report = json.loads(gatewright("-o", "json", cwd=root).stdout)
    assert report["summary"]["untested"] == ["no-latest"]
    assert [error["file"] for error in report["errors"]] == ["policies"]


def test_every_policy_may_be_required_to_have_tests(root: Path) -> None:
    done = gatewright("--require-tests", cwd=root)
    assert (done.returncode, done.stdout.splitlines()[0]) == (1, "FAIL no-latest: it has no tests")
    write(root, TESTS.replace("NAME", "web"))
    assert gatewright("--require-tests", cwd=root).returncode == 0
    other = TREE.replace("no-latest", "other")
    (root / "policies" / "other.yaml").write_text(other)
    done = gatewright("--require-tests", cwd=root)
    assert (done.returncode, done.stdout.splitlines()[0]) == (1, "FAIL other: it has no tests")
    assert gatewright(cwd=root).returncode == 0


@pytest.mark.parametrize(
    ("options", "ran"),
    [
        (["-k", "OTHERS"], ["others pass"]),
        (["--run", "is*ied"], ["latest is denied"]),
        (["-k", "others", "-k", "denied"], ["latest is denied", "others pass"]),
        (["-k", "no-latest"], ["latest is denied", "others pass"]),
        (["policies/tests.yaml"], ["latest is denied", "others pass"]),
        (["policies"], ["latest is denied", "others pass"]),
        (["policies", "-k", "pass"], ["others pass"]),
        (["--only", "deny"], ["latest is denied"]),
        (["--only", "allow", "--only", "DENY"], ["latest is denied", "others pass"]),
    ],
)
def test_cases_are_selected(root: Path, options: list[str], ran: list[str]) -> None:
    write(root, TESTS.replace("NAME", "web").replace("\\e[31m", ""))
    done = gatewright("-o", "json", *options, cwd=root)
    assert done.returncode == 0
    assert [case["case"] for case in json.loads(done.stdout)["cases"]] == ran


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["-k", "nothing"], 2, "-k 'nothing': no such case, and no such policy with tests among no-latest ("),
        (["-k", "nothing", "--allow-no-tests"], 0, ""),
        (["--only", "audit"], 2, "--only audit: no case expects that ("),
        (["policies/web.yaml"], 2, "policies/web.yaml: no tests: "),
        (["policies/web.yaml", "--allow-no-tests"], 0, ""),
        (["nowhere"], 2, "nowhere: no such file or folder"),
        (["nowhere", "--allow-no-tests"], 2, "nowhere: no such file or folder"),
        (["elsewhere"], 2, "elsewhere: not in the policy tree policies; --policies names the tree that its"),
    ],
)
def test_what_selects_nothing_fails_the_run(root: Path, options: list[str], code: int, said: str) -> None:
    write(root, TESTS.replace("NAME", "web"))
    (root / "elsewhere").mkdir()
    done = gatewright(*options, cwd=root)
    assert done.returncode == code
    assert done.stderr.startswith(f"error: {said}" if said else "")
    assert bool(done.stderr) == bool(said)


ELSE = """\
- name: a ConfigMap is another matter
  object: {apiVersion: v1, kind: ConfigMap, metadata: {name: latest}}
  expect: EXPECT
"""


def test_a_case_that_the_policy_does_not_match_fails_and_says_why_not(root: Path) -> None:
    write(root, TESTS.replace("NAME", "web") + ELSE.replace("EXPECT", "allow"))
    done = gatewright(cwd=root)
    assert done.returncode == 1
    why = "matchConstraints.resourceRules are about pods; this is v1 configmaps"
    assert done.stdout.splitlines() == [
        "FAIL no-latest: 1 of 3 cases failed",
        "  FAIL policies/tests.yaml:8: a ConfigMap is another matter",
        "       expected allow, got no-match: the policy lets pass what it does not match; a case that is to show this "
        "says expect: no-match",
        f"       not matched: {why}",
        "note: gatewright explain --test policies/tests.yaml:8 shows how the case came to its verdict",
        "3 cases: 2 passed, 1 failed",
    ]
    case = json.loads(gatewright("-o", "json", cwd=root).stdout)["cases"][2]
    assert (case["verdict"], case["matched"], case["passed"]) == ("no-match", False, False)
    assert case["unmatched"] == [{"kind": "ValidatingAdmissionPolicy", "binding": None, "reason": why}]


def test_a_case_may_expect_that_the_policy_does_not_match(root: Path) -> None:
    write(root, TESTS.replace("NAME", "web") + ELSE.replace("EXPECT", "no-match"))
    assert gatewright(cwd=root).returncode == 0
    write(root, TESTS.replace("NAME", "web").replace("expect: allow", "expect: no-match"))
    done = gatewright(cwd=root)
    assert done.returncode == 1
    assert "       expected no-match, got allow\n" in done.stdout


def test_a_wrong_test_fails_the_run(root: Path) -> None:
    write(root, TESTS.replace("expect: deny", "expect: denied"))
    done = gatewright(cwd=root)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "policies/tests.yaml:6:" in done.stderr
    assert (
        "cases[0].expect: expected 'allow', 'deny', 'warn', 'audit', 'error' or 'no-match', found 'denied'"
        in done.stderr
    )


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


def test_cases_that_fail_with_params_that_somebody_changed_are_named(tmp_path: Path) -> None:
    tree = tmp_path / "policies"
    shutil.copytree(LIBRARY / "replica-bounds", tree / "replica-bounds")
    params = tree / "replica-bounds" / "params.yaml"
    changed = params.read_text().replace('"10"', '"3"')
    assert changed != params.read_text()
    assert "params of the policy tree" not in gatewright(cwd=tmp_path).stderr
    cases = tree / "replica-bounds" / "tests.yaml"
    as_shipped = cases.read_text()
    cases.write_text(as_shipped.replace("actions: [Deny]", "actions: [Warn]"))
    run = gatewright(cwd=tmp_path)
    assert "expected deny, got warn: so say the `actions`" in run.stdout
    assert "params of the policy tree" not in run.stderr  # another action is no matter of params
    cases.write_text(as_shipped)
    params.write_text(changed)
    run = gatewright(cwd=tmp_path)
    assert run.returncode == 1
    assert "the params of the policy tree; where these were changed, give the case its own `params`" in run.stderr
