"""The core language: the value of an expression, and the error. The error texts are a kube-apiserver's."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cel.evaluating import evaluate
from tests.cel.expressions import ERRORS, VALUES
from webhook.cel import EvaluationError


@pytest.mark.parametrize(("expression", "bindings", "value"), VALUES)
def test_value(expression: str, bindings: dict[str, Any], value: Any) -> None:
    result = evaluate(expression, **bindings)
    assert type(result) is type(value)
    assert result == value


@pytest.mark.parametrize(("expression", "bindings", "text"), ERRORS)
def test_error(expression: str, bindings: dict[str, Any], text: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        evaluate(expression, **bindings)
    assert str(caught.value) == text
