"""Abstract values, held against the values that they stand for."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from webhook.cel import Activation, Environment, EvaluationError, types
from webhook.lint.abstractvalues import (
    ANYTHING,
    NOTHING,
    UNKNOWN,
    Outcome,
    combined,
    compared,
    constant,
    decided,
    either,
    has_value,
    may_let,
    negated,
    simple,
)

CONSTANTS: list[Any] = [None, True, False, 0, 1, -3, 2.5, "", "a", "b"]
OPERATORS = ["==", "!=", "<", "<=", ">", ">="]
ENVIRONMENT = Environment({"one": types.DYN, "two": types.DYN})


def admits(outcome: Outcome, value: Any) -> bool:
    """Whether an outcome says that the expression may have this value."""
    kind = outcome.true if value is True else outcome.false if value is False else outcome.other
    known = outcome.constant is UNKNOWN or (type(outcome.constant), outcome.constant) == (type(value), value)
    return kind and known and not (outcome.present and value is None) and not (outcome.filled and value == "")


@pytest.mark.parametrize("operator", OPERATORS)
def test_constants_are_compared_as_cel_compares_them(operator: str) -> None:
    program = ENVIRONMENT.compile(f"one {operator} two")
    ordered = 0
    for one, two in product(CONSTANTS, repeat=2):
        found = compared(f"_{operator}_", one, two)
        if found is None:
            continue
        ordered += 1
        assert program.evaluate(Activation({"one": one, "two": two})) is found, (one, two)
    assert ordered > 20


@pytest.mark.parametrize("value", CONSTANTS)
def test_a_constant_admits_its_value_and_no_other(value: Any) -> None:
    outcome = constant(value)
    assert [each for each in CONSTANTS if admits(outcome, each)] == [value]
    assert simple(outcome.constant) and has_value(outcome) and not outcome.fails


def test_one_of_two_admits_what_either_admits() -> None:
    for one, two in product(CONSTANTS, repeat=2):
        outcome = either(constant(one), constant(two))
        assert admits(outcome, one) and admits(outcome, two)
    assert either(constant("a"), constant("a")).constant == "a"


def test_what_is_computed_from_an_error_has_no_value() -> None:
    error = Outcome(true=False, false=False, other=False)
    assert not has_value(combined([constant(1), error]))
    assert has_value(combined([constant(1), ANYTHING], present=True))
    assert not simple(NOTHING) and not simple(UNKNOWN)


def test_the_constant_of_a_condition_is_known_only_if_it_cannot_fail() -> None:
    assert decided(True, False, False) is True and decided(False, True, False) is False
    assert decided(True, False, True) is UNKNOWN and decided(True, True, False) is UNKNOWN
    assert negated(True) is False and negated("a") is UNKNOWN


def test_a_side_that_may_fail_leaves_the_decision_to_the_other() -> None:
    """As in `&&`, where an error on one side counts only if the other side is not false."""
    program = ENVIRONMENT.compile("one.missing && two")
    assert program.evaluate(Activation({"one": {}, "two": False})) is False
    with pytest.raises(EvaluationError):
        program.evaluate(Activation({"one": {}, "two": True}))
    assert may_let(Outcome(true=False, false=False, other=False), True)
    assert may_let(constant(True), True) and not may_let(constant(False), True)
