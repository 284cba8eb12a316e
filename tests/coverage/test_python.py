"""The coverage of policies in Python equals a count by hand, which stands beside each."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.coverage.measured import coverage, written
from webhook.coverage.measuring import Measured
from webhook.coverage.model import Covered, Figure
from webhook.coverage.python import NotInstalled
from webhook.policy.load.loading import load

POLICY = """\
from gatewright import Request, Violation, validate


def _limit(request):
    if request.namespace == "big":
        return 10
    return 2


@validate(resources=["v1/configmaps"], operations=["CREATE"])
def few_keys(request: Request):
    \"\"\"ConfigMaps have few keys.\"\"\"
    found = len(request.object.get("data", {}))
    if found > _limit(request):
        yield Violation("too many keys")


@validate(resources=["v1/configmaps"], operations=["CREATE"])
def untested(request: Request):
    \"\"\"No test asks for this one.\"\"\"
    if request.name == "a":  # pragma: no cover
        yield Violation("never a")
    return
"""
TESTS = """\
apiVersion: gatewright.dev/v1
kind: PolicyTest
metadata: {name: t}
policy: few-keys
cases:
- {name: few, expect: allow, object: {apiVersion: v1, kind: ConfigMap, metadata: {name: cm}, data: {a: b}}}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "policies [*]"  # which are no wildcards
    root.mkdir()
    (root / "policy.py").write_text(POLICY)
    return root


def only(root: Path) -> Covered:
    (covered,) = coverage(root).policies
    return covered


def test_lines_and_branches_of_functions_count(root: Path) -> None:
    """By hand. _limit: lines 5, 6, 7, of which 6 does not run, and the branches 5 -> 6 (no), 5 -> 7. few_keys: lines
    13, 14, 15, of which 15 does not run, and the branches 14 -> 15 (no), 14 -> out. untested: line 23, for the `if` is
    excluded with what is in it."""
    (root / "tests.yaml").write_text(TESTS)
    covered = only(root)
    assert covered.policies == ("few-keys", "untested")
    assert covered.figure == Figure(6, 11)
    assert [(gap.start, gap.message) for gap in covered.gaps()] == [
        ((5, 5), "_limit: the branch never goes to line 6"),
        ((6, 9), "_limit: line 6 is never run"),
        ((14, 5), "few_keys: the branch never goes to line 15"),
        ((15, 9), "few_keys: line 15 is never run"),
        ((23, 5), "untested: the function is never evaluated"),
    ]
    assert (covered.cases, covered.expressions, covered.terms) == (1, Figure(2, 3), Figure(0, 0))


def test_importing_a_policy_covers_nothing(root: Path) -> None:
    covered = only(root)
    assert covered.figure == Figure(0, 11)
    assert [gap.message for gap in covered.gaps()] == [
        "few-keys, untested: nothing of it is evaluated, as no case of it ran"
    ]


def test_lines_that_follow_each_other_are_one_gap(root: Path) -> None:
    body = """
    from gatewright import Request, validate

    @validate(resources=["v1/configmaps"], operations=["CREATE"])
    def few_keys(request: Request):
        if request.name == "other":
            found = 1
            if found:
                found += 1
            return [str(found)]
        return []
    """
    (root / "policy.py").write_text(dedent(body))
    (root / "tests.yaml").write_text(TESTS)
    assert [gap.message for gap in only(root).gaps()] == [
        "few_keys: the branch never goes to line 7",
        "few_keys: lines 7 to 10 are never run",
    ]


def test_without_coverage_py_python_cannot_be_measured(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policies = load(root)
    monkeypatch.setitem(sys.modules, "coverage", None)  # importing it fails
    with pytest.raises(NotInstalled, match=r"pip install 'gatewright\[coverage\]'"):
        Measured(policies)


def test_without_policies_in_python_coverage_py_is_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policies = load(written(tmp_path / "policies", "validations: [{expression: 'true'}]", []))
    monkeypatch.setitem(sys.modules, "coverage", None)
    Measured(policies)
