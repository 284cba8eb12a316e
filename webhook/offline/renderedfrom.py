"""Where a place in a rendered object is in the file that it was rendered from: a template of Helm, or a manifest that
kustomize took.

A manifest is read, and the object found by its kind and name. A template is no YAML: its lines are followed by their
keys and indentation, as far as they go. What it makes elsewhere (`include`, `toYaml`) leads to the key above it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path as File
from typing import Final

from msgspec import Struct

from webhook.documents.document import Document, Position
from webhook.documents.reader import parse
from webhook.lazypatterns import lazily
from webhook.paths import Path

MAX_SIZE: Final = 1 << 20
"""Bytes of a source that is looked into."""

_KIND: Final = lazily(r"""kind:[ \t]*["']?([A-Za-z0-9]+)""")
_DASHES: Final = lazily(r"[ ]*(?:-[ ]+)*")
_KEY: Final = lazily(r"""["']?([^\s"':{}]+)["']?:(?:\s|$)""")


class Source(Struct, frozen=True):
    """A place in a source. `position`: None if it is not known."""

    file: str
    position: Position | None


class Sources:
    """Finds places in sources, which are read once each.

    Only files below the current folder, or below the folder that was rendered, are opened: the name of a source is part
    of what was rendered.
    """

    def __init__(self) -> None:
        self._texts: dict[tuple[str, str], tuple[str, str | None]] = {}
        self._read: dict[str, list[Document]] = {}

    def find(self, document: Document, path: Path) -> Source:
        """The source of what is at a path of a rendered document, whose `file` names it."""
        key = (document.file, document.stream)
        if key not in self._texts:
            self._texts[key] = _content(document.file, document.stream)
        file, text = self._texts[key]
        if text is None:
            return Source(file, None)
        if "{{" in text:
            return Source(file, _in_template(text, document.value, path))
        if file not in self._read:
            self._read[file] = parse(text.encode(), file)[0]
        return Source(file, _in_manifests(self._read[file], document.value, path))


def _content(name: str, stream: str) -> tuple[str, str | None]:
    """The file that a name means, and its text; None if there is none that may be read."""
    for candidate in _candidates(name, stream):
        try:
            real = File(candidate).resolve()
            near = [File().resolve(), *([File(stream).resolve()] if File(stream).is_dir() else [])]
            if not any(real.is_relative_to(each) for each in near) or not real.is_file():
                continue
            if real.stat().st_size > MAX_SIZE:
                continue
            return candidate, real.read_text("utf-8")
        except (OSError, ValueError):  # of a name that is none, of text that is none
            continue
    return name, None


def _candidates(name: str, stream: str) -> Sequence[str]:
    """The name; of Helm's, which begin with the chart's name, also below usual folders, and below the current one."""
    if stream != "<stdin>" or os.path.isabs(name) or ".." in name.split("/"):  # noqa: PTH117  # a text
        return [name]
    return [name, f"charts/{name}", f"deploy/{name}", f"helm/{name}", name.partition("/")[2] or name]


def _in_manifests(documents: Sequence[Document], value: object, path: Path) -> Position | None:
    """The place in the manifest with the object: of its kind and name, or of a part of its name (`namePrefix`)."""
    kind, name = _identity(value)
    of_kind = [each for each in documents if _identity(each.value)[0] == kind and _group(each.value) == _group(value)]
    named = [each for each in of_kind if _identity(each.value)[1] == name]
    partly = [each for each in of_kind if _identity(each.value)[1] in name]
    found = [*named, *partly, *(of_kind if len(of_kind) == 1 else ())]
    return found[0].position(path) if found else None


def _group(value: object) -> str:
    """A kustomization is no Kustomization of Flux."""
    return str(value.get("apiVersion")).rpartition("/")[0] if isinstance(value, dict) else ""


def _identity(value: object) -> tuple[str, str]:
    metadata = value.get("metadata") if isinstance(value, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return str(value.get("kind")) if isinstance(value, dict) else "", name if isinstance(name, str) else ""


class _Line(Struct, frozen=True):
    """A line of a template: the columns, from 0, of its dashes and of its key. `key`: "" if it has none."""

    number: int
    dashes: tuple[int, ...]
    column: int
    key: str


def _in_template(text: str, value: object, path: Path) -> Position | None:
    """The place in the part of a template that makes an object of this kind."""
    kind, name = _identity(value)
    parts = _parts(text)
    of_kind = [part for part in parts if any(_is_of(kind, line) for _, line in part)]
    if not of_kind:
        return None
    named = [part for part in of_kind if name and any(line.strip() == f"name: {name}" for _, line in part)]
    part = (named or of_kind)[0]
    lines = [line for number, written in part if (line := _line(number, written)) is not None]
    start = next(number for number, line in part if _is_of(kind, line))
    at = Position(start, 1)
    first, column = 0, -1  # the lines below the key that was found, and its column
    for step in path:
        found = _item(lines, first, column, step) if isinstance(step, int) else _entry(lines, first, column, step)
        if found is None:
            break
        first, column, at = found
    return at


def _parts(text: str) -> list[list[tuple[int, str]]]:
    """The numbered lines between the `---` of a text."""
    parts: list[list[tuple[int, str]]] = [[]]
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("---"):
            parts.append([])
        else:
            parts[-1].append((number, line))
    return parts


def _is_of(kind: str, line: str) -> bool:
    found = _KIND.match(line)
    return found is not None and found[1] == kind


def _line(number: int, text: str) -> _Line | None:
    """What a line holds; None for one without content: blank, a comment, or an action of the template alone."""
    content = text.strip()
    if not content or content.startswith(("#", "{{")):
        return None
    start = _DASHES.match(text)
    begin = start.end() if start else 0
    found = _KEY.match(text, begin)
    dashes = tuple(each.start() for each in re.finditer("-", text[:begin]))
    return _Line(number, dashes, begin, found[1] if found else "")


def _entry(lines: Sequence[_Line], first: int, column: int, key: str) -> tuple[int, int, Position] | None:
    """The entry with a key in the mapping that begins at a line: the line after it, its column, its place."""
    level: int | None = None
    for index in range(first, len(lines)):
        line = lines[index]
        outermost = min((*line.dashes, line.column))
        if index > first and outermost <= column:
            return None
        level = line.column if level is None else level
        if line.column == level and line.key == key:
            return index + 1, line.column, Position(line.number, line.column + 1)
    return None


def _item(lines: Sequence[_Line], first: int, column: int, index: int) -> tuple[int, int, Position] | None:
    """The item of the list that begins at a line; the last one before it where the template makes several of one."""
    found: tuple[int, int, Position] | None = None
    level: int | None = None
    for at in range(first, len(lines)):
        line = lines[at]
        if min((*line.dashes, line.column)) < column or (not line.dashes and line.column <= column):
            break
        level = line.dashes[0] if level is None and line.dashes else level
        if level is None or level not in line.dashes:
            continue
        found = at, level, Position(line.number, line.column + 1)
        if not index:
            break
        index -= 1
    return found
