"""Generated policies in the API server's own evaluator and in ours: the same failures, texts and refusals.

The evaluator is the Go package of the kube-apiserver, see tests.policy.apiserver.
"""

from __future__ import annotations

import pytest

from tests.amounts import amount
from tests.policy.apiserver import ours, theirs
from tests.policy.generated import Case, Cases
from tests.policy.trees import binding, loaded
from webhook.policy.load.loading import PolicyTreeError
from webhook.policy.policyset import PolicySet

SEED, COUNT = 20261121, amount(1000, 120)


def test_generated_policies_agree(capsys: pytest.CaptureFixture[str]) -> None:
    source = Cases(SEED)
    evaluated: list[tuple[Case, PolicySet]] = []
    refused: list[tuple[Case, int]] = []
    for case in (source.one() for _ in range(COUNT)):
        try:
            evaluated.append((case, loaded(case.policy, binding())))
        except PolicyTreeError as error:
            refused.append((case, len(error.problems)))

    for (case, policies), answer in zip(evaluated, theirs([case for case, _ in evaluated]), strict=True):
        assert answer == {**ours(case, policies), "compile": None}, case
    for (case, problems), answer in zip(refused, theirs([case for case, _ in refused]), strict=True):
        assert len(answer["compile"] or []) == problems, case
    assert min(len(evaluated), len(refused)) > COUNT / 4
    with capsys.disabled():
        print(f"\n{len(evaluated)} generated policies evaluated, {len(refused)} refused, as the API server does")
