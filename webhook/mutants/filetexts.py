"""How a mutant reads in its file: the lines that differ.

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
    changed = text[first : edit.start] + edit.text + text[edit.end : last]
    line = text.count("\n", 0, first) + 1
    before = tuple(text[first:last].split("\n"))
    return Shown(file, line, edit.start - first + 1, before, tuple(changed.split("\n")))


def of_expression(document: Document, text: str, path: Path, source: str, edit: Edit) -> Shown:
    """The lines that the edit of an expression changes in the document's file."""
    start = _offset(text, document.position_in(path, edit.start))
    end = start
    if edit.end > edit.start:
        last = _offset(text, document.position_in(path, edit.end - 1))
        end = None if last is None else last + 1
    expected = edit.applied(source)
    if start is not None and end is not None:
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
                shown = of_text(document.stream, text, edit)
                if not edit.text and "\n" in text[edit.start : edit.end]:  # whole lines are gone
                    return Shown(shown.file, position.line, position.column, shown.before[:-1], ())
                return shown
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
        yield Edit(found, found + len(change.before), change.after, change.change)
    spec = re.compile(r"^( *)spec:[^\n]*\n( *)", re.MULTILINE)
    for match in spec.finditer(text):  # a field with a default that is not written
        yield Edit(match.end(), match.end(), f"{change.path[-1]}: {change.after}\n{match[2]}", change.change)


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
        value = each.value
        if isinstance(value, dict) and value.get("kind") == document.value["kind"]:
            if (value.get("metadata") or {}).get("name") == name:
                return value
    return None
