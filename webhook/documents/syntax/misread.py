"""Explains text that YAML does not read as text, and how to write it.

CEL expressions start with `!`, `[` or `'` and contain `: ` and ` #`, which have a meaning in YAML. Without quotes, an
expression is truncated, loses its first character, or is not valid YAML; libyaml's own messages only mention tokens.
"""

from __future__ import annotations

import re
from typing import Any, Final

from webhook.lazypatterns import lazily

QUOTE: Final = "put it in quotes, or on lines of its own below >-"
"""The advice for text that needs quotes in YAML."""

_LONGEST: Final = 40  # most characters of the input in a message

_KEY = r"^[ \t]*(?:-[ \t]+)*(?:[\w./-]+|'[^'\n]*'|\"[^\"\n]*\")[ \t]*:[ \t]+"
_CLOSED = lazily(_KEY + r"""(?P<value>"(?:[^"\\\n]|\\.)*"|'(?:[^'\n]|'')*'|[\[{][^\n]*?[\]}])[ \t]*\Z""", re.MULTILINE)
_PLAIN = lazily(_KEY + r"""[^\s'"\[{|>&*!%@`#][^\n]*\Z""", re.MULTILINE)
_TAGGED = lazily(_KEY + r"(?P<tag>!\S*)")
_OPENING = lazily(_KEY + r"\Z", re.MULTILINE)
_HEADER = lazily(_KEY + r"[|>][^\n]*\Z", re.MULTILINE)


def as_tag(tag: str, text: Any) -> str:
    """The message for a scalar that YAML reads as a tag. `text`: the rest of the scalar."""
    left = f"and only {_cut(text)!r} as the text" if isinstance(text, str) and text else "with no text after it"
    return f"YAML reads {_cut(tag)} as a tag, {left}; {QUOTE}"


def instead_of_text(raw: str, value: Any) -> str | None:
    """Why YAML did not read a value as text, as a message; None if its syntax shows no reason.

    raw: the source from the start of the value to the end of the line; "" if the value starts on a later line.
    """
    anchor = re.match(r"&\S+", raw)
    if value in (None, ""):
        if anchor:
            return f"YAML reads {_cut(anchor[0])} as the name of an anchor, with no text after it; {QUOTE}"
        return f"YAML reads # as the start of a comment; {QUOTE}" if raw.startswith("#") else None
    if isinstance(value, dict | list) and raw.startswith(("{", "[")):
        kind = "a mapping" if isinstance(value, dict) else "a list"
        return f"YAML reads {raw[0]} as the start of {kind}; {QUOTE}"
    if isinstance(value, dict) and any(not re.fullmatch(r"[\w./-]*", key) for key in value):
        return f"YAML reads the text before ': ' as a key; {QUOTE}"
    return None


def syntax_error(text: str, offset: int, problem: str) -> str | None:
    """The likely mistake behind an error of libyaml at an offset, as a message; None if it is none of those known."""
    before, after = text[max(0, offset - 2000) : offset], text[offset : offset + 200]
    start = text.rfind("\n", 0, offset) + 1
    tagged = _TAGGED.match(text[start : start + 2000])
    if tagged and start + tagged.start("tag") <= offset:
        return f"YAML reads ! as the start of a tag; if it is text, {QUOTE}"  # not quoted: it may be a password
    if "mapping values are not allowed" in problem and _PLAIN.search(before):
        return f"YAML reads ': ' as the end of a key, and a key is not allowed here; if it is text, {QUOTE}"
    if "did not find expected key" in problem or "did not find expected '-'" in problem:
        closed = _CLOSED.search(before)
        if closed and after[:1] not in ("", "\n"):
            end, what = closed["value"][-1], "text" if closed["value"][0] in "'\"" else "value"
            return f"to YAML the {what} ends with {end}, but more follows; if all of it is text, {QUOTE}"
    if "cannot start any token" in problem and _OPENING.search(before):
        return f"text cannot begin with {after[:1]} in YAML; {QUOTE}"
    if "block sequence entries are not allowed" in problem and _OPENING.search(before):
        return f"YAML reads - and a space as the start of a list item; if it is text, {QUOTE}"
    if "mapping keys are not allowed" in problem and _OPENING.search(before):
        return f"YAML reads ? and a space as the start of a key; if it is text, {QUOTE}"
    if "expected comment or line break" in problem and _HEADER.search(before):
        return "in YAML, text after | or > begins on the next line; move it there, or put it in quotes"
    if "unknown escape character" in problem:
        return r"in double quotes, \ begins an escape, and YAML does not know this one; write \\ or use single quotes"
    return None


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
