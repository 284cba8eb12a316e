"""Durations and timestamps: their bounds, order, forms and texts, and time zones, as Go has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from webhook.cel import EvaluationError
from webhook.cel.value.numbers import INT_MAX
from webhook.cel.value.times import FIRST, NANO, Duration, Timestamp, parse_duration, parse_timestamp

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
        ("-9223372036854775808ns", -INT_MAX - 1),
        ("0.99999999999999999999999999s", NANO),  # as doubles
        ("1s" * 51, 51 * NANO),
        ("9223372036854775808ns9223372036854775808ns", 0),  # a uint64 overflows
        (f"{'0' * 200}1ns", 1),
    ],
)
def test_a_duration_is_read_as_go_reads_it(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == Duration(nanoseconds)


@pytest.mark.parametrize(
    "text", ["", "-", "1", "1x", ".s", "1h ", "9223372036854775808ns", "1h" * 2562048, "1ns" * 4000, "1h-1m"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(EvaluationError, match="time: invalid duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("2020-02-29T23:59:59.120000000Z", "2020-02-29T23:59:59.12Z"),
        ("2020-01-01T00:30:00+01:00", "2020-01-01T00:30:00+01:00"),
        ("2020-01-01T00:30:00-01:30", "2020-01-01T00:30:00-01:30"),
        ("2020-01-01T00:30:00-00:00", "2020-01-01T00:30:00Z"),
        ("2020-01-01T00:30:00+01:60", "2020-01-01T00:30:00+02:00"),
        ("0000-12-31T23:59:59-00:01", "0000-12-31T23:59:59-00:01"),
        ("2020-01-01T1:02:03.1234567899Z", "2020-01-01T01:02:03.123456789Z"),
    ],
)
def test_a_timestamp_is_keeps_the_offset_that_it_is_written_with(written: str, text: str) -> None:
    assert str(parse_timestamp(written)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2020-01-01", "cannot parse"),
        ("2020-01-01 00:00:00Z", "cannot parse"),
        ("2021-02-29T00:00:00Z", "out of range"),
        ("2020-01-01T24:00:00Z", "out of range"),
        ("2020-01-01T00:00:00+25:00", "time zone offset out of range"),
        ("2020-01-01T00:00:00+01:61", "time zone offset out of range"),
        ("0000-12-31T23:59:59Z", "timestamp overflow"),
        ("9999-12-31T23:59:59-01:00", "timestamp overflow"),
    ],
)
def test_what_is_no_timestamp_is_refused(text: str, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        parse_timestamp(text)


def test_a_duration_of_many_parts_is_read_up_to_a_length() -> None:
    assert parse_duration("1ns" * 3000) == Duration(3000)
    with pytest.raises(EvaluationError, match="time: invalid duration"):
        parse_duration("1ns" * 4000)


def test_durations_end_where_int64_does() -> None:
    assert Duration(INT_MAX).ns == INT_MAX
    for beyond in (INT_MAX + 1, -INT_MAX - 2):
        with pytest.raises(EvaluationError, match="integer overflow"):
            Duration(beyond)


def test_spans_and_moments_have_an_order_and_are_no_numbers() -> None:
    assert Duration(1) < Duration(2) and Duration(2) <= Duration(2) and Duration(1) != 1
    assert Timestamp(1) < Timestamp(2) and Timestamp(2) <= Timestamp(2) and Timestamp(1) != 1
    assert Duration(1) != Timestamp(1)
    assert len({Duration(1), Duration(1), Timestamp(1), Timestamp(1)}) == 2
    assert (str(Duration(90 * NANO)), str(Duration(NANO // 2))) == ("90s", "0.5s")


@pytest.mark.parametrize(
    ("zone", "hour", "day", "minute"),
    [
        ("", 23, 31, 15),
        ("UTC", 23, 31, 15),
        ("Local", 23, 31, 15),
        ("+01:00", 0, 1, 15),
        ("-08:30", 14, 31, 45),
        ("-00:30", 22, 31, 45),
        ("2:00", 1, 1, 15),
        ("+5:0", 4, 1, 15),
        ("+24:00", 23, 1, 15),
        ("00:90", 0, 1, 45),
        ("Europe/Berlin", 0, 1, 15),
        ("Europe/./Berlin", 0, 1, 15),
        ("Asia/Kathmandu", 5, 1, 0),
    ],
)
def test_a_moment_in_a_time_zone(zone: str, hour: int, day: int, minute: int) -> None:
    clock = parse_timestamp("2019-12-31T23:15:00.000000007Z").at(zone)
    assert (clock.hour, clock.day, clock.minute, clock.nanosecond) == (hour, day, minute, 7)


def test_a_zone_has_its_local_mean_time_before_its_first_change() -> None:
    clock = parse_timestamp("1800-01-01T00:00:00Z").at("America/New_York")
    assert (clock.year, clock.hour, clock.minute, clock.second) == (1799, 19, 3, 58)


@pytest.mark.parametrize(
    ("zone", "message"),
    [
        ("../etc/passwd", "time: invalid location name"),
        ("/etc/passwd", "time: invalid location name"),
        ("a/../b", "time: invalid location name"),
        ("Nowhere/Atlantis", "unknown time zone Nowhere/Atlantis"),
        ("a b", "unknown time zone a b"),
        ("Europe", "is a directory"),
        (".", "is a directory"),
        ("UTC/x", "not a directory"),
        ("zone.tab", "malformed time zone information"),
        ("a\0b", "invalid argument"),
        ("a" * 300, "file name too long"),
        ("a:00", 'strconv.Atoi: parsing "a": invalid syntax'),
        (":30", 'strconv.Atoi: parsing "": invalid syntax'),
        ("1:", 'strconv.Atoi: parsing "": invalid syntax'),
        ("1:2:3", 'strconv.Atoi: parsing "2:3": invalid syntax'),
        ("9223372036854775808:00", 'strconv.Atoi: parsing "9223372036854775808": value out of range'),
        ("99999999999999999999x:00", 'strconv.Atoi: parsing "99999999999999999999x": value out of range'),
        ("0x1:00", 'strconv.Atoi: parsing "0x1": invalid syntax'),
    ],
)
def test_what_is_no_time_zone_is_refused_as_go_refuses_it(zone: str, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        Timestamp(0).at(zone)
    assert str(caught.value) == message


def test_a_zone_may_lead_out_of_the_years_of_timestamps() -> None:
    last = parse_timestamp("9999-12-31T23:59:59Z").at("+01:00")
    assert (last.year, last.month, last.day, last.hour, last.yearday, last.weekday) == (10000, 1, 1, 0, 1, 6)
    first = FIRST.at("America/New_York")
    assert (first.year, first.month, first.day, first.hour, first.yearday, first.weekday) == (0, 12, 31, 19, 366, 0)


def test_a_date_is_that_of_pythons_calendar() -> None:
    for days in range(-719_162, 2_932_896, 4_999):
        date = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=days)
        clock = Timestamp(days * 86_400 * NANO).at()
        expected = (date.year, date.month, date.day, date.timetuple().tm_yday, date.isoweekday() % 7)
        assert (clock.year, clock.month, clock.day, clock.yearday, clock.weekday) == expected


def test_a_sum_keeps_the_offset_of_its_timestamp() -> None:
    moment = parse_timestamp("9999-12-31T20:00:00-03:00").plus(NANO)
    assert str(moment) == "9999-12-31T20:00:01-03:00"
    assert moment == parse_timestamp("9999-12-31T23:00:01Z") and str(moment) != "9999-12-31T23:00:01Z"
    with pytest.raises(EvaluationError, match="timestamp overflow"):
        moment.plus(3600 * NANO)


def test_a_duration_is_counted_in_doubles() -> None:
    assert Duration(INT_MAX).count(NANO) == 9223372036.854776
    assert Duration(2562047 * HOUR - 1).count(HOUR) == 2562047.0  # which getHours() gives
    assert Duration(-HOUR * 3 // 2).count(HOUR) == -1.5
