"""What the API server refuses of constants when a policy is created, we refuse when it is loaded, and nothing more."""

from __future__ import annotations

import pytest

from tests.amounts import amount
from tests.policy.apiserver import asked
from tests.policy.constants import expressions
from webhook.cel import CompileError, types
from webhook.policy.cel.declared import base_environment


def refused(expression: str) -> str:
    """Why an expression is refused here, "" if it is not."""
    try:
        base_environment(with_params=False).compile(expression, (types.BOOL,))
    except CompileError as error:
        return str(error)
    return ""


def test_the_same_constants_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    tried = list(expressions())[:: amount(1, 3)]
    lines = (
        {
            "Policy": {"metadata": {"name": "p"}, "spec": {"validations": [{"expression": each}]}},
        }
        for each in tried
    )
    answers = [(answer["compile"] or [""])[0] for answer in asked(lines)]
    differing = [
        (each, ours, theirs)
        for each, theirs in zip(tried, answers, strict=True)
        if bool(ours := refused(each)) != bool(theirs)
    ]
    with capsys.disabled():
        count = sum(map(bool, answers))
        print(f"\n{len(tried)} expressions of constants: {count} refused, {len(differing)} otherwise than there")
    assert differing == []
