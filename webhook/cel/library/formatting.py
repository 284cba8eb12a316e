"""`string.format(list)`: the clauses of CEL's strings extension, as cel-go formats them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from webhook.cel.tree import types
from webhook.cel.tree.ast import Const, Expr, ListLiteral
from webhook.cel.tree.errors import BudgetExceeded, EvaluationError
from webhook.cel.tree.types import Type
from webhook.cel.value.numbers import UInt, shortest_general
from webhook.cel.value.operators import MAX_SIZE, type_of
from webhook.cel.value.quoting import quoted
from webhook.cel.value.times import Duration, Timestamp, integer
from webhook.cel.value.values import Key, Optional

_MAX_PRECISION = 1000  # digits after the decimal point; a double has at most 1,074 significant ones
_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


class _Clause(Struct, frozen=True):
    """A clause of a format string that takes an argument: %.2f. `end`: the offset after it."""

    letter: str
    precision: int
    end: int


_DIGITS = re.compile("[0-9]*")
_UNPARSED = "could not parse formatting clause"


def _clause(text: str, at: int) -> _Clause:
    """The clause at an offset, which is that of its %. Raises EvaluationError."""
    precision, at = 6, at + 1
    if at == len(text):
        raise EvaluationError("unexpected end of string")
    if text[at] == ".":
        match = _DIGITS.match(text, at + 1)
        digits, at = (match[0], match.end()) if match is not None else ("", at + 1)
        problem = f"{_UNPARSED}: error while parsing precision"
        if at == len(text):
            raise EvaluationError(f"{problem}: could not find end of precision specifier")
        try:
            precision = integer(digits)
        except EvaluationError as error:
            raise EvaluationError(f"{problem}: error while converting precision to integer: {error}") from None
    if text[at] not in _FORMATTERS:
        letter = text[at] if text[at].isascii() else chr(text[at].encode()[0])  # the API server reads bytes here
        raise EvaluationError(f'{_UNPARSED}: unrecognized formatting clause "{letter}"')
    return _Clause(text[at], precision, at + 1)


def _pieces(text: str, given: int) -> Iterator[str | _Clause]:
    """The texts and clauses of a format string for so many arguments. Raises EvaluationError."""
    at = used = 0
    while True:
        found = text.find("%", at)
        yield text[at:] if found < 0 else text[at:found]
        if found < 0:
            return
        if text.startswith("%%", found):
            yield "%"
            at = found + 2
            continue
        if used >= given:
            raise EvaluationError(f"index {used} out of range")
        clause = _clause(text, found)
        yield clause
        used, at = used + 1, clause.end


def format_text(text: str, arguments: list[Any]) -> str:
    """The text with each clause replaced by its argument."""
    parts: list[str] = []
    values = iter(arguments)
    for piece in _pieces(text, len(arguments)):
        if isinstance(piece, str):
            parts.append(piece)
        else:
            parts.append(_FORMATTERS[piece.letter](next(values), piece.precision))
    made = "".join(parts)
    if len(made) > MAX_SIZE:
        raise BudgetExceeded
    return made


def _error(clause: str, allowed: str, value: Any) -> EvaluationError:
    return _refused(f"{clause} clause can only be used on {allowed}", value)


def _refused(rule: str, value: Any) -> EvaluationError:
    return EvaluationError(f"error during formatting: {rule}, was given {type_of(value)}")


_STRING_TYPES = "strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps"


def _string(value: Any, _: int = 0) -> str:
    """A value outside of lists and maps. Text is not quoted."""
    match value:
        case str():
            return value
        case bytes():
            return _text(value)
        case float():
            return shortest_general(value)
        case Timestamp() | Duration():
            return str(value)
        case _:
            return _nested(value)


def _nested(value: Any) -> str:
    """A value inside a list or map, in the form of a CEL literal."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return quoted(value)
        case bytes():
            return f"b{quoted(_text(value))}"
        case int():
            return int.__repr__(value)
        case float():
            return f"{value:.6f}" if math.isfinite(value) else f'"{shortest_general(value)}"'
        case Timestamp():
            return f'timestamp("{value}")'
        case Duration():
            return f'duration("{value}")'
        case Type():
            return value.name
        case list():
            return f"[{', '.join(map(_nested, value))}]"
        case dict():
            entries = sorted(
                f"{_nested(key.value if type(key) is Key else key)}:{_nested(each)}" for key, each in value.items()
            )
            return f"{{{', '.join(entries)}}}"
        case _:
            raise _error("string", _STRING_TYPES, value)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        reason = "invalid UTF-8 in bytes, cannot convert to string"
        raise EvaluationError(f'error during formatting: could not convert argument "{reason}" to string') from None


def _decimal(value: Any, _: int) -> str:
    if type(value) in (int, UInt):
        return int.__repr__(value)
    raise _error("decimal", "integers", value)


# The API server formats %f and %e for the locale en-US: with separators, and with powers of ten written out.


def _fixed_point(value: Any, precision: int) -> str:
    number = _double("fixed-point", value)
    _limited(precision)
    if not math.isfinite(number):
        return _not_finite(number)
    shown = f"{number:,.{precision}f}"
    return shown.removeprefix("-") if float(number) == 0 else shown


def _scientific(value: Any, precision: int) -> str:
    # The API server writes six digits for any precision, which it takes for the width.
    number = _double("scientific", value)
    _limited(precision)
    if not math.isfinite(number):
        return _not_finite(number).rjust(precision)
    mantissa, exponent = f"{number:.6e}".split("e")
    power = int(exponent)
    shown = f"{'-' if power < 0 else ''}{abs(power):02d}"
    return f"{mantissa}\u00d710{shown.translate(_SUPERSCRIPT)}".rjust(precision)


def _limited(precision: int) -> None:
    if precision > _MAX_PRECISION:
        raise EvaluationError(f"{_UNPARSED}: precision over {_MAX_PRECISION}")


def _not_finite(number: float) -> str:
    return "NaN" if math.isnan(number) else "∞" if number > 0 else "-∞"


_NAMED_DOUBLES = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def _double(clause: str, value: Any) -> float:
    if type(value) is float:
        return value
    if type(value) is str and value in _NAMED_DOUBLES:
        return _NAMED_DOUBLES[value]
    raise _error(clause, "doubles", value)


def _binary(value: Any, _: int) -> str:
    if type(value) is bool:
        return "1" if value else "0"
    if type(value) in (int, UInt):
        return f"{int(value):b}"
    raise _refused("only integers and bools can be formatted as binary", value)


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
    raise _refused("only integers, byte buffers, and strings can be formatted as hex", value)


_FORMATTERS: dict[str, Callable[[Any, int], str]] = {
    "s": _string,
    "d": _decimal,
    "f": _fixed_point,
    "e": _scientific,
    "b": _binary,
    "o": _octal,
    "x": _hex,
    "X": lambda value, precision: _hex(value, precision).upper(),
}


# -------------------------------------------------------------------------------------------------- when a policy loads


class _Opaque:
    """A sample value of an opaque type."""

    def __init__(self, cel_type: str) -> None:
        self.cel_type = cel_type


# A sample value of each type, to test formatting clauses. Other types are only known at run time.
_SAMPLES: dict[Type, Any] = {
    types.NULL: None,
    types.BOOL: True,
    types.INT: 1,
    types.UINT: UInt(1),
    types.DOUBLE: 1.0,
    types.STRING: "a",
    types.BYTES: b"a",
    types.DURATION: Duration(0),
    types.TIMESTAMP: Timestamp(0),
}


def check_format(args: Sequence[Expr], _: Any) -> Iterator[tuple[Expr, str]]:
    """The first fault of a literal format string and its list literal of arguments."""
    text, arguments = args
    if not isinstance(text, Const) or not isinstance(arguments, ListLiteral):
        return
    given = len(arguments.elements)
    try:
        wanted = [piece for piece in _pieces(text.value, given) if isinstance(piece, _Clause)]
    except EvaluationError as error:
        yield text, str(error)
        return
    if len(wanted) < given:
        yield arguments, f"too many arguments supplied to string.format (expected {len(wanted)}, got {given})"
        return
    for clause, argument in zip(wanted, arguments.elements, strict=True):
        problem = _clause_problem(clause.letter, argument.type)
        if problem:
            yield argument, problem
            return


def _clause_problem(letter: str, given: Type) -> str:
    if letter in ("e", "f") and given == types.STRING:
        return ""  # it may be NaN or an infinity
    if given in _SAMPLES:
        sample = _SAMPLES[given]
    elif given.name == "list":
        sample = []
    elif given.name == "map":
        sample = {}
    elif given.name == "optional_type":
        sample = Optional(1)
    elif given.name == "type":
        sample = given
    elif given == types.DYN:
        return ""
    else:
        sample = _Opaque(str(given))
    try:
        format_text(f"%{letter}", [sample])
    except EvaluationError as error:
        return str(error)
    return ""
