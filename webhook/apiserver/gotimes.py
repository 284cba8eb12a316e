"""Times, as Go reads and writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from webhook.lazypatterns import lazily

TIME: Final = "2006-01-02T15:04:05Z07:00"
MICRO_TIME: Final = "2006-01-02T15:04:05.000000Z07:00"
"""The layouts of metav1.Time and metav1.MicroTime."""

ZERO: Final = "0001-01-01T00:00:00Z"
"""The zero time. Both types are written as null then."""

_FORM: Final = lazily(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{1,2}):([0-9]{2}):([0-9]{2})([.,]\+?[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)
# Of the layouts: the text before, the element, what it is, and the form of its value, which is compiled when needed.
_ELEMENTS: Final = (
    ("", "2006", "", r"[0-9]{4}"),
    ("-", "01", "month", r"[0-9]{2}"),
    ("-", "02", "", r"[0-9]{2}"),
    ("T", "15", "hour", r"[0-9]{1,2}"),
    (":", "04", "minute", r"[0-9]{2}"),
    (":", "05", "second", r"[0-9]{2}"),
    ("", ".000000", "", r"[.,](?:[0-9]{6}|[+-][0-9]{5})"),  # a sign, as Go's Atoi takes
    ("", "Z07:00", "time zone offset hour", r"Z|[+-][0-9]{2}:[0-9]{2}|.(?:2[5-9]|[3-9][0-9]):.."),
)
_RANGES: Final = {"month": (1, 12), "hour": (0, 23), "minute": (0, 59), "second": (0, 59)}
_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_UTC: Final = UTC


def time(text: str) -> str | None:
    """A time in the form that metav1.Time is written in; None for the zero time. Raises ValueError with Go's text."""
    return _read(text, micro=False)


def micro_time(text: str) -> str | None:
    """A time in the form that metav1.MicroTime is written in; None for the zero time. Raises ValueError."""
    return _read(text, micro=True)


def _read(text: str, *, micro: bool) -> str | None:
    match = _FORM.fullmatch(text)
    if match is None or (len(match[7] or "") != 7 if micro else "+" in (match[7] or "")):
        _refuse(text, micro=micro)
        raise ValueError(f"parsing time {_quote(text)}")
    year, month, day, hour, minute, second = (int(match[group]) for group in range(1, 7))
    fraction, zone = match[7], match[8]
    in_range = 1 <= month <= 12 and hour < 24 and minute < 60 and second < 60
    if not in_range or not 1 <= day <= _days(month, year) or (zone != "Z" and not _is_offset(zone)):
        _refuse(text, micro=micro)
    micros = int(fraction[1:7].ljust(6, "0")) if micro and fraction else 0
    shift = timedelta() if zone == "Z" else timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
    if zone[0] == "-":
        shift = -shift
    if year == 0:  # a year that Python's datetime lacks: the same year of another cycle of 400
        shown = (datetime(400, month, day, hour, minute, second, micros, _UTC) - shift).isoformat()
        return {"0399": "-0001", "0400": "0000", "0401": "0001"}[shown[:4]] + _ended(shown[4:], micro)
    try:
        moment = datetime(year, month, day, hour, minute, second, micros, _UTC) - shift
    except OverflowError:  # the last day of the year 9999, or the first of the year 1
        return ("10000-01-01" if year > 1 else "0000-12-31") + _ended(
            _beyond(hour, minute, second, micros, shift), micro
        )
    nanos = fraction[1:] if fraction else ""
    if moment == _ZERO_MOMENT and not nanos.strip("0"):
        return None
    return _ended(moment.isoformat(), micro)


_ZERO_MOMENT: Final = datetime(1, 1, 1, tzinfo=_UTC)


def _beyond(hour: int, minute: int, second: int, micros: int, shift: timedelta) -> str:
    return (datetime(2000, 1, 1, hour, minute, second, micros, _UTC) - shift).isoformat()[10:]


def _ended(shown: str, micro: bool) -> str:
    """An ISO time in UTC with as many decimal places as its type has."""
    shown = shown.removesuffix("+00:00")
    whole, _, fraction = shown.partition(".")
    return f"{whole}.{fraction.ljust(6, '0')}Z" if micro else f"{whole}Z"


def _is_offset(zone: str) -> bool:
    return int(zone[1:3]) <= 24 and int(zone[4:6]) <= 60


def _days(month: int, year: int) -> int:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if month == 2 and leap else _DAYS[month - 1]


def _refuse(text: str, *, micro: bool) -> None:
    """Raise ValueError for the first element of the layout that a text does not have."""
    layout = MICRO_TIME if micro else TIME
    rest = text

    def bad(element: str, value: str) -> ValueError:
        return ValueError(
            f"parsing time {_quote(text)} as {_quote(layout)}: cannot parse {_quote(value)} as {_quote(element)}"
        )

    day = month = year = 0
    for before, element, name, form in _ELEMENTS:
        if element == ".000000" and not micro:
            continue
        if not rest.startswith(before):
            raise bad(before, rest)
        rest = rest[len(before) :]
        match = re.match(form, rest)
        if match is None:
            raise bad(element, rest)
        value = match[0]
        low, high = _RANGES.get(name, (0, 9999))
        if name in _RANGES and not low <= int(value) <= high:
            raise ValueError(f"parsing time {_quote(text)}: {name} out of range")
        if element == ".000000" and value[1] == "-" and int(value[1:]):
            raise ValueError(f"parsing time {_quote(text)}: fractional second out of range")
        if element == "Z07:00" and value != "Z":
            if int(value[1:3]) > 24:
                raise ValueError(f"parsing time {_quote(text)}: time zone offset hour out of range")
            if int(value[4:6]) > 60:
                raise ValueError(f"parsing time {_quote(text)}: time zone offset minute out of range")
        year = int(value) if element == "2006" else year
        month = int(value) if element == "01" else month
        day = int(value) if element == "02" else day
        rest = rest[match.end() :]
        if element == "05" and not micro and (fraction := re.match(r"[.,][0-9]+", rest)):
            rest = rest[fraction.end() :]
    if rest:
        raise ValueError(f"parsing time {_quote(text)}: extra text: {_quote(rest)}")
    if not 1 <= day <= _days(month, year):
        raise ValueError(f"parsing time {_quote(text)}: day out of range")


def _quote(text: str) -> str:
    """A text in quotes, as Go's package time writes it: other than ASCII as bytes."""
    shown = "".join(
        "".join(f"\\x{byte:02x}" for byte in each.encode("utf-8", "replace"))
        if each >= "\x80" or each < " "
        else f"\\{each}"
        if each in '"\\'
        else each
        for each in text
    )
    return f'"{shown}"'
