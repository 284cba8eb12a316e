"""Finds the files that a command's arguments name, and reads their content."""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Iterator
from io import BufferedReader, FileIO, RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from msgspec import Struct

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STDIN: Final = "<stdin>"
SUFFIXES: Final = (".yaml", ".yml", ".json")

MAX_BYTES: Final = 256 << 20
"""The most bytes of one file or stream. A larger one is not a manifest but a device or a mistake."""

MAX_DEPTH: Final = 64
"""The most folders in each other."""

WRITER: Final = 5.0
"""The seconds within which somebody has to open a pipe for writing."""

GIT: Final = ".git"
"""The folder of a repository, which holds nothing that is under version control."""

OUT: Final = "it is a link out of the repository"

Identity = tuple[int, int]
"""Device and inode of a file. Equal for all names of the same file."""


class Unreadable(Struct, frozen=True):
    """Why a file or folder cannot be read."""

    reason: str


TOO_DEEP: Final = Unreadable(f"more than {MAX_DEPTH} folders in each other")


def named(name: str, seen: set[Identity], *, concealed: bool = False) -> Iterator[tuple[str, Path | Unreadable | None]]:
    """The files that an argument names: (name, path). The path is None for standard input, or an Unreadable.

    Skips the files in `seen`, and adds those that it returns. concealed: also those below a folder whose own name, or
    that of a folder on the way, begins with `.` or `_`; but not `.git`.
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
    for file, entry in _walk(name, set(), 0, repository(name), concealed=concealed):
        found = True
        if isinstance(entry, Unreadable):
            yield file, entry
        elif _new(entry, seen):
            yield file, Path(file)
    if not found:
        yield name, Unreadable("no *.yaml, *.yml or *.json files in this folder")


def repository(root: str) -> str:
    """The resolved folder of the git repository that a folder is in; "" if it is in none."""
    resolved = Path(root).resolve()
    return next((str(each) for each in (resolved, *resolved.parents) if (each / GIT).exists()), "")


def leads_out(link: str, repository: str) -> bool:
    """Whether a link leaves the repository. It may come with a pull request, and its target may belong to the machine:
    its reports would show that."""
    return not Path(link).resolve().is_relative_to(repository)


def _walk(
    folder: str, folders: set[Identity], depth: int, within: str, *, concealed: bool
) -> Iterator[tuple[str, os.stat_result | Unreadable]]:
    """The manifests below a folder, sorted. `folders`: those already visited, as symbolic links may form a cycle.
    `within`: the repository that links may not leave. `concealed`: see `named`."""
    if depth > MAX_DEPTH:
        yield folder, TOO_DEEP
        return
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
        if entry.name.startswith((".", "_")) and (not concealed or entry.name == GIT):
            continue
        manifest = entry.name.endswith(SUFFIXES)
        try:
            if within and (manifest or entry.is_dir()) and entry.is_symlink() and leads_out(entry.path, within):
                yield entry.path, Unreadable(OUT)
            elif entry.is_dir():
                if _new(entry.stat(), folders):
                    yield from _walk(entry.path, folders, depth + 1, within, concealed=concealed)
            elif manifest:
                status = entry.stat()
                if stat.S_ISREG(status.st_mode):  # not a socket or a pipe
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


def content_of(path: Path | None, stdin: BinaryIO | None, most: int = MAX_BYTES) -> bytes:
    """The content of a file, or of `stdin` if `path` is None. Raises OSError, also if it exceeds `most` bytes."""
    if path is None:
        if stdin is None:
            raise OSError("there is no standard input")
        content = stdin.read(most + 1)
    else:
        with _raw(path) as file:
            content = drained(file, most, os.fstat(file.fileno()).st_size)
    if len(content) > most:
        raise OSError(f"larger than {most >> 20} MiB")
    return content


def opened(path: Path) -> BufferedReader:
    """A file to read. Raises OSError, also for a named pipe that nobody writes to, which would be waited for without
    end."""
    return BufferedReader(_raw(path))


def _raw(path: Path) -> FileIO | _Pipe:
    if not stat.S_ISFIFO(path.stat().st_mode):
        return path.open("rb", buffering=0)
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        begun = _begun(number)
        os.set_blocking(number, True)
    except OSError:
        os.close(number)
        raise
    return _Pipe(number, begun)


def _begun(number: int) -> bytes:
    """What could be read of a pipe once it has a writer, which nothing but reading tells. Raises OSError."""
    poll = select.poll()
    poll.register(number, select.POLLIN | select.POLLHUP)
    if poll.poll(0) or poll.poll(WRITER * 1000):
        return b""
    try:
        found = os.read(number, 1)
    except BlockingIOError:  # it is open for writing, and nothing is written yet
        return b""
    if not found:
        raise OSError("a pipe that nobody writes to")
    return found


class _Pipe(RawIOBase):
    """A pipe. begun: the bytes that were already read from it."""

    def __init__(self, number: int, begun: bytes) -> None:
        self._file = os.fdopen(number, "rb", buffering=0)
        self._begun = begun

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._file.fileno()

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        view = memoryview(buffer).cast("B")
        if self._begun and view:
            count = min(len(view), len(self._begun))
            view[:count], self._begun = self._begun[:count], self._begun[count:]
            return count
        return self._file.readinto(view)

    def close(self) -> None:
        self._file.close()
        super().close()


def drained(file: FileIO | _Pipe, most: int, size: int) -> bytes:
    """All of a file that is said to have a size, or a byte more than `most`.

    Nothing but what has been read says how much there is: a pipe or a device may not end, a file may grow while it is
    read, and some (/proc/self/pagemap) have no size and no end.
    """
    first = file.read(max(min(size, most) + 1, _CHUNK)) or b""
    more = file.read(_CHUNK) if first else b""
    if not more:
        return first
    chunks = bytearray(first)
    while more and len(chunks) <= most:
        chunks += more
        more = file.read(_CHUNK)
    return bytes(chunks)


_CHUNK: Final = 1 << 16


def reason(error: OSError | ValueError) -> str:
    """The message for a file that cannot be read."""
    return f"cannot be read: {_why(error)}"


def unwritten(error: OSError) -> str:
    """The message for a file that cannot be written."""
    return f"cannot be written: {_why(error)}"


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError) and error.filename and os.path.islink(error.filename):  # noqa: PTH114
        return f"a link to {os.readlink(error.filename)!r}, which does not exist"  # noqa: PTH115
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
