"""Text of others made fit for a terminal: nothing in it may move the cursor, change colours or reorder what is read."""

from __future__ import annotations

import re
from typing import Any, TypeVar, cast

T = TypeVar("T")

# C0 and C1 controls, DEL, line and paragraph separators, bidirectional controls, half characters.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def visible(text: str) -> str:
    r"""`text` with every character that does not simply show as an escape such as \x1b."""
    return _HIDDEN.sub(_escape, text) if _HIDDEN.search(text) else text


def encodable(value: T) -> T:
    """A text without half characters, such as the undecodable bytes of a file's name: fit for UTF-8. Of a JSON value
    the same, with all texts and keys in it."""
    made: Any = value
    if isinstance(value, str):
        made = value.encode("utf-8", "backslashreplace").decode()
    elif isinstance(value, dict):
        made = {encodable(key): encodable(item) for key, item in value.items()}
    elif isinstance(value, list | tuple):
        made = [encodable(item) for item in value]
    return cast("T", made)


def _escape(match: re.Match[str]) -> str:
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(match[0]) or (
        f"\\x{ord(match[0]):02x}" if ord(match[0]) < 0x100 else f"\\u{ord(match[0]):04x}"
    )
