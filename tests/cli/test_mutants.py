"""`gatewright test --mutate`, as a person runs it."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.amounts import amount
from tests.cli import running
from tests.mutants.trees import DOCUMENTED, case, pod, policy_test

LIBRARY = Path(__file__).parent.parent.parent / "policies"
POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: NAME}
spec:
  failurePolicy: Ignore
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: ["*"], resources: [pods]}
  validations:
  - {expression: "size(object.spec.containers) <= 1", message: one container}
"""
ONE, TWO = (pod(containers=[{"name": str(n), "image": "i"} for n in range(number)]) for number in (1, 2))
STRONG = (case("one", "allow", ONE), case("two", "deny", TWO))


def mutate(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GATEWRIGHT_")}
    return running.gatewright("test", "--mutate", *arguments, cwd=root, env=environment)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "policy.yaml").write_text(POLICY.replace("NAME", "small"))
    return tmp_path


def write(root: Path, *cases: str, mutants: str = "", policy: str = "small") -> None:
    (root / "policies" / f"{policy}-tests.yaml").write_text(policy_test(policy, *cases, mutants=mutants))


SURVIVORS = """\
FAIL small: 7 mutants: 4 killed, 3 survived
  survived ID (bound) policies/policy.yaml:10:48
    -   - {expression: "size(object.spec.containers) <= 1", message: one container}
    +   - {expression: "size(object.spec.containers) < 1", message: one container}
"""


def test_survivors_are_shown_as_a_diff(root: Path) -> None:
    write(root, STRONG[1])
    done = mutate(root)
    assert (done.returncode, done.stderr) == (1, "")
    first = done.stdout.split("\n")
    id = first[1].split()[1]
    assert done.stdout.startswith(SURVIVORS.replace("ID", id)), done.stdout
    assert first[-2] == "7 mutants: 4 killed, 3 survived, 0 explained"


def test_strong_tests(root: Path) -> None:
    write(root, *STRONG)
    done = mutate(root, "-o", "json")
    report = json.loads(done.stdout)
    survivors = report["mutants"][0]["outcomes"]
    assert [each["change"] for each in survivors] == ["failurePolicy"]
    assert survivors[0] == {
        "id": survivors[0]["id"],
        "change": "failurePolicy",
        "file": "policies/policy.yaml",
        "line": 5,
        "column": 18,
        "from": "Ignore",
        "to": "Fail",
        "status": "survived",
        "by": None,
        "reason": None,
        "before": ["  failurePolicy: Ignore"],
        "after": ["  failurePolicy: Fail"],
    }
    assert done.returncode == 1
    counts = {"total": 7, "killed": 6, "survived": 1, "known": 0, "explained": 0, "untested": 0, "refused": 0}
    assert report["summary"]["mutants"] == {**counts, "failing": []}
    write(root, *STRONG, mutants=f'mutants: [{{ids: ["{survivors[0]["id"]}"], reason: it cannot fail}}]\n')
    done = mutate(root, "-v")
    assert done.returncode == 0
    assert done.stdout.startswith("pass small: 7 mutants: 6 killed, 0 survived, 1 explained\n")
    assert "    explained: it cannot fail\n" in done.stdout
    assert "policies/policy.yaml:10: killed by two\n" in done.stdout
    (all_of_them,) = json.loads(mutate(root, "-v", "-o", "json").stdout)["mutants"]
    assert {each["by"] for each in all_of_them["outcomes"]} == {"one", "two", None}


def test_survivors_that_a_baseline_has_fail_nothing(root: Path) -> None:
    write(root, *STRONG)
    known = ("--baseline", "known.json")
    assert mutate(root, *known, "--write-baseline").returncode == 0
    done = mutate(root, *known)
    assert (done.returncode, done.stdout) == (
        0,
        "pass small: 7 mutants: 6 killed, 0 survived, 1 known\n7 mutants: 6 killed, 0 survived, 1 known, 0 explained\n",
    )
    (root / "policies" / "policy.yaml").write_text("\n" + POLICY.replace("NAME", "small"))  # lines may move
    write(root, STRONG[1])
    done = mutate(root, *known, "-o", "text", "-o", "json=out.json", "-o", "junit=out.xml")
    assert done.returncode == 1
    first = done.stdout.splitlines()
    assert first[0] == "FAIL small: 7 mutants: 4 killed, 2 survived, 1 known"
    assert [line.split()[2] for line in first if line.startswith("  survived")] == ["(bound)"] * 2
    report = json.loads((root / "out.json").read_text())
    assert Counter(each["status"] for each in report["mutants"][0]["outcomes"]) == {"survived": 2, "known": 1}
    assert (report["summary"]["mutants"]["known"], len(report["known"]), len(report["findings"])) == (1, 1, 2)
    assert 'skipped="1"' in (root / "out.xml").read_text()
    (root / "policies" / "small-tests.yaml").unlink()
    untested = ("--baseline", "untested.json")
    assert mutate(root, *untested, "--allow-no-tests", "--write-baseline").returncode == 0
    done = mutate(root, *untested, "--allow-no-tests")
    assert (done.returncode, done.stdout.splitlines()[0]) == (
        0,
        "known small: it has no tests, so 7 mutants would survive",
    )


def test_what_is_explained_for_nothing_is_noted(root: Path) -> None:
    write(root, *STRONG, mutants='mutants: [{ids: ["12345678"], reason: r}]\n')
    done = mutate(root)
    assert "  note: mutant 12345678 is explained, but does not survive or does not exist\n" in done.stdout


def test_policies_without_tests_and_tests_that_fail(root: Path) -> None:
    (root / "policies" / "other.yaml").write_text(POLICY.replace("NAME", "other"))
    write(root, case("one", "deny", ONE))
    done = mutate(root)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "FAIL other: it has no tests, so 7 mutants would survive",
        "FAIL small: its tests fail without any change; it was not mutated",
        "7 mutants: 0 killed, 7 survived, 0 explained",
    ]


def test_a_selection_is_of_policies_and_all_their_cases_run(root: Path) -> None:
    (root / "policies" / "other.yaml").write_text(POLICY.replace("NAME", "other"))
    write(root, *STRONG)
    done = mutate(root, "-k", "two")
    assert done.stdout.startswith("FAIL small: 7 mutants: 6 killed, 1 survived\n")
    assert "other" not in done.stdout
    assert mutate(root, "-k", "none").returncode == 2
    write(root, *STRONG, policy="other")
    assert mutate(root, "policies/other-tests.yaml").stdout.startswith("FAIL other: 7 mutants: 6 killed")


def test_a_tree_without_tests_fails_the_run(root: Path) -> None:
    done = mutate(root)
    assert (done.returncode, "no tests: there is no object of kind PolicyTest" in done.stderr) == (2, True)


# `make mutants` tries the whole library.
SHIPPED = ("no-host-path", "finalizer-enforcement", "protocol-whitelist", "replica-bounds")


@pytest.mark.parametrize("policy", SHIPPED[: amount(4, 1)])
def test_no_mutant_of_a_shipped_policy_survives_unexplained(policy: str) -> None:
    done = mutate(LIBRARY.parent, f"policies/{policy}", "-o", "json")
    assert done.returncode == 0, done.stdout
    report = json.loads(done.stdout)
    assert report["summary"]["mutants"]["survived"] == report["summary"]["mutants"]["untested"] == 0
    assert report["summary"]["mutants"]["killed"] > 100
    assert report["mutants"][0]["stale"] == []
    assert all(each["reason"] for each in report["mutants"][0]["outcomes"])


def test_what_the_documentation_shows_is_what_it_prints(tmp_path: Path) -> None:
    folder = tmp_path / "policies" / "small"
    folder.mkdir(parents=True)
    (folder / "policy.yaml").write_text(DOCUMENTED)
    cases = (STRONG[1], case("none", "allow", pod(containers=[])))
    (folder / "tests.yaml").write_text(policy_test("one-container", *cases))
    page = (LIBRARY.parent / "docs" / "policies.md").read_text()
    assert f"$ gatewright test --mutate\n{mutate(tmp_path).stdout}```\n" in page


SLOW = '''
from gatewright import Violation, validate


@validate(resources=["v1/pods"])
def slow(request):
    """Names are short, which takes a while to find out."""
    if sum(range(1_000_000)) and len(request.object["metadata"]["name"]) > 3:
        yield Violation("longer than three", path="metadata.name")
'''


@pytest.mark.parametrize("output", ["text", "json"])
def test_several_processes_write_what_one_writes(root: Path, output: str) -> None:
    write(root, *STRONG)
    for name, cases in {"weak": STRONG[1:], "wrong": (case("two", "allow", TWO),), "untested": ()}.items():
        (root / "policies" / f"{name}.yaml").write_text(POLICY.replace("NAME", name))
        if cases:
            write(root, *cases, policy=name)
    (root / "policies" / "slow.py").write_text(SLOW)
    write(root, case("web", "allow", pod()), case("long", "deny", pod("long")), policy="slow")
    one, three = (mutate(root, "--output", output, "--jobs", jobs) for jobs in ("1", "3"))
    assert one.stdout.count("survive")
    assert (one.returncode, one.stderr) == (1, "")
    assert (three.returncode, three.stdout, three.stderr) == (one.returncode, one.stdout, one.stderr)


DEADLY = '''
import signal

from gatewright import Violation, validate


@validate(resources=["v1/pods"])
def deadly(request):
    """Names are longer than three. A mutant of the first condition ends its process."""
    if request.object["metadata"]["name"] == "":
        signal.raise_signal(signal.SIGKILL)
    if len(request.object["metadata"]["name"]) > 3:
        yield Violation("longer than three", path="metadata.name")
'''


def test_a_process_that_dies_is_an_error(root: Path) -> None:
    (root / "policies" / "deadly.py").write_text(DEADLY)
    write(root, case("web", "allow", pod()), case("long", "deny", pod("long")), policy="deadly")
    write(root, *STRONG)
    done = mutate(root, "--jobs", "2", "--policy-imports", "signal")
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: a worker process was ended by SIGKILL before its work was done" in done.stderr
    assert "--jobs 1 mutates in one process" in done.stderr


def test_a_number_of_processes_is_expected(root: Path) -> None:
    done = mutate(root, "--jobs", "none")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--jobs: expected a number from 1 to 256, got 'none'" in done.stderr
