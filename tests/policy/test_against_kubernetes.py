"""Generated policies in the API server's own evaluator and in ours: the same failures, texts and refusals.

The evaluator is the Go package of the kube-apiserver, see tests.policy.apiserver.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.policy.apiserver import asked
from tests.policy.generated import Case, Cases
from tests.policy.trees import binding, loaded, request
from webhook.policy.load.loading import PolicyTreeError
from webhook.policy.policyset import PolicySet
from webhook.policy.reviewing import Review

SEED, COUNT = 20261121, 1000


def theirs(cases: list[Case]) -> list[dict[str, Any]]:
    lines = (
        {
            "Policy": case.policy,
            "Object": case.object,
            "OldObject": case.old_object,
            "Params": case.params,
            "Namespace": case.namespace,
            "Operation": case.operation,
            "Resource": ["", "v1", "pods", ""],
            "Kind": ["", "v1", "Pod"],
            "Name": name(case),
            "NS": "default" if case.namespace else "",
        }
        for case in cases
    )
    return asked(lines)


def name(case: Case) -> str:
    return str((case.object or case.old_object or {})["metadata"]["name"])


def ours(case: Case, policies: PolicySet) -> dict[str, Any]:
    asked = request(
        case.object, case.operation, old_object=case.old_object, namespace="default" if case.namespace else ""
    )
    found = policies.validating[0].evaluator.evaluate(Review(asked, None, lambda _name: case.namespace), case.params)
    failures = [
        {"index": each.index, "message": each.message, "reason": "" if each.error else each.reason, "error": each.error}
        for each in found.failures
    ]
    annotations = [list(pair) for pair in found.annotations]
    return {
        "failures": failures,
        "annotations": annotations,
        "errors": [each.message for each in found.annotation_errors],
    }


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
