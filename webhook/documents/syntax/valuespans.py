"""Maps each character of a text value to its offset in the YAML or JSON source.

A CEL expression may be a plain scalar, quoted with escapes, on several lines, or a literal or folded block. This module
follows the rules of libyaml's scanner for block, plain and quoted scalars. It compares the text that it derives with
the value, and returns offsets only if both are equal; so the offsets that it returns are right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml
from msgspec import Struct, field
from yaml._yaml import CParser
from yaml.events import AliasEvent, ScalarEvent

from webhook.lazypatterns import lazily

_BREAK = lazily(r"\r\n|[\r\n\x85\u2028\u2029]")
_COLON = lazily(r"[ \t]*:[ \t]*")
_HEADER = lazily(r"[|>](?:(?P<indent>[1-9])[+-]?|[+-](?P<after>[1-9])?)?[ \t]*(?:#[^\r\n]*)?(?:\r\n|[\r\n])")
_CHOMP = lazily(r"[|>][1-9]?(?P<mark>[+-])?")
_JSON_VALUE = lazily(r'"(?:[^"\\]|\\.)*"[ \t\r\n]*:[ \t\r\n]*(?P<value>"(?:[^"\\]|\\.)*")')
_JSON_TEXT = lazily(r'"(?:[^"\\]|\\.)*"')
_PAIR = lazily(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_HEX: Final = {"x": 2, "u": 4, "U": 8}
_ESCAPES: Final = {
    "0": "\0",
    "a": "\a",
    "b": "\b",
    "t": "\t",
    "\t": "\t",
    "n": "\n",
    "v": "\v",
    "f": "\f",
    "r": "\r",
    "e": "\x1b",
    " ": " ",
    '"': '"',
    "/": "/",
    "\\": "\\",
    "N": "\x85",
    "_": "\xa0",
    "L": "\u2028",
    "P": "\u2029",
}


Span = tuple[int, int, str]
"""Start, end and style of a scalar; see Scalars.span."""

_DEEPEST: Final = 200
"""The deepest indentation that is tried for a block with an indentation indicator in its header."""


class _Spelled(Struct):
    """A value under construction: its characters, each with its offset in the text."""

    characters: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)

    def add(self, characters: str, place: int) -> None:
        """Add characters that all come from one offset (an escape, a line break)."""
        self.characters.append(characters)
        self.places += [place] * len(characters)

    def copy(self, text: str, start: int, end: int) -> None:
        """Add the characters of a range of the text."""
        self.characters.append(text[start:end])
        self.places += range(start, end)


class Scalars:
    """The scalars of a YAML text, with the offsets of the characters of their values. The text is parsed once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._spans: list[Span | None] = []  # for every event: its scalar, or for an alias that of the anchor
        self._at: dict[int, int] = {}  # offset -> index of the scalar that starts there
        self._known: dict[tuple[int, bool], list[int] | None] = {}
        anchors: dict[str, Span] = {}
        next_event: Any = CParser(text).get_event
        try:
            while True:
                event: Any = next_event()
                if event is None:
                    break
                kind: Any = type(event)
                here: int = event.start_mark.index
                span: Span | None = None
                if kind is ScalarEvent:
                    span = (here, event.end_mark.index, event.style or "")
                    if event.anchor:
                        anchors[event.anchor] = span
                elif kind is AliasEvent:
                    span = anchors.get(event.anchor)
                if span:
                    self._at.setdefault(here, len(self._spans))
                self._spans.append(span)
        except yaml.YAMLError:
            return  # the scalars before the error are kept

    def spans(self) -> Iterator[Span]:
        """All scalars, in the order of the text; those of aliases stand where their anchors do."""
        return (span for span in self._spans if span is not None)

    def span(self, at: int, is_item: bool) -> Span | None:
        """Start and end of a scalar in the text, and its style: a quote, `|`, `>`, or "" for plain.

        None if there is no scalar. at, is_item: see `places`. The end is that of libyaml's event.
        """
        index = self._at.get(at)
        if index is None:
            return None
        index += not is_item
        return self._spans[index] if index < len(self._spans) else None

    def raw(self, at: int, is_item: bool) -> str:
        """The source from the start of a value to the end of the line; "" if the value starts on a later line."""
        index = self._at.get(at)
        key = None if is_item or index is None else self._spans[index]
        start = at
        if not is_item:
            colon = _COLON.match(self._text, key[1]) if key else None
            if colon is None:
                return ""
            start = colon.end()
        end = _BREAK.search(self._text, start)
        return self._text[start : end.start() if end else None]

    def places(self, at: int, is_item: bool, value: str) -> list[int] | None:
        """The offset in the text of each character of `value`, and of its end; None if they are not known.

        at: the offset of the value's key; for an item of a list (`is_item`), that of the item itself.
        """
        key = (at, is_item)
        if key not in self._known:
            self._known[key] = self._found(at, is_item, value)
        return self._known[key]

    def _found(self, at: int, is_item: bool, value: str) -> list[int] | None:
        span = self.span(at, is_item)
        if span is None:
            return None
        if not value:
            return [span[0]]
        for spelled in _spellings(self._text, *span):
            if "".join(spelled.characters) == value:
                return [*spelled.places, spelled.places[-1] + 1]
        return None


def places_in_json(text: str, at: int, is_item: bool, value: str) -> list[int] | None:
    """Like Scalars.places, for JSON."""
    match = _JSON_TEXT.match(text, at) if is_item else _JSON_VALUE.match(text, at)
    if match is None:
        return None
    start, end = match.span() if is_item else match.span("value")
    spelled = _quoted(text, start + 1, end - 1, '"')
    if "".join(spelled.characters) != value:
        return None
    return [*spelled.places, end - 1]


def _spellings(text: str, start: int, end: int, style: str) -> Iterator[_Spelled]:
    # For a scalar with an anchor or a tag, `start` is where that starts.
    if style in ("|", ">"):
        opening = text.find(style, start, end)
        while opening >= 0:
            header = _HEADER.match(text, opening)
            if header:
                yield from _blocks(text, opening, end, header)
                return
            opening = text.find(style, opening + 1, end)
    elif style in ("'", '"'):
        opening = text.find(style, start, end)
        if opening >= 0:
            yield _quoted(text, opening + 1, end - 1, style)
    else:
        while start < end and text[start] in "&!":
            behind = re.compile(r"\S+\s*").match(text, start, end)
            start = behind.end() if behind else end
        yield _quoted(text, start, end, "")


def _quoted(text: str, at: int, end: int, quote: str) -> _Spelled:
    """The value of a plain or quoted scalar between two offsets, with lines folded and escapes replaced."""
    spelled = _Spelled()
    while at < end:
        character = text[at]
        if character == "\\" and quote == '"':
            at = _escape(text, at, end, spelled)
        elif character == "'" and quote == "'":
            spelled.add("'", at)
            at += 2
        elif character in " \t\r\n\x85\u2028\u2029":
            at = _blank(text, at, end, spelled)
        else:
            spelled.copy(text, at, at + 1)
            at += 1
    return spelled


def _escape(text: str, at: int, end: int, spelled: _Spelled) -> int:
    following = text[at + 1 : at + 2]
    if _BREAK.match(following):
        at += len((_BREAK.match(text, at + 1) or [""])[0]) + 1
        return _blank(text, at, end, spelled, joined=True)
    if following in _HEX:
        pair = _PAIR.match(text, at)
        if pair:
            high, low = int(pair[1], 16), int(pair[2], 16)
            spelled.add(chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)), at)
            return pair.end()
        digits = text[at + 2 : at + 2 + _HEX[following]]
        try:
            spelled.add(chr(int(digits, 16)), at)
        except (ValueError, OverflowError):
            spelled.add("\ufffd", at)
        return at + 2 + len(digits)
    spelled.add(_ESCAPES.get(following, "\ufffd"), at)
    return at + 2


def _blank(text: str, at: int, end: int, spelled: _Spelled, joined: bool = False) -> int:
    """Read white space: kept within a line, dropped around line breaks. n breaks become n - 1, one becomes a space."""
    start, breaks = at, 0
    first = at
    while at < end:
        found = _BREAK.match(text, at, end)
        if found:
            breaks += 1
            first = at if breaks == 1 else first
            at = found.end()
        elif text[at] in " \t":
            at += 1
        else:
            break
    if joined:
        spelled.add("\n" * breaks, start)
    elif not breaks:
        spelled.copy(text, start, at)
    elif breaks == 1:
        spelled.add(" ", first)
    else:
        spelled.add("\n" * (breaks - 1), first)
    return at


def _blocks(text: str, opening: int, stop: int, header: re.Match[str]) -> Iterator[_Spelled]:
    """The possible values of a block scalar.

    The first line with text shows the indentation. If the header has an indicator, which is relative to the parent's
    indentation, there is a value for every possible indentation, the deepest first.
    """
    mark = _CHOMP.match(text, opening)
    chomping = header[0].strip(" \t\r\n|>0123456789")[:1] or (mark["mark"] if mark else "") or ""
    lines: list[tuple[int, int, str]] = []  # start and end of the content, and its line break
    at = header.end()
    while at < stop:
        found = _BREAK.search(text, at)
        end, following = found.span() if found else (len(text), len(text))
        lines.append((at, end, "\n" if found else ""))
        at = following
    deepest = 0
    for start, end, _ in lines:
        content = text[start:end].lstrip(" ")
        deepest = max(deepest, end - start - len(content))
        if content:
            break
    explicit = header["indent"] or header["after"]
    for indent in range(min(deepest, _DEEPEST), -1, -1) if explicit else (deepest,):
        yield _block(text, lines, indent, text[opening] == "|", chomping)


def _block(text: str, lines: list[tuple[int, int, str]], indent: int, literal: bool, chomping: str) -> _Spelled:
    spelled = _Spelled()
    leading: tuple[str, int] = ("", 0)  # the line break after the last line with text
    trailing: list[int] = []  # offsets of the line breaks of the blank lines after it
    was_deeper = False
    for start, end, ending in lines:
        content = text[start:end]
        spaces = len(content) - len(content.lstrip(" "))
        if spaces < indent and spaces < len(content):
            break  # the block ends before a line with less indentation
        if end - start <= indent:
            trailing += [end] if ending else []
            continue
        deeper = content[indent] in " \t"
        if not literal and leading[0] and not was_deeper and not deeper:
            if not trailing:
                spelled.add(" ", leading[1])
        else:
            spelled.add(*leading)
        for place in trailing:
            spelled.add("\n", place)
        trailing = []
        was_deeper = deeper
        spelled.copy(text, start + indent, end)
        leading = (ending, end)
    if chomping != "-":
        spelled.add(*leading)
    if chomping == "+":
        for place in trailing:
            spelled.add("\n", place)
    return spelled
