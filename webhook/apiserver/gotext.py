"""Values as Go writes them in JSON and in messages, and binary data."""

from __future__ import annotations

import base64
import binascii
import math
from typing import Any, Final

INT32: Final = (-(1 << 31), (1 << 31) - 1)
INT64: Final = (-(1 << 63), (1 << 63) - 1)

_ESCAPES: Final = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
_ESCAPES_TOO: Final = {'"': '\\"', "\\": "\\\\"}


def number(value: float) -> str:
    """The text of a JSON number, as kubectl sends it: 0.5, 100000000000000000000, 1e+21. A whole float has no point."""
    if isinstance(value, int):
        if INT64[0] <= value <= INT64[1]:
            return str(value)
        value = float(value)
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    sign = "-" if value < 0 else ""
    digits, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = digits.partition(".")
    significant = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0)  # where the decimal point stands, from the start of whole + fraction
    point -= len(whole + fraction) - len(significant)
    significant = significant.rstrip("0")
    if 1e-6 <= abs(value) < 1e21:
        if point <= 0:
            return f"{sign}0.{'0' * -point}{significant}"
        if len(significant) <= point:
            return sign + significant.ljust(point, "0")
        return f"{sign}{significant[:point]}.{significant[point:]}"
    rest = f".{significant[1:]}" if len(significant) > 1 else ""
    return f"{sign}{significant[0]}{rest}e{point - 1:+d}"


def what(value: Any) -> str:
    """What messages call a JSON value that has the wrong type."""
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, dict):
        return "object"
    return "array" if isinstance(value, list) else "number"


def quote(text: str) -> str:
    """A text in quotes, as strconv.Quote writes it."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return f'"{"".join(map(_quoted, text))}"'


def _quoted(character: str) -> str:
    if character in _ESCAPES_TOO:
        return _ESCAPES_TOO[character]
    if character.isprintable():
        return character
    if character in _ESCAPES:
        return _ESCAPES[character]
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def encoded(data: bytes) -> str:
    """Binary data as JSON has it."""
    return base64.b64encode(data).decode()


def binary(text: str) -> bytes:
    """The data of a base64 text. Line breaks are ignored. Raises ValueError with Go's text."""
    try:
        return binascii.a2b_base64(text.encode(), strict_mode=True)
    except ValueError:
        pass  # also of line breaks and of bits beyond the last byte, which Go accepts
    raw = text.encode()
    wrong = _corrupt(raw)
    if wrong is not None:
        raise ValueError(f"illegal base64 data at input byte {wrong}")
    return base64.b64decode(raw.translate(None, b"\r\n"))


_ALPHABET: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_BREAKS: Final = frozenset(b"\r\n")


def _corrupt(raw: bytes) -> int | None:
    """The offset of the first byte that is not base64, as Go's decoder counts it; None if there is none."""
    at, held = 0, 0
    size = len(raw)
    while at < size:
        each = raw[at]
        at += 1
        if each in _ALPHABET:
            held = (held + 1) % 4
        elif each not in _BREAKS:
            if each != ord("=") or held < 2:
                return at - 1
            if held == 2:
                while at < size and raw[at] in _BREAKS:
                    at += 1
                if at == size:
                    return size
                if raw[at] != ord("="):
                    return at - 1
                at += 1
            while at < size and raw[at] in _BREAKS:
                at += 1
            return at if at < size else None
    return size - held if held else None
