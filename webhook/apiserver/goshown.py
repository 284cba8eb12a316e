"""JSON values as the API server's texts show them: Go's %v, and encoding/json."""

from __future__ import annotations

import re
from typing import Any

from webhook.apiserver import gotext
from webhook.cel.value.numbers import shortest_general


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


class Struct(dict[str, Any]):
    """A value that is a struct in Go, whose fields are written in the order that they have here."""

    __slots__ = ()


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
        return gotext.number(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(map(json_text, value))}]"
    if isinstance(value, dict):
        keys = value if isinstance(value, Struct) else sorted(value)
        return f"{{{','.join(f'{json_string(key)}:{json_text(value[key])}' for key in keys)}}}"
    return str(value)


def json_string(text: str) -> str:
    """A text as encoding/json writes it."""
    return f'"{_JSON_SPECIAL.sub(_json_escape, text)}"'


def _json_escape(match: re.Match[str]) -> str:
    return _JSON_ESCAPES.get(match[0]) or f"\\u{ord(match[0]):04x}"
