"""`string.format(list)`: the clauses of CEL's strings extension, as cel-go formats them."""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from webhook.cel.errors import BudgetExceeded, EvaluationError
from webhook.cel.operators import MAX_SIZE, elements, type_of
from webhook.cel.types import Type
from webhook.cel.values import BoolKey, Duration, Timestamp, UInt, shortest_decimal

_CLAUSE = re.compile(r"%(?:(%)|(?:\.([0-9]{1,9}))?(.)?)", re.DOTALL)
_MAX_PRECISION = 1000  # digits after the point; a double has at most 1,074 that mean anything
_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def clauses(text: str) -> list[tuple[str, int]]:
    """The clauses of a format string that take an argument: letter and place. Raises EvaluationError on a bad one."""
    found: list[tuple[str, int]] = []
    for match in _CLAUSE.finditer(text):
        if match[1]:
            continue
        if match[3] is None:
            raise EvaluationError("unexpected end of string")
        if match[3] not in _FORMATTERS:
            raise EvaluationError(f'could not parse formatting clause: unrecognized formatting clause "{match[3]}"')
        found.append((match[3], match.start()))
    return found


def format_text(text: str, arguments: list[Any]) -> str:
    """The text with each clause replaced by its argument."""
    parts: list[str] = []
    at = used = 0
    for match in _CLAUSE.finditer(text):
        parts.append(text[at : match.start()])
        at = match.end()
        if match[1]:
            parts.append("%")
            continue
        if match[3] is None:
            raise EvaluationError("unexpected end of string")
        formatter = _FORMATTERS.get(match[3])
        if formatter is None:
            raise EvaluationError(f'could not parse formatting clause: unrecognized formatting clause "{match[3]}"')
        if used >= len(arguments):
            raise EvaluationError(f"index {used} out of range")
        precision = 6 if match[2] is None else int(match[2])
        if precision > _MAX_PRECISION:
            raise EvaluationError(f"could not parse formatting clause: precision over {_MAX_PRECISION}")
        parts.append(formatter(arguments[used], precision))
        used += 1
    parts.append(text[at:])
    if used < len(arguments):
        # As cel-go: arguments that no clause uses are ignored.
        pass
    made = "".join(parts)
    if len(made) > MAX_SIZE:
        raise BudgetExceeded
    return made


def _error(clause: str, allowed: str, value: Any) -> EvaluationError:
    return EvaluationError(
        f"error during formatting: {clause} clause can only be used on {allowed}, was given {type_of(value)}"
    )


def _string(value: Any, _: int = 0) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case bytes():
            return value.decode(errors="replace")
        case int():
            return int.__repr__(value)
        case float():
            return _special(value) or shortest_decimal(value)
        case Timestamp() | Duration() | Type():
            return str(value)
        case list():
            return f"[{', '.join(_nested(each) for each in value)}]"
        case dict():
            entries = sorted((_nested(_key(key)), _nested(each)) for key, each in value.items())
            return f"{{{', '.join(f'{key}: {each}' for key, each in entries)}}}"
        case _:
            allowed = "strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps"
            raise _error("string", allowed, value)


def _nested(value: Any) -> str:
    return _string(value)


def _key(key: Any) -> Any:
    return key.value if type(key) is BoolKey else key


def _special(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return ""


def _decimal(value: Any, _: int) -> str:
    if type(value) in (int, UInt):
        return int.__repr__(value)
    if type(value) is float and _special(value):
        return _special(value)
    raise _error("decimal", "integers", value)


def _fixed_point(value: Any, precision: int) -> str:
    number = _double("fixed-point", value)
    return _special(number) or f"{number:.{precision}f}"


def _scientific(value: Any, precision: int) -> str:
    number = _double("scientific", value)
    if _special(number):
        return _special(number)
    mantissa, _, exponent = f"{number:.{precision}e}".partition("e")
    shown = f"{int(exponent):03d}" if exponent.startswith("-") else f"{int(exponent):02d}"
    return f"{mantissa}\u202f\u00d7\u202f10{shown.translate(_SUPERSCRIPT)}"


def _double(clause: str, value: Any) -> float:
    if type(value) is float:
        return value
    if type(value) in (int, UInt):
        return float(value)
    if value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    raise _error(clause, "doubles", value)


def _binary(value: Any, _: int) -> str:
    if type(value) is bool:
        return "1" if value else "0"
    if type(value) in (int, UInt):
        return f"{int(value):b}"
    raise _error("binary", "integers and bools", value)


def _octal(value: Any, _: int) -> str:
    if type(value) in (int, UInt):
        return f"{int(value):o}"
    raise _error("octal", "integers", value)


def _hex(value: Any, _: int) -> str:
    if type(value) in (int, UInt):
        return f"{int(value):x}"
    if type(value) is str:
        return value.encode().hex()
    if type(value) is bytes:
        return value.hex()
    raise _error("hex", "integers, byte buffers, and strings", value)


_FORMATTERS = {
    "s": _string,
    "d": _decimal,
    "f": _fixed_point,
    "e": _scientific,
    "b": _binary,
    "o": _octal,
    "x": _hex,
    "X": lambda value, precision: _hex(value, precision).upper(),
}
