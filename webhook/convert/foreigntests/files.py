"""Reads the files that a foreign test names. Names are relative to the test, and never lead out of the sources."""

from __future__ import annotations

import fnmatch
from pathlib import Path

from webhook.convert import sources
from webhook.documents import files as documents
from webhook.documents.reader import Document


class NoFile(Exception):
    """Why a file that a test names cannot be read."""


def objects(test: Document, name: object, roots: list[str]) -> list[Document]:
    """The objects in a file or folder that a test names. Raises NoFile. roots: the sources; a test may name files in
    them and beside itself.
    """
    file = _inside(test, name, roots)
    read = sources.read([str(file)])
    if read.problems and not read.documents:
        raise NoFile(str(read.problems[0]))
    return read.documents


def plain(test: Document, name: object, roots: list[str]) -> list[Document]:
    """The documents in a file that a test names, which need not be Kubernetes objects. Raises NoFile."""
    file = _inside(test, name, roots)
    try:
        return sources.plain(file)
    except OSError as error:
        raise NoFile(f"{file}: {documents.reason(error)}") from None


def matching(test: Document, name: object, roots: list[str]) -> list[Document]:
    """The objects in the files that a test names, with wildcards in the name. Raises NoFile."""
    if not isinstance(name, str) or not any(each in name for each in "*?["):
        return objects(test, name, roots)
    folder, _, pattern = name.rpartition("/")
    within = _inside(test, folder or ".", roots)
    try:
        names = sorted(each.name for each in within.iterdir() if each.is_file())
    except OSError as error:
        raise NoFile(f"{within}: {documents.reason(error)}") from None
    found = [each for each in names if fnmatch.fnmatchcase(each, pattern)]
    if not found:
        raise NoFile(f"{name[:120]}: no file has such a name")
    return [one for each in found for one in objects(test, f"{folder or '.'}/{each}", roots)]


def _inside(test: Document, name: object, roots: list[str]) -> Path:
    """The path of a file that a test names, if it lies in the sources or beside the test. Raises NoFile."""
    if not isinstance(name, str) or not name:
        raise NoFile("the test names a file by a value that is not a string")
    if "://" in name:
        raise NoFile(f"{name[:120]}: files are not fetched")
    folder = Path(test.stream).parent
    file = folder / name
    allowed = [folder, *(Path(each) if Path(each).is_dir() else Path(each).parent for each in roots if each != "-")]
    try:
        inside = any(file.resolve().is_relative_to(each.resolve()) for each in allowed)
    except (OSError, ValueError, RuntimeError):
        inside = False
    if not inside:
        raise NoFile(f"{name[:120]}: leads out of the sources")
    return file
