"""Patterns of files to leave out, in the syntax of .gitignore.

Each pattern becomes a regular expression of RE2, which takes time linear in the length of a path: the file may come
with a pull request, and `*a*a*a*a*b` must not stop a run. tests/documents/test_ignoring.py asks git itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct

IGNORE_FILE: Final = ".gatewrightignore"
MAX_PATTERNS: Final = 10_000
MAX_PATTERN: Final = 4_096  # characters


class _Pattern(Struct, frozen=True):
    matches: Any  # re2's compiled pattern
    negated: bool
    folders_only: bool
    line: int


class Ignoring:
    """An ordered list of patterns, of which the last that matches a path decides."""

    __slots__ = ("_patterns", "source")

    def __init__(self, lines: Iterable[str], source: str) -> None:
        """source: where the patterns come from. Raises ValueError with the line for one that cannot be used."""
        self.source = source
        self._patterns = tuple(
            pattern for number, line in enumerate(lines, start=1) if (pattern := _pattern(line, number)) is not None
        )
        if len(self._patterns) > MAX_PATTERNS:
            raise ValueError(f"{source}: more than {MAX_PATTERNS:,} patterns")

    def excludes(self, path: str, *, folder: bool) -> bool:
        """Whether a path is left out. It is relative to where the patterns stand, with `/` between its parts.

        As for git, nothing below a folder that is left out can be taken in again: do not ask below one.
        """
        for pattern in reversed(self._patterns):
            if (folder or not pattern.folders_only) and pattern.matches.fullmatch(path):
                return not pattern.negated
        return False


def _pattern(line: str, number: int) -> _Pattern | None:
    import re2  # where there are patterns

    text = _without_trailing_spaces(line.rstrip("\r\n"))
    if not text or text.startswith("#"):
        return None
    if len(text) > MAX_PATTERN:
        raise ValueError(f"line {number}: a pattern of more than {MAX_PATTERN:,} characters")
    negated = text.startswith("!")
    text = text[1:] if negated else text
    folders_only = text.endswith("/")
    text = text[:-1] if folders_only else text
    if not text or text == "/":
        return None
    anchored = "/" in text
    expression = _expression(text.removeprefix("/"))
    if expression is None:  # as for git: a pattern that is not closed matches nothing
        return None
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(expression if anchored else f"(?:.*/)?{expression}", options)
    except re2.error:
        raise ValueError(f"line {number}: this pattern is too large") from None
    return _Pattern(compiled, negated, folders_only, number)


def _without_trailing_spaces(line: str) -> str:
    stripped = line.rstrip(" ")
    if stripped != line and (len(stripped) - len(stripped.rstrip("\\"))) % 2:
        return stripped + " "  # the first of them is escaped
    return stripped


_CLASSES: Final = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": r"\x21-\x7e",
    "lower": "a-z",
    "print": r"\x20-\x7e",
    "punct": r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    "space": r" \t\n\v\f\r",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}


def _expression(glob: str) -> str | None:
    """A glob of gitignore as a regular expression; None for one that can match nothing."""
    made: list[str] = ["(?s)"]
    at = 0
    while at < len(glob):
        sign = glob[at]
        if sign == "*":
            end = at
            while end < len(glob) and glob[end] == "*":
                end += 1
            whole = (at == 0 or glob[at - 1] == "/") and (end == len(glob) or glob[end] == "/")
            if end - at >= 2 and whole:
                if end == len(glob):
                    made.append(".+" if at else ".*")  # everything below
                else:
                    made.append("(?:.*/)?")  # any folders, or none
                    end += 1
            else:
                made.append("[^/]*")
            at = end
            continue
        if sign == "?":
            made.append("[^/]")
        elif sign == "[":
            found = _bracket(glob, at)
            if found is None:
                return None
            text, at = found
            made.append(text)
            continue
        elif sign == "\\":
            at += 1
            if at == len(glob):
                return None
            made.append(re.escape(glob[at]))
        else:
            made.append(re.escape(sign))
        at += 1
    return "".join(made)


def _bracket(glob: str, start: int) -> tuple[str, int] | None:
    """The class that begins at `[`, and the offset behind it; None if it is not closed."""
    at = start + 1
    negated = glob[at : at + 1] in ("!", "^")
    at += negated
    made: list[str] = []
    first = True
    while at < len(glob) and (first or glob[at] != "]"):
        first = False
        if glob.startswith("[:", at):
            end = glob.find(":]", at)
            if end < 0 or glob[at + 2 : end] not in _CLASSES:
                return None
            made.append(_CLASSES[glob[at + 2 : end]])
            at = end + 2
            continue
        low, at = _one(glob, at)
        if glob.startswith("-", at) and at + 1 < len(glob) and glob[at + 1] != "]":
            high, at = _one(glob, at + 1)
            if low is None or high is None:
                return None
            if low <= high:
                made.append(f"{_escaped(low)}-{_escaped(high)}")
            continue
        if low is None:
            return None
        made.append(_escaped(low))
    if at >= len(glob):
        return None
    members = "".join(made)
    # A slash is matched by a slash alone.
    if negated:
        return f"[^/{members}]", at + 1
    return (f"(?:[{members}])" if members else r"[^\x00-\x{10FFFF}]"), at + 1


def _one(glob: str, at: int) -> tuple[str | None, int]:
    if glob[at] == "\\":
        return (glob[at + 1], at + 2) if at + 1 < len(glob) else (None, at + 1)
    return glob[at], at + 1


def _escaped(character: str) -> str:
    return f"\\x{{{ord(character):x}}}"
