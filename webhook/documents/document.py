"""One document of a file: a plain JSON value that knows its file, its line, and the position of any Path."""

from __future__ import annotations

import marshal
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from webhook import excerpts
from webhook.documents import syntax
from webhook.documents.spelling import may_hide_words
from webhook.excerpts import Excerpt
from webhook.lazypatterns import lazily
from webhook.paths import ROOT, Path, lookup
from webhook.visible import visible


class Position(Struct, frozen=True, order=True):
    """A position in a file. Lines and columns count from 1; a column is a character."""

    line: int
    column: int


class Problem(Struct, frozen=True):
    """An error in an input. Its text is `file:line:column: message`; line and column are left out if not known.

    `rule`: the id of the rule of `gatewright lint` that reports it, if it is not GW001 or GW005.
    """

    file: str
    line: int | None
    column: int | None
    message: str
    excerpt: Excerpt | None = None  # the line, to be shown below the message
    rule: str = ""

    def __str__(self) -> str:
        place = "".join(f":{number}" for number in (self.line, self.column) if number is not None)
        return f"{self.file}{place}: {self.message}"


def full_text(problem: Problem, width: int | None = None) -> str:
    """A problem's text for a terminal, then the excerpt: the line, and a caret below the position.

    width: the columns of the terminal; None if the output is not a terminal.
    """
    shown = excerpts.lines(problem.excerpt, width) if problem.excerpt else []
    return "\n".join([visible(str(problem)), *shown])


class Written(Struct, frozen=True):
    """A scalar as the file has it, with quotes and tags: from `start` to before `end`.

    `style`: a quote, `|`, `>`, or "" for a plain one.
    """

    start: Position
    end: Position
    text: str
    style: str


class Document(Struct):
    """One document: a plain JSON value and its position.

    `file` is the file as named by the user, "<stdin>" for `-`; for output of Helm it is the template that the
    `# Source:` comment names. `stream` is always the input that was read: lines and columns are those of `stream`.
    `repeats`: a mapping in it, or in the list that it is an item of, has a key twice.
    """

    value: Any
    file: str
    stream: str
    _text: Text
    _index: int = 0  # of the document in its text
    _base: Path = ROOT  # of an item in its List
    repeats: bool = False
    _packed: bytes = b""
    _packed_type: tuple[str, str] | None = None

    def pack(self) -> None:
        """Keep the value as bytes, in a tenth of the memory, until it is `unpacked`; `value` is None then."""
        if not self._packed:
            self._packed_type = self.type
            self._packed, self.value = marshal.dumps(self.value), None

    @property
    def type(self) -> tuple[str, str] | None:
        """apiVersion and kind of the object, packed or not; None if it has none."""
        value = self.value
        if not isinstance(value, dict):
            return self._packed_type
        api_version, kind = value.get("apiVersion"), value.get("kind")
        return (api_version, kind) if isinstance(api_version, str) and isinstance(kind, str) else None

    def unpacked(self) -> Document:
        """The document with its value. Positions are those of the packed one, and found once for both."""
        if not self._packed:
            return self
        return replace(self, value=marshal.loads(self._packed), _packed=b"", _packed_type=None)  # noqa: S302  # ours

    def forget_positions(self) -> None:
        """Free the memory of the positions that were asked for. They are found again, unless the text is large."""
        if len(self._text.text) <= _FOUND_AGAIN:
            self._text.forget_positions()

    @property
    def key(self) -> tuple[int, int]:
        """Equal for the items of one list, and for nothing else that is in memory."""
        return id(self._text), self._index

    def item(self, path: Path, value: Any) -> Document:
        """A document of its own for what stands at a path of this one: an item of a List."""
        return replace(self, value=value, _base=self._base + path)

    @property
    def size(self) -> int:
        """The characters of the text that this document is a part of."""
        return len(self._text.text)

    @property
    def line(self) -> int:
        """The line of the document's first key."""
        return self.position(ROOT).line

    @property
    def last_line(self) -> int:
        """The last line before the next document of its text, or that of the text."""
        return self._text.last_line(self._index)

    def position(self, path: Path) -> Position:
        """The position of the key (in a list: the item) at `path`, or if the file has none, of its nearest ancestor."""
        return self._text.position(self._find(path)[0])

    def exact(self, path: Path) -> bool:
        """Whether the file has a key or item at `path`; otherwise `position` returns that of an ancestor."""
        return self._find(path)[1]

    def position_in(self, path: Path, offset: int) -> Position | None:
        """The position of the character at `offset` of the text at `path`, in any style of YAML scalars.

        None if it is not known, or `path` has no text.
        """
        at, exact = self._find(path)
        value = lookup(self.value, path)
        if not exact or not isinstance(value, str):
            return None
        places = self._text.places(at, isinstance((self._base + path)[-1], int), value)
        if places is None or not 0 <= offset < len(places):
            return None
        return self._text.position(places[offset])

    def written(self, path: Path) -> Written | None:
        """The scalar at `path` as the file has it; None in JSON, and if the file has no scalar there."""
        at, exact = self._find(path)
        if self._text.is_json or not exact:
            return None
        span = self._text.scalars().span(at, isinstance((self._base + path)[-1], int))
        if span is None:
            return None
        start, end, style = span
        return Written(self._text.position(start), self._text.position(end), self._text.text[start:end], style)

    def scalars(self) -> Iterator[tuple[Position, Position, str]]:
        """All scalars of the text that this document is a part of: start, end and style of each. None in JSON."""
        if not self._text.is_json:
            for start, end, style in self._text.scalars().spans():
                yield self._text.position(start), self._text.position(end), style

    def tags(self) -> Iterator[tuple[Path, Position, str]]:
        """The scalars with a tag that YAML does not define (`!object.x`): path, position and tag of each."""
        if self._text.is_json or not self._text.tagged:
            return
        root = self._text.roots()[self._index]
        start = lookup(root.value, self._base)
        pending: list[tuple[Path, Any]] = [(ROOT, start)]
        while pending:
            path, holder = pending.pop()
            for step, value in holder.items() if isinstance(holder, dict) else enumerate(holder):
                at = root.tags.get((id(holder), step))
                if at is not None:
                    yield (*path, step), self._text.position(at), self._text.word(at)
                if isinstance(value, dict | list):
                    pending.append(((*path, step), value))

    def misread(self, path: Path) -> str | None:
        """Why YAML did not read the value at `path` as text, as a message; None if its syntax shows no reason."""
        at, exact = self._find(path)
        if self._text.is_json or not exact:
            return None
        raw = self._text.scalars().raw(at, isinstance((self._base + path)[-1], int))
        return syntax.misread.instead_of_text(raw, lookup(self.value, path))

    def comment_behind(self, path: Path) -> Position | None:
        """The position of a YAML comment on the same line after the unquoted text at `path`; None without one."""
        at, exact = self._find(path)
        if self._text.is_json or not exact:
            return None
        span = self._text.scalars().span(at, isinstance((self._base + path)[-1], int))
        if span is None or span[2]:
            return None
        comment = _COMMENT.match(self._text.text, span[1])
        return self._text.position(comment.end() - 1) if comment else None

    @property
    def mentions_secrets(self) -> bool:
        """Whether the text that this document is a part of has the word Secret."""
        return self._text.mentions_secrets()

    def excerpt(self, position: Position) -> Excerpt:
        """The excerpt of the input at a position."""
        return Excerpt(self._text.line(position.line), position.column, position.line)

    def problem(self, path: Path, message: str) -> Problem:
        """A Problem at `path`. Its file is `stream`, because a Helm template has other lines."""
        position = self.position(path)
        return Problem(self.stream, position.line, position.column, of_template(message, self.file, self.stream))

    def _find(self, path: Path) -> tuple[int, bool]:
        """The offset of `path` in the text, or of its nearest ancestor; and whether it is that of `path`."""
        path = self._base + path
        if not path:
            return self._text.starts[self._index], True
        root = self._text.roots()[self._index]
        value, offset, exact = root.value, root.offset, True
        for step in path:
            found = root.places.get((id(value), step))
            if found is None:
                exact = False
                break
            offset, value = found, value[step]
        return offset, exact


_FOUND_AGAIN: Final = 1 << 16  # characters of a text that is quickly parsed
_LINE_END = lazily("\n")
_COMMENT = lazily(r"[ \t]+#")
_WORD = lazily(r"\S*")


class Text(Struct):
    """A part of a file between two `---` lines, which is parsed as a whole; a second time if positions are needed."""

    text: str
    first_line: int
    is_json: bool
    starts: list[int]  # the offset of each document's first key
    tagged: bool = False  # whether any scalar has a tag that YAML does not define
    _roots: list[syntax.Root] | None = None
    _scalars: syntax.Scalars | None = None
    _line_starts: list[int] | None = None
    _secretive: bool | None = None

    def forget_positions(self) -> None:
        self._roots = self._scalars = self._line_starts = None

    def position(self, offset: int) -> Position:
        starts = self._starts()
        line = bisect_right(starts, offset) - 1
        return Position(self.first_line + line, offset - starts[line] + 1)

    def last_line(self, index: int) -> int:
        """The last line before the next document, or of the text."""
        if index + 1 < len(self.starts):
            return max(self.position(self.starts[index + 1]).line - 1, self.position(self.starts[index]).line)
        return self.position(len(self.text.rstrip())).line

    def mentions_secrets(self) -> bool:
        """Whether the text has the word Secret, or something that may stand for it, so that an object may be one."""
        if self._secretive is None:
            self._secretive = "Secret" in self.text or may_hide_words(self.text)
        return self._secretive

    def line(self, number: int) -> str:
        """A line of the file, without its line break; "" if it is outside of this text."""
        starts, index = self._starts(), number - self.first_line
        if not 0 <= index < len(starts):
            return ""
        end = starts[index + 1] - 1 if index + 1 < len(starts) else len(self.text)
        return self.text[starts[index] : end].rstrip("\r")

    def _starts(self) -> list[int]:
        """The offset of each line."""
        if self._line_starts is None:
            self._line_starts = [0, *(end.end() for end in _LINE_END.finditer(self.text))]
        return self._line_starts

    def places(self, at: int, is_item: bool, value: str) -> list[int] | None:
        """The offset of each character of the value at a key or item; see syntax.Scalars."""
        if self.is_json:
            return syntax.places_in_json(self.text, at, is_item, value)
        return self.scalars().places(at, is_item, value)

    def scalars(self) -> syntax.Scalars:
        if self._scalars is None:
            self._scalars = syntax.Scalars(self.text)
        return self._scalars

    def word(self, at: int) -> str:
        """The text from an offset to the next white space."""
        found = _WORD.match(self.text, at)
        return found[0] if found else ""

    def roots(self) -> list[syntax.Root]:
        if self._roots is None:
            reader = syntax.read_json if self.is_json else syntax.read_yaml
            self._roots = reader(self.text, with_places=True)
        return self._roots


def of_template(message: str, file: str, stream: str) -> str:
    """The message, with the template that the text is of, where that is not the file that was read."""
    return message if file == stream else f"{message} (in {file})"
