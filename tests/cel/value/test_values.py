"""Optionals, and maps whose keys are not all texts and ints."""

from __future__ import annotations

import math
from typing import Any

import pytest

from webhook.cel import EvaluationError
from webhook.cel.library.ip import parse_ip
from webhook.cel.library.semver import parse_semver
from webhook.cel.tree.types import Type
from webhook.cel.value.numbers import INT_MAX, INT_MIN, UINT_MAX, UInt
from webhook.cel.value.times import Duration, Timestamp, parse_timestamp
from webhook.cel.value.values import MISSING, NONE, KeyedMap, Optional, entered, find, without


def made(*keys: Any) -> dict[Any, Any]:
    """A map from each key to its place."""
    found: dict[Any, Any] = {}
    for place, key in enumerate(keys):
        found = entered(found, key, place)
    return found


def test_a_map_of_texts_and_ints_is_a_plain_one() -> None:
    assert type(made("a", 1, "b")) is dict
    assert type(made("a", True)) is KeyedMap


def test_keys_that_python_confuses_are_keys_of_their_own() -> None:
    keys = [1, UInt(1), True, 1.5, "1", None, Duration(1), Timestamp(1), Type("int"), NONE]
    held = made(*keys)
    assert [find(held, key) for key in keys] == list(range(len(keys)))
    assert isinstance(held, KeyedMap) and list(held.keys_as_values()) == keys
    assert repr(made(True, 1)) == "{true: 0, 1: 1}"


def test_a_number_finds_the_same_number_of_another_type_if_it_is_not_there_itself() -> None:
    assert find(made(1), UInt(1)) == find(made(1), 1.0) == find(made(UInt(1)), 1) == find(made(UInt(1), True), 1.0) == 0
    assert find(made(UInt(1), 1), 1.0) == 1  # the int first
    assert find(made(1.0), 1) is find(made(1), True) is find(made("1"), 1) is find(made(1), 1.5) is MISSING
    assert find(made(UINT_MAX, UInt(UINT_MAX)), float(UINT_MAX)) is MISSING  # that is 2**64
    assert find(made(INT_MIN), float(INT_MIN)) is MISSING and find(made(INT_MAX), float(INT_MAX)) is MISSING
    assert find(made(UInt(2**63)), float(2**63)) == 0


def test_what_has_no_equal_is_never_found() -> None:
    held = made(math.nan, math.nan, [1], [1], {}, parse_timestamp("2020-01-01T00:00:00+01:00"))
    assert len(held) == 6
    assert find(held, math.nan) is find(held, [1]) is MISSING
    assert find(held, parse_timestamp("2020-01-01T00:00:00+01:00")) is MISSING


def test_opaque_values_are_keys_as_go_hashes_them() -> None:
    assert find(made(parse_ip("::1")), parse_ip("0:0:0:0:0:0:0:1")) == 0
    for unhashable, named in ((b"a", "types.Bytes"), (parse_semver("1.0.0"), "cel.Semver")):
        with pytest.raises(EvaluationError) as caught:
            made(unhashable)
        assert str(caught.value) == f"internal error: runtime error: hash of unhashable type {named}"


def test_the_last_entry_of_a_key_wins_and_one_that_is_taken_away_is_gone() -> None:
    held = entered(made("a", True, 0.0), True, "new")
    assert find(held, True) == "new" and len(held) == 3
    assert str(list(entered(held, -0.0, 1))[-1]) == "-0.0"
    without(held, 1)
    without(held, True)
    assert find(held, True) is MISSING and len(held) == 2


def test_an_optional_shows_its_value() -> None:
    assert (repr(NONE), repr(Optional(1))) == ("optional.none()", "optional(1)")
