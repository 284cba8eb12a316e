"""Values as Go's fmt, strconv and encoding/json write them, for texts of the API server that show a value."""

from __future__ import annotations

import math
import re
from typing import Any

from webhook.cel.value.values import shortest_general

_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}


def quoted(text: str) -> str:
    """A text as strconv.Quote writes it: %q."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return f'"{"".join(map(_quoted_character, text))}"'


def _quoted_character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shown(value: Any) -> str:
    """A JSON value as %v writes it."""
    if value is None:
        return "<nil>"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, float):
        return shortest_general(value)
    if isinstance(value, list):
        return f"[{' '.join(map(shown, value))}]"
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{shown(value[key])}' for key in sorted(value))}]"
    return str(value)


_JSON_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_JSON_SPECIAL = re.compile('["\\\\\x00-\x1f<>&\u2028\u2029]')


def json_text(value: Any) -> str:
    """A JSON value as encoding/json writes it: keys in order, no spaces, `<`, `>` and `&` escaped."""
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, str):
        return json_string(value)
    if isinstance(value, float):
        return json_number(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(map(json_text, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{json_string(key)}:{json_text(value[key])}' for key in sorted(value))}}}"
    return str(value)


def json_string(text: str) -> str:
    """A text as encoding/json writes it."""
    return f'"{_JSON_SPECIAL.sub(_json_escape, text)}"'


def _json_escape(match: re.Match[str]) -> str:
    return _JSON_ESCAPES.get(match[0]) or f"\\u{ord(match[0]):04x}"


def json_number(number: float) -> str:
    """A double as encoding/json writes it: exponents below 1e-6 and from 1e21."""
    if math.isnan(number) or math.isinf(number):
        return shortest_general(number)
    text = repr(number)
    mantissa, _, power = text.partition("e")
    if 1e-6 <= abs(number) < 1e21 or number == 0:
        if power:
            from decimal import Decimal

            text = f"{Decimal(text):f}"
        return text.removesuffix(".0")
    return f"{mantissa.removesuffix('.0')}e{'-' if power.startswith('-') else '+'}{power.lstrip('+-').lstrip('0')}"
