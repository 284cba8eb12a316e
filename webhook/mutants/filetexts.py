"""The text of a mutant in its file: the lines that differ.

The edit of an expression is carried over to the text of the file, in whatever style of YAML the expression is written,
and read back. If the file does not say then what the mutant says, the lines of the expression itself are shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from webhook.documents import reader
from webhook.documents.document import Document, Position
from webhook.mutants.mutant import Edit, Shown
from webhook.mutants.rules import REMOVED, Change
from webhook.paths import Path, lookup


def of_text(file: str, text: str, edit: Edit) -> Shown:
    """The lines of a text that an edit changes. edit: in characters of the text."""
    first = text.rfind("\n", 0, edit.start) + 1
    last = text.find("\n", edit.end)
    last = len(text) if last < 0 else last
    line, column = text.count("\n", 0, first) + 1, edit.start - first + 1
    before = text[first:last].split("\n")
    after = (text[first : edit.start] + edit.text + text[edit.end : last]).split("\n")
    while before and after and before[-1] == after[-1]:
        del before[-1], after[-1]
    while before and after and before[0] == after[0]:
        del before[0], after[0]
        line, column = line + 1, 1
    return Shown(file, line, column, tuple(before), tuple(after))


def of_expression(document: Document, text: str, path: Path, source: str, edit: Edit) -> Shown:
    """The lines that the edit of an expression changes in the document's file."""
    expected = edit.applied(source)
    for start, end in _places(document, text, path, edit):
        for written in (*_repeated(document, text, path, source, edit), *_written(edit.text)):
            shown = Edit(start, end, written, edit.change)
            if _reads(document, shown.applied(text), path) == expected:
                return of_text(document.stream, text, shown)
    position = document.position(path)
    before, after = source.split("\n"), expected.split("\n")
    return Shown(document.stream, position.line, position.column, tuple(before), tuple(after))


def of_change(document: Document, text: str, change: Change) -> Shown:
    """The lines that a change outside of expressions changes in the document's file."""
    expected = change.applied(document.value)
    position = document.position(change.path)
    at = _offset(text, position)
    if at is not None:
        for edit in _edits(text, at, change):
            if _value(document, edit.applied(text)) == expected:
                return of_text(document.stream, text, edit)
    before = (f"{change.path[-1] if isinstance(change.path[-1], str) else change.change}: {change.before}",)
    return Shown(document.stream, position.line, position.column, before, (change.after,) if change.after else ())


def _edits(text: str, at: int, change: Change) -> Iterator[Edit]:
    """The ways in which a change may be written at an offset; which of them is right is seen when it is read back."""
    if change.value is REMOVED:
        comma = text.find(",", at)
        if comma >= 0:
            blank = re.compile(r"\s*").match(text, comma + 1)
            yield Edit(at, blank.end() if blank else comma + 1, "", change.change)
        before = text.rfind(",", 0, at)
        closing = text.find("]", at)
        if 0 <= before < closing:
            yield Edit(before, closing, "", change.change)
        line, end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
        while end >= 0:  # an item of a block list: its lines
            yield Edit(line, end + 1, "", change.change)
            following = text[end + 1 : end + 1 + (at - line)]
            if following.strip() or not following:
                break
            end = text.find("\n", end + 1)
        return
    found = text.find(change.before, at)
    if found >= 0:
        end = found + len(change.before)
        yield from (Edit(found, end, written, change.change) for written in (change.after, f'"{change.after}"'))
    spec = re.compile(r"^( *)spec:[^\n]*\n( *)", re.MULTILINE)
    for match in spec.finditer(text):  # a field with a default that is not written
        yield Edit(match.end(), match.end(), f"{change.path[-1]}: {change.after}\n{match[2]}", change.change)


def _places(document: Document, text: str, path: Path, edit: Edit) -> Iterator[tuple[int, int]]:
    """Where the text of an edit may stand in the file. A quote, or whatever is escaped, takes two characters there."""
    start = _offset(text, document.position_in(path, edit.start))
    if start is None:
        return
    if edit.end == edit.start:
        yield start, start
        return
    last = _offset(text, document.position_in(path, edit.end - 1))
    if last is not None:
        yield from ((start, last + 1), (start, last + 2))


def _repeated(document: Document, text: str, path: Path, source: str, edit: Edit) -> Iterator[str]:
    """The text of an edit with the part of the expression that it repeats as the file has it, over several lines."""
    first, last = edit.kept
    if last > first:
        start, end = (_offset(text, document.position_in(path, at)) for at in (first, last - 1))
        if start is not None and end is not None:
            yield edit.text.replace(source[first:last], text[start : end + 1], 1)


def _written(text: str) -> Iterator[str]:
    """A text as plain and block scalars have it, then as quotes have it."""
    yield text
    yield text.replace("'", "''")
    yield text.replace("\\", "\\\\").replace('"', '\\"')
    yield text.replace("\n", "\n\n")


def _offset(text: str, position: Position | None) -> int | None:
    if position is None:
        return None
    lines = text.split("\n", position.line - 1)
    return len(text) - len(lines[-1]) + position.column - 1 if len(lines) == position.line else None


def _reads(document: Document, text: str, path: Path) -> object:
    value = _value(document, text)
    return None if value is None else lookup(value, path)


def _value(document: Document, text: str) -> object:
    """The value of the document in a changed text of its file; None if that cannot be read."""
    read, problems = reader.parse(text, document.file)
    if problems:
        return None
    name = (document.value.get("metadata") or {}).get("name")
    for each in read:
        value = each.value if isinstance(each.value, dict) else {}
        if (value.get("kind"), (value.get("metadata") or {}).get("name")) == (document.value["kind"], name):
            return value
    return None
