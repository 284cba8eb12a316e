"""Text that YAML reads as something else: what it was taken for, and how to write it so that it is text.

CEL begins with `!`, `[`, `'` and holds `: ` and ` #`, which all mean something to YAML. Left unquoted, an expression is
cut, loses its first character, or is no YAML at all; libyaml's own messages speak of tokens.
"""

from __future__ import annotations

import re
from typing import Any, Final

QUOTE: Final = "put it in quotes, or on lines of its own below >-"
"""How text is written that YAML would read as something else."""

_LONGEST: Final = 40  # characters that a message repeats

_KEY = r"^[ \t]*(?:-[ \t]+)*(?:[\w./-]+|'[^'\n]*'|\"[^\"\n]*\")[ \t]*:[ \t]+"
_CLOSED = re.compile(
    _KEY + r"""(?P<value>"(?:[^"\\\n]|\\.)*"|'(?:[^'\n]|'')*'|[\[{][^\n]*?[\]}])[ \t]*\Z""", re.MULTILINE
)
_PLAIN = re.compile(_KEY + r"""[^\s'"\[{|>&*!%@`#][^\n]*\Z""", re.MULTILINE)
_TAGGED = re.compile(_KEY + r"(?P<tag>!\S*)")
_OPENING = re.compile(_KEY + r"\Z", re.MULTILINE)
_HEADER = re.compile(_KEY + r"[|>][^\n]*\Z", re.MULTILINE)


def as_tag(tag: str, text: Any) -> str:
    """What is wrong with a scalar that YAML gives a tag; `text`: what it leaves of the scalar."""
    left = f"and only {_cut(text)!r} as the text" if isinstance(text, str) and text else "with no text after it"
    return f"YAML reads {_cut(tag)} as a tag, {left}; {QUOTE}"


def instead_of_text(raw: str, value: Any) -> str | None:
    """What YAML has taken a value for that was to be text, None if it shows no reason.

    raw: the text from where the value begins to the end of the line, "" where it begins on a later line.
    """
    anchor = re.match(r"&\S+", raw)
    if value in (None, ""):
        if anchor:
            return f"YAML reads {_cut(anchor[0])} as the name of an anchor, with no text after it; {QUOTE}"
        return f"YAML reads what begins with # as a comment; {QUOTE}" if raw.startswith("#") else None
    if isinstance(value, dict | list) and raw.startswith(("{", "[")):
        kind = "a mapping" if isinstance(value, dict) else "a list"
        return f"YAML reads what begins with {raw[0]} as {kind}; {QUOTE}"
    if isinstance(value, dict) and any(not re.fullmatch(r"[\w./-]*", key) for key in value):
        return f"YAML reads what stands before ': ' as a key; {QUOTE}"
    return None


def syntax_error(text: str, offset: int, problem: str) -> str | None:
    """What a person has done where libyaml finds a problem at an offset, None if it is none of these."""
    before, after = text[max(0, offset - 2000) : offset], text[offset : offset + 200]
    start = text.rfind("\n", 0, offset) + 1
    tagged = _TAGGED.match(text[start : start + 2000])
    if tagged and start + tagged.start("tag") <= offset:
        return f"YAML reads what begins with ! as a tag; if it is text, {QUOTE}"  # not named: it may be a password
    if "mapping values are not allowed" in problem and _PLAIN.search(before):
        return f"YAML reads ': ' as the end of a key, and a key may not stand in a value; if it is text, {QUOTE}"
    if "did not find expected key" in problem or "did not find expected '-'" in problem:
        closed = _CLOSED.search(before)
        if closed and after[:1] not in ("", "\n"):
            end, what = closed["value"][-1], "text" if closed["value"][0] in "'\"" else "value"
            return f"for YAML the {what} ends with {end}, and more follows; if all of it is text, {QUOTE}"
    if "cannot start any token" in problem and _OPENING.search(before):
        return f"text cannot begin with {after[:1]} in YAML; {QUOTE}"
    if "block sequence entries are not allowed" in problem and _OPENING.search(before):
        return f"YAML reads what begins with - and a blank as an item of a list; if it is text, {QUOTE}"
    if "mapping keys are not allowed" in problem and _OPENING.search(before):
        return f"YAML reads what begins with ? and a blank as a key; if it is text, {QUOTE}"
    if "expected comment or line break" in problem and _HEADER.search(before):
        return "after | and > the text begins on the next line in YAML; put it there, or in quotes"
    if "unknown escape character" in problem:
        return r"\ begins an escape in double quotes, and this is none that YAML knows; write \\ or use single quotes"
    return None


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
