"""Reads YAML and JSON into documents that know their file, their line, and the position of any Path.

Values are read as kubectl reads them (webhook.documents.syntax). An invalid document does not affect the others: every
function returns the documents that it could read, and a Problem for each error.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, Final

from msgspec import Struct, field

from webhook.documents import files, syntax
from webhook.documents.document import Document, Position, Problem, Text, Written, full_text, of_template
from webhook.documents.objects import expanded, objects
from webhook.lazypatterns import lazily

__all__ = [
    "STDIN",
    "SUFFIXES",
    "Document",
    "Parsed",
    "Position",
    "Problem",
    "Unread",
    "Written",
    "full_text",
    "objects",
    "parse",
    "parsed",
    "read",
]

STDIN: Final = files.STDIN
SUFFIXES: Final = files.SUFFIXES
LFS: Final = "version https://git-lfs.github.com/spec/v1\n"
"""The beginning of a file that Git LFS has in place of a large one. Source: its specification."""


class Unread(Struct, frozen=True):
    """A part of a file that cannot be read. `grammar`: kubectl cannot read it either, as it is no YAML and no JSON.
    `binary`: it is no text."""

    problem: Problem
    text: str
    grammar: bool
    binary: bool = False


class Parsed(Struct):
    """The content of a file. `warnings`: of keys that stand in a mapping twice, of which the last counts."""

    documents: list[Document] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


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
            in_file, wrong = parse(content, file)
            documents += in_file
            problems += wrong
    return documents, problems


def parse(content: str | bytes, file: str) -> tuple[list[Document], list[Problem]]:
    """The documents in the content of a file, with Lists expanded, and its problems.

    A document in which a mapping has a key twice is a problem.
    """
    found = parsed(content, file)
    if not found.warnings:
        return found.documents, [each.problem for each in found.unread]
    repeated = {document.key for document in found.documents if document.repeats}
    kept = [document for document in found.documents if document.key not in repeated]
    return kept, sorted([*found.warnings, *(each.problem for each in found.unread)], key=lambda each: each.line or 0)


def parsed(content: str | bytes, file: str) -> Parsed:
    """The documents in the content of a file, with Lists expanded, as kubectl reads them."""
    found = Parsed()
    if isinstance(content, bytes):
        decoded = _decode(content, file)
        if isinstance(decoded, Problem):
            found.unread.append(_undecoded(decoded, content))
            return found
        content = decoded
    if content.startswith(LFS):
        message = "a pointer of Git LFS, not the file itself; get its content with `git lfs pull`"
        found.unread.append(Unread(Problem(file, 1, None, message), "", grammar=False))
        return found
    if _MARK in content:  # kubectl reads each document by itself, and skips a byte order mark at its beginning
        content = _MARKED.sub(r"\1", content.removeprefix(_MARK))
    for text, first_line in _pieces(content):
        _parse_piece(text, first_line, file, _helm_source(text) or file, found)
    return found


def _parse_piece(text: str, first_line: int, stream: str, file: str, found: Parsed) -> None:
    while text:
        if _EMPTY.fullmatch(text):
            return
        if glued := _GLUED.match(text):
            found.unread.append(Unread(_glued(glued, first_line, file, stream), text, grammar=False))
            return
        rest = ""
        try:
            # `---#` is a separator to kubectl, but text to YAML.
            piece, roots = _read_piece(f"####{text[4:]}" if text.startswith("---#") else text, first_line, stream)
        except syntax.SyntaxProblem as problem:
            if conflict := _CONFLICT.search(text):
                line = first_line + text.count("\n", 0, conflict.start())
                message = f"an unresolved merge conflict: {conflict[0]}"
                found.unread.append(Unread(Problem(stream, line, 1, message), text, grammar=False))
                return
            if not problem.read_to:
                unread = _problem(problem, text, first_line, stream, file)
                found.unread.append(Unread(unread, text, problem.grammar))
                return
            if (before := text.find(f"\n{_MARK}", 0, problem.read_to)) >= 0:
                # To our parser a document begins there, and ends soon; to kubectl the mark is a part of a key.
                within = syntax.SyntaxProblem("a byte order mark within a document; remove it", before + 1)
                found.unread.append(Unread(_problem(within, text, first_line, stream, file), text, grammar=False))
                return
            # What stands before is read by itself, as kubectl does.
            text, rest = text[: problem.read_to], text[problem.read_to :]
            piece, roots = _read_piece(text, first_line, stream)
        for index, root in enumerate(roots):
            for repeated in root.repeated:
                found.warnings.append(_problem(repeated, text, first_line, stream, file))
            if root.value is None:  # only comments, or null: kubectl skips it too
                continue
            document = Document(root.value, file, stream, piece, index, repeats=bool(root.repeated))
            found.documents.extend(expanded(document))
        first_line += text.count("\n")
        text = rest


# Text

_GZIP: Final = b"\x1f\x8b"
_PACKED: Final = (
    "compressed with gzip, not YAML or JSON: unpack it first. A snapshot of a cluster is judged by `gatewright audit "
    "FILE` and `impact --snapshot FILE`, recorded reviews by `replay` and `impact --recordings`"
)
_MARK: Final = "\ufeff"
_MARKED = lazily(rf"^(---[ \t]*(?:#[^\n]*)?\r?\n){_MARK}", re.MULTILINE)

_CONFLICT = lazily(r"^<{7} [^\r\n]{0,100}", re.MULTILINE)

_GLUED = lazily(r"---[ \t]*(?P<what>[A-Za-z_][\w.-]*:(?=[ \t\r\n])|(?<=---)\{)")
"""A separator and the start of a document on one line. To YAML it is a key or text that begins with ---."""

_SEPARATOR = lazily(rf"^(?:---(?=[ \t\r\n#]|\Z)|(?={_GLUED.pattern}))", re.MULTILINE)
_EMPTY = lazily(r"(?:---)?+ *+(?:#[ -~]*+)?+(?:\r?+\n *+(?:#[ -~]*+)?+)*+")
"""A separator, blank lines, comments. A file may have a million such documents: no parser is asked."""

_SOURCE = lazily(r"(?:---[ \t]*)?\s*(?:#(?! Source: )[^\n]*\n\s*)*# Source: (?P<file>[^\r\n]*\S)")


def _decode(content: bytes, file: str) -> str | Problem:
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    if encoding == "utf-8":
        content = content.removeprefix(codecs.BOM_UTF8)
        if content.startswith(_GZIP):
            return Problem(file, None, None, _PACKED)
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


def _undecoded(problem: Problem, content: bytes) -> Unread:
    """What is no text. No other reader reads a part of it if a NUL byte stands before the first line or object ends."""
    start, nul, rest = content.partition(b"\0")
    if not nul or b"\n" in start or b"{" in start:
        return Unread(problem, "", grammar=False)
    return Unread(problem, (start + rest.replace(b"\0", b"")).decode("latin-1"), grammar=True, binary=True)


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


def _read_piece(text: str, first_line: int, file: str) -> tuple[Text, list[syntax.Root]]:
    body = text.lstrip()
    problem: syntax.SyntaxProblem | None = None
    if body.startswith(("{", "[")):
        try:
            return _text(text, first_line, True, syntax.read_json(text))
        except syntax.SyntaxProblem as error:
            if error.read_to:
                raise
            problem = error
    try:
        # kubectl ends each line, so that a block of text at the end of a file has its last newline.
        return _text(text, first_line, False, syntax.read_yaml(text if text.endswith("\n") else f"{text}\n"))
    except syntax.SyntaxProblem as error:
        error.grammar = error.grammar and (problem is None or problem.grammar)
        raise (problem if problem is not None and file.endswith(".json") else error) from None


def _text(text: str, first_line: int, is_json: bool, roots: list[syntax.Root]) -> tuple[Text, list[syntax.Root]]:
    tagged = any(root.tags for root in roots)
    return Text(text, first_line, is_json, [root.offset for root in roots], tagged), roots


def _problem(problem: syntax.SyntaxProblem, text: str, first_line: int, stream: str, file: str) -> Problem:
    message = problem.message
    if isinstance(problem, syntax.DuplicateKey):
        message += f" (first in line {first_line + problem.first - 1})"
    elif "{{" in text:
        message += "; this looks like a template: render it first (helm template CHART | gatewright check -)"
    message = of_template(message, file, stream)
    if problem.offset is None:
        return Problem(stream, first_line, None, message)
    position = Text(text, first_line, False, []).position(min(problem.offset, len(text)))
    return Problem(stream, position.line, position.column, message)


def _glued(found: re.Match[str], line: int, file: str, stream: str) -> Problem:
    message = "the separator --- must be alone on its line; move the text after it to the next line"
    return Problem(stream, line, found.start("what") + 1, of_template(message, file, stream))


def _helm_source(text: str) -> str | None:
    match = _SOURCE.match(text)
    return match["file"] if match else None
