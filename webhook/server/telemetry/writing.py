"""Writes lines to a file descriptor without ever blocking the caller: stdout for the log, stderr for the rest.

The reader of a pipe may stop reading, and a disk may hang. A write would then block the event loop, and with it
admission, health and shutdown. So callers append to a queue of bounded size, and a thread writes. Lines that do not fit
into the queue, or that cannot be written, are dropped and counted; when writing works again, one line says how many.

The thread gathers lines for a few milliseconds and writes them together, which costs less than a system call for each.
"""

from __future__ import annotations

import fcntl
import io
import os
import select
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Final, TextIO

MAX_LINES: Final = 8192
"""Most lines that wait to be written."""

MAX_BYTES: Final = 4 << 20
"""Most bytes of lines that wait to be written."""

_GROUP: Final = 64 << 10  # bytes that are written together, and those of the line that passes the limit
_GATHER: Final = 0.01  # seconds in which the thread gathers lines
_CHECK_EVERY: Final = 0.002  # seconds between two checks whether everything is written
_MAX_PENDING: Final = 64 << 10  # characters of an unfinished line of Lines


class Writer:
    """Writes to `descriptor` in a thread of its own, which starts with the first line.

    `lost` counts the lines that were dropped. `lost_line` makes the line that says how many were dropped since the last
    such line. A process that is forked begins with an empty queue: what waits is the parent's.
    """

    __slots__ = (
        "__weakref__", "_awake", "_bytes", "_descriptor", "_lines", "_lock", "_lost_line", "_reported", "_shared",
        "_started", "_torn", "_wake", "lost",
    )  # fmt: skip

    def __init__(self, descriptor: int, lost_line: Callable[[int], bytes]) -> None:
        self._descriptor = descriptor
        self._lost_line = lost_line
        self._shared = False
        self._begin()
        this = weakref.ref(self)

        def forked() -> None:
            writer = this()
            if writer is not None:
                writer._begin()

        os.register_at_fork(after_in_child=forked)

    def _begin(self) -> None:
        # Reentrant: a garbage collection while it is held may run code that writes a line.
        self._lock = threading.RLock()
        self._lines: deque[bytes] = deque()
        self._bytes = 0  # of _lines
        self._awake = False  # lines wait, or are being written
        self._started = False
        self._wake = threading.Lock()  # acquired by the thread while it sleeps, released to wake it
        self._wake.acquire()
        self._torn = False  # the last write ended within a line
        self._reported = 0  # of `lost`
        self.lost = 0

    def share(self) -> None:
        """From now on, lock the descriptor for each write, as other processes write to it too."""
        self._shared = True

    def put(self, line: bytes) -> None:
        """Queue a line, newline included. Never blocks."""
        with self._lock:
            size = self._bytes + len(line)
            if size > MAX_BYTES or len(self._lines) >= MAX_LINES:
                self.lost += 1
                return
            self._bytes = size
            self._lines.append(line)
            if self._awake:
                return
            self._awake = True
            if self._started:
                self._wake.release()
                return
            self._started = True
        threading.Thread(target=self._run, name=f"writer of {self._descriptor}", daemon=True).start()

    def flush(self, seconds: float) -> bool:
        """Wait until every line is written, for at most `seconds`. Returns whether all are."""
        until = time.monotonic() + seconds
        while self._awake:
            if time.monotonic() >= until:
                return False
            time.sleep(_CHECK_EVERY)
        return True

    def _run(self) -> None:
        while True:
            time.sleep(_GATHER)
            while True:
                lines = self._next()
                if not lines:
                    break
                self._write_lines(lines)
            self._wake.acquire()

    def _next(self) -> list[bytes]:
        """The next lines to write; none if the queue is empty: then the thread goes to sleep."""
        with self._lock:
            if self._bytes <= _GROUP:  # nearly always, and then no line costs a step here
                lines = list(self._lines)
                self._lines.clear()
                self._bytes = 0
            else:
                lines = []
                size = 0
                while size < _GROUP:
                    line = self._lines.popleft()
                    size += len(line)
                    lines.append(line)
                self._bytes -= size
            if not lines:
                self._awake = False
        return lines

    def _write_lines(self, lines: list[bytes]) -> None:
        text = b"".join(lines)
        if self._torn:
            text = b"\n" + text
        try:
            self._write(text)
            self._torn = False
            if self.lost != self._reported:
                lost = self.lost
                self._write(self._lost_line(lost - self._reported))
                self._reported = lost
        except OSError:  # no reader, disk full
            with self._lock:
                self.lost += len(lines)

    def _write(self, text: bytes) -> None:
        if not self._shared:
            self._write_all(text)
            return
        # A write of more than 4 KiB to a pipe is not atomic: without a lock, lines of several processes would mix. The
        # system releases the lock of a process that dies.
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
        try:
            self._write_all(text)
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def _write_all(self, text: bytes) -> None:
        rest = memoryview(text)
        while rest:
            try:
                written = os.write(self._descriptor, rest)
            except BlockingIOError:  # the process that started this one has made the descriptor non-blocking
                poll = select.poll()
                poll.register(self._descriptor, select.POLLOUT)
                poll.poll()
                continue
            rest = rest[written:]
            self._torn = bool(rest)


class Lines(io.TextIOBase):
    """A text stream over a Writer, in place of `original`: for sys.stderr, which Python and its libraries write to.

    Text is passed on line by line; the rest of a line waits for its newline.
    """

    def __init__(self, writer: Writer, original: TextIO) -> None:
        super().__init__()
        self._writer = writer
        self._original = original
        self._pending = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        return "backslashreplace"

    def fileno(self) -> int:
        return self._original.fileno()

    def isatty(self) -> bool:
        return self._original.isatty()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        whole, newline, rest = (self._pending + text).rpartition("\n")
        if len(rest) > _MAX_PENDING:
            whole, newline, rest = whole + newline + rest, "\n", ""
        self._pending = rest
        if newline:
            self._writer.put((whole + newline).encode(self.encoding, self.errors))
        return len(text)
