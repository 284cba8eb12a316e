"""Resource quantities in the form that the API server keeps: `1000m` → `1`, `0.5` → `500m`, `1024Mi` → `1Gi`.

Reading and writing follow apimachinery's resource.Quantity. It keeps the text of a number that is canonical already.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from msgspec import Struct

from webhook.apiserver.gotext import INT64
from webhook.lazypatterns import lazily

LONGEST: Final = 1024  # characters; of a longer text that is a number, the API server computes for a long time

_NOT_A_QUANTITY: Final = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_BAD_NUMBER: Final = "unable to parse numeric part of quantity"
_BAD_SUFFIX: Final = "unable to parse quantity's suffix"

_FORM: Final = lazily(r"([+-]?)(0*+)([0-9]*+)(?:(\.)([0-9]*+))?+([eEinumkKMGTP]*+[-+]?[0-9]*+)", re.ASCII)
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_EXPONENT: Final = lazily(r"[eE]([+-]?[0-9]+)", re.ASCII)
_DECIMAL_SUFFIXES: Final = {power: suffix for suffix, power in _DECIMAL.items()}
_BINARY_SUFFIXES: Final = {0: ""} | {power: suffix for suffix, power in _BINARY.items()}
_LARGEST_EXPONENT: Final = 4096  # a limit on time: a quantity of the API has 18 digits
_NANO: Final = -9


class Quantity(Struct, frozen=True):
    """An amount: `digits` times 10**`exponent`. `suffixes`: binary, decimal or exponent, the form it is written in.

    `text`: the text it was read from, if it is the canonical form.
    """

    digits: int
    exponent: int
    suffixes: str
    text: str = ""

    def rounded(self, exponent: int) -> Quantity:
        """The amount in multiples of 10**exponent, rounded away from zero."""
        if self.exponent >= exponent:
            return self
        digits = -(-abs(self.digits) // 10 ** (exponent - self.exponent))
        return Quantity(-digits if self.digits < 0 else digits, exponent, self.suffixes)

    def whole(self, exponent: int) -> int:
        """How many times 10**exponent it is, rounded away from zero."""
        made = self.rounded(exponent)
        return made.digits * int(10 ** (made.exponent - exponent))

    def plus(self, other: Quantity) -> Quantity:
        """The sum, written in the form of the first that is not zero."""
        exponent = min(self.exponent, other.exponent)
        digits = self._digits(exponent) + other._digits(exponent)
        return Quantity(digits, exponent, self.suffixes if self.digits else other.suffixes)

    def below(self, other: Quantity) -> bool:
        """Whether it is less than another amount."""
        exponent = min(self.exponent, other.exponent)
        return self._digits(exponent) < other._digits(exponent)

    def _digits(self, exponent: int) -> int:
        return int(self.digits * 10 ** (self.exponent - exponent))

    def __str__(self) -> str:
        return self.text or _written(self)


@lru_cache(4096)
def canonical(text: str) -> str:
    """The form that the API server keeps. Raises ValueError with its text."""
    return str(parse(text))


@lru_cache(4096)
def rounded(text: str, exponent: int) -> str:
    """The form that the API server keeps of an amount that it rounds up to a multiple of 10**exponent."""
    return str(parse(text).rounded(exponent))


@lru_cache(4096)
def parse(text: str) -> Quantity:
    """Read a quantity. Raises ValueError with the API server's text."""
    if text == "0":
        return Quantity(0, 0, "decimal", text)
    form = _FORM.fullmatch(text) if text and len(text) <= LONGEST else None
    if form is None:
        raise ValueError(_NOT_A_QUANTITY)
    negative, number, fraction, suffix = form[1] == "-", form[3], form[5] or "", form[6]
    at_end = form.end(2) == len(text)  # only zeros, or nothing
    whole = number or "0"
    power, exponent, suffixes = 0, 0, "decimal"
    if suffix in _BINARY:
        power, suffixes = _BINARY[suffix], "binary"
    else:
        exponent, suffixes = _decimal_exponent(suffix)
    if suffixes != "binary":
        precision = 18 - len(whole) - len(fraction)
    else:
        precision = -1 if fraction else 15 - len(whole) - power * 3 // 10 - 1
    scale = exponent - len(fraction)
    shifted = whole + fraction
    if precision >= 0 and scale >= _NANO:
        value = int(shifted)
        if (amount := value << power) <= INT64[1]:
            if suffixes == "binary":
                kept = power % 10 == 0 and value & 7 != 0
            else:
                kept = scale % 3 == 0 and not shifted.endswith("000") and shifted[0] != "0"
            return Quantity(-amount if negative else amount, scale, suffixes, text if kept else "")
    if not at_end and not (form[2] or number or fraction):
        raise ValueError(_BAD_NUMBER)
    return _large(int(shifted) << power, scale, suffixes, negative)


def _large(digits: int, exponent: int, suffixes: str, negative: bool) -> Quantity:
    """An amount that the API server keeps as a big decimal, in billionths."""
    if digits and exponent < _NANO:
        digits, exponent = -(-digits // 10 ** (_NANO - exponent)), _NANO
    if suffixes == "binary":
        if digits * 10 ** max(exponent, 0) > INT64[1] * 10 ** max(-exponent, 0):
            digits, exponent = INT64[1], 0
        if digits > 0 and exponent < 0 and digits < 10**-exponent:
            suffixes = "decimal"
    return Quantity(-digits if negative else digits, exponent, suffixes)


def _decimal_exponent(suffix: str) -> tuple[int, str]:
    if suffix in _DECIMAL:
        return _DECIMAL[suffix], "decimal"
    match = _EXPONENT.fullmatch(suffix)
    if match is None or len(match[1]) > 6 or abs(int(match[1])) > _LARGEST_EXPONENT:
        raise ValueError(_BAD_SUFFIX)
    return int(match[1]), "exponent"


def _written(quantity: Quantity) -> str:
    digits, exponent, suffixes = quantity.digits, quantity.exponent, quantity.suffixes
    if digits == 0:
        return "0"
    if suffixes == "binary":
        whole = _integer(digits, exponent)
        if whole is not None and abs(whole) >= 1024:
            power = 0
            while whole % 1024 == 0:
                whole, power = whole // 1024, power + 10
            return f"{whole}{_BINARY_SUFFIXES.get(power, '')}"
        suffixes = "decimal"
    while digits % 10 == 0:
        digits, exponent = digits // 10, exponent + 1
    digits, exponent = digits * 10 ** (exponent % 3), exponent - exponent % 3
    if suffixes == "exponent":
        return f"{digits}e{exponent}" if exponent else str(digits)
    return f"{digits}{_DECIMAL_SUFFIXES.get(exponent, '')}"


def _integer(digits: int, exponent: int) -> int | None:
    if exponent >= 0:
        whole: int = digits * 10**exponent
        return whole
    whole, rest = divmod(digits, 10**-exponent)
    return None if rest else whole
