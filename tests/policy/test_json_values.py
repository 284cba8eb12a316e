"""JSON values: copied, compared and checked without Python's own leniency."""

from __future__ import annotations

import math
from typing import Any

import pytest

from webhook.policy.json_values import MAX_DEPTH, NotJSON, copy_json, differs, require_json


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_a_copy_shares_nothing_that_changes() -> None:
    value = {"a": [{"b": 1}, "text", None], "c": {}}
    copied = copy_json(value)
    assert copied == value
    copied["a"][0]["b"] = 2
    copied["c"]["d"] = 3
    assert value == {"a": [{"b": 1}, "text", None], "c": {}}


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, True),
        (0, False),
        (1, 1.0),
        (None, 0),
        ("1", 1),
        ([], {}),
        ([1], [1, 2]),
        ({"a": 1}, {"b": 1}),
        ({"a": [True]}, {"a": [1]}),
    ],
)
def test_what_python_might_call_equal_differs(left: Any, right: Any) -> None:
    assert differs(left, right) and differs(right, left)
    assert not differs(left, copy_json(left)) and not differs(right, copy_json(right))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": {1: 2}}, "a has a key of type int; keys are text"),
        ({1: 2}, "the object has a key of type int; keys are text"),
        ({"a": [0, math.inf]}, "a[1] is inf, which JSON does not have"),
        ({"a": math.nan}, "a is nan, which JSON does not have"),
        ({"a": 2**64}, "a does not fit into 64 bits"),
        ({"a": -(2**63) - 1}, "a does not fit into 64 bits"),
        ({"a": (1, 2)}, "a is of type tuple, which JSON does not have"),
        ({"a": b"x"}, "a is of type bytes, which JSON does not have"),
        (nested(MAX_DEPTH + 2), f"nested more than {MAX_DEPTH} levels deep"),
    ],
)
def test_what_json_does_not_have_is_named_with_its_place(value: Any, message: str) -> None:
    with pytest.raises(NotJSON) as caught:
        require_json(value)
    assert str(caught.value) == message


def test_what_json_has_passes() -> None:
    require_json({"a": [1, 1.5, True, None, "text", {}, [], 2**64 - 1, -(2**63)]})
    require_json(nested(MAX_DEPTH))
