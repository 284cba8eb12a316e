"""Escapes untrusted text, so that it cannot move a terminal's cursor, change colours, reorder the output, or order a
runner of CI around.

Runners read what a step prints. GitHub's take a line that begins with `::`, after blanks too, for a command; they,
Azure's and TeamCity's take `##[`, `##vso[` and `##teamcity[` for one, anywhere in a line.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar, cast

from webhook.lazypatterns import lazily

T = TypeVar("T")

# C0 and C1 controls, DEL, line and paragraph separators, zero-width and bidirectional controls, lone surrogates.
_HIDDEN = lazily("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]")
_HIDDEN_IN_JSON = lazily("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
"""Those that may be in JSON; a newline that is there as it is ends a line."""


BRACKETED = lazily(r"##(?=[a-z]*\[)")
"""What begins a command for a runner anywhere in a line."""

_LINE_COMMAND = lazily(r"(?:\s|\x1b\[[0-9;]*m)*::")


def visible(text: str) -> str:
    r"""`text` with all control and invisible characters escaped, as \n or \x1b, and `##[` as #\x23[."""
    if _HIDDEN.search(text):
        text = _HIDDEN.sub(_escape, text)
    return BRACKETED.sub(r"#\\x23", text) if "##" in text else text


def no_command(line: str) -> str:
    """A line of text for people, colours and all, that is no command for a runner: with its `::` at the beginning, and
    each `##[` in it, escaped."""
    if "::" in line and _LINE_COMMAND.match(line):
        line = line.replace("::", "\\x3a:", 1)
    return BRACKETED.sub(r"#\\x23", line) if "##" in line else line


def no_commands(text: str) -> str:
    """The same of each line of a text."""
    return "\n".join(map(no_command, text.split("\n"))) if "::" in text or "##" in text else text


def no_commands_in_json(text: str) -> str:
    """JSON of the same value without commands for a runner: no line of it begins with `::` as it is."""
    return BRACKETED.sub(r"#\\u0023", text) if "##" in text else text


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
