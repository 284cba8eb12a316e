"""CEL's optional types: which values are zero, and what stands in for an absent one."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.cel import Activation, Environment, EvaluationError, types

ENVIRONMENT = Environment({"x": types.DYN})


def evaluated(expression: str, x: Any = None) -> Any:
    return ENVIRONMENT.compile(expression).evaluate(Activation({"x": x}))


@pytest.mark.parametrize(
    "zero",
    [
        "null", "false", "''", "b''", "[]", "{}", "0", "0u", "0.0", "-0.0", "duration('0s')",
        "dyn(0)", "x", "{'a': 1}[?'b'].orValue(0)",
    ],
)  # fmt: skip
def test_of_non_zero_is_absent_for_what_is_empty_or_zero(zero: str) -> None:
    assert evaluated(f"optional.ofNonZeroValue({zero}).hasValue()") is False


@pytest.mark.parametrize(
    "value",
    [
        "true", "'a'", "b'a'", "[0]", "{'a': null}", "1", "-1", "1u", "0.1", "double('NaN')", "duration('1ns')",
        "timestamp('1970-01-01T00:00:00Z')", "type(0)", "optional.none()",
    ],
)  # fmt: skip
def test_of_non_zero_is_present_for_all_else(value: str) -> None:
    assert evaluated(f"optional.ofNonZeroValue({value}).hasValue()") is True


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("optional.of(1).or(optional.of(2)).value()", 1),
        ("optional.none().or(optional.of(2)).value()", 2),
        ("optional.none().or(optional.none()).hasValue()", False),
        ("optional.of(1).or(optional.of(1 / 0)).value()", 1),  # what stands in is not evaluated
        ("optional.of(1).orValue(1 / 0)", 1),
        ("optional.none().orValue(2)", 2),
        ("optional.unwrap([optional.of(1), optional.none(), optional.of(3)])", [1, 3]),
        ("[].first().hasValue()", False),
        ("[].last().hasValue()", False),
        ("[1, 2].first().value() + [1, 2].last().value()", 3),
    ],
)
def test_the_first_that_is_present_counts(expression: str, value: Any) -> None:
    assert evaluated(expression) == value


@pytest.mark.parametrize(
    ("expression", "x", "error"),
    [
        ("optional.none().value()", None, "optional.none() dereference"),
        ("optional.unwrap(x)", [1], "no such overload: optional.unwrap(list)"),
        ("optional.unwrap([dyn(optional.of(1)), dyn(x)])", 1, "value 1 is not optional"),
    ],
)
def test_what_is_no_optional_is_an_error(expression: str, x: Any, error: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        evaluated(expression, x)
    assert str(caught.value) == error


def _result(evaluate: Any, x: Any) -> tuple[str, Any]:
    try:
        value = evaluate(Activation({"x": x}))
    except EvaluationError as error:
        return "error", str(error)
    return type(value).__name__, value


_NESTED = "(x.n == 1 ? x.?a : " * 120 + "x.?b.?c" + ")" * 120


@pytest.mark.parametrize(
    "expression",
    [
        "x.?a.?b.hasValue()",
        "x[?'a'].?b.hasValue() || x.?c.hasValue()",
        "[x].filter(e, !e.?a.?b.hasValue()).size()",
        "(x.?a.hasValue() ? x.?a.?b : x.?b).orValue('none')",
        "(x.?c.hasValue() ? x.?a : x.?a.hasValue() ? x.?a.?b : optional.none()).orValue(null)",
        "(x.?a.hasValue() ? x.a.?b : optional.of(x)).orValue([])",
        "(x.?n.hasValue() ? x.?a : x.missing).orValue(1)",
        "(x.n ? x.?a : x.?b).orValue(1)",
        f"{_NESTED}.orValue('none')",
    ],
)
def test_fields_that_are_read_without_optionals_are_those_of_optionals(expression: str) -> None:
    """In the plain form a chain of fields makes no optionals, and a default goes into the branches of a conditional."""
    program = ENVIRONMENT.compile(expression)
    values: list[Any] = [{}, None, [], "a", 1, {"a": None}, {"a": {"b": 1}}, {"a": {"b": None}}, {"a": 1}, {"a": []}]
    values += [
        {"n": 1, "a": "x"},
        {"n": 2, "b": {"c": "y"}},
        {"n": True, "b": 3},
        {"n": False, "b": {}},
        {"c": 1, "a": 2},
    ]
    for x in values:
        assert _result(program.evaluate, x) == _result(program.evaluate_exactly, x), x
