"""The files that a command's arguments name, and what is in them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Final

STDIN: Final = "<stdin>"
SUFFIXES: Final = (".yaml", ".yml", ".json")

MAX_BYTES: Final = 256 << 20
"""The most that is read of one file or stream; beyond it is no manifest, but a device or a mistake."""

Identity = tuple[int, int]
"""What tells files apart, however they are named: device and inode."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a file or folder cannot be read."""

    reason: str


def named(name: str, seen: set[Identity]) -> Iterator[tuple[str, Path | Unreadable | None]]:
    """The files that an argument names, each with its path (None: standard input) or why it cannot be read.

    Those in `seen` are left out, and those that are told are added to it.
    """
    if name == "-":
        yield STDIN, None
        return
    path = Path(name)
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        yield name, Unreadable(reason(error))
        return
    if not stat.S_ISDIR(status.st_mode):
        if _new(status, seen):
            yield name, path
        return
    found = False
    for file, entry in _walk(name, set()):
        found = True
        if isinstance(entry, Unreadable):
            yield file, entry
        elif _new(entry, seen):
            yield file, Path(file)
    if not found:
        yield name, Unreadable("no *.yaml, *.yml or *.json files in this folder")


def _walk(folder: str, folders: set[Identity]) -> Iterator[tuple[str, os.stat_result | Unreadable]]:
    """The manifests below a folder, in order; `folders` are those already seen (a symbolic link may lead back up)."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        _new(Path(folder).stat(), folders)
    except OSError as error:
        yield folder, Unreadable(reason(error))
        return
    if any(entry.name == "Chart.yaml" for entry in entries):
        advice = f"render it first: helm template {folder} | gatewright check -"
        yield folder, Unreadable(f"a Helm chart, not manifests; {advice}")
        return
    for entry in entries:
        if entry.name.startswith((".", "_")):
            continue
        manifest = entry.name.endswith(SUFFIXES)
        try:
            if entry.is_dir():
                if _new(entry.stat(), folders):
                    yield from _walk(entry.path, folders)
            elif manifest:
                status = entry.stat()
                if stat.S_ISREG(status.st_mode):  # no socket, no pipe
                    yield entry.path, status
        except OSError as error:
            if manifest:
                yield entry.path, Unreadable(reason(error))


def _new(status: os.stat_result, seen: set[Identity]) -> bool:
    identity = (status.st_dev, status.st_ino)
    if identity in seen:
        return False
    seen.add(identity)
    return True


def content_of(path: Path | None, stdin: BinaryIO | None) -> bytes:
    """All of a file or stream. Raises OSError, also where it is larger than any manifest."""
    if path is None:
        if stdin is None:
            raise OSError("there is no standard input to read")
        content = stdin.read(MAX_BYTES + 1)
    else:
        with path.open("rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            # A regular file ends; a pipe or device (`check <(helm template …)`) may not.
            content = file.readall() if stat.S_ISREG(status.st_mode) and status.st_size <= MAX_BYTES else _drain(file)
    if len(content) > MAX_BYTES:
        raise OSError(f"larger than {MAX_BYTES >> 20} MiB")
    return content


def _drain(file: FileIO) -> bytes:
    chunks = bytearray()
    while len(chunks) <= MAX_BYTES and (chunk := file.read(1 << 20)):
        chunks += chunk
    return bytes(chunks)


def reason(error: OSError | ValueError) -> str:
    """Why a file cannot be read, in words."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"cannot be read: {text}"
