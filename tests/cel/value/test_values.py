"""Values that Python lacks: their bounds, order and texts, as Go has them."""

from __future__ import annotations

import math

import pytest

from webhook.cel import EvaluationError
from webhook.cel.value.values import (
    FALSE_KEY,
    INT_MAX,
    NANO,
    NONE,
    TRUE_KEY,
    BoolMap,
    Duration,
    Optional,
    Timestamp,
    parse_duration,
    parse_timestamp,
    shortest_decimal,
    shortest_general,
)

HOUR = 3600 * NANO


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("-0", 0),
        ("1h30m", HOUR * 3 // 2),
        ("-1.5s", -NANO * 3 // 2),
        ("300ms", 300_000_000),
        ("1us2µs3μs4ns", 6_004),
        ("+.5h", HOUR // 2),
        ("1.h", HOUR),
        ("9223372036854775807ns", INT_MAX),
    ],
)
def test_a_duration_is_read_as_go_reads_it(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == Duration(nanoseconds)


@pytest.mark.parametrize("text", ["", "-", "1", "1x", ".s", "1h ", "9223372036854775808ns", "1s" * 51])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(EvaluationError, match="time: invalid duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("2020-02-29T23:59:59.120000000Z", "2020-02-29T23:59:59.12Z"),
        ("2020-01-01T00:30:00+01:00", "2019-12-31T23:30:00Z"),
        ("2020-01-01T00:30:00-01:30", "2020-01-01T02:00:00Z"),
        ("2020-01-01T1:02:03.1234567899Z", "2020-01-01T01:02:03.123456789Z"),
    ],
)
def test_a_timestamp_is_read_and_shown_in_utc(written: str, text: str) -> None:
    assert str(parse_timestamp(written)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2020-01-01", "cannot parse"),
        ("2020-01-01 00:00:00Z", "cannot parse"),
        ("2021-02-29T00:00:00Z", "out of range"),
        ("2020-01-01T24:00:00Z", "out of range"),
        ("2020-01-01T00:00:00+25:00", "time zone offset out of range"),
        ("2020-01-01T00:00:00+01:60", "time zone offset out of range"),
        ("9999-12-31T23:59:59-01:00", "timestamp overflow"),
    ],
)
def test_what_is_no_timestamp_is_refused(text: str, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        parse_timestamp(text)


def test_durations_end_where_int64_does() -> None:
    assert Duration(INT_MAX).ns == INT_MAX
    for beyond in (INT_MAX + 1, -INT_MAX - 2):
        with pytest.raises(EvaluationError, match="duration overflow"):
            Duration(beyond)


def test_spans_and_moments_have_an_order_and_are_no_numbers() -> None:
    assert Duration(1) < Duration(2) and Duration(2) <= Duration(2) and Duration(1) != 1
    assert Timestamp(1) < Timestamp(2) and Timestamp(2) <= Timestamp(2) and Timestamp(1) != 1
    assert Duration(1) != Timestamp(1)
    assert len({Duration(1), Duration(1), Timestamp(1), Timestamp(1)}) == 2
    assert (str(Duration(90 * NANO)), str(Duration(NANO // 2))) == ("90s", "0.5s")


@pytest.mark.parametrize(
    ("zone", "hour", "day"),
    [("", 23, 31), ("+01:00", 0, 1), ("-08:30", 14, 31), ("2:00", 1, 1), ("Europe/Berlin", 0, 1)],
)
def test_a_moment_in_a_time_zone(zone: str, hour: int, day: int) -> None:
    moment, nanoseconds = parse_timestamp("2019-12-31T23:15:00.000000007Z").at(zone)
    assert (moment.hour, moment.day, nanoseconds) == (hour, day, 7)


@pytest.mark.parametrize("zone", ["24:00", "../etc/passwd", "/etc/passwd", "Nowhere/Atlantis", "Europe", "a" * 300])
def test_what_is_no_time_zone_is_refused_and_leads_to_no_file(zone: str) -> None:
    with pytest.raises(EvaluationError, match="unknown time zone"):
        Timestamp(0).at(zone)


def test_a_moment_at_the_ends_of_time_stays_within_them() -> None:
    with pytest.raises(EvaluationError, match="timestamp overflow"):
        parse_timestamp("9999-12-31T23:59:59Z").at("+01:00")


@pytest.mark.parametrize(
    ("number", "decimal", "general"),
    [
        (0.0, "0", "0"),
        (1.0, "1", "1"),
        (-0.05, "-0.05", "-0.05"),
        (123456.0, "123456", "123456"),
        (1e6, "1000000", "1e+06"),
        (-1234567.5, "-1234567.5", "-1.2345675e+06"),
        (1e-5, "0.00001", "1e-05"),
        (1.5e300, "15" + "0" * 299, "1.5e+300"),
    ],
)
def test_numbers_are_shown_as_short_as_they_read_back(number: float, decimal: str, general: str) -> None:
    assert (shortest_decimal(number), shortest_general(number)) == (decimal, general)
    assert float(decimal) == float(general) == number


def test_what_is_no_number_has_gos_name() -> None:
    assert [shortest_general(each) for each in (math.inf, -math.inf, math.nan)] == ["+Inf", "-Inf", "NaN"]


def test_booleans_are_keys_of_their_own() -> None:
    made = BoolMap({TRUE_KEY: "b", 1: "a"})
    assert made[1] == "a" and made[TRUE_KEY] == "b" and FALSE_KEY not in made
    assert list(made.keys_as_values()) == [True, 1]
    assert repr(made) == "{true: 'b', 1: 'a'}"
    assert (repr(NONE), repr(Optional(1))) == ("optional.none()", "optional(1)")
