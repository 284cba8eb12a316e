"""The API server's own evaluator of policies."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from tests import goprograms
from tests.policy.generated import Case
from tests.policy.trees import request
from webhook.policy.policyset import PolicySet
from webhook.policy.reviewing import Review

SOURCE = Path(__file__).parent / "kubernetes"


@cache
def program() -> Path:
    """The program of `kubernetes/main.go`."""
    return goprograms.built(SOURCE)


def asked(lines: Iterable[dict[str, Any]], *arguments: str) -> list[dict[str, Any]]:
    """The answer to each line."""
    return goprograms.answers(program(), lines, *arguments)


def theirs(cases: list[Case]) -> list[dict[str, Any]]:
    """What the API server makes of each case: failures, annotations, and `compile` with what it refuses."""
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
    """What our evaluator makes of a case whose policy is loaded, in the form of `theirs`."""
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
