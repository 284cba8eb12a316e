"""Kubernetes' quantity library: exact resource quantities such as 500m, 1.5Gi, 2e3.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-quantity-library. Parsing and arithmetic follow
apimachinery's resource.Quantity. It stores most values as an int64 times a power of ten, and the others as big
decimals, rounded away from zero to billionths. Only the first kind can be an integer in CEL.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from webhook.cel.cost import costs, estimates
from webhook.cel.library.declaring import Library, function, method, remembered
from webhook.cel.tree.errors import EvaluationError, no_such_overload
from webhook.cel.value.numbers import INT_MAX, INT_MIN
from webhook.lazypatterns import lazily

_FORM = lazily(r"([+-]?)([0-9]*+)(\.[0-9]*+)?+([eEinumkKMGTP]*+[-+]?[0-9]*+)")
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_EXPONENT = lazily(r"[eE]([+-]?[0-9]+)")
_NANO = -9
_MAX_EXPONENT = 4096  # a limit on time; quantities in the API have at most 18 digits
_MAX_LENGTH = 1024

_NOT_A_QUANTITY = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_BAD_NUMBER = "unable to parse numeric part of quantity"
_BAD_SUFFIX = "unable to parse quantity's suffix"


class Quantity:
    """An exact amount: `digits` times 10**`exponent`. `small`: the API server stores it as an int64."""

    __slots__ = ("digits", "exponent", "small")
    cel_type = "kubernetes.Quantity"
    go_type = "cel.Quantity"

    def __init__(self, digits: int, exponent: int, small: bool) -> None:
        self.digits = digits
        self.exponent = exponent
        self.small = small

    @property
    def value(self) -> Fraction:
        """The amount."""
        return Fraction(self.digits) * Fraction(10) ** self.exponent

    def __eq__(self, other: object) -> bool:
        if type(other) is not Quantity:
            raise no_such_overload()
        return _compare(self, other) == 0

    def __hash__(self) -> int:
        return hash(self.value)

    def cel_comparing(self, other: object) -> int:
        """The steps to compare it with another quantity, or add one."""
        if type(other) is not Quantity:
            return 0
        return abs(self.exponent - other.exponent) // 8 + _span(self.digits) + _span(other.digits)

    def __repr__(self) -> str:
        return f"quantity('{self.digits}e{self.exponent}')"


def _span(digits: int) -> int:
    return digits.bit_length() >> 8


@remembered
def parse_quantity(text: str) -> Quantity:
    """Parse a quantity. Raises EvaluationError with the API server's text."""
    form = _FORM.fullmatch(text) if text and len(text) <= _MAX_LENGTH else None
    if form is None:
        raise EvaluationError(_NOT_A_QUANTITY)
    negative, whole, fraction, suffix = form[1] == "-", form[2].lstrip("0") or "0", (form[3] or "")[1:], form[4]
    power = _BINARY.get(suffix)
    exponent = _decimal_exponent(suffix) if power is None else 0
    digits = int(whole + fraction)
    if power is None:
        small = len(whole) + len(fraction) <= 18 and exponent - len(fraction) >= _NANO
    else:
        # The API server uses the least number of decimal digits of the power of two.
        small = not fraction and len(whole) + power * 3 // 10 <= 14 and digits << power <= INT_MAX
    exponent -= len(fraction)
    digits <<= power or 0
    if not small:
        if not form[2] and not fraction:
            raise EvaluationError(_BAD_NUMBER)
        digits, exponent = _to_nano(digits, exponent)
        if power is not None and digits > INT_MAX * 10**9:
            digits, exponent = INT_MAX, 0
    return Quantity(-digits if negative else digits, exponent, small)


def _decimal_exponent(suffix: str) -> int:
    if suffix in _DECIMAL:
        return _DECIMAL[suffix]
    match = _EXPONENT.fullmatch(suffix)
    if match is None or len(match[1]) > 6 or abs(int(match[1])) > _MAX_EXPONENT:
        raise EvaluationError(_BAD_SUFFIX)
    return int(match[1])


def _to_nano(digits: int, exponent: int) -> tuple[int, int]:
    """The amount in billionths, rounded up; zero is unchanged."""
    if digits == 0:
        return 0, exponent
    if exponent >= _NANO:
        return digits * 10 ** (exponent - _NANO), _NANO
    return -(-digits // 10 ** (_NANO - exponent)), _NANO


def _is_quantity(text: str) -> bool:
    try:
        parse_quantity(text)
    except EvaluationError:
        return False
    return True


def _integer(quantity: Quantity) -> int | None:
    if not quantity.small or quantity.exponent < 0:
        return None
    if quantity.digits == 0:
        return 0
    number = quantity.digits * 10 ** min(quantity.exponent, 20)
    return number if INT_MIN <= number <= INT_MAX else None


def _as_integer(quantity: Quantity) -> int:
    number = _integer(quantity)
    if number is None:
        raise EvaluationError("cannot convert value to integer")
    return number


def _as_float(quantity: Quantity) -> float:
    """The double that the API server computes, which rounds twice: 0.3 gives 0.30000000000000004."""
    try:
        base = float(quantity.digits)
    except OverflowError:
        base = math.copysign(math.inf, quantity.digits)
    return base if quantity.exponent == 0 else base * _power_of_ten(quantity.exponent)


def _power_of_ten(exponent: int) -> float:
    """The result of Go's math.Pow10, which is not always the nearest double."""
    if not -323 <= exponent <= 308:
        return 0.0 if exponent < 0 else math.inf
    coarse, fine = divmod(abs(exponent), 32)
    if exponent < 0:
        return float(f"1e-{32 * coarse}") / float(f"1e{fine}")
    return float(f"1e{32 * coarse}") * float(f"1e{fine}")


def _aligned(a: Quantity, b: Quantity) -> tuple[int, int, int]:
    """The digits of both at the smaller of their exponents, and that exponent."""
    exponent = min(a.exponent, b.exponent)
    return a.digits * 10 ** (a.exponent - exponent), b.digits * 10 ** (b.exponent - exponent), exponent


def _compare(a: Quantity, b: Quantity) -> int:
    left, right, _ = _aligned(a, b)
    return (left > right) - (left < right)


def _plus(a: Quantity, b: Quantity) -> Quantity:
    if a.small and b.small:
        if b.digits == 0:
            return a
        if a.digits == 0:
            return b
    left, right, exponent = _aligned(a, b)
    small = a.small and b.small and all(INT_MIN <= each <= INT_MAX for each in (left, right, left + right))
    return Quantity(left + right, exponent, small)


def _quantity(value: Any) -> Quantity:
    return value if type(value) is Quantity else Quantity(value, 0, small=True)


def _add(a: Quantity, b: Any) -> Quantity:
    return _plus(a, _quantity(b))


def _subtract(a: Quantity, b: Any) -> Quantity:
    other = _quantity(b)
    if other.small and other.digits == INT_MIN and a.small and a.exponent >= 0 and 0 <= a.value <= INT_MAX:
        return _plus(a, other)  # the API server negates an int64, which overflows
    return _plus(a, Quantity(-other.digits, other.exponent, other.small))


_Q = "kubernetes.Quantity"
LIBRARY = Library(
    "quantity",
    (1, 28),
    (
        function(
            "quantity",
            f"string -> {_Q}",
            parse_quantity,
            "The quantity of a text.",
            "quantity('1') == quantity('1000m')",
            error=("quantity('1ki')", "unable to parse quantity's suffix"),
            cost=costs.text,
            estimate=estimates.text,
            work=costs.read,
        ),
        function(
            "isQuantity",
            "string -> bool",
            _is_quantity,
            "Whether a text is a quantity.",
            "isQuantity('1.5Gi') && !isQuantity('1ki')",
            cost=costs.text,
            estimate=estimates.text,
            work=costs.read,
        ),
        function(
            "sign",
            f"{_Q} -> int",
            lambda quantity: (quantity.digits > 0) - (quantity.digits < 0),
            "-1, 0 or 1.",
            "sign(quantity('-1Ki')) == -1",
        ),
        method(
            "isGreaterThan",
            f"{_Q}, {_Q} -> bool",
            lambda a, b: _compare(a, b) > 0,
            "Whether the quantity is greater than the other.",
            "quantity('1Ki').isGreaterThan(quantity('1k'))",
            work=costs.comparison,
        ),
        method(
            "isLessThan",
            f"{_Q}, {_Q} -> bool",
            lambda a, b: _compare(a, b) < 0,
            "Whether the quantity is less than the other.",
            "quantity('1k').isLessThan(quantity('1Ki'))",
            work=costs.comparison,
        ),
        method(
            "compareTo",
            f"{_Q}, {_Q} -> int",
            _compare,
            "-1, 0 or 1.",
            "quantity('50k').compareTo(quantity('50000')) == 0",
            work=costs.comparison,
        ),
        method(
            "asApproximateFloat",
            f"{_Q} -> double",
            _as_float,
            "The quantity as a double, which may be inexact.",
            "quantity('1.5').asApproximateFloat() == 1.5",
        ),
        method(
            "asInteger",
            f"{_Q} -> int",
            _as_integer,
            "The quantity as an int; an error if it is not an integer.",
            "quantity('50k').asInteger() == 50000",
            error=("quantity('0.5').asInteger()", "cannot convert value to integer"),
        ),
        method(
            "isInteger",
            f"{_Q} -> bool",
            lambda quantity: _integer(quantity) is not None,
            "Whether asInteger returns a value.",
            "quantity('50k').isInteger() && !quantity('0.5').isInteger()",
        ),
        method(
            "add",
            f"{_Q}, {_Q} -> {_Q}",
            _add,
            "The sum.",
            "quantity('50k').add(quantity('20')) == quantity('50020')",
            work=costs.comparison,
        ),
        method(
            "add",
            f"{_Q}, int -> {_Q}",
            _add,
            "The sum.",
            "quantity('50k').add(20) == quantity('50020')",
            work=costs.comparison,
        ),
        method(
            "sub",
            f"{_Q}, {_Q} -> {_Q}",
            _subtract,
            "The difference.",
            "quantity('50k').sub(quantity('20')) == quantity('49980')",
            work=costs.comparison,
        ),
        method(
            "sub",
            f"{_Q}, int -> {_Q}",
            _subtract,
            "The difference.",
            "quantity('50k').sub(20) == quantity('49980')",
            work=costs.comparison,
        ),
    ),
    opaque={_Q: Quantity},
)
