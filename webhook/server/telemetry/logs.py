"""The log: one JSON line on stdout for each event; each decision is one event.

A line is one orjson call, and contains no control characters; a thread writes it (webhook.server.telemetry.writing). Of
a request, only the fields that identify it are logged, each string cut to MAX_TEXT characters. The content of an object
is never logged; for a Secret, neither are the messages of policies.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

import orjson

from webhook.policy.request import Request
from webhook.server.telemetry.reviewlines import ReviewLines
from webhook.server.telemetry.writing import Lines, Writer
from webhook.visible import encodable, visible_json

MAX_TEXT = 1024
"""The most characters of a string from a request that are logged. Hostile strings may be megabytes long."""

FLUSH = 1.0
"""Seconds at most that the end of a process waits for its lines to be written."""

LEVELS = ("info", "warning", "error")

_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z


class Log:
    """Writes lines to a file descriptor, without blocking: see webhook.server.telemetry.writing.

    A line that cannot be written (the reader stopped or is gone, disk full) must not stop admission: it is dropped and
    counted in `lost`. The event `log lines lost` says so once writing works again. level: the lowest level that is
    written. allows: the share of allowed requests that are logged, if no policy found or changed anything.
    """

    __slots__ = ("_below", "_fields", "_least", "_queue", "_reviews", "_writer", "all")

    def __init__(self, descriptor: int = 1, *, level: str = "info", allows: float = 1.0) -> None:
        self._fields: dict[str, Any] = {}
        self._reviews = ReviewLines({})
        self._least = LEVELS.index(level)
        self._below = round(allows * (1 << 32))
        self.all = not self._least and allows >= 1.0
        """Whether every line is written."""
        self._writer = Writer(descriptor, self._lost_line)
        self._queue = self._writer.put

    @property
    def lost(self) -> int:
        """The number of lines that were dropped."""
        return self._writer.lost

    def share(self, **fields: Any) -> None:
        """From now on, lock the descriptor for each write, as other processes write to it too, and add these fields."""
        self._writer.share()
        self._fields = fields
        self._reviews = ReviewLines(fields)

    def wants(self, uid: str, *, notable: bool) -> bool:
        """Whether the decision on a request is logged. notable: it says more than that the request is allowed.

        Of the others it is a share, chosen by the uid: all processes choose the same.
        """
        if self._least:
            return False
        return notable or crc32(uid.encode("utf-8", "surrogatepass")) < self._below

    def write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        """Write a line: `time` (RFC 3339, UTC), `level` (see LEVELS), `event`, then the fields in order."""
        if not self._least or LEVELS.index(level) >= self._least:
            self.put({"time": datetime.now(UTC), "level": level, "event": event, **fields})

    def allowed(self, path: str, request: Request, revision: str, seconds: float) -> bool:
        """Write the line of a review that is allowed and of which there is nothing else to say, if `wants` says so.

        Returns whether it could: of names that have to be escaped or cut, the caller writes the line with `put`.
        """
        text = self._reviews.line(path, request, revision, seconds)
        if text:
            self._queue(text.encode("ascii"))
        return bool(text)

    def put(self, line: dict[str, Any]) -> None:
        """Write a line that already has `time`, `level` and `event`, if `wants` says so or it is an error.

        May change `line`, to save the hot path a copy.
        """
        if self._fields:
            line |= self._fields
        try:
            text = orjson.dumps(line, option=_OPTIONS)
        except TypeError:  # a policy's message may contain text that UTF-8 cannot encode, such as a lone surrogate
            text = orjson.dumps(encodable(line), default=str, option=_OPTIONS)
        if not text.isascii() or 0x7F in text:  # as `visible_json` asks, without a call for nearly every line
            text = visible_json(text)
        self._queue(text)

    def flush(self, seconds: float = FLUSH) -> bool:
        """Wait until every line is written, for at most `seconds`. Returns whether all are."""
        return self._writer.flush(seconds)

    def _lost_line(self, count: int) -> bytes:
        line = {"time": datetime.now(UTC), "level": "warning", "event": "log lines lost", "lines": count}
        return orjson.dumps(line | self._fields, option=_OPTIONS)


class ErrorOutput:
    """The process's stderr while it serves: what Python, its libraries and policies print there never blocks.

    Reports of crashes in C code still go to the descriptor at once.
    """

    def __init__(self) -> None:
        self._writer = Writer(2, lambda count: b"%d lines of stderr were lost\n" % count)

    @property
    def lost(self) -> int:
        """The number of lines that were dropped."""
        return self._writer.lost

    def share(self) -> None:
        """From now on, lock the descriptor for each write, as other processes write to it too."""
        self._writer.share()

    @contextlib.contextmanager
    def replaced(self) -> Iterator[None]:
        """sys.stderr is this output during the block. At its end, waits for the lines to be written."""
        original = sys.stderr
        sys.stderr = Lines(self._writer, original)
        try:
            yield
        finally:
            sys.stderr = original
            self.flush()

    def flush(self, seconds: float = FLUSH) -> bool:
        """Wait until every line is written, for at most `seconds`. Returns whether all are."""
        return self._writer.flush(seconds)


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
