"""CEL values as Go's package fmt writes them (%v), for the error texts of cel-go that name a value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from webhook.cel.tree.errors import MOST_NAMED, cut
from webhook.cel.tree.types import Type
from webhook.cel.value.numbers import UInt, shortest_general
from webhook.cel.value.times import NANO, Duration, Timestamp
from webhook.cel.value.values import NONE, Key, Optional


def text(value: Any) -> str:
    """The format %v of a value, cut after MOST_NAMED characters. Opaque values are written by their own str().

    Errors are absorbed at almost no cost, so that a loop may raise one in every round.
    """
    if isinstance(value, list | dict | Optional):
        made: list[str] = []
        length = 0
        for piece in _pieces(value):
            made.append(piece)
            length += len(piece)
            if length > MOST_NAMED:
                break
        return cut("".join(made))
    return _scalar(value)


def _scalar(value: Any) -> str:
    if type(value) is str:
        return cut(value)
    write = _WRITERS.get(type(value))
    return cut(str(value) if write is None else write(value))


def _pieces(value: Any) -> Iterator[str]:
    """The text of a value, piece by piece, so that a large value is not written as a whole."""
    if isinstance(value, dict):
        yield "{"
        for place, (key, each) in enumerate(value.items()):
            yield ", " if place else ""
            yield from _pieces(key.value if isinstance(key, Key) else key)
            yield ": "
            yield from _pieces(each)
        yield "}"
    elif isinstance(value, list):
        yield "["
        for place, each in enumerate(value):
            yield ", " if place else ""
            yield from _pieces(each)
        yield "]"
    elif type(value) is Optional and value is not NONE:
        yield "optional("
        yield from _pieces(value.value)
        yield ")"
    else:
        yield "optional.none()" if value is NONE else _scalar(value)


def _duration(value: Duration) -> str:
    """1h30m0s, 1.5s, 20ms."""
    sign, rest = "-" if value.ns < 0 else "", abs(value.ns)
    if rest < NANO:
        for unit, size in (("ms", 1_000_000), ("µs", 1_000), ("ns", 1)):
            if rest >= size:
                return f"{sign}{_decimal(rest, size)}{unit}"
        return "0s"
    minutes, rest = divmod(rest, 60 * NANO)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_decimal(rest, NANO)}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else sign + seconds


def _decimal(count: int, unit: int) -> str:
    whole, rest = divmod(count, unit)
    digits = len(str(unit)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0") if rest else str(whole)


def _timestamp(value: Timestamp) -> str:
    """2026-01-02 03:04:05.5 +0000 UTC"""
    shown = str(value)
    zone = "+0000 UTC" if shown.endswith("Z") else " ".join([shown[-6:].replace(":", "")] * 2)
    return f"{shown.removesuffix('Z') if shown.endswith('Z') else shown[:-6]} {zone}".replace("T", " ", 1)


_TYPES: Final = {"list": "list(dyn)", "map": "map(dyn, dyn)", "optional_type": "optional_type(dyn)"}
_WRITERS: Final[Mapping[type, Callable[[Any], str]]] = {
    type(None): lambda _: "0",  # the number of protobuf's null
    bool: lambda value: "true" if value else "false",
    int: str,
    UInt: int.__repr__,
    float: shortest_general,
    str: str,
    bytes: lambda value: f"[{' '.join(map(str, value[:MOST_NAMED]))}]",
    Duration: _duration,
    Timestamp: _timestamp,
    Type: lambda value: _TYPES.get(value.name, value.name),
}
