"""Maps a position in a CEL expression to its position in the file, with the excerpt that messages show."""

from __future__ import annotations

from msgspec import Struct

from webhook.cel import Issue
from webhook.cel.check.frontend import LITERAL_OR_COMMENT
from webhook.documents.reader import Document, Position
from webhook.excerpts import Excerpt
from webhook.paths import Path, lookup

_LONGEST_LINE = 200
"""The most characters of a line of the file in an excerpt. For longer lines (JSON, mostly) the expression's own line is
shown."""


class Place(Struct, frozen=True):
    """The position of an issue in the file, and the excerpt to show.

    `exact`: whether the position is that of the issue; otherwise it is that of the expression's key.
    """

    position: Position
    exact: bool
    excerpt: Excerpt | None


def place(document: Document, path: Path, issue: Issue) -> Place:
    """The place of an issue in the expression at `path`."""
    text = lookup(document.value, path)
    if not isinstance(text, str):
        return Place(document.position(path), False, None)
    lines = text.split("\n")
    line = lines[issue.line - 1] if issue.line <= len(lines) else ""
    offset = sum(len(each) + 1 for each in lines[: issue.line - 1]) + issue.column - 1
    position = document.position_in(path, offset)
    if position is None:
        return Place(document.position(path), False, Excerpt(line, issue.column))
    shown = document.excerpt(position)
    if len(shown.text) > _LONGEST_LINE:
        shown = Excerpt(line, issue.column)
    return Place(position, True, shown)


def folded_comment(document: Document, path: Path) -> Position | None:
    """The start of a CEL comment that unintentionally includes the following lines of the expression; None without one.

    YAML folds the lines of a `>` scalar, or of a plain one, into one line, and a CEL comment ends with its line.
    """
    text = lookup(document.value, path)
    if not isinstance(text, str) or "//" not in text:
        return None
    for comment in LITERAL_OR_COMMENT.finditer(text):
        if not comment[0].startswith("//"):
            continue
        begin = document.position_in(path, comment.start())
        end = document.position_in(path, comment.end() - 1)
        if begin is None or end is None:
            return None
        below = (document.excerpt(Position(line, 1)).text.strip() for line in range(begin.line + 1, end.line + 1))
        if any(line and not line.startswith("//") for line in below):
            return begin
    return None
