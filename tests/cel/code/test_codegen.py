"""The generated Python: as deep as expressions nest, and free of the text of a policy."""

from __future__ import annotations

import pytest

from tests.cel.evaluating import ENVIRONMENT, evaluate
from webhook.cel import CompileError


@pytest.mark.parametrize("depth", [5, 12, 20, 30])
def test_macros_nest_as_deep_as_the_parser_reads(depth: int) -> None:
    """CPython allows 20 nested blocks in a function: what goes deeper is outlined."""
    expression = "x == 1"
    for level in range(depth):
        expression = f"[{level}].all(v{level}, v{level} == {level} && {expression})"
    try:
        ENVIRONMENT.compile(expression)
    except CompileError as error:
        assert "nested too deeply" in str(error)  # by the parser's own limit
        assert depth > 12
        return
    assert evaluate(expression, x=1) is True
    assert evaluate(expression, x=2) is False


def test_conditions_nest_deeper_than_python_indents() -> None:
    expression = "x"
    for level in range(28):
        expression = f"[{level}].exists(e, e != {level}) ? false : {expression}"
    assert evaluate(expression, x=True) is True


def test_names_and_texts_of_a_policy_never_become_python() -> None:
    hostile = '"); import os; os.abort() #'
    assert evaluate(f"x['{hostile}'] == '{hostile}'", x={hostile: hostile}) is True
    assert evaluate("x.map(__import__, __import__ + 1)", x=[1]) == [2]
    assert evaluate("x.map(a, a).map(None, None)", x=[1]) == [1]
