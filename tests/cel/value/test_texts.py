"""Values as Go's package fmt writes them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from webhook.cel.library.ip import parse_ip
from webhook.cel.tree.types import Type
from webhook.cel.value.numbers import UInt
from webhook.cel.value.texts import text
from webhook.cel.value.times import Duration, parse_duration, parse_timestamp
from webhook.cel.value.values import NONE, Optional, entered


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "0"),
        (True, "true"),
        (-3, "-3"),
        (UInt(3), "3"),
        (1.0, "1"),
        (1e6, "1e+06"),
        (math.inf, "+Inf"),
        ("a b", "a b"),
        (b"a\xff", "[97 255]"),
        (parse_duration("90m1.5s"), "1h30m1.5s"),
        (parse_duration("-61s"), "-1m1s"),
        (parse_duration("-1.5ms"), "-1.5ms"),
        (parse_duration("2us"), "2µs"),
        (parse_duration("1ns"), "1ns"),
        (Duration(0), "0s"),
        (parse_timestamp("2026-01-02T03:04:05.5Z"), "2026-01-02 03:04:05.5 +0000 UTC"),
        (parse_timestamp("2026-01-02T03:04:05-01:30"), "2026-01-02 03:04:05 -0130 -0130"),
        (Type("int"), "int"),
        (Type("map"), "map(dyn, dyn)"),
        ([1, ["a", None]], "[1, [a, 0]]"),
        ({"a": 1, "b": [True]}, "{a: 1, b: [true]}"),
        (entered({}, True, 1), "{true: 1}"),
        (NONE, "optional.none()"),
        (Optional(Optional(1.5)), "optional(optional(1.5))"),
        (parse_ip("::1"), "::1"),
    ],
)
def test_a_value_is_written_as_go_writes_it(value: Any, written: str) -> None:
    assert text(value) == written
