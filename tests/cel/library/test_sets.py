"""Sets: values and errors, also beside what Python has."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from tests.cel.evaluating import has_error, has_value
from tests.cel.library.properties import LISTS, value_of

VALUES: list[tuple[str, Any]] = [
    ("sets.contains([1], [1.0].map(e, dyn(e)))", True),
    ("sets.intersects([], [1])", False),
]


@pytest.mark.parametrize(("expression", "value"), VALUES)
def test_value(expression: str, value: Any) -> None:
    has_value(expression, value)


ERRORS: list[tuple[str, str]] = [
    ("sets.contains(dyn(1), [1])", "no such overload: sets.contains(int, list)"),
]


@pytest.mark.parametrize(("expression", "text"), ERRORS)
def test_error(expression: str, text: str) -> None:
    has_error(expression, text)


def keyed(items: list[Any]) -> set[tuple[bool, Any]]:
    return {(isinstance(item, bool), item) for item in items}


@given(LISTS, LISTS)
def test_sets_are_compared_as_python_compares_them(one: list[Any], other: list[Any]) -> None:
    a, b = keyed(one), keyed(other)
    assert value_of("sets.contains(x, y)", one, other) is (a >= b)
    assert value_of("sets.equivalent(x, y)", one, other) is (a == b)
    assert value_of("sets.intersects(x, y)", one, other) is bool(a & b)
