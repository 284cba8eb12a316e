"""The size of a value as a tree."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cel.evaluating import evaluate
from tests.cel.hostile import counted
from webhook.cel.value.extent import extent, nests
from webhook.cel.value.messages import Message, Raw
from webhook.cel.value.times import Timestamp
from webhook.cel.value.values import NONE, Optional


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1),
        (None, 1),
        ("", 1),
        ("a" * 40, 11),
        (b"a" * 40, 11),
        (1.5, 1),
        (1e308, 80),
        ([], 0),
        ([1, 2, 3], 3),
        ([1.5, 1e300, float("nan")], 3 + 80 + 80),
        (["a" * 8, True], 2 + 2),
        ([[1], [2, 3]], 2 + 3),
        ({"a": 1, "b" * 8: 2}, 2 + 2),
        ({"a": {"b": [1, 2]}}, 1 + 1 + 2),
        (Optional([1, 2]), 1 + 2),
        (NONE, 1),
        ([Optional([1, 2]), Raw([1])], 2 + 1 + 2 + 1 + 1),
        (Message("Object", {"a": [1, 2]}), 1 + 2),
        ([Timestamp(0)], 1),
    ],
)
def test_elements_entries_and_four_characters_count_one(value: Any, expected: int) -> None:
    assert extent(value, 1_000) == expected


def test_the_keys_of_a_map_that_are_no_texts_count() -> None:
    assert extent(evaluate("{dyn(true): dyn(1), dyn(1u): dyn([2])}"), 1_000) == 2 + 1 + 2


def test_what_is_shared_counts_as_often_as_it_occurs() -> None:
    value: list[Any] = [1, 2]
    for _ in range(10):
        value = [value, value]
    assert extent(value, 10_000) == 2**10 * 2 + sum(2**n for n in range(1, 11))


def test_counting_ends_beyond_the_most_that_is_wanted() -> None:
    value: Any = [1]
    for level in range(60):
        value = [value, {"a": value}, Optional(value)][level % 3]
        value = [value, value]
    with counted(20_000):
        assert 1_000 < extent(value, 1_000) < 1_200
    wide: list[Any] = [[]] * 1_000
    for _ in range(60):
        wide = [wide] * 1_000
    with counted(50_000):
        assert extent(wide, 10_000) > 10_000


def test_a_value_may_be_deeper_than_pythons_stack() -> None:
    value: Any = 1
    for _ in range(100_000):
        value = [value]
    assert extent(value, 200_000) == 100_000
    while isinstance(value, list):  # so that it is not freed by a recursion
        value = value.pop()


def test_only_what_holds_others_nests() -> None:
    assert all(map(nests, ([], {}, NONE, Raw(1), Message("Object", {}))))
    assert not any(map(nests, (None, True, 1, 1.5, "a", b"a", Timestamp(0))))
