"""Decodes strings, booleans, numbers, and the types that have a JSON form of their own: quantities, times, binary data.

Except for binary data, an error in a type with a form of its own ends decoding. See webhook.apiserver.decoding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from webhook.apiserver import gotext, quantities
from webhook.apiserver.decodingerrors import Decoder, Described, Found, Place, mismatch
from webhook.apiserver.gotypes import GoType


def scalar(go: GoType) -> Decoder:
    """The decoder of a string, boolean or number."""
    form = go.form

    def decode_string(value: Any, place: Place | None, found: Found) -> Any:
        if value.__class__ is str:
            return value
        found.mistyped(value, go.go, place)
        return None

    def decode_bool(value: Any, place: Place | None, found: Found) -> Any:
        if value.__class__ is bool:
            return value
        found.mistyped(value, go.go, place)
        return None

    low, high = gotext.INT32 if form == "int32" else gotext.INT64

    def decode_int(value: Any, place: Place | None, found: Found) -> Any:
        if value.__class__ is int and low <= value <= high:
            return value
        if value.__class__ is int or value.__class__ is float:
            text = gotext.number(value)
            if text.lstrip("-").isdigit() and low <= int(text) <= high:
                return int(text)
            value = Described(f"number {text}")
        found.mistyped(value, go.go, place)
        return None

    def decode_float(value: Any, place: Place | None, found: Found) -> Any:
        if value.__class__ is float or value.__class__ is int:
            return value
        found.mistyped(value, go.go, place)
        return None

    return {"string": decode_string, "bool": decode_bool, "int32": decode_int, "int64": decode_int}.get(
        form, decode_float
    )


def text_form(read: Callable[[str], Any]) -> Decoder:
    """The decoder of a type that is written as text."""

    def decode_text(value: Any, place: Place | None, found: Found) -> Any:
        if value.__class__ is not str:
            found.unreadable(mismatch(value, "string", place), place, fatal=True)
            return None
        try:
            return read(value)
        except ValueError as error:
            found.unreadable(str(error), place, fatal=True)
            return None

    return decode_text


# The API server reads a quantity from the JSON text without its escapes: blanks around it are dropped, unless they are
# escaped, as kubectl does with control characters and the separators of lines and paragraphs.
_BLANKS: Final = " \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"


def quantity(value: Any, place: Place | None, found: Found) -> Any:
    if value.__class__ is str:
        text = value.strip(_BLANKS)
    elif value.__class__ is int or value.__class__ is float:
        text = gotext.number(value)
    else:
        text = "{}"  # no quantity
    try:
        return quantities.canonical(text)
    except ValueError as error:
        found.unreadable(str(error), place, fatal=True)
        return None


def int_or_string(value: Any, place: Place | None, found: Found) -> Any:
    if value.__class__ is str or (value.__class__ is int and 0 <= value <= gotext.INT32[1]):
        return value
    if value.__class__ is int or value.__class__ is float:
        text = gotext.number(value)
        if text.lstrip("-").isdigit() and gotext.INT32[0] <= int(text) <= gotext.INT32[1]:
            return int(text)
        value = Described(f"number {text}")
    found.unreadable(mismatch(value, "int32", place), place, fatal=True)
    return None


def binary(value: Any, place: Place | None, found: Found) -> Any:
    if value.__class__ is str:
        try:
            return gotext.encoded(gotext.binary(value))
        except ValueError as error:
            found.unreadable(str(error), place, fatal=False)
            return None
    if value.__class__ is list:
        return _octets(value, place, found)
    found.mistyped(value, "[]uint8", place)
    return None


def _octets(value: list[Any], place: Place | None, found: Found) -> str | None:
    """Binary data as a list of numbers, which Go reads too."""
    data = bytearray()
    for index, each in enumerate(value):
        text = gotext.number(each) if each.__class__ in (int, float) else ""
        if each is not None and not (text.isdigit() and int(text) < 256):
            found.mistyped(Described(f"number {text}") if text else each, "uint8", (place, index, None))
            return None
        data.append(int(text or 0))
    return gotext.encoded(bytes(data))


def as_is(value: Any, place: Place | None, found: Found) -> Any:
    """Values that the API server does not look into."""
    return value
