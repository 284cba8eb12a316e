"""The files of a recording: lines of JSON, in gzip members that are written whole.

    DIR/reviews-20261129T031500.123456Z-4711.ndjson.gz

Each batch of lines is one gzip member, so a file that ends in the middle of one loses that batch only, and `zcat` reads
the rest. A file that has reached its size is followed by a new one, so it
may be larger by one batch. Together the files of a folder, whichever process
writes them, take no more than their limit: the oldest is removed to make room. A file that is being written is locked,
and is not removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

SUFFIX: Final = ".ndjson.gz"
NAME: Final = re.compile(r"reviews-[0-9TZ.]{1,40}-[0-9]{1,10}\.ndjson(?:\.gz)?")
"""The names of files that belong to a recording; others in the folder are left alone."""


class NoRoom(OSError):
    """The limit of the folder is reached, and all its files are being written."""


class Files:
    """Writes batches to the files of one process.

    rotate: bytes of a file after which the next is begun. limit: the most bytes of all files in the folder. header:
    makes the first batch of each file.
    """

    def __init__(self, folder: Path, rotate: int, limit: int, header: Callable[[], bytes]) -> None:
        self.folder = folder
        self._rotate = rotate
        self._limit = limit
        self._header = header
        self._descriptor = -1
        self._path = folder
        self._size = 0

    def ready(self) -> None:
        """Begin a new file if there is none, if this one is full, or was removed. Raises OSError."""
        if self._descriptor >= 0:
            if self._size < self._rotate and os.fstat(self._descriptor).st_nlink:
                return
            self.close()
        self._begin()

    def write(self, batch: bytes) -> None:
        """Append a batch, whole or not at all. Raises OSError if it was not written."""
        self._make_room(len(batch))
        try:
            rest = memoryview(batch)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(batch)

    def close(self) -> None:
        """End the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _begin(self) -> None:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self._path = self.folder / f"reviews-{stamp}-{os.getpid()}{SUFFIX}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._path, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._descriptor, self._size = descriptor, 0
            self.write(self._header())
        except OSError:
            with contextlib.suppress(OSError):
                self._path.unlink()
            self.close()
            raise

    def _make_room(self, size: int) -> None:
        """Remove the oldest files until the folder has room for so many bytes. Raises NoRoom."""
        held: list[tuple[str, int]] = []
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if NAME.fullmatch(entry.name):
                    with contextlib.suppress(FileNotFoundError):
                        held.append((entry.name, entry.stat(follow_symlinks=False).st_size))
        total = sum(size for _, size in held) + size
        for name, taken in sorted(held):
            if total <= self._limit:
                return
            if name != self._path.name and _removed(self.folder / name):
                total -= taken
        if total > self._limit:
            raise NoRoom(f"the recording's limit of {self._limit} bytes is reached")


def _removed(path: Path) -> bool:
    """Remove a file, unless a process writes it. Whether it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    except FileNotFoundError:
        return True
    except OSError:  # it is being written
        return False
    finally:
        os.close(descriptor)
    return True
