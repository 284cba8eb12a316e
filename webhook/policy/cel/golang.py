"""Formats values as Go's package fmt does, for the API server's error texts."""

from __future__ import annotations

import json
import math
from typing import Any, Final

from msgspec import Struct

_SECOND: Final = 10**9
_UNITS: Final = ((10**6, "ms"), (10**3, "µs"), (1, "ns"))
_ESCAPES: Final = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 39: "'", 92: "\\"}
_REPLACEMENT: Final = 0xFFFD
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


class Opaque(Struct, frozen=True):
    """A Go value that JSON does not have: its type (%T), and how %v and %#v format it."""

    type: str
    text: str
    syntax: str


def type_name(value: Any) -> str:
    """The format %T."""
    match value:
        case None:
            return "<nil>"
        case Opaque():
            return value.type
        case bool():
            return "bool"
        case int():
            return "int64"
        case float():
            return "float64"
        case str():
            return "string"
        case list():
            return "[]interface {}"
        case _:
            return "map[string]interface {}"


def text(value: Any) -> str:
    """The format %v."""
    match value:
        case None:
            return "<nil>"
        case Opaque():
            return value.text
        case bool():
            return "true" if value else "false"
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
        case list():
            return f"[{' '.join(map(text, value))}]"
        case dict():
            return f"map[{' '.join(f'{key}:{text(value[key])}' for key in sorted(value))}]"
        case _:
            return str(value)


def syntax(value: Any) -> str:
    """The format %#v."""
    match value:
        case None:
            return "interface {}(nil)"
        case Opaque():
            return value.syntax
        case str():
            return quoted(value)
        case list():
            return f"[]interface {{}}{{{', '.join(map(syntax, value))}}}"
        case dict():
            entries = ", ".join(f"{quoted(key)}:{syntax(value[key])}" for key in sorted(value))
            return f"map[string]interface {{}}{{{entries}}}"
        case _:
            return text(value)


def quoted(value: str) -> str:
    """The format %q."""
    return json.dumps(value, ensure_ascii=False)


def character(code: int) -> str:
    """The format %q of an integer: the character of this code, quoted and escaped."""
    if not 0 <= code <= 0x10FFFF or 0xD800 <= code < 0xE000:
        code = _REPLACEMENT
    if code in _ESCAPES:
        return f"'\\{_ESCAPES[code]}'"
    if chr(code).isprintable():
        return f"'{chr(code)}'"
    return f"'\\x{code:02x}'" if code < 0x80 else f"'\\u{code:04x}'" if code < 0x10000 else f"'\\U{code:08x}'"


def duration(ns: int) -> str:
    """The format %v of a time.Duration: hours, minutes and seconds (1h0m0.5s), or one smaller unit (1.5ms)."""
    sign, rest = ("-", -ns) if ns < 0 else ("", ns)
    if 0 < rest < _SECOND:
        size, unit = next(each for each in _UNITS if rest >= each[0])
        return f"{sign}{_decimal(rest, size)}{unit}"
    minutes, rest = divmod(rest, 60 * _SECOND)
    hours, minutes = divmod(minutes, 60)
    before = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{before}{_decimal(rest, _SECOND)}s"


def time(rfc3339: str) -> tuple[str, str]:
    """The formats %v and %#v of the time.Time of such a text, as a Timestamp has it."""
    date, _, clock = rfc3339.partition("T")
    clock, zone = (clock[:-1], "") if clock.endswith("Z") else (clock[:-6], clock[-6:].replace(":", ""))
    seconds, _, fraction = clock.partition(".")
    year, month, day = map(int, date.split("-"))
    numbers = ", ".join(str(int(each)) for each in (str(day), *seconds.split(":"), fraction.ljust(9, "0")))
    location = 'time.Location("")' if zone else "time.UTC"
    return f"{date} {clock} {f'{zone} {zone}' if zone else '+0000 UTC'}", (
        f"time.Date({year}, time.{_MONTHS[month - 1]}, {numbers}, {location})"
    )


def _decimal(count: int, size: int) -> str:
    whole, rest = divmod(count, size)
    return f"{whole}.{str(size + rest)[1:].rstrip('0')}" if rest else str(whole)
