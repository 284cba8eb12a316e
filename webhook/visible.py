"""Escapes untrusted text for a terminal, so that it cannot move the cursor, change colours or reorder the output."""

from __future__ import annotations

import re
from typing import Any, TypeVar, cast

from webhook.lazypatterns import lazily

T = TypeVar("T")

# C0 and C1 controls, DEL, line and paragraph separators, zero-width and bidirectional controls, lone surrogates.
_HIDDEN = lazily("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]")
_HIDDEN_IN_JSON = lazily("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
"""Those that may be in JSON; a newline that is there as it is ends a line."""


def visible(text: str) -> str:
    r"""`text` with all control and invisible characters escaped, as \n or \x1b."""
    return _HIDDEN.sub(_escape, text) if _HIDDEN.search(text) else text


def visible_json(text: bytes) -> bytes:
    """JSON with the characters that `visible` escapes written as escapes of JSON: the same value, for a terminal.

    JSON itself escapes those below U+0020 alone.
    """
    if text.isascii() and 0x7F not in text:  # nearly every text; looking for b"\x7f" takes ten times as long
        return text
    return _HIDDEN_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text.decode()).encode()


def encodable(value: T) -> T:
    """A text with its lone surrogates escaped, so that UTF-8 can encode it; a file name may have some.

    Of a JSON value: the value, with all texts and keys treated so.
    """
    escaped: Any = value
    if isinstance(value, str):
        escaped = value.encode("utf-8", "backslashreplace").decode()
    elif isinstance(value, dict):
        escaped = {encodable(key): encodable(item) for key, item in value.items()}
    elif isinstance(value, list | tuple):
        escaped = [encodable(item) for item in value]
    return cast("T", escaped)


def _escape(match: re.Match[str]) -> str:
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(match[0]) or (
        f"\\x{ord(match[0]):02x}" if ord(match[0]) < 0x100 else f"\\u{ord(match[0]):04x}"
    )
