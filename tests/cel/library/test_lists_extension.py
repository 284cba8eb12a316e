"""CEL's extension of lists: values, errors, and what the types refuse, also beside what Python has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cel.evaluating import ENVIRONMENT, has_error, has_value, is_refused
from tests.cel.library.properties import INT_MAX, INT_MIN, LISTS, same, value_of
from webhook.cel import CompileError, EvaluationError

VALUES: list[tuple[str, Any]] = [
    ("[1, 2, 3, 4].slice(2, 4)", [3, 4]),
    ("[1, 2].slice(2, 2)", []),
    ("[[1, 2], [], [3]].flatten()", [1, 2, 3]),
    ("[[[1]], [[2]]].flatten()", [[1], [2]]),
    ("[[[1]], [[2]]].flatten(0)", [[[1]], [[2]]]),
    ("['b', 'b', 'c', 'a', 'c'].distinct()", ["b", "c", "a"]),
    ("lists.range(0)", []),
    ("['b', 'c', 'a'].sort()", ["a", "b", "c"]),
    ("[timestamp('2020-01-02T00:00:00Z'), timestamp('2020-01-01T00:00:00Z')].sort().map(t, t.getDate())", [1, 2]),
    ("['b0', 'a2', 'c1'].sortBy(e, int(e.substring(1))).map(e, e.charAt(0))", ["b", "c", "a"]),
    ("[].sort()", []),
]


@pytest.mark.parametrize(("expression", "value"), VALUES)
def test_value(expression: str, value: Any) -> None:
    has_value(expression, value)


ERRORS: list[tuple[str, str]] = [
    ("[1, 2].slice(1, 0)", "cannot slice(1, 0), start index must be less than or equal to end index"),
    ("[1, 2].slice(-1, 0)", "cannot slice(-1, 0), negative indexes not supported"),
    ("lists.range(1000001)", "lists.range: size 1000001 exceeds maximum allowed (1000000)"),
    ("[dyn(null)].map(e, e).sort()", "list elements must be comparable"),
    ("dyn('a').flatten()", "no such overload: string.flatten()"),
]


@pytest.mark.parametrize(("expression", "text"), ERRORS)
def test_error(expression: str, text: str) -> None:
    has_error(expression, text)


REFUSED: list[tuple[str, str]] = [
    ("[1].flatten()", "found no matching overload for 'flatten' applied to 'list(int).()'"),
    ("[[1]].flatten() == ['a']", "found no matching overload for '_==_' applied to '(list(int), list(string))'"),
    ("[[1]].sort()", "found no matching overload for 'sort'"),
    ("[1].sortBy(e, [e])", "found no matching overload for '@sortByAssociatedKeys'"),
]


@pytest.mark.parametrize(("expression", "text"), REFUSED)
def test_what_the_types_rule_out_is_refused_when_compiled(expression: str, text: str) -> None:
    is_refused(expression, text)


@given(LISTS)
def test_distinct_keeps_the_first_of_each(items: list[Any]) -> None:
    expected: list[Any] = []
    for item in items:
        if not any(same(item, other) for other in expected):
            expected.append(item)
    assert value_of("x.distinct()", items) == expected


@given(st.lists(st.lists(st.integers(), max_size=3), max_size=4), st.lists(st.floats(allow_nan=False), max_size=4))
def test_distinct_compares_numbers_across_types_and_lists_by_value(lists: list[Any], doubles: list[float]) -> None:
    items = [*lists, *doubles, *map(int, (each for each in doubles if abs(each) < 2**53))]
    expected: list[Any] = []
    for item in items:
        if item not in expected:
            expected.append(item)
    assert value_of("x.distinct()", items) == expected


@given(LISTS)
def test_reverse_is_pythons(items: list[Any]) -> None:
    assert value_of("x.reverse()", items) == items[::-1]
    assert value_of("x.reverse().reverse()", items) == items


@given(LISTS, st.integers(-2, 10), st.integers(-2, 10))
def test_slice_is_pythons_within_the_list(items: list[Any], start: int, end: int) -> None:
    bounds = [start, end]
    if 0 <= start <= end <= len(items):
        assert value_of("x.slice(y[0], y[1])", items, bounds) == items[start:end]
    else:
        with pytest.raises(EvaluationError, match=rf"cannot slice\({start}, {end}\), "):
            value_of("x.slice(y[0], y[1])", items, bounds)


NESTED = st.recursive(st.integers(0, 9), lambda inner: st.lists(inner, max_size=4), max_leaves=12).filter(
    lambda made: isinstance(made, list)
)


@given(NESTED, st.integers(0, 4))
def test_flatten_unwraps_so_many_levels(nested: list[Any], depth: int) -> None:
    expected = nested
    for _ in range(depth):
        expected = [each for item in expected for each in (item if isinstance(item, list) else [item])]
    assert value_of("x.flatten(y)", nested, depth) == expected


ORDERED: list[st.SearchStrategy[list[Any]]] = [
    st.lists(st.integers(INT_MIN, INT_MAX)),
    st.lists(st.text()),
    st.lists(st.booleans()),
    st.lists(st.floats(allow_nan=False)),
    st.lists(st.binary()),
]


@given(st.one_of(ORDERED))
def test_sort_orders_as_python_does(items: list[Any]) -> None:
    ordered = sorted(items)
    assert value_of("x.sort()", items) == ordered
    assert value_of("x.isSorted()", items) is (items == ordered)
    if items:
        assert value_of("x.min()", items) == ordered[0]
        assert value_of("x.max()", items) == ordered[-1]


KEYS: list[tuple[str, Callable[[int], Any]]] = [("-e", lambda e: -e), ("e % 3", lambda e: e % 3), ("string(e)", str)]


@given(st.lists(st.integers(0, 1000)), st.sampled_from(KEYS))
def test_sort_by_orders_by_the_keys(items: list[int], key: tuple[str, Callable[[int], Any]]) -> None:
    expression, python = key
    made = value_of(f"x.sortBy(e, {expression})", items)
    assert sorted(made) == sorted(items)
    assert [python(each) for each in made] == sorted(map(python, items))
    if len(items) <= 12:  # longer lists are not in a stable order: test_gosort.py
        assert made == sorted(items, key=python)


@given(st.integers(0, 300))
def test_range_is_pythons(size: int) -> None:
    assert value_of("lists.range(x)", size) == list(range(size))


def test_a_position_after_a_renamed_call_is_the_sources_own() -> None:
    source = "[[1]].flatten().exists_one(i, e, e == i) && nope"
    with pytest.raises(CompileError) as caught:
        ENVIRONMENT.compile(source)
    (issue,) = caught.value.issues
    assert (issue.column, issue.message) == (source.index("nope") + 1, "undeclared reference to 'nope'")
