"""The same policies, the same requests: the API server's own verdict, and ours through its webhook call."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.e2e.controlplane import ControlPlane
from tests.e2e.differential.cases import Case, cases
from tests.e2e.differential.runs import Answers, prepare, run_natively, run_through_webhook
from tests.e2e.people import roles
from tests.e2e.webhooks import Gatewright

CASES = cases()


@dataclass(frozen=True, slots=True)
class Both:
    natively: Answers
    through_webhook: Answers


@pytest.fixture(scope="module")
def answers(cluster: ControlPlane, gatewright: Gatewright, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Of the whole corpus, a batch at a time."""
    cluster.apply(*roles())
    prepare(cluster, CASES)
    both = Both({}, {})
    tree = tmp_path_factory.mktemp("tree") / "policies"
    for batch in sorted({case.batch for case in CASES}):
        members = [case for case in CASES if case.batch == batch]
        both.natively.update(run_natively(cluster, members))
        both.through_webhook.update(run_through_webhook(cluster, gatewright, members, tree))
    return both


def test_the_corpus_is_one(answers: Both, capsys: pytest.CaptureFixture[str]) -> None:
    policies = [name for case in CASES for name in case.policies]
    assert len(policies) == len(set(policies)) >= 60
    assert len({case.name for case in CASES}) == len(CASES)
    differing = [request.differs for case in CASES for request in case.requests if request.differs]
    with capsys.disabled():
        print(
            f"\n{len(policies)} policies in {len(CASES)} cases, {len(answers.natively)} requests, "
            f"{len(differing)} with a known difference"
        )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_server_does_what_the_case_says(answers: Both, case: Case) -> None:
    for index, request in enumerate(case.requests):
        verdict = answers.natively[case.name, index]
        found = (
            "deny"
            if verdict.message.startswith("ValidatingAdmissionPolicy ")
            else "warn"
            if any(each.startswith("Validation failed for Validating") for each in verdict.warnings)
            else "audit"
            if verdict.failures
            else "allow"
        )
        assert found == request.expect, (request.send, verdict)
        assert request.message in verdict.told, request.send
        assert verdict.status < 300 or found == "deny" or request.send.startswith("GET"), (request.send, verdict)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_case_has_both_verdicts(case: Case) -> None:
    assert {request.expect == "allow" for request in case.requests} == {True, False}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_webhook_agrees_with_the_server(answers: Both, case: Case) -> None:
    differing = {}
    for index, request in enumerate(case.requests):
        difference = answers.natively[case.name, index].difference(answers.through_webhook[case.name, index])
        if request.differs:
            assert difference, f"request {index} ({request.send}) agrees: take its `differs` out"
        elif difference:
            differing[index, request.send] = difference
    assert differing == {}  # field -> (the server's, ours)
