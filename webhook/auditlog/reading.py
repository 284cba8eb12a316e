"""The files of an audit log: one event a line, as JSON, plain or compressed with gzip.

Lines that are torn, because the server was killed or the file is still written, are counted and reported; the rest is
read.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final, cast

import orjson

from webhook.documents.document import Problem
from webhook.documents.files import opened, reason

MAX_LINE: Final = 16 << 20
"""Bytes of a line: an event holds at most the request and the response, of 3 MiB each, and both may be escaped."""

MAX_NOTHING: Final = 512 << 20
"""Bytes without an event, one after the other, after which a file is not read any further: a small compressed file may
unpack to terabytes of them, and a device has no end."""

_BLANK: Final = 512
"""The bytes that a blank line counts for: reading it takes as long as reading these."""

SHOWN: Final = 5
"""The torn lines of a file that are named one by one."""

_GZIP: Final = b"\x1f\x8b"

Event = dict[str, Any]


class LogFile:
    """A file of an audit log. Once `events` has ended, `lines` says how many lines were read, `torn` how many of them
    hold no event, and `problems` the problems of the file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines = self.torn = 0
        self.problems: list[Problem] = []

    def events(self) -> Iterator[tuple[int, Event]]:
        """Each event with its line, from 1."""
        try:
            with opened(Path(self.file)) as raw:
                compressed = raw.peek(2)[:2] == _GZIP
                stream = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if compressed else raw
                yield from self._read(stream)
        except EOFError:
            self._wrong(None, "the compressed file ends too early; what came before was read")
        except (gzip.BadGzipFile, zlib.error) as error:
            self._wrong(None, f"cannot be decompressed: {error}; what came before was read")
        except OSError as error:
            self._wrong(None, reason(error))
        if self.torn > SHOWN:
            self._wrong(None, f"{self.torn - SHOWN:,} more lines hold no event")

    def _read(self, stream: IO[bytes]) -> Iterator[tuple[int, Event]]:
        nothing = 0
        while line := stream.readline(MAX_LINE):
            self.lines += 1
            nothing += len(line) + _BLANK
            if not line.endswith(b"\n") and len(line) == MAX_LINE:
                self._tear(f"more than {MAX_LINE >> 20} MiB")
                while line and not line.endswith(b"\n") and nothing <= MAX_NOTHING:
                    line = stream.readline(MAX_LINE)
                    nothing += len(line)
            elif line.strip():
                event = _event(line)
                if event is None:
                    self._tear("torn" if line.endswith(b"\n") else "torn: the file ends within it")
                else:
                    nothing = 0
                    yield self.lines, event
            if nothing > MAX_NOTHING:
                self._wrong(self.lines, f"no event in {MAX_NOTHING >> 20} MiB; the rest was not read")
                return

    def _tear(self, why: str) -> None:
        self.torn += 1
        if self.torn <= SHOWN:
            self._wrong(self.lines, f"no event of an audit log: {why}")

    def _wrong(self, line: int | None, message: str) -> None:
        self.problems.append(Problem(self.file, line, None, message))


def _event(line: bytes) -> Event | None:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    of_audit = isinstance(value, dict) and value.get("kind") == "Event"
    return value if of_audit and str(value.get("apiVersion")).startswith("audit.k8s.io/") else None
