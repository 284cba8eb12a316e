"""CEL values that Python lacks: uint, duration, timestamp, optional, maps with boolean keys.

Other values are those of JSON (None, bool, int, float, str, list, dict) and bytes. Timestamps and durations count
nanoseconds, with the limits of Go's time package, which CEL in Kubernetes shares.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from webhook.cel.tree.errors import EvaluationError

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
UINT_MAX = 2**64 - 1
NANO = 1_000_000_000

# The first and last second of years 1 to 9999, from 1970.
_TIMESTAMP_MIN, _TIMESTAMP_MAX = -62_135_596_800, 253_402_300_799
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class UInt(int):
    """uint: an unsigned int. It equals the same int and has the same hash, as CEL's maps need."""

    __slots__ = ()


class Duration:
    """A span of time in nanoseconds, within int64."""

    __slots__ = ("ns",)

    def __init__(self, ns: int) -> None:
        if not INT_MIN <= ns <= INT_MAX:
            raise EvaluationError("duration overflow")
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
        return f"{shortest_decimal(self.ns / NANO)}s"

    __repr__ = __str__


class Timestamp:
    """A point in time in UTC, in nanoseconds from 1970, in the years 1 to 9999."""

    __slots__ = ("ns",)

    def __init__(self, ns: int) -> None:
        if not _TIMESTAMP_MIN <= ns // NANO <= _TIMESTAMP_MAX:
            raise EvaluationError("timestamp overflow")
        self.ns = ns

    def __eq__(self, other: object) -> bool:
        return type(other) is Timestamp and self.ns == other.ns

    def __hash__(self) -> int:
        return hash(("timestamp", self.ns))

    def __lt__(self, other: Timestamp) -> bool:
        return self.ns < other.ns

    def __le__(self, other: Timestamp) -> bool:
        return self.ns <= other.ns

    def __str__(self) -> str:
        """RFC 3339 in UTC, with as many digits of the second as it has."""
        seconds, nanos = divmod(self.ns, NANO)
        fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
        moment = _EPOCH + timedelta(seconds=seconds)
        return f"{moment.year:04d}-{moment:%m-%dT%H:%M:%S}{fraction}Z"

    __repr__ = __str__

    def at(self, zone: str = "") -> tuple[datetime, int]:
        """The time in a zone (IANA name or offset such as -08:00; UTC if empty), and the nanoseconds of its second."""
        seconds, nanos = divmod(self.ns, NANO)
        moment = _EPOCH + timedelta(seconds=seconds)
        if zone:
            try:
                moment = moment.astimezone(_time_zone(zone))
            except OverflowError:
                raise EvaluationError("timestamp overflow") from None
        return moment, nanos


class Optional:
    """optional.of(value). The instance NONE is optional.none()."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "optional.none()" if self is NONE else f"optional({self.value!r})"


NONE = Optional(None)


class BoolKey:
    """A boolean as a map key. Python's True equals 1, CEL's true does not."""

    __slots__ = ("value",)

    def __init__(self, value: bool) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "true" if self.value else "false"


TRUE_KEY, FALSE_KEY = BoolKey(True), BoolKey(False)


class BoolMap(dict[Any, Any]):
    """A map with boolean keys, which it stores as TRUE_KEY and FALSE_KEY. Only map literals create one, never JSON."""

    __slots__ = ()

    def keys_as_values(self) -> Iterator[Any]:
        """The keys as CEL values."""
        for key in self:
            yield key.value if type(key) is BoolKey else key


def shortest_decimal(number: float) -> str:
    """The shortest text that reads back as `number`, without exponent, as Go's FormatFloat(f, 'f', -1, 64)."""
    text = repr(number)
    if "e" in text or "E" in text:
        from decimal import Decimal

        text = f"{Decimal(text):f}"
    return text[:-2] if text.endswith(".0") else text


def shortest_general(number: float) -> str:
    """The shortest text that reads back as `number`, as Go's FormatFloat(f, 'g', -1, 64): exponents from 1e+06."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    sign, digits, point = _digits(number)
    exponent = point - 1
    if -4 <= exponent < 6 or digits == "0":
        return shortest_decimal(number)
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _digits(number: float) -> tuple[str, str, int]:
    """Sign, shortest significant digits and the place of the decimal point among them: 0.05 is ("", "5", -1)."""
    mantissa, _, power = repr(number).partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = whole + fraction
    point = len(whole) + int(power or 0)
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    return sign, stripped.rstrip("0") or "0", point


_DURATION_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": NANO,
    "m": 60 * NANO,
    "h": 3600 * NANO,
}
_DURATION_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)")


def parse_duration(text: str) -> Duration:
    """A Go duration: a signed sequence of decimals with units, such as 1h30m, -1.5s, 300ms. Plain 0 is allowed."""
    body = text[1:] if text[:1] in ("+", "-") else text
    if body == "0":
        return Duration(0)
    total, at = 0, 0
    while at < len(body):
        match = _DURATION_PART.match(body, at) if len(body) <= 100 else None
        if match is None or not (match[1] or match[2]):
            raise EvaluationError(f'time: invalid duration "{text}"')
        unit = _DURATION_UNITS[match[3]]
        total += int(match[1] or 0) * unit
        if match[2]:
            total += int(match[2]) * unit // 10 ** len(match[2])
        at = match.end()
    if not body:
        raise EvaluationError(f'time: invalid duration "{text}"')
    total = -total if text[0] == "-" else total
    if not INT_MIN <= total <= INT_MAX:
        raise EvaluationError(f'time: invalid duration "{text}"')
    return Duration(total)


_RFC3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]+))?(?:Z|([+-])([0-9]{2}):([0-9]{2}))"
)


def parse_timestamp(text: str) -> Timestamp:
    """An RFC 3339 date and time, to the nanosecond."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise EvaluationError(f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse "{text}"')
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise EvaluationError(f'parsing time "{text}": out of range') from None
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    if match[8]:
        hours, minutes = int(match[9]), int(match[10])
        if hours > 24 or minutes > 59:
            raise EvaluationError(f'parsing time "{text}": time zone offset out of range')
        offset = hours * 3600 + minutes * 60
        seconds += offset if match[8] == "-" else -offset
    return Timestamp(seconds * NANO + int((match[7] or "0")[:9].ljust(9, "0")))


_ZONE_NAME = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")
_OFFSET = re.compile(r"([+-]?)([0-9]{1,2}):([0-9]{2})")


@lru_cache(maxsize=64)
def _time_zone(name: str) -> tzinfo:
    match = _OFFSET.fullmatch(name)
    if match:
        from datetime import timezone

        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        if offset >= timedelta(hours=24):
            raise EvaluationError(f"unknown time zone {name}")
        return timezone(-offset if match[1] == "-" else offset)
    if len(name) > 255 or not _ZONE_NAME.fullmatch(name):  # zoneinfo opens a file of this name
        raise EvaluationError(f"unknown time zone {name}")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise EvaluationError(f"unknown time zone {name}") from None
