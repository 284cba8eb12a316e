"""Excerpts: a line of text with a position in it, shown as the line with a caret below the position."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from itertools import dropwhile
from typing import Final, TextIO

from msgspec import Struct

from webhook.visible import visible

TAB: Final = "    "
PIPED_WIDTH: Final = 160
"""The most columns of a line if the output is not a terminal."""

_LEAST: Final = 20  # columns of a line, even on a narrower terminal
_CUT: Final = "…"


def columns(stream: TextIO) -> int | None:
    """The width of the terminal that a stream writes to; None if it is not a terminal."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


class Excerpt(Struct, frozen=True):
    """A line with a position in it: `column` counts from 1, in characters.

    `line` is the line's number in its file; None if the text is not a line of a file. `end`: the column after the last
    character of the part that is meant, which carets underline; None for the position alone.
    """

    text: str
    column: int
    line: int | None = None
    end: int | None = None


def marked(excerpt: Excerpt, width: int | None = None) -> tuple[str, str]:
    """The line as shown on a terminal, and the line below it: spaces, then a caret below the position, or carets below
    the part.

    width: the columns available; None means PIPED_WIDTH. Tabs become spaces, wide characters count as two columns,
    characters that are not printable are escaped, and a longer line is cut on both sides of the position.
    """
    columns = max(PIPED_WIDTH if width is None else width, _LEAST)
    at = min(max(excerpt.column - 1, 0), len(excerpt.text))
    if len(excerpt.text) < columns and excerpt.text.isascii() and excerpt.text.isprintable():
        # As most lines: each character is a column, and all of them fit.
        meant = excerpt.text[at : at + 1 if excerpt.end is None else max(excerpt.end - 1, at + 1)].rstrip(" ")
        shown = excerpt.text[:at] + excerpt.text[at:].rstrip(" ")
        return shown, " " * at + "^" * max(len(meant), 1)

    from rich.cells import cell_len  # imported only to show a line with other characters, or a long one

    before, after = (
        [TAB if each == "\t" else visible(each) for each in part]
        for part in (excerpt.text[:at], excerpt.text[at:] or " ")  # the caret may be one column after the line's end
    )
    total = [sum(map(cell_len, part)) for part in (before, after)]
    if sum(total) > columns:
        # The text before the position usually explains it: it gets two thirds of the width, or more if there is room.
        behind = min(total[1], max(columns // 3, columns - total[0]))
        before = _cut(before[::-1], columns - behind)[::-1]
        after = _cut(after, columns - sum(map(cell_len, before)))
        # Do not separate a combining character from its letter.
        if before[:1] == [_CUT]:
            before = [_CUT, *dropwhile(lambda each: cell_len(each) == 0, before[1:])]
    left, right = "".join(before), "".join(after).rstrip(" ")
    meant = "".join(after[: 1 if excerpt.end is None else max(excerpt.end - 1 - at, 1)]).rstrip(" ")
    return left + right, " " * cell_len(left) + "^" * max(cell_len(meant), 1)


def lines(excerpt: Excerpt, width: int | None = None) -> list[str]:
    """The two lines to show below a message, of at most `width` columns: `  12 | the line`, and the caret."""
    number = "" if excerpt.line is None else str(excerpt.line)
    gutter = max(len(number), 2) + 2
    line, caret = marked(excerpt, None if width is None else width - gutter - len(" | "))
    return [f"{number:>{gutter}} | {line}", f"{'':>{gutter}} | {caret}"]


def cut(excerpt: Excerpt, most: int) -> Excerpt:
    """The excerpt with at most so many characters of its line on each side of the position."""
    start = max(excerpt.column - 1 - most, 0)
    if not start and len(excerpt.text) <= excerpt.column - 1 + most:
        return excerpt
    before = _CUT if start else ""
    end = excerpt.column - 1 + most
    after = _CUT if len(excerpt.text) > end else ""
    column = excerpt.column - start + len(before)
    stop = None if excerpt.end is None else min(excerpt.end, end + 1) - start + len(before)
    return Excerpt(f"{before}{excerpt.text[start:end]}{after}", column, excerpt.line, stop)


def _cut(shown: Sequence[str], columns: int) -> list[str]:
    """The first characters that fit into the columns, with an ellipsis if some do not fit."""
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
