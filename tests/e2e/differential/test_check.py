"""The same corpus through `gatewright check`: what it says of manifests is what the server natively answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.e2e.controlplane import ControlPlane
from tests.e2e.differential.cases import SHARED, Case, cases
from tests.e2e.differential.checked import NotAManifest, asked, findings, natively, report
from tests.e2e.differential.runs import Answers, prepare, run_natively, write_tree
from tests.e2e.people import roles

CASES = cases()

_CUT = "a warning is told whole: the API server cuts long ones, and leaves out those with control characters"
_DEFAULTS = "the API server fills in defaults, canonical forms, and what it alone knows, such as uid"
_SECRET = "nothing of a Secret is shown"
_NUMBERS = "a number of a custom resource with a fraction of zero is a double there"
# The differences that docs/conformance.md names, by name of case and index of request.
DIFFERS = {
    ("warnings-with-newlines", 0): _CUT,
    ("warnings-with-newlines", 1): _CUT,
    ("warnings-over-the-limit", 1): _CUT,
    ("request-values", 0): _DEFAULTS,
    ("request-secrets", 0): _SECRET,
    ("request-secrets", 1): "stringData becomes data there",
    ("equivalent-versions", 1): "nothing is converted between versions",
    ("sent-fields-of-the-server", 0): _DEFAULTS,
    ("sent-fields-of-the-server", 2): _DEFAULTS,
    ("sent-unusual-texts", 1): _CUT,
    ("sent-unusual-texts", 2): _CUT,
    ("sent-numbers-of-a-crd", 2): _NUMBERS,
    ("sent-numbers-of-a-crd", 3): _NUMBERS,
    ("libraries-quantities", 1): _DEFAULTS,
    ("libraries-times", 0): "the text of a timestamp is in UTC",
    ("custom-objects", 0): _DEFAULTS,
    ("more-typed-params", 2): _SECRET,
    ("limits-of-warnings", 1): _CUT,
    ("limits-of-warnings", 2): _CUT,
}


@dataclass
class Answered:
    """By name of case and index of request: the server's verdicts, check's reports, and why there is none."""

    natively: Answers = field(default_factory=dict)
    checked: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    left_out: dict[tuple[str, int], str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def answers(cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Answered:
    """Of the whole corpus: natively a batch at a time; each request by a run of check of its own, for the manifests of
    one run see each other.
    """
    cluster.apply(*roles())
    prepare(cluster, CASES)
    answered = Answered()
    folder = tmp_path_factory.mktemp("check")
    client = cluster.client()
    for batch in sorted({case.batch for case in CASES}):
        members = [case for case in CASES if case.batch == batch]
        answered.natively.update(run_natively(cluster, members))
        for case in members:
            write_tree(cluster, [case] if batch == SHARED else members, folder / "policies")
            for index, request in enumerate(case.requests):
                try:
                    answered.checked[case.name, index] = report(asked(case, request, client), folder)
                except NotAManifest as error:
                    answered.left_out[case.name, index] = str(error)
    return answered


def test_most_of_the_corpus_is_checked(answers: Answered, capsys: pytest.CaptureFixture[str]) -> None:
    reasons = Counter(answers.left_out.values())
    outcomes = Counter(answers.natively[key].outcome for key in answers.checked)
    with capsys.disabled():
        print(f"\n{len(answers.checked)} requests checked, {len(DIFFERS)} with a known difference: {dict(outcomes)}")
        print(f"{reasons.total()} left out:")
        for reason, count in reasons.most_common():
            print(f"  {count:3} {reason}")
    assert len(answers.checked) > 300
    assert min(outcomes[each] for each in ("allow", "deny", "warn", "audit")) >= 8


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_check_agrees_with_the_server(answers: Answered, case: Case) -> None:
    differing = {}
    for index, request in enumerate(case.requests):
        if (case.name, index) not in answers.checked:
            continue
        theirs, ours = natively(answers.natively[case.name, index]), findings(answers.checked[case.name, index])
        agrees = (
            theirs["Deny"] <= ours["Deny"]
            and bool(theirs["Deny"]) == bool(ours["Deny"])
            and (theirs["Warn"], theirs["Audit"]) == (ours["Warn"], ours["Audit"])
        )
        if (case.name, index) in DIFFERS:
            assert not agrees, f"request {index} ({request.send}) agrees: take it out of DIFFERS"
        elif not agrees:
            differing[index, request.send] = (theirs, ours)
    assert differing == {}  # request -> (the server's, check's)
