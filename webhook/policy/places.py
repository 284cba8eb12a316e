"""Where in a YAML or JSON file a place inside a text value stands: the line of an error in a CEL expression.

Documents know where a key stands; a value that is an expression may run over many lines below it.
"""

from __future__ import annotations

import re
from pathlib import Path as FilePath

from webhook.documents import Document, Position
from webhook.paths import Path, lookup

_KEY = re.compile(r"""(?:-[ \t]+)*(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s:]+)[ \t]*:[ \t]*""")
_BLOCK = re.compile(r"(?P<style>[|>])(?P<header>[0-9+-]{0,2})[ \t]*(?:#.*)?$")


def inside(document: Document, path: Path, line: int, column: int) -> tuple[Position, bool]:
    """Where (line, column) of the text at `path` stands in the document's file, and whether that is exact.

    Where the file cannot be read again, or writes the text in a way that is not followed here (escapes, folded quotes),
    the place is that of the key.
    """
    key = document.position(path)
    text = lookup(document.value, path)
    if not document.exact(path) or not isinstance(text, str):
        return key, False
    file = FilePath(document.stream)
    try:
        if not file.is_file():  # a pipe is read but once
            return key, False
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, ValueError):
        return key, False
    if key.line > len(lines):
        return key, False
    match = _KEY.match(lines[key.line - 1], key.column - 1)
    if match is None:
        return key, False
    rest = lines[key.line - 1][match.end() :].rstrip("\r")
    block = _BLOCK.fullmatch(rest)
    at = Position(line, column)
    if block:
        found = _in_block(lines[key.line :], key.line, block, text, at)
    else:
        found = _in_line(rest, Position(key.line, match.end() + 1), text, at)
    return (found, True) if found else (key, False)


def _in_line(rest: str, start: Position, text: str, at: Position) -> Position | None:
    """In a text that stands behind its key, plain or in quotes without escapes."""
    for quote in ("", "'", '"'):
        if at.line == 1 and rest.startswith(f"{quote}{text}{quote}"):
            return Position(start.line, start.column + len(quote) + at.column - 1)
    return None


def _in_block(below: list[str], key_line: int, block: re.Match[str], text: str, at: Position) -> Position | None:
    """In a block scalar, literal (`|`) or folded (`>`), whose lines are the first of `below`."""
    if any(mark.isdigit() for mark in block["header"]):
        return None
    first = next((each for each in below if each.strip()), "")
    indent = len(first) - len(first.lstrip(" "))
    content: list[str] = []
    for each in below:
        if each.strip() and len(each) - len(each.lstrip(" ")) < indent:
            break
        content.append(each[indent:].rstrip("\r"))
    if block["style"] == "|":
        if content[at.line - 1 : at.line] != text.split("\n")[at.line - 1 : at.line]:
            return None
        return Position(key_line + at.line, indent + at.column)
    offset = sum(len(each) + 1 for each in text.split("\n")[: at.line - 1]) + at.column - 1
    folded, places = _fold(content)
    if not folded.startswith(text.rstrip("\n")) or offset >= len(places):
        return None
    line, column = places[offset]
    return Position(key_line + 1 + line, indent + 1 + column)


def _fold(content: list[str]) -> tuple[str, list[tuple[int, int]]]:
    """The text of a folded block, and for each character the (line, column) in `content`, from 0."""
    text = ""
    places: list[tuple[int, int]] = []
    for number, each in enumerate(content):
        text += each
        places += ((number, column) for column in range(len(each)))
        following = content[number + 1] if number + 1 < len(content) else ""
        blank = not each
        # A break between two lines of text becomes a space, but before a blank line it goes, and the blank lines are
        # the breaks; around lines that are indented further all breaks stay.
        deeper = each.startswith((" ", "\t")) or following.startswith((" ", "\t"))
        if blank or deeper:
            joint = "\n"
        elif following:
            joint = " "
        else:
            joint = ""
        text += joint
        places += [(number, len(each))] * len(joint)
    return text, places
