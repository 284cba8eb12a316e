"""Declared answers to the authorizer: what is read, and what is wrong with what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.offline.cases.policytests import POD, problems, tree
from webhook.access import Access, AccessDecision, AccessUnknown, declared
from webhook.offline.authorizations import read

FILE = """\
authorizations:
- {user: ann, verb: use, group: policy, resource: widgets, namespace: shop, name: big, allowed: true, reason: hers}
- {path: /healthz, allowed: true}
- {verb: delete, allowed: false, error: try again}
"""
ANN = Access("ann", "use", group="policy", resource="widgets", namespace="shop", name="big")


@pytest.mark.parametrize(
    ("access", "decision"),
    [
        (ANN, AccessDecision(True, "hers")),
        (Access("bob", "get", path="/healthz"), AccessDecision(True)),
        (ANN._replace(verb="delete"), AccessDecision(False, "", "try again")),
    ],
)
def test_the_first_that_covers_a_question_answers_it(tmp_path: Path, access: Access, decision: AccessDecision) -> None:
    (tmp_path / "access.yaml").write_text(FILE)
    rules, wrong = read(str(tmp_path / "access.yaml"))
    assert wrong == []
    assert declared(access, rules) == decision


@pytest.mark.parametrize("change", [{"user": "bob"}, {"verb": "get"}, {"group": ""}, {"namespace": ""}, {"name": "x"}])
def test_every_field_that_is_given_must_be_so(tmp_path: Path, change: dict[str, Any]) -> None:
    (tmp_path / "access.yaml").write_text(FILE)
    rules, _ = read(str(tmp_path / "access.yaml"))
    with pytest.raises(AccessUnknown, match="no answer is declared for the authorizer: user '"):
        declared(ANN._replace(**change), rules)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("authorizations: [{user: ann}]", "1:18: authorizations[0].allowed: expected true or false"),
        (
            "authorizations: [{allowed: yes please}]",
            "authorizations[0].allowed: expected true or false, found 'yes please'",
        ),
        ("authorizations: [{allowed: true, path: /a, resource: pods}]", "a check has either a path or a resource"),
        ("authorizations: [{allowed: true, resource: pods/exec}]", "expected a plural such as pods, found 'pods/exec'"),
        ("authorizations: [{allowed: true, verbs: [get]}]", "verbs"),
        ("authorizations: []", "expected a list of answers under authorizations"),
        ("- {allowed: true}", "expected one mapping with the key authorizations"),
        ("a: [", ""),
    ],
)
def test_a_bad_file_is_refused_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "access.yaml").write_text(text)
    rules, wrong = read(str(tmp_path / "access.yaml"))
    assert rules == ()
    assert wrong
    assert told in str(wrong[0])


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    _, (problem,) = read(str(tmp_path / "nope.yaml"))
    assert "nope.yaml" in str(problem)


def test_in_a_policy_test_the_place_is_told_too(tmp_path: Path) -> None:
    root = tree(tmp_path, f"- name: c\n  {POD}\n  authorizations:\n  - user: ann\n  expect: allow\n")
    (problem,) = problems(root)
    assert problem == "tests.yaml:9:5: PolicyTest 't': cases[0].authorizations[0].allowed: expected true or false"
