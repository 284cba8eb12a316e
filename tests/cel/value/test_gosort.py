"""Orders of equal keys: those of Go's sort.Slice, asked of the API server's own sortBy."""

from __future__ import annotations

import math
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests import goprograms
from webhook.cel.value.gosort import ambiguous, sorted_places

SIZES = (2, 12, 13, 20, 49, 50, 51, 80, 120, 200, 400)


def less(a: Any, b: Any) -> bool:
    return bool(a < b)


def lists() -> list[list[Any]]:
    """Keys with many equal ones: at random, in runs, descending, nearly sorted, and some that are not a number."""
    random = Random(20261128)
    found: list[list[Any]] = []
    for size in SIZES:
        found += [[random.randrange(most) for _ in range(size)] for most in (1, 2, 5, size)]
        found.append([place % 7 for place in range(size)])
        found.append([(size - place) // 2 for place in range(size)])
        nearly = [place // 2 for place in range(size)]
        nearly[size // 2], nearly[size // 3] = 0, size
        found.append(nearly)
        found.append([random.choice((float(random.randrange(9)), math.nan)) for _ in range(size)])
    return found


def test_every_order_is_the_api_servers(kubernetes: Path) -> None:
    tried = lists()
    written = [f"[{', '.join('double(0.0 / 0.0)' if key != key else repr(key) for key in keys)}]" for keys in tried]
    questions = [
        {"expression": f"lists.range({len(k)}).sortBy(i, {w}[i])"} for k, w in zip(tried, written, strict=True)
    ]
    answers = goprograms.answers(kubernetes, questions)
    theirs = [[int(each["int"]) for each in answer["exact"]["list"]] for answer in answers]
    assert theirs == [sorted_places(keys, less) for keys in tried]


@pytest.mark.parametrize("size", SIZES)
def test_the_keys_are_in_order(size: int) -> None:
    random = Random(size)
    for most in (2, size, 10 * size):
        keys = [random.randrange(most) for _ in range(size)]
        assert [keys[place] for place in sorted_places(keys, less)] == sorted(keys)


def test_a_pattern_that_defeats_a_quicksort_is_sorted_by_a_heap() -> None:
    # The adversary of McIlroy: it decides on the keys while it is asked, so that each pivot is among the least.
    size = 2_000
    gas, solid, keys, candidate = size, 0, [size] * size, 0

    def adversary(a: int, b: int) -> bool:
        nonlocal solid, candidate
        if keys[a] == gas and keys[b] == gas:
            chosen = a if a == candidate else b
            keys[chosen], solid = solid, solid + 1
        if keys[a] == gas:
            candidate = a
        elif keys[b] == gas:
            candidate = b
        return keys[a] < keys[b]

    sorted_places(list(range(size)), adversary)
    assert [keys[place] for place in sorted_places(keys, less)] == sorted(keys)


def test_only_equal_keys_and_those_that_are_no_number_leave_the_order_open() -> None:
    assert not ambiguous([]) and not ambiguous([1]) and not ambiguous([1, 2, 3])
    assert ambiguous([1, 1]) and ambiguous([0.0, -0.0]) and ambiguous([1.0, math.nan])
