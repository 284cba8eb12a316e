"""The same corpus through `gatewright check`: what it says of manifests is what the server natively answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.e2e.controlplane import ControlPlane
from tests.e2e.differential.cases import SHARED, Case, cases
from tests.e2e.differential.checked import NotAManifest, as_sent, asked, findings, natively, report, without_messages
from tests.e2e.differential.runs import Answers, prepare, run_natively, write_tree
from tests.e2e.people import roles

CASES = cases()

_MANAGED = "managedFields are not modelled: which manager applies a manifest is not known"
_NUMBERS = "a number of a custom resource with a fraction of zero is a double there, and an int for a webhook"
# The differences that docs/conformance.md names, by name of case and index of request.
DIFFERS = {
    ("equivalent-versions", 1): "nothing is converted between versions",
    ("sent-fields-of-the-server", 2): _MANAGED,
    ("sent-numbers-of-a-crd", 2): _NUMBERS,
    ("sent-numbers-of-a-crd", 3): _NUMBERS,
}
# Requests for Secrets, whose values check does not show: the findings are the same, but for their messages.
SECRETS = {("request-secrets", 0), ("more-typed-params", 2)}


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
        theirs = natively(answers.natively[case.name, index])
        ours = as_sent(findings(answers.checked[case.name, index]))
        if (case.name, index) in SECRETS:
            assert theirs != ours, f"request {index} ({request.send}) shows a Secret"
            theirs, ours = without_messages(theirs), without_messages(ours)
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
