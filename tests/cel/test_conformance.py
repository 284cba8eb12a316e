"""The CEL specification's conformance suite: every case that Kubernetes has."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests import goprograms
from tests.cel.conformance import (
    NOT_IN_KUBERNETES,
    SUITE,
    Case,
    agrees,
    cases,
    compiled,
    declared,
    refused,
    run,
    value,
)
from tests.cel.exactly import Outcome, agree, forms, of_answer
from webhook.cel import CompileError, Environment
from webhook.cel.tree.types import DYN

pytestmark = pytest.mark.skipif(not SUITE.is_dir(), reason=f"the conformance suite is not at {SUITE}")

DIFFERENCES = Path(__file__).parents[2] / "docs" / "conformance.md"


def selected() -> list[Case]:
    return [case for case in cases() if case.raw["file"] not in NOT_IN_KUBERNETES]


def documented() -> set[str]:
    """The cases that docs/conformance.md names, each in the first column of a table, in back quotes."""
    rows = (line.split("`") for line in DIFFERENCES.read_text().splitlines() if line.startswith("| `"))
    return {row[1] for row in rows}


def test_every_case_gives_its_value_or_is_a_documented_difference(capsys: pytest.CaptureFixture[str]) -> None:
    expected_refusals = refused()
    counts: Counter[str] = Counter()
    wrong: dict[str, object] = {}
    for case in selected():
        if (case.raw["file"], case.expression) in expected_refusals:
            counts["refused by Kubernetes"] += 1
            continue
        result = run(case)
        counts["tried"] += 1
        if not agrees(case, result):
            wrong[case.id] = result
    left_out = Counter(case.raw["file"] for case in cases() if case.raw["file"] in NOT_IN_KUBERNETES)
    with capsys.disabled():
        print(f"\nCEL conformance: {counts['tried'] - len(wrong)} of {counts['tried']} cases as the suite has them,")
        print(f"  {counts['refused by Kubernetes']} more that Kubernetes refuses, {len(wrong)} documented differences")
        for file, count in left_out.items():
            print(f"  left out: {file} ({count}): {NOT_IN_KUBERNETES[file]}")
    assert {case_id for case_id in wrong if case_id not in documented()} == set(), wrong
    assert documented() - set(wrong) == set(), "docs/conformance.md names cases that are right now"


def test_what_kubernetes_refuses_is_refused() -> None:
    # The list is that of Kubernetes 1.36; 1.37 has names in back quotes.
    expected = {key: why for key, why in refused().items() if "`" not in why}
    affected = [case for case in selected() if (case.raw["file"], case.expression) in expected]
    assert len(affected) >= 55
    accepted = [case.id for case in affected if not isinstance(run(case), CompileError)]
    assert accepted == []


def test_both_forms_of_the_code_give_the_same() -> None:
    differing = []
    for case in selected():
        if case.raw.get("check_only"):
            continue
        plain, exact = run(case), run(case, exactly=True)
        if type(plain) is not type(exact) or str(plain) != str(exact):
            differing.append((case.id, plain, exact))
    assert differing == []


# Cases whose answer is not the API server's yet, or cannot be, and why.
NOT_AS_IN_KUBERNETES = {
    "fields/qualified_identifier_resolution/map_key_null": "unchecked: refused when the program is built",
    "parse/receiver_function_names/namespace": "unchecked: refused when the program is built",
}


def question(case: Case) -> dict[str, Any]:
    """A case as the API server's own CEL is asked."""
    raw = case.raw
    return {
        "expression": case.expression,
        "variables": {each["name"]: str(declared(each["ident"])) for each in raw.get("type_env", ())},
        "tagged": raw.get("bindings", {}),
        "container": raw.get("container", ""),
        "unchecked": bool(raw.get("disable_check")),
    }


def outcome(case: Case) -> Outcome:
    """What a case gives here, in all forms of the code."""
    raw = case.raw
    variables = {each["name"]: declared(each["ident"]) for each in raw.get("type_env", ())}
    environment = Environment({"x": DYN, "y": DYN, **variables}, container=raw.get("container", ""))
    try:
        program = compiled(case, environment)
    except CompileError:
        return Outcome("compile", "")
    bindings = {name: value(bound) for name, bound in raw.get("bindings", {}).items()}
    found = [each for each, _ in forms(program, bindings).values()]
    assert all(each == found[0] for each in found), (case.id, found)
    return found[0]


def test_every_case_gives_what_it_gives_in_kubernetes(kubernetes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Cases that declare functions of their own are about the checker alone.
    asked_for = [case for case in cases() if not any("function" in each for each in case.raw.get("type_env", ()))]
    answers = map(of_answer, goprograms.answers(kubernetes, map(question, asked_for)))
    differing = {
        case.id: (case.expression, mine, theirs)
        for case, theirs in zip(asked_for, answers, strict=True)
        if not agree(mine := outcome(case), theirs)
    }
    with capsys.disabled():
        print(f"\n{len(asked_for) - len(differing)} of {len(asked_for)} cases of the suite as in Kubernetes")
    assert {each: differing[each] for each in differing.keys() - NOT_AS_IN_KUBERNETES.keys()} == {}
    assert NOT_AS_IN_KUBERNETES.keys() - differing.keys() == set(), "these are right now"
