"""Numbers: uint, the limits of int and uint, and the texts of doubles as Go writes them."""

from __future__ import annotations

import math

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
UINT_MAX = 2**64 - 1


class UInt(int):
    """uint: an unsigned int. It equals the same int and has the same hash, as CEL's comparisons need."""

    __slots__ = ()


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
