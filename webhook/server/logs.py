"""The log: one JSON line an event on stdout, one event a decision.

A line is one orjson call and one write. What comes from a request is only what identifies it, each string cut to
MAX_TEXT characters; nothing of an object is ever logged, and for Secrets not even a policy's message.
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
"""Characters of a string from a request that a line holds; hostile ones may be megabytes long."""

_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z


class Log:
    """Writes lines to a file descriptor, each whole or not at all.

    A log that cannot be written (its reader gone, its disk full) must not stop admission: the line is counted in
    `lost` and dropped.
    """

    __slots__ = ("_descriptor", "_fields", "_shared", "lost")

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor
        self._shared = False
        self._fields: dict[str, Any] = {}
        self.lost = 0

    def share(self, **fields: Any) -> None:
        """From now on other processes write to the descriptor too, and every line has these fields."""
        self._shared = True
        self._fields = fields

    def write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        """One line: `time` (RFC 3339, UTC), `level` (info, warning, error), `event`, then the fields in their order."""
        self.put({"time": datetime.now(UTC), "level": level, "event": event, **fields})

    def put(self, line: dict[str, Any]) -> None:
        """Write a line that has `time`, `level` and `event` already; changes it. For the hot path: one dict a line."""
        if self._fields:
            line |= self._fields
        try:
            text = orjson.dumps(line, option=_OPTIONS)
        except TypeError:  # a policy's message may hold what UTF-8 cannot, such as half a surrogate pair
            text = orjson.dumps(encodable(line), default=str, option=_OPTIONS)
        try:
            if self._shared:
                self._write_alone(text)
            else:
                self._write(text)
        except OSError:
            self.lost += 1

    def _write(self, text: bytes) -> None:
        written = os.write(self._descriptor, text)
        while written < len(text):
            written += os.write(self._descriptor, text[written:])

    def _write_alone(self, text: bytes) -> None:
        # A pipe takes only 4 KiB in one piece; what is longer would be mixed with the lines of other processes. The
        # system gives the lock back for a process that dies.
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
        try:
            self._write(text)
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)


def cut(text: str) -> str:
    """The text, at most MAX_TEXT characters of it."""
    return text[:MAX_TEXT]


def failure(error: BaseException) -> dict[str, Any]:
    """The fields of a line about an unexpected exception: its type and where it was raised.

    Its text is left out: it may quote the object under review.
    """
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    return {
        "error": type(error).__qualname__,
        "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }


class LibraryRecords(logging.Handler):
    """Errors that asyncio reports through `logging`, as lines of the same log."""

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

    Warnings are about single connections: any client could fill the disk with them.
    """
    logger = logging.getLogger("asyncio")
    logger.handlers = [LibraryRecords(log.write)]
    logger.setLevel(logging.ERROR)
    logger.propagate = False
