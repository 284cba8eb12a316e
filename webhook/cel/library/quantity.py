"""Kubernetes' quantity library: exact resource quantities such as 500m, 1.5Gi, 2e3.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-quantity-library. Parsing follows apimachinery's
resource.Quantity: values are multiples of a billionth (finer ones are rounded away from zero), and only a quantity
that the server holds as a small integer counts as an integer.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from webhook.cel.errors import EvaluationError
from webhook.cel.functions import Library, function, method
from webhook.cel.values import INT_MAX, INT_MIN

_FORM = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(.*)", re.DOTALL)
_PATTERN = re.compile(r"[+-]?[0-9.]+[eEinumkKMGTP]*[-+]?[0-9]*")
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)")
_MAX_EXPONENT = 4096  # more would only burn time: the API's own fields hold at most 18 digits
_MAX_LENGTH = 1024

_NOT_A_QUANTITY = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_BAD_SUFFIX = "unable to parse quantity's suffix"


class Quantity:
    """An exact amount: `value` is a Fraction. `scale` is the power of ten that the server holds it in, as a 64-bit
    integer times 10**scale; None where it holds it as a big decimal, which is never an integer to CEL."""

    __slots__ = ("scale", "value")
    cel_type = "kubernetes.Quantity"

    def __init__(self, value: Fraction, scale: int | None) -> None:
        self.value = value
        self.scale = scale

    def __eq__(self, other: object) -> bool:
        return type(other) is Quantity and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)


def parse_quantity(text: str) -> Quantity:
    """The quantity that a text shows. Raises EvaluationError with the server's words."""
    if len(text) > _MAX_LENGTH or not _PATTERN.fullmatch(text):
        raise EvaluationError(_NOT_A_QUANTITY)
    form = _FORM.fullmatch(text)
    if form is None:
        raise EvaluationError(_NOT_A_QUANTITY)
    sign, whole, fraction, suffix = form[1], form[2].lstrip("0"), form[3] or "", form[4]
    if "." in suffix:
        raise EvaluationError(_NOT_A_QUANTITY)
    digits = int(whole + fraction or 0)
    if suffix in _BINARY:
        power = _BINARY[suffix]
        value = Fraction(digits << power, 10 ** len(fraction))
        room = 15 - len(whole) - power * 3 // 10 - 1 if not fraction else -1
        scale: int | None = 0
    else:
        exponent = _decimal_exponent(suffix)
        value = Fraction(digits) * Fraction(10) ** (exponent - len(fraction))
        room = 18 - len(whole) - len(fraction)
        scale = exponent - len(fraction)
    if room < 0 or scale is None or scale < -9:
        scale = None
        nanos = value * 10**9
        value = Fraction(-(-nanos.numerator // nanos.denominator), 10**9)  # up, away from zero: the sign comes below
    return Quantity(-value if sign == "-" else value, scale)


def _decimal_exponent(suffix: str) -> int:
    if suffix in _DECIMAL:
        return _DECIMAL[suffix]
    match = _EXPONENT.fullmatch(suffix)
    if match is None or len(match[1]) > 6 or abs(int(match[1])) > _MAX_EXPONENT:
        raise EvaluationError(_BAD_SUFFIX)
    return int(match[1])


def _is_quantity(text: str) -> bool:
    try:
        parse_quantity(text)
    except EvaluationError:
        return False
    return True


def _is_integer(quantity: Quantity) -> bool:
    return quantity.scale is not None and quantity.scale >= 0 and INT_MIN <= quantity.value <= INT_MAX


def _as_integer(quantity: Quantity) -> int:
    if not _is_integer(quantity):
        raise EvaluationError("cannot convert value to integer")
    return int(quantity.value)


def _as_float(quantity: Quantity) -> float:
    try:
        return float(quantity.value)
    except OverflowError:
        return float("inf") if quantity.value > 0 else float("-inf")


def _compare(a: Quantity, b: Quantity) -> int:
    return (a.value > b.value) - (a.value < b.value)


def _plus(a: Quantity, value: Fraction, scale: int | None) -> Quantity:
    total = a.value + value
    if a.scale is None or scale is None:
        return Quantity(total, None)
    common = min(a.scale, scale)
    if not value:
        common = a.scale
    elif not a.value:
        common = scale
    fits = INT_MIN <= total / Fraction(10) ** common <= INT_MAX
    return Quantity(total, common if fits else None)


def _add(a: Quantity, b: Any) -> Quantity:
    return _plus(a, b.value, b.scale) if type(b) is Quantity else _plus(a, Fraction(b), 0)


def _subtract(a: Quantity, b: Any) -> Quantity:
    return _plus(a, -b.value, b.scale) if type(b) is Quantity else _plus(a, Fraction(-b), 0)


_Q = "kubernetes.Quantity"
LIBRARY = Library(
    "quantity",
    (1, 28),
    (
        function(
            "quantity",
            f"string -> {_Q}",
            parse_quantity,
            "The quantity that a text shows.",
            "quantity('1') == quantity('1000m')",
        ),
        function(
            "isQuantity",
            "string -> bool",
            _is_quantity,
            "Whether a text shows a quantity.",
            "isQuantity('1.5Gi') && !isQuantity('1ki')",
        ),
        function(
            "sign",
            f"{_Q} -> int",
            lambda quantity: (quantity.value > 0) - (quantity.value < 0),
            "-1, 0 or 1.",
            "sign(quantity('-1Ki')) == -1",
        ),
        method(
            "isGreaterThan",
            f"{_Q}, {_Q} -> bool",
            lambda a, b: a.value > b.value,
            "Whether it is more.",
            "quantity('1Ki').isGreaterThan(quantity('1k'))",
        ),
        method(
            "isLessThan",
            f"{_Q}, {_Q} -> bool",
            lambda a, b: a.value < b.value,
            "Whether it is less.",
            "quantity('1k').isLessThan(quantity('1Ki'))",
        ),
        method(
            "compareTo",
            f"{_Q}, {_Q} -> int",
            _compare,
            "-1, 0 or 1.",
            "quantity('50k').compareTo(quantity('50000')) == 0",
        ),
        method(
            "asApproximateFloat",
            f"{_Q} -> double",
            _as_float,
            "The nearest double.",
            "quantity('1.5').asApproximateFloat() == 1.5",
        ),
        method(
            "asInteger",
            f"{_Q} -> int",
            _as_integer,
            "The integer; an error if it is none.",
            "quantity('50k').asInteger() == 50000",
        ),
        method(
            "isInteger",
            f"{_Q} -> bool",
            _is_integer,
            "Whether asInteger gives a value.",
            "quantity('50k').isInteger() && !quantity('0.5').isInteger()",
        ),
        method(
            "add", f"{_Q}, {_Q} -> {_Q}", _add, "The sum.", "quantity('50k').add(quantity('20')) == quantity('50020')"
        ),
        method("add", f"{_Q}, int -> {_Q}", _add, "The sum.", "quantity('50k').add(20) == quantity('50020')"),
        method(
            "sub",
            f"{_Q}, {_Q} -> {_Q}",
            _subtract,
            "The difference.",
            "quantity('50k').sub(quantity('20')) == quantity('49980')",
        ),
        method(
            "sub", f"{_Q}, int -> {_Q}", _subtract, "The difference.", "quantity('50k').sub(20) == quantity('49980')"
        ),
    ),
    opaque={_Q: Quantity},
)
