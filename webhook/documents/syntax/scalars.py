"""The values of YAML scalars as kubectl reads them: sigs.k8s.io/yaml with its fork of go-yaml v2. Checked with kubectl.

Booleans are those of YAML 1.1 (yes, on, y), 010 is octal, and there are no dates and no base 60. A whole number that
fits into 64 bits is an int (kubectl sends 1.0 as 1), any other number a float; a number too large for a float is a
string.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
from typing import Final

from webhook.lazypatterns import lazily

Scalar = str | int | float | bool | None

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
_INFINITIES = dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf)
_INFINITIES |= dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf)

CONSTANTS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
"""The plain scalars that are neither strings nor numbers, with their values."""

NUMERIC: Final = frozenset("+-.0123456789")
"""The first characters of plain scalars that may be numbers."""

_DECIMAL = lazily(r"[1-9][0-9]{0,17}|0")
_INTEGER = lazily(
    r"(?P<sign>[+-]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)|0[oO]?(?P<oct>[0-7]+)|(?P<dec>[1-9][0-9]*|0))"
)
_FLOAT = lazily(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_MISPLACED = lazily(r"(?<![0-9])_|_(?![0-9])")
_BASES = {"hex": 16, "bin": 2, "oct": 8, "dec": 10}
LONGEST_NUMBER = 1000  # characters; a longer text is no 64-bit number, and Python's int() would be slow or refuse it

TAG: Final = "tag:yaml.org,2002:"
"""The prefix of tags that are written as !!NAME."""

TAGS: Final = frozenset(
    (
        *("binary", "bool", "float", "int", "map", "merge", "null"),
        *("omap", "pairs", "seq", "set", "str", "timestamp", "value"),
    )
)
"""The names of the tags that YAML defines, without the prefix."""


def number(text: str) -> int | float | str:
    """The number that the plain scalar `text` represents, or `text` if it is none. Infinities and NaN are floats."""
    if _DECIMAL.fullmatch(text):
        return int(text)
    if text in _INFINITIES:
        return _INFINITIES[text]
    if text in (".nan", ".NaN", ".NAN"):
        return math.nan
    if text[0] == "." and _MISPLACED.search(text):
        return text  # here Go's own parser decides, which wants digits on both sides of an underscore
    plain = text.replace("_", "")
    if len(plain) > LONGEST_NUMBER:
        return text
    if match := _INTEGER.fullmatch(plain):
        kind = match.lastgroup or "dec"
        whole = int(match["sign"] + match[kind], _BASES[kind])
        if _INT64_MIN <= whole <= _INT64_MAX:
            return whole
        # Up to 64 unsigned bits go-yaml keeps the integer; the API's JSON reader then takes a float. Beyond that it
        # knows the decimal form alone.
        if kind == "dec" or 0 < whole < 2**64:
            return float(whole) if abs(whole) < 1 << 1023 else text
        return text
    if _FLOAT.fullmatch(plain):
        value = float(plain)
        return text if math.isinf(value) else whole_number(value)
    return text


def whole_number(value: float) -> int | float:
    """`value` as kubectl sends it: it writes 1.0 as 1, which the API server reads as an integer."""
    return int(value) if value.is_integer() and -(2.0**63) <= value < 2.0**63 else value


def plain(text: str) -> Scalar:
    """The value of a plain (unquoted, untagged) scalar."""
    if text in CONSTANTS:
        return CONSTANTS[text]
    return number(text) if text[0] in NUMERIC else text


def tagged(tag: str, text: str) -> Scalar:
    """The value of a scalar with an explicit tag (`!!str 1`, `!!int "5"`).

    Raises ValueError if the text is not valid for the tag. With a tag that YAML does not define, the text is a string.
    """
    kind = tag.removeprefix(TAG)
    if kind == "binary" and tag != kind:
        try:
            return base64.b64decode("".join(text.split()), validate=True).decode(errors="replace")
        except (binascii.Error, ValueError):
            raise ValueError("!!binary wants base64") from None
    if tag == kind or kind not in ("bool", "int", "float", "null"):
        return text
    value = plain(text)
    if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        return value
    is_kind = {
        "bool": isinstance(value, bool),
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, float),
        "null": value is None,
    }
    if not is_kind[kind]:
        raise ValueError(f"the tag !!{kind} does not fit this value")
    return value


def key(value: Scalar) -> str:
    """The JSON key for a YAML key with this value: `on:` is "true", `8080:` is "8080".

    Raises ValueError for null and for integers beyond 64 bits.
    """
    if isinstance(value, str):
        return value
    if value is None:
        raise ValueError("a key must not be null; quote it if it is meant as text")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if math.isinf(value) or math.isnan(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    return _shortest32(value)


def _shortest32(value: float) -> str:
    """Go's strconv.FormatFloat(value, 'g', -1, 32), which is how sigs.k8s.io/yaml writes float keys."""
    try:
        single = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return "+Inf" if value > 0 else "-Inf"
    for digits in range(1, 10):
        scientific = f"{value:.{digits - 1}e}"
        if struct.unpack("f", struct.pack("f", float(scientific)))[0] == single:
            break
    _, exponent = scientific.split("e")
    if -4 <= int(exponent) < 6:
        return f"{float(scientific):.{max(0, digits - 1 - int(exponent))}f}"
    return scientific
