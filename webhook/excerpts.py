"""A line of text with a place in it, and how it is shown to a person: the line, and a caret below the place."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import dropwhile
from typing import Final, TextIO

from webhook.visible import visible

TAB: Final = "    "
PIPED_WIDTH: Final = 160
"""Columns that a line is cut to where no terminal says how many there are."""

_LEAST: Final = 20  # columns of a line on a terminal that is narrower than its gutter
_CUT: Final = "…"


def columns(stream: TextIO) -> int | None:
    """The columns of the terminal that a stream writes to; None where it is none, and no line is to be cut to fit."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A line with a place in it; `column` counts from 1, in characters.

    `line` is the line's number in its file, None for a line that stands in no file as it is.
    """

    text: str
    column: int
    line: int | None = None


def marked(excerpt: Excerpt, width: int | None = None) -> tuple[str, str]:
    """The line and, for the line below it, the caret behind as many blanks as stand the place off on a terminal.

    width: the columns that there are; PIPED_WIDTH where nobody says. Tabs become blanks, wide characters count as the
    two columns that they take, what does not simply show is escaped, and a line that is longer is cut on both sides of
    the place.
    """
    from rich.cells import cell_len  # only where something is shown

    columns = max(PIPED_WIDTH if width is None else width, _LEAST)
    at = min(max(excerpt.column - 1, 0), len(excerpt.text))
    before, after = (
        [TAB if each == "\t" else visible(each) for each in part]
        for part in (excerpt.text[:at], excerpt.text[at:] or " ")  # the caret has a column behind the line's end, too
    )
    total = [sum(map(cell_len, part)) for part in (before, after)]
    if sum(total) > columns:
        # What stands before the place is mostly what it is about: two thirds are for that, and what is left over.
        behind = min(total[1], max(columns // 3, columns - total[0]))
        before = _cut(before[::-1], columns - behind)[::-1]
        after = _cut(after, columns - sum(map(cell_len, before)))
        # An accent stays with its letter, or goes with it.
        if before[:1] == [_CUT]:
            before = [_CUT, *dropwhile(lambda each: cell_len(each) == 0, before[1:])]
    left = "".join(before)
    return left + "".join(after).rstrip(" "), " " * cell_len(left) + "^"


def lines(excerpt: Excerpt, width: int | None = None) -> list[str]:
    """Two lines for below a message, of at most `width` columns: `  12 | the line` and the caret."""
    number = "" if excerpt.line is None else str(excerpt.line)
    gutter = max(len(number), 2) + 2
    line, caret = marked(excerpt, None if width is None else width - gutter - len(" | "))
    return [f"{number:>{gutter}} | {line}", f"{'':>{gutter}} | {caret}"]


def _cut(shown: Sequence[str], columns: int) -> list[str]:
    """As many of the characters, from the first on, as fit into the columns, and an ellipsis where some do not."""
    from rich.cells import cell_len

    if sum(map(cell_len, shown)) <= columns:
        return list(shown)
    kept: list[str] = []
    left = columns - len(_CUT)
    for each in shown:
        left -= cell_len(each)
        if left < 0:
            break
        kept.append(each)
    return [*kept, _CUT]
