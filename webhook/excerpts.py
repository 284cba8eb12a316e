"""A line of text with a place in it, and how it is shown to a person: the line, and a caret below the place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from webhook.visible import visible

TAB: Final = "    "
_BEFORE, _AFTER = 100, 60  # characters of a long line that are shown around the place


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A line with a place in it; `column` counts from 1, in characters.

    `line` is the line's number in its file, None for a line that stands in no file as it is.
    """

    text: str
    column: int
    line: int | None = None


def marked(excerpt: Excerpt) -> tuple[str, str]:
    """The line and, for the line below it, the caret behind as many blanks as stand the place off on a terminal.

    Tabs become blanks, wide characters count as the two columns that they take, long lines are cut, and what does not
    simply show is escaped.
    """
    from rich.cells import cell_len  # only where something is shown

    at = min(max(excerpt.column - 1, 0), len(excerpt.text))
    before, after = excerpt.text[:at], excerpt.text[at:]
    if len(before) > _BEFORE:
        before = f"…{before[-_BEFORE:]}"
    if len(after) > _AFTER:
        after = f"{after[:_AFTER]}…"
    before, after = (TAB.join(map(visible, part.split("\t"))) for part in (before, after))
    return before + after, " " * cell_len(before) + "^"


def lines(excerpt: Excerpt) -> list[str]:
    """Two lines for below a message: `  12 | the line` and the caret."""
    line, caret = marked(excerpt)
    number = "" if excerpt.line is None else str(excerpt.line)
    gutter = max(len(number), 2) + 2
    return [f"{number:>{gutter}} | {line}", f"{'':>{gutter}} | {caret}"]
