"""The CEL specification's conformance suite: every case that Kubernetes has."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.cel.apiserver import agree, asked, ours, theirs
from tests.cel.conformance import NOT_IN_KUBERNETES, SUITE, Case, agrees, cases, refused, run
from webhook.cel import CompileError

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


def test_what_differs_from_the_suite_is_what_the_api_server_does(
    kubernetes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    differing = [case for case in selected() if case.id in documented()]
    asked_for = [case for case in differing if not case.raw.get("type_env") and not case.raw.get("bindings")]
    # Bytes are compared as the texts that they are.
    expressions = [
        f"string({case.expression})" if "bytes" in case.raw.get("value", ()) else case.expression for case in asked_for
    ]
    answers = asked(kubernetes, expressions)
    for expression, answer in zip(expressions, answers, strict=True):
        assert agree(ours(expression), theirs(answer)), (expression, answer)
    with capsys.disabled():
        print(f"\n{len(asked_for)} of the {len(differing)} differences put to the API server's own CEL: as here")
