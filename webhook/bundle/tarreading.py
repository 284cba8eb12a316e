"""Reads tar archives that others have made: each byte once, and nothing that an archive of plain files does not need.

Python's own module is not made for this: its regular expressions are quadratic in a header before 3.11.10, it calls
itself for each extended header, and copies global ones for each file.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

MOST_EXTENDED: Final = 16 << 10
"""Bytes of an extended header: a name, times, a comment."""

MOST_BEFORE: Final = 4
"""Extended headers before an entry."""

_BLOCK: Final = tarfile.BLOCKSIZE
_NAMES: Final = tarfile.GNUTYPE_LONGNAME
_EXTENDED: Final = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE, _NAMES)
_SPARSE: Final = b"GNU.sparse."
_LONGEST_LENGTH: Final = 20  # digits, with the space


class TarError(ValueError):
    """What is no archive, or not one that is read; the text says why."""


class Entry(Struct, frozen=True):
    """A file or folder, or something else that the caller refuses. Its content is the `size` bytes from `start`.

    `kind`: the type, as tarfile names it; a file of the old kind is a REGTYPE.
    """

    name: str
    kind: bytes
    start: int
    size: int


def entries(archive: bytes) -> Iterator[Entry]:
    """The entries, in order. Raises TarError."""
    at, before, name = 0, 0, ""
    if not archive:
        raise TarError("it is empty")
    while at < len(archive):
        header = archive[at : at + _BLOCK]
        if len(header) == _BLOCK and not header.strip(b"\0"):
            break
        found = _header(header)
        start = at + _BLOCK
        if found.type in _EXTENDED:
            before += 1
            if before > MOST_BEFORE or found.size > MOST_EXTENDED:
                raise TarError("an entry has more extended headers than any file needs")
            text = archive[start : start + found.size]
            if len(text) < found.size:
                raise TarError("it ends within an extended header")
            name = _extended(found.type, text) or name
        else:
            kind = tarfile.REGTYPE if found.type == tarfile.AREGTYPE else found.type
            is_folder = kind == tarfile.DIRTYPE
            name = name or found.name
            yield Entry(name.rstrip("/") if is_folder else name, kind, start, found.size)
            before, name = 0, ""
            if is_folder:  # whatever its size says, nothing follows
                at = start
                continue
        at = start + -(-found.size // _BLOCK) * _BLOCK
    if before or at > len(archive):
        raise TarError("it ends within an entry")


def _header(header: bytes) -> tarfile.TarInfo:
    try:
        found = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError) as error:
        raise TarError(str(error)) from None
    if found.size < 0:
        raise TarError("an entry has a negative size")
    return found


def _extended(kind: bytes, text: bytes) -> str:
    """The name that an extended header gives to the entry after it; "" for none."""
    if kind == _NAMES:
        return text.partition(b"\0")[0].decode("utf-8", "surrogateescape")
    records = dict(_records(text))
    if any(key.startswith(_SPARSE) for key in records):
        raise TarError("a sparse file, not a regular file")
    if b"size" in records or (kind == tarfile.XGLTYPE and b"path" in records):
        raise TarError("an extended header changes the size of an entry, or the names of all")
    return records.get(b"path", b"").decode("utf-8", "surrogateescape")


def _records(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The records of a header of POSIX: `LENGTH KEY=VALUE` and a newline, where the length is that of the record."""
    at = 0
    while at < len(text):
        space = text.find(b" ", at, at + _LONGEST_LENGTH)
        length = text[at : max(space, at)]
        end = at + int(length) if length.isdigit() else 0
        key, equals, value = text[space + 1 : end - 1].partition(b"=")
        if not space < end <= len(text) or text[end - 1 : end] != b"\n" or not equals:
            raise TarError("an extended header is no list of records")
        yield key, value
        at = end
