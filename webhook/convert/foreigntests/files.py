"""Reads the files that a foreign test names, relative to the test and never outside of the sources."""

from __future__ import annotations

from pathlib import Path

from webhook.convert import sources
from webhook.documents.reader import Document


class NoFile(Exception):
    """Why a file that a test names cannot be read."""


def objects(test: Document, name: object, roots: list[str]) -> list[Document]:
    """The objects in a file, or a folder, that a test names. Raises NoFile.

    roots: the sources; a test may name files in them, and beside itself.
    """
    if not isinstance(name, str) or not name:
        raise NoFile("the test names a file that is no text")
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
    read = sources.read([str(file)])
    if read.problems and not read.documents:
        raise NoFile(str(read.problems[0]))
    return read.documents
