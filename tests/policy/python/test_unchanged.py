"""What a policy in Python leaves of an object is copied as plain JSON, or refused; fast, and as the exact way does."""

from __future__ import annotations

import datetime
import enum
import math
import uuid
from typing import Any

import pytest

from webhook.policy.json_values import NotJSON, require_json
from webhook.policy.python.unchanged import plain_copy, text_of
from webhook.policy.readonly import plain, view


class Color(enum.StrEnum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


class Text(str):
    __slots__ = ()


class Always(dict[str, Any]):
    """Equal to everything."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


VALUES: list[Any] = [
    {"a": [1, 1.5, True, None, "text", {}, [], {"b": [{}]}]},
    {"a": 2**64 - 1, "b": -(2**63), "c": -0.0, "d": 1e300, "é": "😀\n"},
    {"a": _nested(200)},
    {"a": view({"b": [1, {"c": 2}]})},
    {"a": math.nan},
    {"a": [math.inf]},
    {"a": 2**64},
    {"a": (1, 2)},
    {"a": {1, 2}},
    {"a": b"text"},
    {"a": Color.RED},
    {"a": Number.ONE},
    {"a": Text("x")},
    {"a": uuid.UUID(int=1)},
    {"a": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)},
    {"a": Always()},
    {1: "a"},
    {Color.RED: 1},
    {"a": "\ud800"},
    {"a": _nested(600)},
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:40])
def test_the_fast_copy_is_the_exact_one(value: Any) -> None:
    try:
        require_json(value)
        wanted: Any = plain(value)
    except NotJSON as error:
        with pytest.raises(NotJSON) as found:
            plain_copy(value, text_of(value))
        assert str(found.value) == str(error)
        return
    copied = plain_copy(value, text_of(value))
    assert repr(copied) == repr(wanted)
    assert copied is not value
    assert type(copied["a"]) is type(wanted["a"])


def test_a_copy_shares_nothing_that_changes() -> None:
    value: dict[str, Any] = {"a": [{"b": 1}]}
    copied = plain_copy(value, text_of(value))
    copied["a"][0]["b"] = 2
    assert value == {"a": [{"b": 1}]}
