"""Kubernetes' lists: values and errors, also beside what Python has."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cel.evaluating import has_error, has_value
from tests.cel.library.properties import LISTS, SCALARS, same, value_of

VALUES: list[tuple[str, Any]] = [
    ("[1, 2, 2].isSorted() && !['b', 'a'].isSorted()", True),
    ("[1.5, 2.5].sum()", 4.0),
    ("[].map(e, int(e)).sum()", 0),
    ("[duration('1s'), duration('1m')].sum() == duration('61s')", True),
    ("['b', 'a'].min() + ['b', 'a'].max()", "ab"),
    ("['a', 'b'].indexOf('b') + ['a', 'a'].lastIndexOf('a')", 2),
    ("[1, 2, 2].includes(2) && !'model-a'.includes('model-b') && 1.includes(1.0)", True),
]


@pytest.mark.parametrize(("expression", "value"), VALUES)
def test_value(expression: str, value: Any) -> None:
    has_value(expression, value)


ERRORS: list[tuple[str, str]] = [
    ("[1].filter(e, e > 1).min()", "min called on empty list"),
    ("dyn(['a']).sum()", "no such overload: sum(list)"),
    ("dyn(5).join()", "no such overload: join(int)"),
]


@pytest.mark.parametrize(("expression", "text"), ERRORS)
def test_error(expression: str, text: str) -> None:
    has_error(expression, text)


@given(LISTS, SCALARS)
def test_elements_are_found_as_in_python(items: list[Any], wanted: Any) -> None:
    places = [place for place, item in enumerate(items) if same(item, wanted)]
    assert value_of("x.indexOf(y)", items, wanted) == (places[0] if places else -1)
    assert value_of("x.lastIndexOf(y)", items, wanted) == (places[-1] if places else -1)
    assert value_of("x.includes(y)", items, wanted) is bool(places)
    assert value_of("y in x", items, wanted) is bool(places)


@given(st.lists(st.integers(-1000, 1000)))
def test_sum_is_pythons(items: list[int]) -> None:
    assert value_of("x.sum()", items) == sum(items)
