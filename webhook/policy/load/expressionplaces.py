"""Where in a file a place inside a CEL expression stands, and what a person is shown of it."""

from __future__ import annotations

from dataclasses import dataclass

from webhook.cel import Issue
from webhook.cel.check.frontend import LITERAL_OR_COMMENT
from webhook.documents.reader import Document, Position
from webhook.excerpts import Excerpt
from webhook.paths import Path, lookup

_LONGEST_LINE = 200
"""Characters of a file's line that is shown; of a longer one (JSON, mostly) the expression's own line is."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an issue stands: in the file, as exactly as can be told, and the line to show.

    `exact`: whether the position is the issue's own, and not that of the expression's key.
    """

    position: Position
    exact: bool
    excerpt: Excerpt | None


def place(document: Document, path: Path, issue: Issue) -> Place:
    """The place of an issue with the expression at `path`."""
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
    """Where a comment begins in the expression at `path` that takes lines with it which are none; None if none does.

    YAML folds the lines of a text below `>`, or without a mark, into one, and a comment of CEL goes to the line's end.
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
