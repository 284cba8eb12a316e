"""The generated Python: as deep as expressions nest, and free of the text of a policy."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cel.evaluating import BINDINGS, ENVIRONMENT, evaluate
from webhook.cel import Activation, CompileError, EvaluationError
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


ROBOT = "\U0001f916"


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("'a' + string(x) + 'c'", "abc"),
        ("'a' + ('b' + string(x)) + 'd' + 'e'", "abbde"),
        ("string(x) + string(x) + string(x) + string(x)", "bbbb"),
        ("'a' + (x == 'b' ? 'yes' : 'no') + x + 'd'", "ayesbd"),
        ("x + x + 'c'", "bbc"),
        (f"'{ROBOT}' + string(x) + '{'c' * 100}' + 'd'", f"{ROBOT}b{'c' * 100}d"),
        ("'a' + 'b' + x + 1", "found no matching overload for '_+_' applied to '(string, int)'"),
        ("'a' + y + x + 'd'", "no such overload"),
        ("'a' + x + y + 'd'", "no such overload"),
        ("'a' + x.z + string(1 / 0) + 'd'", "no such key: z"),
        ("'a' + string(1 / 0) + x.z", "division by zero"),
        ("'a' + string(x) + 'c' == 'abc' || 1 / 0 == 1", True),
        ("['x', 'y'].map(e, 'a' + e + x + 'c')", ["axbc", "aybc"]),
    ],
)
def test_a_sum_of_texts_is_the_same_in_one_step(source: str, value: Any) -> None:
    try:
        assert evaluate(source, x="b", y=["a list"]) == value
    except (EvaluationError, CompileError) as error:
        assert str(value) in str(error)


def test_a_sum_of_texts_charges_what_its_sums_make(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plain form counts exactly the bytes that the exact form counts, as other variables share their limit."""
    program = ENVIRONMENT.compile("string(x) + 'b' + string(y) + 'c' + string(x)")
    for x, y in (("a" * 10, "b"), ("a" * 100, "b"), ("a", "b" * 100), (ROBOT, "b" * 100), ("a" * 63, ROBOT)):
        made = []
        for evaluated in (program.evaluate, program.evaluate_exactly):
            activation = Activation({**BINDINGS, "x": x, "y": y})
            evaluated(activation)
            made.append(activation.meter().made)
        assert made[0] == made[1]


def test_a_sum_of_texts_is_not_made_where_its_cost_is_too_high() -> None:
    """Its parts are one text, which a list has a thousand times: the limit ends it before they are put together."""
    source = "lists.range(2000).map(i, " + " + ".join(["string(x)"] * 20) + ").size() == 2000"
    with pytest.raises(EvaluationError, match="cost"):
        evaluate(source, x="b" * 100_000)
