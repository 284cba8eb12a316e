"""Schedules of CronJobs, as github.com/robfig/cron reads them: five fields, or a descriptor."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from webhook.apiserver.gotext import quote

_DESCRIPTORS: Final = frozenset({"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"})
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class _Bounds(NamedTuple):
    """The numbers that a field may have, and the names of some of them."""

    least: int
    most: int
    names: Mapping[str, int] = {}


_FIELDS: Final = (
    _Bounds(0, 59),
    _Bounds(0, 23),
    _Bounds(1, 31),
    _Bounds(1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    _Bounds(0, 6, {name: number for number, name in enumerate(_DAYS)}),
)


class _FaultError(Exception):
    """What is wrong with a schedule, in the parser's words."""


def faults(schedule: str) -> list[str]:
    """The faults of a schedule: what its parser says, and whether it names a time zone. The interval of `@every` is
    left to the API server."""
    return [*_faults(schedule)]


def _faults(schedule: str) -> Iterator[str]:
    if "TZ" in schedule:
        yield "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        return
    if schedule.startswith("@"):
        if schedule not in _DESCRIPTORS and not schedule.startswith("@every "):
            yield f"unrecognized descriptor: {schedule}"
        return
    fields = schedule.split()
    if len(fields) != len(_FIELDS):
        yield f"expected exactly {len(_FIELDS)} fields, found {len(fields)}: [{' '.join(fields)}]"
        return
    try:
        for field, bounds in zip(fields, _FIELDS, strict=True):
            for part in filter(None, field.split(",")):
                _range(part, bounds)
    except _FaultError as fault:
        yield str(fault)


def _range(part: str, bounds: _Bounds) -> None:
    """One of the ranges of a field: `*`, `5`, `1-5`, `*/10`, `MON-FRI`. Raises _FaultError."""
    first, *steps = part.split("/")
    low, *high = first.split("-")
    if low in ("*", "?"):
        start, end = bounds.least, bounds.most
    else:
        start = _number_or_name(low, bounds.names)
        if len(high) > 1:
            raise _FaultError(f"too many hyphens: {part}")
        end = _number_or_name(high[0], bounds.names) if high else start
    step = 1
    if len(steps) > 1:
        raise _FaultError(f"too many slashes: {part}")
    if steps:
        step = _number(steps[0])
        if not high:
            end = bounds.most
    if start < bounds.least:
        raise _FaultError(f"beginning of range ({start}) below minimum ({bounds.least}): {part}")
    if end > bounds.most:
        raise _FaultError(f"end of range ({end}) above maximum ({bounds.most}): {part}")
    if start > end:
        raise _FaultError(f"beginning of range ({start}) beyond end of range ({end}): {part}")
    if step == 0:
        raise _FaultError(f"step of range should be a positive number: {part}")


def _number_or_name(text: str, names: Mapping[str, int]) -> int:
    known = names.get(text.lower())
    return _number(text) if known is None else known


_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,400}", re.ASCII)
_INT64: Final = 1 << 63


def _number(text: str) -> int:
    """A number as strconv.Atoi reads it."""
    wrong = f"failed to parse int from {text}: strconv.Atoi: parsing {quote(text)}: "
    if not _NUMBER.fullmatch(text):
        raise _FaultError(f"{wrong}invalid syntax")
    number = int(text)
    if not -_INT64 <= number < _INT64:
        raise _FaultError(f"{wrong}value out of range")
    if number < 0:
        raise _FaultError(f"negative number ({number}) not allowed: {text}")
    return number
