"""The log: one JSON line on stdout for each event; each decision is one event.

A line is one orjson call and one write. Of a request, only the fields that identify it are logged, each string cut to
MAX_TEXT characters. The content of an object is never logged; for a Secret, neither are the messages of policies.
"""

from __future__ import annotations

import fcntl
import logging
import os
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from webhook.visible import encodable

MAX_TEXT = 1024
"""The most characters of a string from a request that are logged. Hostile strings may be megabytes long."""

_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z


class Log:
    """Writes lines to a file descriptor.

    A line that cannot be written (no reader, disk full) must not stop admission: it is dropped and counted in `lost`.
    """

    __slots__ = ("_descriptor", "_fields", "_shared", "lost")

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor
        self._shared = False
        self._fields: dict[str, Any] = {}
        self.lost = 0

    def share(self, **fields: Any) -> None:
        """From now on, lock the descriptor for each line, as other processes write to it too, and add these fields."""
        self._shared = True
        self._fields = fields

    def write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        """Write a line: `time` (RFC 3339, UTC), `level` (info, warning, error), `event`, then the fields in order."""
        self.put({"time": datetime.now(UTC), "level": level, "event": event, **fields})

    def put(self, line: dict[str, Any]) -> None:
        """Write a line that already has `time`, `level` and `event`. May change `line`, to save the hot path a copy."""
        if self._fields:
            line |= self._fields
        try:
            text = orjson.dumps(line, option=_OPTIONS)
        except TypeError:  # a policy's message may contain text that UTF-8 cannot encode, such as a lone surrogate
            text = orjson.dumps(encodable(line), default=str, option=_OPTIONS)
        try:
            if self._shared:
                self._write_locked(text)
            else:
                self._write(text)
        except OSError:
            self.lost += 1

    def _write(self, text: bytes) -> None:
        written = os.write(self._descriptor, text)
        while written < len(text):
            written += os.write(self._descriptor, text[written:])

    def _write_locked(self, text: bytes) -> None:
        # A write of more than 4 KiB to a pipe is not atomic: without a lock, lines of several processes would mix. The
        # system releases the lock of a process that dies.
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
        try:
            self._write(text)
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)


def cut(text: str) -> str:
    """The first MAX_TEXT characters of the text."""
    return text[:MAX_TEXT]


def failure(error: BaseException) -> dict[str, Any]:
    """The log fields of an unexpected exception: its type, and the innermost 12 frames of its traceback.

    Its message is left out, because it may quote the object under review.
    """
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    return {
        "error": type(error).__qualname__,
        "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }


class LibraryRecords(logging.Handler):
    """Writes errors that asyncio reports through `logging` to our log."""

    def __init__(self, write: Callable[[str, str, dict[str, Any]], None]) -> None:
        super().__init__(logging.ERROR)
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {"logger": record.name, "message": cut(str(record.msg).strip())}
        if record.exc_info and record.exc_info[1] is not None:
            fields |= failure(record.exc_info[1])
        self._write("error", "library", fields)


def route_library_records(log: Log) -> None:
    """Send the errors that asyncio reports to `log`, and drop its warnings.

    Its warnings are about single connections: any client could fill the disk with them.
    """
    logger = logging.getLogger("asyncio")
    logger.handlers = [LibraryRecords(log.write)]
    logger.setLevel(logging.ERROR)
    logger.propagate = False
