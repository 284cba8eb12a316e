"""Which cases a path or a name selects, and what is said where it selects none. The command: tests/cli/test_test.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.offline.cases.policytests import POD, tree
from webhook.offline.cases import policytest
from webhook.offline.cases.policytest import PlannedCase
from webhook.offline.cases.selection import NoTests, NotInTree, expecting, named, one, within
from webhook.policy.load.loading import load


@pytest.fixture
def cases(tmp_path: Path) -> list[PlannedCase]:
    rows = "".join(f"- name: {name}\n  {POD}\n  expect: deny\n" for name in ("One Pod", "one more", "another"))
    planned, _ = policytest.plan([str(tree(tmp_path, rows))], load(tmp_path))
    return planned


def names(cases: list[PlannedCase]) -> list[str]:
    return [each.case.name for each in cases]


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ([], ["One Pod", "one more", "another"]),
        (["one"], ["One Pod", "one more"]),
        (["o*e"], ["One Pod", "one more", "another"]),
        (["e*o"], ["One Pod", "one more"]),
        (["NAMED"], ["One Pod", "one more", "another"]),
        (["pod", "an"], ["One Pod", "another"]),
    ],
)
def test_names(cases: list[PlannedCase], texts: list[str], found: list[str]) -> None:
    assert names(named(cases, texts)) == found


def test_a_name_of_nothing(cases: list[PlannedCase]) -> None:
    with pytest.raises(NoTests, match="no such case, and no such policy with tests among named"):
        named(cases, ["x*"])


def test_what_is_expected(tmp_path: Path) -> None:
    rows = "".join(f"- name: {each}\n  {POD}\n  expect: {each}\n" for each in ("deny", "allow", "no-match"))
    planned, _ = policytest.plan([str(tree(tmp_path, rows))], load(tmp_path))
    assert names(expecting(planned, [])) == ["deny", "allow", "no-match"]
    assert names(expecting(planned, ["no-match", "deny"])) == ["deny", "no-match"]
    with pytest.raises(NoTests, match="no case expects that"):
        expecting(planned, ["warn"])


def test_paths(cases: list[PlannedCase], tmp_path: Path) -> None:
    roots = [str(tmp_path)]
    for path in (tmp_path, tmp_path / "tests.yaml", tmp_path.parent):
        assert len(within(cases, [str(path)], roots)) == 3
    with pytest.raises(NoTests):
        within(cases, [str(tmp_path / "policy.yaml")], roots)
    with pytest.raises(NoTests):
        within([], [], roots)
    for wrong in ("nowhere", str(Path(__file__))):
        with pytest.raises(NotInTree):
            within(cases, [wrong], roots)


IN_FLOW = "apiVersion: gatewright.dev/v1\nkind: PolicyTest\nmetadata: {name: t}\n"


def test_a_case_stands_in_all_its_lines(tmp_path: Path) -> None:
    rows = "".join(f"- name: {name}\n  {POD}\n\n  expect: deny\n" for name in ("a", "b"))
    file = tree(tmp_path, rows) / "tests.yaml"
    text = file.read_text()
    file.write_text(
        f"{text}mutants: []\n# end\n---\n{text}---\n{IN_FLOW}policy: named\ncases: [{{name: c, {POD}, "
        f"expect: deny}}, {{name: d, {POD}, expect: deny}}]\n"
    )
    planned, problems = policytest.plan([str(tmp_path)], load(tmp_path))
    assert not problems
    lines = file.read_text().splitlines()
    starts = [number for number, line in enumerate(lines, 1) if line.startswith("- name")]
    for start, expected in zip(starts, [*planned[:2], *planned[2:4]], strict=True):
        for line in range(start, start + 4):
            assert one(planned, f"{file}:{line}") is expected
    for line in (1, starts[1] + 4, starts[1] + 5, starts[2] - 1, len(lines) + 1):
        with pytest.raises(NoTests, match="no case stands in this line; those of the file are") as caught:
            one(planned, f"{file}:{line}")
        assert caught.value.among == planned
    with pytest.raises(NoTests, match="2 cases stand in this line; name one by its name"):
        one(planned, f"{file}:{len(lines)}")
    assert one(planned, os.path.relpath(file) + f":{starts[0] + 1}") is planned[0]
    with pytest.raises(NoTests, match="no case of a PolicyTest is called so"):
        one(planned, f"{file.parent / 'policy.yaml'}:1")


def test_one_case(cases: list[PlannedCase]) -> None:
    for text in ("One Pod", "pod", f"{cases[0].file}:{cases[0].line}"):
        assert one(cases, text) is cases[0]
    with pytest.raises(NoTests, match="2 cases have this in their names; name one by FILE:LINE") as caught:
        one(cases, "one")
    assert names(list(caught.value.among)) == ["One Pod", "one more"]
    with pytest.raises(NoTests, match="no case of a PolicyTest is called so"):
        one(cases, "none")
