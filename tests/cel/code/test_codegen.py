"""The generated Python: as deep as expressions nest, and free of the text of a policy."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cel.evaluating import BINDINGS, ENVIRONMENT, evaluate
from webhook.cel import Activation
from webhook.cel.program import Recording


@pytest.mark.parametrize("depth", [5, 12, 20, 30, 60])
def test_macros_nest_as_deep_as_the_parser_reads(depth: int) -> None:
    """CPython allows 20 nested blocks in a function: what goes deeper is outlined."""
    expression = "x == 1"
    for level in range(depth):
        expression = f"[{level}].all(v{level}, v{level} == {level} && {expression})"
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


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("+".join(["'a'"] * 250) + f" == '{'a' * 250}'", True),
        ("[" * 248 + "]" * 248 + " == []", False),
        ("true ? 1 : " * 249 + "2", 1),
        ("x" + ".map(a, a)" * 240 + " == x", True),
        ("-(1+" * 80 + "1" + ")" * 80, 1),
        ("x.all(a, " * 60 + "a == a" + ")" * 60, True),
        ("optional.of(" * 240 + "1" + ")" * 240 + ".hasValue()", True),
    ],
)
def test_as_many_levels_as_the_api_server_reads_are_evaluated_and_explained(source: str, value: Any) -> None:
    assert evaluate(source, x=[1]) == value
    program = ENVIRONMENT.compile(source)
    assert program.explain(Activation({**BINDINGS, "x": [1]})).root.children
    program.witnesses(Recording({**BINDINGS, "x": [1]}), "x")
