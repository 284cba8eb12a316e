"""Files of tests: policies load without reading them, and nothing else is taken for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.policy.trees import BINDING, POLICY, loaded_files
from webhook.lint.linting import lint
from webhook.offline.cases import policytest
from webhook.policy.load.loading import PolicyTreeError, load_tree
from webhook.policy.load.testfiles import only_tests
from webhook.policy.load.treefiles import read_tree

TEST = """\
apiVersion: gatewright.dev/v1
kind: PolicyTest
metadata: {name: t}
policy: p
cases:
- {name: a, expect: deny}
"""
SHIPPED = sorted((Path(__file__).parents[3] / "policies").glob("*/*.yaml"))


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_shipped_files_are_told_apart(file: Path) -> None:
    assert only_tests(file.read_bytes()) == (file.name == "tests.yaml")


@pytest.mark.parametrize(
    "text",
    [
        TEST,
        f"# tests\n\n  # of p\n{TEST}",
        TEST + "# at the end",
        TEST.replace("- {", "  - {"),
        TEST + "more:\n  deep: 1\n",
    ],
)
def test_a_file_of_one_test(text: str) -> None:
    assert only_tests(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEST.replace("PolicyTest", "PolicyTests"),
        TEST.replace("gatewright.dev/v1", "gatewright.dev/v2"),
        f"{TEST}---\n{POLICY}",
        f"{TEST}--- # more\nkind: ValidatingAdmissionPolicy\n",
        f"{TEST}...\nkind: ValidatingAdmissionPolicy\n",
        f"{TEST}kind: ValidatingAdmissionPolicy\n",
        f"{TEST}kind:\n  ValidatingAdmissionPolicy\n",
        f"{TEST}kind : ValidatingAdmissionPolicy\n",
        f"{TEST}'kind': ValidatingAdmissionPolicy\n",
        f'{TEST}"kind": ValidatingAdmissionPolicy\n',
        f"{TEST}? kind\n: ValidatingAdmissionPolicy\n",
        f"{TEST}!!str kind: ValidatingAdmissionPolicy\n",
        f"{TEST}&a kind: ValidatingAdmissionPolicy\n",
        f"{TEST}<<: {{kind: ValidatingAdmissionPolicy}}\n",
        f"{TEST}x: 1\rkind: ValidatingAdmissionPolicy\n",
        f"{TEST}x: 1\x85kind: ValidatingAdmissionPolicy\n",
        f"{TEST}x: 1\u2028kind: ValidatingAdmissionPolicy\n",
        f"{TEST}x: 1\u2029kind: ValidatingAdmissionPolicy\n",
        f"\ufeff{TEST}",
        f"{TEST}x: [\n",
        f"{TEST}x: \x00\n",
        f"{TEST}<<<<<<< HEAD\n",
        f"items: [{{}}]\n{TEST}",
        f"{TEST}\tx: 1\n",
    ],
)
def test_all_else_is_read(text: str) -> None:
    assert not only_tests(text.encode())


def test_nor_is_what_is_not_utf_8() -> None:
    assert not only_tests(TEST.encode() + b"x: \xff\n")
    assert not only_tests(TEST.encode("utf-16"))


def test_a_fault_below_its_fields_is_one_of_test_and_lint(tmp_path: Path) -> None:
    twice = TEST.replace("- {name: a,", "- {name: a, name: b,")
    policies = loaded_files(tmp_path, policy_yaml=POLICY, binding_yaml=BINDING, tests_yaml=twice)
    assert [policy.name for policy in policies.policies] == ["p"]
    cases, problems = policytest.plan([str(tmp_path)], policies)
    assert cases == []
    assert [problem.message for problem in problems] == ["duplicate key 'name' (first in line 6)"]
    with pytest.raises(PolicyTreeError) as caught:
        load_tree(read_tree(tmp_path), with_tests=True)
    assert caught.value.problems == problems
    assert [alarm.message for alarm in lint(read_tree(tmp_path), now=0).alarms if alarm.line == 6] == [
        problems[0].message
    ]


def test_a_test_that_is_not_yaml_is_a_fault_of_the_tree(tmp_path: Path) -> None:
    with pytest.raises(PolicyTreeError, match=r"tests\.yaml:8"):
        loaded_files(tmp_path, policy_yaml=POLICY, binding_yaml=BINDING, tests_yaml=f"{TEST}x: [\n")
