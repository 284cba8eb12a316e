"""Durations and timestamps with the forms, limits and error texts of Go's time package, which cel-go uses.

Both count nanoseconds. A timestamp keeps the offset that it was written with, which only its text shows.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from webhook.cel.tree.errors import EvaluationError, cut
from webhook.cel.value.numbers import INT_MAX, INT_MIN, UINT_MAX, shortest_decimal
from webhook.cel.value.quoting import quoted
from webhook.lazypatterns import lazily

NANO: Final = 1_000_000_000

# The first and last second of years 1 to 9999, from 1970.
_TIMESTAMP_MIN, _TIMESTAMP_MAX = -62_135_596_800, 253_402_300_799


class Duration:
    """A span of time in nanoseconds, within int64."""

    __slots__ = ("ns",)

    def __init__(self, ns: int) -> None:
        if not INT_MIN <= ns <= INT_MAX:
            raise EvaluationError("integer overflow")
        self.ns = ns

    def __eq__(self, other: object) -> bool:
        return type(other) is Duration and self.ns == other.ns

    def __hash__(self) -> int:
        return hash(("duration", self.ns))

    def __lt__(self, other: Duration) -> bool:
        return self.ns < other.ns

    def __le__(self, other: Duration) -> bool:
        return self.ns <= other.ns

    def __str__(self) -> str:
        """Seconds as the shortest decimal, with `s`: 90s, 0.5s."""
        return f"{shortest_decimal(self.count(NANO))}s"

    __repr__ = __str__

    def count(self, unit: int) -> float:
        """The duration in a unit of so many nanoseconds: whole units and the rest, added as doubles."""
        whole, rest = divmod(abs(self.ns), unit)
        count = float(whole) + float(rest) / unit
        return count if self.ns >= 0 else -count


class Timestamp:
    """A point in time, in nanoseconds from 1970, in the years 1 to 9999.

    offset: the seconds east of UTC in which its text is written. Timestamps with different offsets may be equal.
    """

    __slots__ = ("ns", "offset")

    def __init__(self, ns: int, offset: int = 0) -> None:
        if not _TIMESTAMP_MIN <= ns // NANO <= _TIMESTAMP_MAX:
            raise EvaluationError("timestamp overflow")
        self.ns = ns
        self.offset = offset

    def __eq__(self, other: object) -> bool:
        return type(other) is Timestamp and self.ns == other.ns

    def __hash__(self) -> int:
        return hash(("timestamp", self.ns))

    def __lt__(self, other: Timestamp) -> bool:
        return self.ns < other.ns

    def __le__(self, other: Timestamp) -> bool:
        return self.ns <= other.ns

    def __str__(self) -> str:
        """RFC 3339 with the offset, and with as many digits of the second as it has."""
        clock = _clock(self.ns, self.offset)
        fraction = f".{clock.nanosecond:09d}".rstrip("0") if clock.nanosecond else ""
        date = f"{clock.year:04d}-{clock.month:02d}-{clock.day:02d}"
        return f"{date}T{clock.hour:02d}:{clock.minute:02d}:{clock.second:02d}{fraction}{_offset_text(self.offset)}"

    __repr__ = __str__

    def plus(self, ns: int) -> Timestamp:
        """The timestamp so many nanoseconds later, written with the same offset."""
        return Timestamp(self.ns + ns, self.offset)

    def at(self, zone: str = "") -> Clock:
        """The date and time in a zone: an IANA name, an offset such as -08:00, or "" for UTC."""
        return _clock(self.ns, offset_at(zone, self.ns // NANO) if zone else 0)


FIRST: Final = Timestamp(_TIMESTAMP_MIN * NANO)
"""The beginning of year 1, which is the zero of Go's times."""


class Clock(NamedTuple):
    """A date and time of a place. month, day and yearday begin with 1; weekday with 0, which is Sunday.

    The year may be 0 or 10000: that of a place whose offset leads out of the years of timestamps.
    """

    year: int
    month: int
    day: int
    yearday: int
    weekday: int
    hour: int
    minute: int
    second: int
    nanosecond: int


def _clock(ns: int, offset: int) -> Clock:
    seconds, nanosecond = divmod(ns, NANO)
    days, second = divmod(seconds + offset, 86_400)
    year, month, day = _date(days)
    minute, second = divmod(second, 60)
    hour, minute = divmod(minute, 60)
    yearday = days - _days(year, 1, 1) + 1
    return Clock(year, month, day, yearday, (days + 4) % 7, hour, minute, second, nanosecond)


# The days of four centuries, which begin with 1 March of year 0.
_ERA, _TO_ERA = 146_097, 719_468


def _date(days: int) -> tuple[int, int, int]:
    """The year, month and day of a number of days from 1970. Python's own dates have the years 1 to 9999 only."""
    era, day = divmod(days + _TO_ERA, _ERA)
    years = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * years + years // 4 - years // 100
    month = (5 * day + 2) // 153  # from March on
    day -= (153 * month + 2) // 5
    return years + 400 * era + (month > 9), month + 3 if month < 10 else month - 9, day + 1


def _days(year: int, month: int, day: int) -> int:
    """The days from 1970 to a date."""
    year -= month < 3
    era, years = divmod(year, 400)
    month = month - 3 if month > 2 else month + 9
    return era * _ERA + 365 * years + years // 4 - years // 100 + (153 * month + 2) // 5 + day - 1 - _TO_ERA


def _offset_text(offset: int) -> str:
    if not offset:
        return "Z"
    hours, minutes = divmod(abs(offset) // 60, 60)
    return f"{'-' if offset < 0 else '+'}{hours:02d}:{minutes:02d}"


# ------------------------------------------------------------------------------------------------------------ parsing

_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": NANO,
    "m": 60 * NANO,
    "h": 3600 * NANO,
}
_PART = lazily(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)")
_MOST = 2**63
_LONGEST_DURATION = 10_000


def parse_duration(text: str) -> Duration:
    """A Go duration: a signed sequence of decimals with units, such as 1h30m, -1.5s, 300ms. Plain 0 is allowed.

    A text of more than 10,000 characters is refused, as reading it would take too long.
    """
    body = text[1:] if text[:1] in ("+", "-") else text
    if body == "0":
        return Duration(0)
    total, at = 0, 0
    while at < len(body) <= _LONGEST_DURATION:
        match = _PART.match(body, at)
        if match is None or not (match[1] or match[2]):
            break
        amount = _amount(match[1], match[2] or "", _UNITS[match[3]])
        total = (total + amount) & UINT_MAX  # as a uint64 wraps
        if amount > _MOST or total > _MOST:
            break
        at = match.end()
    if not body or at < len(body) or (total == _MOST and text[0] != "-"):
        raise EvaluationError(f'time: invalid duration "{cut(text)}"')
    return Duration(-total if text[0] == "-" else total)


def _amount(whole: str, fraction: str, unit: int) -> int:
    """A decimal of a unit in nanoseconds; more than _MOST if it is too large."""
    whole = whole.lstrip("0")
    if len(whole) > 19 or int(whole or 0) > _MOST // unit:
        return _MOST + 1
    digits, scale = 0, 1.0
    for digit in fraction:
        if digits > (_MOST - 1) // 10 or digits * 10 + int(digit) > _MOST:
            break  # the rest is not read
        digits, scale = digits * 10 + int(digit), scale * 10
    return int(whole or 0) * unit + int(float(digits) * (float(unit) / scale))


_RFC3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]+))?(?:Z|([+-])([0-9]{2}):([0-9]{2}))"
)
_MONTHS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def parse_timestamp(text: str) -> Timestamp:
    """An RFC 3339 date and time, to the nanosecond."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise EvaluationError(f'parsing time "{cut(text)}" as "2006-01-02T15:04:05Z07:00": cannot parse "{cut(text)}"')
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= month <= 12 or not 1 <= day <= _MONTHS[month - 1] + (leap and month == 2):
        raise EvaluationError(f'parsing time "{cut(text)}": out of range')
    if hour > 23 or minute > 59 or second > 59:
        raise EvaluationError(f'parsing time "{cut(text)}": out of range')
    offset = 0
    if match[8]:
        hours, minutes = int(match[9]), int(match[10])
        if hours > 24 or minutes > 60:
            raise EvaluationError(f'parsing time "{cut(text)}": time zone offset out of range')
        offset = (hours * 3600 + minutes * 60) * (-1 if match[8] == "-" else 1)
    seconds = _days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset
    return Timestamp(seconds * NANO + int((match[7] or "0")[:9].ljust(9, "0")), offset)


# -------------------------------------------------------------------------------------------------------- time zones


def offset_at(zone: str, seconds: int) -> int:
    """The seconds east of UTC in a zone, at a time in seconds from 1970. Raises EvaluationError with Go's text."""
    hours, colon, minutes = zone.partition(":")
    if colon:
        return _fixed(zone, hours, minutes)
    named = _zone(zone)
    if named is UTC:
        return 0
    # Python's zones have the years 1 to 9999. Nothing changes in the last days before their ends.
    within = min(max(seconds, _TIMESTAMP_MIN + 2 * 86_400), _TIMESTAMP_MAX - 2 * 86_400)
    offset = (_EPOCH + timedelta(seconds=within)).astimezone(named).utcoffset()
    return 0 if offset is None else round(offset.total_seconds())


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _fixed(zone: str, hours: str, minutes: str) -> int:
    hour, minute = integer(hours), integer(minutes)
    total = _wrapped(hour * 60) + (-minute if zone.startswith("-") else minute)
    return int(Duration(_wrapped(_wrapped(total) * 60 * NANO)).count(NANO))


def _wrapped(number: int) -> int:
    """The number as an int64 that overflows."""
    return (number + _MOST) % 2**64 - _MOST


_DIGITS = lazily(r"[+-]?([0-9]*)", re.DOTALL)


def integer(text: str) -> int:
    """A decimal int64. Raises EvaluationError with the text of Go's strconv.Atoi."""
    match = _DIGITS.match(text)
    digits = match[1] if match is not None else ""
    problem = ""
    significant = digits.lstrip("0")
    if len(significant) > 20 or int(significant or 0) > UINT_MAX:
        problem = "value out of range"  # seen before what follows
    elif not digits or (match is not None and match.end() < len(text)):
        problem = "invalid syntax"
    elif not INT_MIN <= int(text) <= INT_MAX:
        problem = "value out of range"
    if problem:
        raise EvaluationError(f"strconv.Atoi: parsing {quoted(cut(text))}: {problem}")
    return int(text)


_NAME = lazily(r"[A-Za-z0-9_+.-]+(/[A-Za-z0-9_+.-]+)*")
_LONGEST = 255  # bytes of a file's name


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo:
    """The zone of an IANA name. The local time of the server is taken for UTC, as in the images of Kubernetes."""
    if name in ("UTC", "Local"):
        return UTC
    if ".." in name or name[0] in "/\\":
        raise EvaluationError("time: invalid location name")
    if any(len(part.encode()) > _LONGEST for part in name.split("/")):
        raise EvaluationError("file name too long")
    if "\0" in name:
        raise EvaluationError("invalid argument")
    if not _NAME.fullmatch(name):  # zoneinfo opens a file of this name
        raise EvaluationError(f"unknown time zone {cut(name)}")
    name = "/".join(part for part in name.split("/") if part != ".")
    if not name:
        raise EvaluationError("is a directory")
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # few expressions name a zone

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError):
        raise EvaluationError(_not_a_zone(name)) from None
    except ValueError:
        raise EvaluationError("malformed time zone information") from None


def _not_a_zone(name: str) -> str:
    from zoneinfo import TZPATH

    for folder in map(Path, TZPATH):
        if (folder / name).is_dir():
            return "is a directory"
        if any(parent.is_file() for parent in (folder / name).parents if parent != folder):
            return "not a directory"
    return f"unknown time zone {cut(name)}"
