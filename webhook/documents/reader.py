"""Reads YAML and JSON into documents that know their file, their line, and the position of any Path.

Values are read as kubectl reads them (webhook.documents.syntax). An invalid document does not affect the others: every
function returns the documents that it could read, and a Problem for each error.
"""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, Final

from msgspec import Struct

from webhook import excerpts
from webhook.documents import files, syntax
from webhook.excerpts import Excerpt
from webhook.paths import ROOT, Path, lookup
from webhook.visible import visible

STDIN: Final = files.STDIN
SUFFIXES: Final = files.SUFFIXES

MAX_LIST_DEPTH: Final = 8  # levels of Lists in Lists


class Position(Struct, frozen=True, order=True):
    """A position in a file. Lines and columns count from 1; a column is a character."""

    line: int
    column: int


class Problem(Struct, frozen=True):
    """An error in an input. Its text is `file:line:column: message`; line and column are left out if not known."""

    file: str
    line: int | None
    column: int | None
    message: str
    excerpt: Excerpt | None = None  # the line, to be shown below the message

    def __str__(self) -> str:
        place = "".join(f":{number}" for number in (self.line, self.column) if number is not None)
        return f"{self.file}{place}: {self.message}"


def full_text(problem: Problem, width: int | None = None) -> str:
    """A problem's text for a terminal, then the excerpt: the line, and a caret below the position.

    width: the columns of the terminal; None if the output is not a terminal.
    """
    shown = excerpts.lines(problem.excerpt, width) if problem.excerpt else []
    return "\n".join([visible(str(problem)), *shown])


class Document(Struct):
    """One document: a plain JSON value and its position.

    `file` is the file as named by the user, "<stdin>" for `-`; for output of Helm it is the template that the
    `# Source:` comment names. `stream` is always the input that was read: lines and columns are those of `stream`.
    """

    value: Any
    file: str
    stream: str
    _text: _Text
    _index: int = 0  # of the document in its text
    _base: Path = ROOT  # of an item in its List

    @property
    def line(self) -> int:
        """The line of the document's first key."""
        return self.position(ROOT).line

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

    def excerpt(self, position: Position) -> Excerpt:
        """The excerpt of the input at a position."""
        return Excerpt(self._text.line(position.line), position.column, position.line)

    def problem(self, path: Path, message: str) -> Problem:
        """A Problem at `path`. Its file is `stream`, because a Helm template has other lines."""
        position = self.position(path)
        return Problem(self.stream, position.line, position.column, _of_template(message, self.file, self.stream))

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


_LINE_END = re.compile("\n")
_COMMENT = re.compile(r"[ \t]+#")
_WORD = re.compile(r"\S*")


class _Text(Struct):
    """A part of a file between two `---` lines, which is parsed as a whole; a second time if positions are needed."""

    text: str
    first_line: int
    is_json: bool
    starts: list[int]  # the offset of each document's first key
    tagged: bool = False  # whether any scalar has a tag that YAML does not define
    _roots: list[syntax.Root] | None = None
    _scalars: syntax.Scalars | None = None
    _line_starts: list[int] | None = None

    def position(self, offset: int) -> Position:
        if self._line_starts is None:
            self._line_starts = [0, *(end.end() for end in _LINE_END.finditer(self.text))]
        line = bisect_right(self._line_starts, offset) - 1
        return Position(self.first_line + line, offset - self._line_starts[line] + 1)

    def line(self, number: int) -> str:
        """A line of the file, without its line break; "" if it is outside of this text."""
        lines = self.text.split("\n")
        index = number - self.first_line
        return lines[index].rstrip("\r") if 0 <= index < len(lines) else ""

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


def read(
    paths: Iterable[str], stdin: BinaryIO | None = None, progress: Callable[[str], None] = lambda _file: None
) -> tuple[list[Document], list[Problem]]:
    """Read files, folders (recursively: *.yaml, *.yml, *.json) and, for "-", `stdin`.

    A file that several paths reach is read once. Folder entries with a name that starts with `.` or `_` are skipped.
    `progress` is called with each file's name before it is read.
    """
    documents: list[Document] = []
    problems: list[Problem] = []
    seen: set[files.Identity] = set()
    for name in paths:
        for file, found in files.named(name, seen):
            if isinstance(found, files.Unreadable):
                problems.append(Problem(file, None, None, found.reason))
                continue
            progress(file)
            try:
                content = files.content_of(found, stdin)
            except OSError as error:
                problems.append(Problem(file, None, None, files.reason(error)))
                continue
            parsed, wrong = parse(content, file)
            documents += parsed
            problems += wrong
    return documents, problems


def parse(content: str | bytes, file: str) -> tuple[list[Document], list[Problem]]:
    """The documents in the content of a file, with Lists expanded, and its problems."""
    if isinstance(content, bytes):
        decoded = _decode(content, file)
        if isinstance(decoded, Problem):
            return [], [decoded]
        content = decoded
    documents: list[Document] = []
    problems: list[Problem] = []
    for text, first_line in _pieces(content):
        source = _helm_source(text)
        if glued := _GLUED.match(text):
            problems.append(_glued(glued, first_line, source or file, file))
            continue
        try:
            # `---#` is a separator to kubectl, but text to YAML.
            yaml = f"####{text[4:]}" if text.startswith("---#") else text
            piece, values = _read_piece(yaml, first_line, file)
        except syntax.SyntaxProblem as problem:
            problems.append(_problem(problem, text, first_line, file, source or file))
            continue
        for index, value in enumerate(values):
            if value is None:  # only comments, or null: kubectl skips it too
                continue
            document = Document(value, source or file, file, piece, index)
            documents.extend(_expand(document, MAX_LIST_DEPTH))
    return documents, problems


def objects(documents: Iterable[Document]) -> tuple[list[Document], list[Problem]]:
    """The documents that are Kubernetes objects (mappings with apiVersion and kind), and a Problem for each other."""
    good: list[Document] = []
    problems: list[Problem] = []
    for document in documents:
        wrong = _not_an_object(document.value)
        if wrong is None:
            good.append(document)
        else:
            path, message = wrong
            problems.append(document.problem(path, f"not a Kubernetes object: {message}"))
    return good, problems


def _not_an_object(value: Any) -> tuple[Path, str] | None:
    """Why a document is not a Kubernetes object: the path and the message; None if it is one."""
    if not isinstance(value, dict):
        kind = {list: "a list", str: "text", bool: "a boolean"}.get(type(value), "a number")
        return ROOT, f"expected a mapping with apiVersion and kind, found {kind}"
    wrong = [name for name in ("apiVersion", "kind") if not isinstance(value.get(name), str) or not value[name]]
    if wrong:
        what = " and ".join(f"{name} {'must be text' if name in value else 'is missing'}" for name in wrong)
        return (wrong[0],), what
    if value["apiVersion"].count("/") > 1:
        return ("apiVersion",), "apiVersion must be VERSION or GROUP/VERSION"
    if value["kind"] == "List" and value["apiVersion"] == "v1":  # a List with items has been expanded already
        return ("items",), f"the items of a List {'must be a list' if 'items' in value else 'are missing'}"
    metadata = value.get("metadata")
    if metadata is None:
        return None
    if not isinstance(metadata, dict):
        return ("metadata",), "metadata must be a mapping"
    for name in ("name", "namespace", "generateName"):
        if metadata.get(name) is not None and not isinstance(metadata[name], str):
            return ("metadata", name), f"metadata.{name} must be text; quote it"
    for name in ("labels", "annotations"):
        entries = metadata.get(name)
        if entries is None:
            continue
        if not isinstance(entries, dict):
            return ("metadata", name), f"metadata.{name} must be a mapping"
        for key, entry in entries.items():
            if entry is not None and not isinstance(entry, str):
                return ("metadata", name, key), f"metadata.{name}[{key!r}] must be text; quote it"
    return None


# Text

_GLUED = re.compile(r"---[ \t]*(?P<what>[A-Za-z_][\w.-]*:(?=[ \t\r\n])|(?<=---)\{)")
"""A separator and the start of a document on one line. To YAML it is a key or text that begins with ---."""

_SEPARATOR = re.compile(rf"^(?:---(?=[ \t\r\n#]|\Z)|(?={_GLUED.pattern}))", re.MULTILINE)
_SOURCE = re.compile(r"(?:---[ \t]*)?\s*(?:#(?! Source: )[^\n]*\n\s*)*# Source: (?P<file>[^\r\n]*\S)")


def _decode(content: bytes, file: str) -> str | Problem:
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    if encoding == "utf-8":
        content = content.removeprefix(codecs.BOM_UTF8)
        if (at := content.find(b"\0")) >= 0:
            return Problem(
                file, content.count(b"\n", 0, at) + 1, None, "binary, not YAML or JSON (it contains a NUL byte)"
            )
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(encoding, "ignore")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        message = f"not UTF-8 (byte 0x{content[error.start]:02x})" if encoding == "utf-8" else "invalid UTF-16"
        return Problem(file, line, column, f"{message}; save the file as UTF-8")


def _pieces(content: str) -> Iterator[tuple[str, int]]:
    """The content split before each `---` line, with the line number of each part: errors stay within their part."""
    start, line = 0, 1
    for separator in _SEPARATOR.finditer(content):
        end = separator.start()
        if end > start:
            yield content[start:end], line
            line += content.count("\n", start, end)
            start = end
    if start < len(content):
        yield content[start:], line


def _read_piece(text: str, first_line: int, file: str) -> tuple[_Text, list[Any]]:
    body = text.lstrip()
    problem: syntax.SyntaxProblem | None = None
    if body.startswith(("{", "[")):
        try:
            return _text(text, first_line, True, syntax.read_json(text))
        except syntax.SyntaxProblem as error:
            problem = error
    try:
        return _text(text, first_line, False, syntax.read_yaml(text))
    except syntax.SyntaxProblem as error:
        raise (problem if problem is not None and file.endswith(".json") else error) from None


def _text(text: str, first_line: int, is_json: bool, roots: list[syntax.Root]) -> tuple[_Text, list[Any]]:
    tagged = any(root.tags for root in roots)
    return _Text(text, first_line, is_json, [root.offset for root in roots], tagged), [root.value for root in roots]


def _problem(problem: syntax.SyntaxProblem, text: str, first_line: int, stream: str, file: str) -> Problem:
    message = problem.message
    if isinstance(problem, syntax.DuplicateKey):
        message += f" (first in line {first_line + problem.first - 1})"
    if "{{" in text:
        message += "; this looks like a template: render it first (helm template CHART | gatewright check -)"
    message = _of_template(message, file, stream)
    if problem.offset is None:
        return Problem(stream, first_line, None, message)
    position = _Text(text, first_line, False, []).position(problem.offset)
    return Problem(stream, position.line, position.column, message)


def _glued(found: re.Match[str], line: int, file: str, stream: str) -> Problem:
    message = "the separator --- must be alone on its line; move the text after it to the next line"
    return Problem(stream, line, found.start("what") + 1, _of_template(message, file, stream))


def _of_template(message: str, file: str, stream: str) -> str:
    return message if file == stream else f"{message} (in {file})"


def _helm_source(text: str) -> str | None:
    match = _SOURCE.match(text)
    return match["file"] if match else None


def _expand(document: Document, depth: int) -> Iterator[Document]:
    """The items of a Kubernetes List as documents; for any other document only the document itself."""
    value = document.value
    if depth == 0 or not isinstance(value, dict) or not isinstance(value.get("items", 0), list | None):
        yield document
        return
    kind, version = value.get("kind"), value.get("apiVersion")
    if not isinstance(kind, str) or not kind.endswith("List") or not isinstance(version, str):
        yield document
        return
    # In a typed list (a PodList from the API), the items may lack apiVersion and kind.
    common = {} if kind == "List" else {"apiVersion": version, "kind": kind.removesuffix("List")}
    for index, given in enumerate(value["items"] or ()):
        base = (*document._base, "items", index)
        item = common | given if common and isinstance(given, dict) else given
        yield from _expand(
            Document(item, document.file, document.stream, document._text, document._index, base), depth - 1
        )
