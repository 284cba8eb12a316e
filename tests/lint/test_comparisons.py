"""Comparisons of one value with constants: which hold together, held against trying every value."""

from __future__ import annotations

import itertools
import random
from typing import Any, get_args

import pytest

from webhook.lint.comparisons import Comparison, Operator, contradict

VALUES: tuple[Any, ...] = (None, True, False, "a", "b", "c", -1, 0, 1, 2, 3, 0.5, 1.5, 2.5)
"""All values that could tell comparisons with the constants below apart."""


def holds(value: Any, comparison: Comparison) -> bool:
    operator, other = comparison.operator, comparison.value

    def equal(one: Any, two: Any) -> bool:
        return one == two and isinstance(one, bool) == isinstance(two, bool)

    if operator in ("in", "not in"):
        return any(equal(value, each) for each in other) == (operator == "in")
    if operator in ("==", "!="):
        return equal(value, other) == (operator == "==")
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (value, other))
    if not numbers and not (isinstance(value, str) and isinstance(other, str)):
        return False
    return bool({"<": value < other, "<=": value <= other, ">": value > other, ">=": value >= other}[operator])


@pytest.mark.parametrize("seed", range(300))
def test_a_contradiction_is_one_whatever_the_value(seed: int) -> None:
    chance = random.Random(seed)
    comparisons = []
    for _ in range(chance.randint(1, 4)):
        operator: Operator = chance.choice(get_args(Operator))
        constants = (0, 1, 2) if operator in ("<", "<=", ">", ">=") else ("a", "b", 0, 1, True, None)
        value = tuple(chance.sample(constants, 2)) if operator in ("in", "not in") else chance.choice(constants)
        comparisons.append(Comparison(1, operator, value))
    if contradict(comparisons):
        assert not any(all(holds(value, each) for each in comparisons) for value in VALUES), comparisons


@pytest.mark.parametrize(
    "comparisons",
    [
        [Comparison(1, "==", "a"), Comparison(1, "==", "b")],
        [Comparison(1, "==", 1), Comparison(1, "==", True)],
        [Comparison(1, "==", "a"), Comparison(1, "!=", "a")],
        [Comparison(1, "in", ("a", "b")), Comparison(1, "not in", ("a", "b", "c"))],
        [Comparison(1, ">", 5), Comparison(1, "<", 3)],
        [Comparison(1, ">", 5), Comparison(1, "<=", 5)],
        [Comparison(1, ">", 5, whole=True), Comparison(1, "<", 6, whole=True)],
        [Comparison(1, "<", 0, whole=True, least=0)],
        [Comparison(1, "==", -1, whole=True, least=0)],
        [Comparison(1, "==", 4), Comparison(1, ">", 5)],
        [Comparison(1, "!=", True), Comparison(1, "!=", False)],
    ],
)
def test_what_excludes_each_other_is_found(comparisons: list[Comparison]) -> None:
    for order in itertools.permutations(comparisons):
        assert contradict(order)


@pytest.mark.parametrize(
    "comparisons",
    [
        [Comparison(1, "==", "a"), Comparison(2, "==", "b")],
        [Comparison(1, ">", 5), Comparison(1, "<", 6)],
        [Comparison(1, ">=", 5), Comparison(1, "<=", 5)],
        [Comparison(1, "==", 1), Comparison(1, "==", 1.0)],
        [Comparison(1, "!=", "a"), Comparison(1, "!=", "b")],
        [Comparison(1, "<", "b"), Comparison(1, ">", "a")],
        [Comparison(1, "<=", 0, whole=True, least=0)],
    ],
)
def test_what_can_hold_together_is_not(comparisons: list[Comparison]) -> None:
    for order in itertools.permutations(comparisons):
        assert not contradict(order)
