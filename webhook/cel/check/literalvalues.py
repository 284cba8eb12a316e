"""The values of literals."""

from __future__ import annotations

import math
import re
from typing import Final

from webhook.cel.value.numbers import UInt
from webhook.lazypatterns import lazily

_NEWLINE: Final = lazily(r"\r\n?")
_ESCAPE: Final = lazily(
    r"\\(?:([0-3][0-7]{2})|[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL
)
_CHARACTERS: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_HIGHEST_INT, _HIGHEST_UINT, _LAST_CHARACTER = 2**63 - 1, 2**64 - 1, 0x10FFFF


class LiteralError(ValueError):
    """A literal without a value. str(error) is the API server's text."""


def integer(text: str, sign: str) -> int:
    """The value of an int literal, with the sign before it."""
    value = _number(text)
    value = -value if sign else value
    if not -_HIGHEST_INT - 1 <= value <= _HIGHEST_INT:
        raise LiteralError("invalid int literal")
    return value


def unsigned(text: str) -> UInt:
    """The value of a uint literal."""
    value = _number(text[:-1])
    if value > _HIGHEST_UINT:
        raise LiteralError("invalid uint literal")
    return UInt(value)


_LONGEST: Final = 64
"""Digits of a number that may fit, leading zeros aside."""


def _number(text: str) -> int:
    base = 16 if text.startswith("0x") else 10
    digits = (text[2:] if base == 16 else text).lstrip("0") or "0"
    return int(digits, base) if len(digits) <= _LONGEST else 2**65


def double(text: str, sign: str) -> float:
    """The value of a double literal, with the sign before it."""
    value = float(sign + text)
    if math.isinf(value):
        raise LiteralError("invalid double literal")
    return value


def string(text: str) -> str:
    """The value of a string literal."""
    body, raw = _body(text)
    if raw or "\\" not in body:
        return body
    return _ESCAPE.sub(_character, body)


def octets(text: str) -> bytes:
    """The value of a bytes literal, without its prefix `b`."""
    body, raw = _body(text)
    if raw or "\\" not in body:
        return body.encode()
    parts: list[bytes] = []
    place = 0
    for match in _ESCAPE.finditer(body):
        parts.append(body[place : match.start()].encode())
        octal, short, long, longest, other = match.groups()
        if long or longest:
            raise LiteralError("unable to unescape string")
        if octal or short:
            parts.append(bytes([int(octal, 8) if octal else int(short, 16)]))
        else:
            parts.append(_CHARACTERS.get(other, other).encode())
        place = match.end()
    parts.append(body[place:].encode())
    return b"".join(parts)


def _body(text: str) -> tuple[str, bool]:
    """What stands between the quotes, and whether it is raw."""
    raw = text[0] in "rR"
    if raw:
        text = text[1:]
    quotes = 3 if len(text) >= 6 and text[:3] in ('"""', "'''") else 1
    body = text[quotes:-quotes]
    return (_NEWLINE.sub("\n", body) if "\r" in body else body), raw


def _character(match: re.Match[str]) -> str:
    octal, short, long, longest, other = match.groups()
    if other:
        return _CHARACTERS.get(other, other)
    code = int(octal, 8) if octal else int(short or long or longest, 16)
    if code > _LAST_CHARACTER or 0xD800 <= code <= 0xDFFF:
        raise LiteralError("invalid unicode code point")
    return chr(code)
