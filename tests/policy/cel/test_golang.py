"""Values as Go's %T, %v, %#v and %q show them."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.cel.value.times import Timestamp
from webhook.policy.cel.golang import Opaque, character, duration, quoted, syntax, text, time, type_name


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ("<nil>", "<nil>", "interface {}(nil)")),
        (True, ("bool", "true", "true")),
        (False, ("bool", "false", "false")),
        (3, ("int64", "3", "3")),
        (1.5, ("float64", "1.5", "1.5")),
        ('a"b', ("string", 'a"b', '"a\\"b"')),
        ([1, "a", None], ("[]interface {}", "[1 a <nil>]", '[]interface {}{1, "a", interface {}(nil)}')),
        (
            {"b": [True], "a": {"c": "é"}},
            (
                "map[string]interface {}",
                "map[a:map[c:é] b:[true]]",
                'map[string]interface {}{"a":map[string]interface {}{"c":"é"}, "b":[]interface {}{true}}',
            ),
        ),
        (Opaque("types.Duration", "1s", "types.Duration{1}"), ("types.Duration", "1s", "types.Duration{1}")),
    ],
)
def test_a_value_is_shown_as_go_shows_it(value: Any, shown: tuple[str, str, str]) -> None:
    assert (type_name(value), text(value), syntax(value)) == shown


def test_a_text_is_quoted() -> None:
    assert quoted('a\n\t"é\\') == '"a\\n\\t\\"é\\\\"'


@pytest.mark.parametrize(("value", "shown"), [(float("nan"), "NaN"), (float("inf"), "+Inf"), (float("-inf"), "-Inf")])
def test_a_number_that_is_not_finite_has_a_name(value: float, shown: str) -> None:
    assert (text(value), syntax(value)) == (shown, shown)


@pytest.mark.parametrize(
    ("ns", "shown"),
    [
        (0, "0s"),
        (1, "1ns"),
        (999, "999ns"),
        (1000, "1µs"),
        (1500, "1.5µs"),
        (999999, "999.999µs"),
        (1000000, "1ms"),
        (1500000, "1.5ms"),
        (999999999, "999.999999ms"),
        (1000000000, "1s"),
        (1500000000, "1.5s"),
        (60000000000, "1m0s"),
        (90000000000, "1m30s"),
        (3600000000000, "1h0m0s"),
        (3661000000001, "1h1m1.000000001s"),
        (-5400000000000, "-1h30m0s"),
        (-1, "-1ns"),
        (9223372036854775807, "2562047h47m16.854775807s"),
        (-9223372036854775808, "-2562047h47m16.854775808s"),
        (360000000000000, "100h0m0s"),
    ],
)
def test_a_duration_is_shown_in_hours_minutes_and_seconds(ns: int, shown: str) -> None:
    assert duration(ns) == shown


@pytest.mark.parametrize(
    ("ns", "shown"),
    [
        (
            1767323045000000000,
            ("2026-01-02 03:04:05 +0000 UTC", "time.Date(2026, time.January, 2, 3, 4, 5, 0, time.UTC)"),
        ),
        (
            -62135596799999999880,
            ("0001-01-01 00:00:00.00000012 +0000 UTC", "time.Date(1, time.January, 1, 0, 0, 0, 120, time.UTC)"),
        ),
        (
            -1,
            (
                "1969-12-31 23:59:59.999999999 +0000 UTC",
                "time.Date(1969, time.December, 31, 23, 59, 59, 999999999, time.UTC)",
            ),
        ),
    ],
)
def test_a_time_is_shown_in_utc(ns: int, shown: tuple[str, str]) -> None:
    assert time(str(Timestamp(ns))) == shown


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        (0, "'\\x00'"),
        (1, "'\\x01'"),
        (7, "'\\a'"),
        (8, "'\\b'"),
        (9, "'\\t'"),
        (10, "'\\n'"),
        (11, "'\\v'"),
        (12, "'\\f'"),
        (13, "'\\r'"),
        (27, "'\\x1b'"),
        (32, "' '"),
        (34, "'\"'"),
        (39, "'\\''"),
        (65, "'A'"),
        (92, "'\\\\'"),
        (127, "'\\x7f'"),
        (128, "'\\u0080'"),
        (160, "'\\u00a0'"),
        (173, "'\\u00ad'"),
        (200, "'\xc8'"),
        (8232, "'\\u2028'"),
        (55296, "'\ufffd'"),
        (57344, "'\\ue000'"),
        (65533, "'\ufffd'"),
        (65535, "'\\uffff'"),
        (128512, "'\U0001f600'"),
        (983040, "'\\U000f0000'"),
        (1114111, "'\\U0010ffff'"),
        (1114112, "'\ufffd'"),
        (-1, "'\ufffd'"),
        (1099511627776, "'\ufffd'"),
    ],
)
def test_an_integer_is_quoted_as_the_character_of_this_code(code: int, shown: str) -> None:
    assert character(code) == shown
