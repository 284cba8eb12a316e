"""Escapes untrusted text for a terminal, so that it cannot move the cursor, change colours or reorder the output."""

from __future__ import annotations

import re
from typing import Any, TypeVar, cast

from webhook.lazypatterns import lazily

T = TypeVar("T")

# C0 and C1 controls, DEL, line and paragraph separators, zero-width and bidirectional controls, lone surrogates.
_HIDDEN = lazily("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]")


def visible(text: str) -> str:
    r"""`text` with all control and invisible characters escaped, as \n or \x1b."""
    return _HIDDEN.sub(_escape, text) if _HIDDEN.search(text) else text


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
