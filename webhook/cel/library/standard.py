"""CEL's standard functions other than the operators: sizes, string tests, conversions, dates and times.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#list-of-standard-definitions
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from operator import contains
from typing import Any, Unpack

from webhook.cel.cost import costs, estimates
from webhook.cel.cost.estimates import MOST, ONE, TRAVERSAL, UNIT, Estimate, Sizes, Span
from webhook.cel.library.declaring import Facts, Library, Overload, function, method, unnamed, where_fixed
from webhook.cel.library.regex import light, matches, matching, search
from webhook.cel.tree.ast import Const, Expr
from webhook.cel.tree.declared import Check, Privacy, Shape
from webhook.cel.tree.errors import EvaluationError
from webhook.cel.value.aggregates import size
from webhook.cel.value.numbers import INT_MAX, INT_MIN, UInt, shortest_general
from webhook.cel.value.operators import checked_int, checked_uint, type_of
from webhook.cel.value.times import NANO, Clock, Duration, Timestamp, parse_duration, parse_timestamp
from webhook.lazypatterns import lazily


def _conversion_error(source: str, target: str) -> EvaluationError:
    return EvaluationError(f"type conversion error from '{source}' to '{target}'")


_INT = lazily(r"[+-]?[0-9]+")
_UINT = lazily(r"[0-9]+")
_DIGITS = "[0-9](?:_?[0-9])*"  # Go's syntax, only for doubles
_DOUBLE = lazily(
    rf"[+-]?(?:(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?|inf(?:inity)?)|nan", re.IGNORECASE
)
_HEX_DIGITS = "[0-9a-fA-F](?:_?[0-9a-fA-F])*"
_HEX_DOUBLE = lazily(rf"[+-]?0[xX](?:_?{_HEX_DIGITS}(?:\.(?:{_HEX_DIGITS})?)?|\.{_HEX_DIGITS})[pP][+-]?{_DIGITS}")
_MAX_DIGITS = 400  # more than any 64-bit number has; Python rejects very long texts


def _int_from_double(value: float) -> int:
    if not INT_MIN < value < INT_MAX or math.isnan(value):
        raise EvaluationError("integer overflow")
    return int(value)


def _int_from_string(text: str) -> int:
    if len(text) <= 18 and text.isascii() and text.isdigit():
        return int(text)  # the common case
    if len(text) > _MAX_DIGITS or not _INT.fullmatch(text) or not INT_MIN <= int(text) <= INT_MAX:
        raise _conversion_error("string", "int")
    return int(text)


def _uint_from_double(value: float) -> UInt:
    if not 0 <= value < 2**64 or math.isnan(value):
        raise EvaluationError("unsigned integer overflow")
    return UInt(value)


def _uint_from_string(text: str) -> UInt:
    if len(text) > _MAX_DIGITS or not _UINT.fullmatch(text) or int(text) >= 2**64:
        raise _conversion_error("string", "uint")
    return UInt(text)


def _double_from_string(text: str) -> float:
    if len(text) > _MAX_DIGITS:
        raise _conversion_error("string", "double")
    if _DOUBLE.fullmatch(text):
        value = float(text)
    elif _HEX_DOUBLE.fullmatch(text):
        try:
            value = float.fromhex(text.replace("_", ""))
        except OverflowError:
            raise _conversion_error("string", "double") from None
    else:
        raise _conversion_error("string", "double")
    if math.isinf(value) and "inf" not in text.lower():
        raise _conversion_error("string", "double")
    return value


_BOOLS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}


def _bool_from_string(text: str) -> bool:
    if text not in _BOOLS:
        raise _conversion_error("string", "bool")
    return _BOOLS[text]


def _string_from_bytes(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise EvaluationError("invalid UTF-8 in bytes, cannot convert to string") from None


def _duration_from_string(text: str) -> Duration:
    try:
        return parse_duration(text)
    except EvaluationError:
        raise _conversion_error("string", "google.protobuf.Duration") from None


def _timestamp_from_string(text: str) -> Timestamp:
    try:
        return parse_timestamp(text)
    except EvaluationError as error:
        if str(error) == "timestamp overflow":
            raise
        raise _conversion_error("string", "google.protobuf.Timestamp") from None


def _timestamp_from_int(value: int) -> Timestamp:
    return Timestamp(value * NANO)


def _same(value: Any) -> Any:
    return value


def _conversion(
    name: str, signature: str, call: Callable[..., Any], doc: str, example: str = "", **facts: Unpack[Facts]
) -> Overload:
    facts |= {"folds": True}
    return function(name, signature, call, doc, example, **facts)


def _encoded(sizes: Sizes, value: Expr) -> Estimate:
    if value.type.name not in ("string", "dyn"):
        return UNIT
    size = sizes.size(value)
    cost = size.scaled(TRAVERSAL)
    most = min(size.most * 4, MOST)
    return Estimate(cost.union(ONE) if value.type.name == "dyn" else cost, Span(size.least, most))


def _decoded(sizes: Sizes, value: Expr) -> Estimate:
    if value.type.name not in ("bytes", "dyn"):
        return UNIT
    size = sizes.size(value)
    cost = size.scaled(TRAVERSAL)
    return Estimate(cost.union(ONE) if value.type.name == "dyn" else cost, Span(size.least // 4, size.most))


def _untyped(sizes: Sizes, value: Expr) -> Estimate:
    return Estimate(ONE, sizes.size(value), sizes.entries(value))


def _literal(name: str, parse: Callable[[str], Any], of_int: Callable[[int], Any], expected: str) -> Check:
    """The check of a literal that a conversion parses, or converts from an integer. null is none."""

    def check(args: Sequence[Expr], _: Any) -> Iterator[tuple[Expr, str]]:
        if not isinstance(args[0], Const):
            return
        value = args[0].value
        try:
            if type(value) is str:
                parse(value)
            elif type(value) is int:
                of_int(value)
            elif value is None:
                raise EvaluationError(name)
        except EvaluationError:
            shown = "null" if value is None else repr(value)
            yield args[0], f"invalid {name} argument: {shown}; expected {expected}"

    return check


_A_DURATION = _literal("duration", parse_duration, Duration, "a form such as 1h30m")
_A_TIMESTAMP = _literal("timestamp", parse_timestamp, _timestamp_from_int, "a form such as 2006-01-02T15:04:05Z")

_CONVERSIONS: tuple[Overload, ...] = (
    _conversion("bool", "bool -> bool", _same, "The value itself."),
    _conversion("bool", "string -> bool", _bool_from_string, "1, t, T, true … are true.", "bool('true')"),
    _conversion("bytes", "bytes -> bytes", _same, "The value itself."),
    _conversion(
        "bytes",
        "string -> bytes",
        str.encode,
        "The text in UTF-8.",
        "bytes('é') == b'\\xc3\\xa9'",
        cost=where_fixed(costs.text),
        estimate=_encoded,
    ),
    _conversion("double", "double -> double", _same, "The value itself."),
    _conversion("double", "int -> double", float, "The nearest double.", "double(3) == 3.0"),
    _conversion("double", "uint -> double", float, "The nearest double.", "double(3u) == 3.0"),
    _conversion("double", "string -> double", _double_from_string, "The number of a text.", "double('1.5') == 1.5"),
    _conversion("duration", "duration -> duration", _same, "The value itself."),
    _conversion(
        "duration",
        "string -> duration",
        _duration_from_string,
        "A Go duration.",
        "duration('1h30m').getMinutes() == 90",
        work=costs.parsed,
        check=_A_DURATION,
    ),
    _conversion(
        "dyn",
        "T -> dyn",
        _same,
        "The value, without its type for the checker.",
        "dyn(1) == dyn(1.0)",
        privacy=Privacy.PASSED,
        shape=Shape.SAME,
        estimate=_untyped,
    ),
    _conversion("int", "int -> int", _same, "The value itself."),
    _conversion("int", "uint -> int", lambda value: checked_int(int(value)), "The same number.", "int(3u) == 3"),
    _conversion("int", "double -> int", _int_from_double, "Truncated towards zero.", "int(3.9) == 3"),
    _conversion("int", "string -> int", _int_from_string, "The decimal integer of a text.", "int('42') == 42"),
    _conversion("int", "duration -> int", lambda value: value.ns, "Nanoseconds.", "int(duration('1us')) == 1000"),
    _conversion(
        "int",
        "timestamp -> int",
        lambda value: value.ns // NANO,
        "Seconds from 1970.",
        "int(timestamp('1970-01-01T00:01:00Z')) == 60",
    ),
    _conversion("string", "string -> string", _same, "The value itself."),
    _conversion(
        "string",
        "bool -> string",
        lambda value: "true" if value else "false",
        "true or false.",
        "string(true) == 'true'",
    ),
    _conversion(
        "string",
        "bytes -> string",
        _string_from_bytes,
        "The bytes read as UTF-8.",
        "string(b'abc') == 'abc'",
        cost=where_fixed(costs.text),
        estimate=_decoded,
    ),
    _conversion("string", "double -> string", shortest_general, "The shortest form.", "string(1.5) == '1.5'"),
    _conversion("string", "duration -> string", str, "Seconds.", "string(duration('1m')) == '60s'"),
    _conversion("string", "int -> string", int.__repr__, "Decimal.", "string(42) == '42'"),
    _conversion(
        "string",
        "timestamp -> string",
        str,
        "RFC 3339, with the offset that the timestamp was written with.",
        "string(timestamp('2020-01-01T01:00:00+01:00')) == '2020-01-01T01:00:00+01:00'",
    ),
    _conversion("string", "uint -> string", int.__repr__, "Decimal.", "string(42u) == '42'"),
    _conversion("timestamp", "timestamp -> timestamp", _same, "The value itself."),
    _conversion(
        "timestamp",
        "int -> timestamp",
        _timestamp_from_int,
        "Seconds from 1970.",
        "timestamp(0) == timestamp('1970-01-01T00:00:00Z')",
        check=_A_TIMESTAMP,
    ),
    _conversion(
        "timestamp",
        "string -> timestamp",
        _timestamp_from_string,
        "RFC 3339.",
        "timestamp('2020-01-01T00:00:00Z').getFullYear() == 2020",
        work=costs.parsed,
        check=_A_TIMESTAMP,
    ),
    _conversion("type", "T -> type(T)", type_of, "The type of a value.", "type(1) == int", privacy=Privacy.OPEN),
    _conversion("uint", "uint -> uint", _same, "The value itself."),
    _conversion("uint", "int -> uint", checked_uint, "The same number.", "uint(3) == 3u"),
    _conversion("uint", "double -> uint", _uint_from_double, "Truncated.", "uint(3.9) == 3u"),
    _conversion("uint", "string -> uint", _uint_from_string, "The decimal integer of a text.", "uint('3') == 3u"),
)


def _matches_nothing(name: str, args: tuple[Any, ...]) -> str:
    return "no such overload" if type(args[0]) is str else f"no such overload: {name}"


def _found(result: Any, text: Any, part: Any) -> Iterator[tuple[int, int]]:
    """The first character of what was found: the text may be joined of others."""
    if result is True and isinstance(text, str) and isinstance(part, str) and part:
        yield 0, text.find(part)


def _searched(sizes: Sizes, text: Expr, part: Expr) -> Estimate:
    return Estimate(sizes.size(text).scaled(TRAVERSAL).times(sizes.size(part).scaled(TRAVERSAL)))


_STRINGS: tuple[Overload, ...] = (
    method(
        "contains",
        "string, string -> bool",
        contains,
        "Whether the text contains the argument.",
        "'abc'.contains('b')",
        cost=costs.search,
        estimate=_searched,
        missing=unnamed,
        deciding=_found,
    ),
    method(
        "endsWith",
        "string, string -> bool",
        str.endswith,
        "Whether the text ends with the argument.",
        "'abc'.endsWith('c')",
        cost=costs.second_text,
        estimate=estimates.second_text,
        missing=unnamed,
    ),
    method(
        "startsWith",
        "string, string -> bool",
        str.startswith,
        "Whether the text starts with the argument.",
        "'abc'.startsWith('a')",
        cost=costs.second_text,
        estimate=estimates.second_text,
        missing=unnamed,
    ),
    *(
        declare(
            "matches",
            "string, string -> bool",
            matches,
            "Whether the RE2 pattern matches a part of the text.",
            example,
            cost=costs.regex,
            estimate=estimates.regex,
            pattern=1,
            of_pattern=matching,
            metered=search,
            light=light,
            # cel-go takes the first argument in the brackets for the pattern, which is the text of the function.
            validated=validated,
            missing=_matches_nothing,
        )
        for declare, validated, example in (
            (method, 1, "'abc'.matches('^a.c$')"),
            (function, 0, "matches('abc', 'b')"),
        )
    ),
)

_SIZES: tuple[Overload, ...] = tuple(
    declare(
        "size",
        f"{measured} -> int",
        size,
        doc,
        example.format(value),
        privacy=Privacy.OPEN,
        shape=Shape.LENGTH,
        guarded=True,
    )
    for measured, doc, value in (
        ("bytes", "The number of bytes.", "b'ab'"),
        ("list(T)", "The number of elements.", "[1, 2]"),
        ("map(K, V)", "The number of entries.", "{1: 1, 2: 2}"),
        ("string", "The number of code points.", "'éa'"),
    )
    for declare, example in ((function, "size({}) == 2"), (method, "{}.size() == 2"))
)


def _getter(read: Callable[[Clock], int]) -> Callable[..., int]:
    def get(value: Timestamp, zone: str = "") -> int:
        return read(value.at(zone))

    return get


_DATE_PARTS: tuple[tuple[str, str, Callable[[Clock], int]], ...] = (
    ("getFullYear", "The year.", lambda at: at.year),
    ("getMonth", "The month, from 0.", lambda at: at.month - 1),
    ("getDate", "The day of the month, from 1.", lambda at: at.day),
    ("getDayOfMonth", "The day of the month, from 0.", lambda at: at.day - 1),
    ("getDayOfWeek", "The day of the week, from 0 for Sunday.", lambda at: at.weekday),
    ("getDayOfYear", "The day of the year, from 0.", lambda at: at.yearday - 1),
    ("getHours", "The hour.", lambda at: at.hour),
    ("getMinutes", "The minute.", lambda at: at.minute),
    ("getSeconds", "The second.", lambda at: at.second),
    ("getMilliseconds", "The milliseconds of the second.", lambda at: at.nanosecond // 1_000_000),
)


def _whole(unit: int) -> Callable[[Duration], int]:
    return lambda value: int(value.count(unit))


def _milliseconds(value: Duration) -> int:
    count = abs(value.ns) // 1_000_000
    return count if value.ns >= 0 else -count


_TIMES: tuple[Overload, ...] = (
    *(method(name, "timestamp -> int", _getter(read), f"{doc} In UTC.") for name, doc, read in _DATE_PARTS),
    *(
        method(
            name,
            "timestamp, string -> int",
            _getter(read),
            f"{doc} In a time zone: a name or an offset.",
            work=costs.second_parsed,
        )
        for name, doc, read in _DATE_PARTS
    ),
    method("getHours", "duration -> int", _whole(3600 * NANO), "Whole hours.", "duration('90m').getHours() == 1"),
    method("getMinutes", "duration -> int", _whole(60 * NANO), "Whole minutes.", "duration('90m').getMinutes() == 90"),
    method("getSeconds", "duration -> int", _whole(NANO), "Whole seconds.", "duration('1m').getSeconds() == 60"),
    method(
        "getMilliseconds",
        "duration -> int",
        _milliseconds,
        "Whole milliseconds.",
        "duration('1500ms').getMilliseconds() == 1500",
    ),
)

LIBRARY = Library("standard", (1, 23), (*_CONVERSIONS, *_STRINGS, *_SIZES, *_TIMES))
