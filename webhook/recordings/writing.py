"""The process that writes a recording: redacts what the server sends, compresses it, and appends it to the files.

    python -P -m webhook.recordings.writing CONFIGURATION DESCRIPTOR

The configuration is the JSON of a Writing. The descriptor and what comes over it: see webhook.server.telemetry.feeding;
records are Seen (webhook.recordings.records). A review that cannot be redacted is not written, and counts as failed, as
do those of a batch that the disk does not take. One process of the server has one such process.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import os
import resource
import select
import signal
import socket
import sys
import time
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from webhook.recordings.fieldpaths import parse
from webhook.recordings.files import Files
from webhook.recordings.records import FORMAT, MAX_LINE, Looked, Seen, Writing
from webhook.recordings.redacting import Redacting, Redactor, TooMuch

BATCH: Final = 512 << 10
"""Bytes of lines that are compressed and written together."""

GATHER: Final = 1.0
"""Seconds that a line waits for others."""

MEMORY: Final = 1 << 30
"""Bytes of addresses that the process may take. A review that needs more counts as failed.

A review of 3 MB that is a list of a million empty lists takes 0.75 GiB, of which some 130 MiB are used.
"""

_LENGTH: Final = 4
_READ: Final = 1 << 18
_LEVEL: Final = 1  # of gzip: the process has to keep up with the server
_GZIP: Final = 31  # bits of zlib's window, with a gzip header and trailer


class Lines:
    """Makes the lines of reviews, for one file after another: a file defines every object that its reviews name."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing
        self._redactor = Redactor([parse(path) for path in writing.redact])
        self._objects: dict[int, tuple[str, bytes, list[str]] | None] = {}
        # number -> id, line, values that were redacted; None if it cannot be redacted
        self._defined: set[str] = set()  # ids, in the file
        self._pending: set[str] = set()  # ids, in the batch

    def header(self) -> bytes:
        """The first line of a file, which defines nothing yet."""
        self._defined.clear()
        line = {
            "recording": FORMAT,
            "gatewright": version("gatewright"),
            "kubernetes": self._writing.kubernetes,
            "cluster": self._writing.cluster,
            "begun": _time(time.time()),
            "redact": self._writing.redact,
        }
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)

    def learn(self, seen: Seen) -> None:
        """Take the objects that come with a review."""
        if seen.forget:
            self._objects.clear()
        for number, kind, text in seen.defined:
            try:
                self._objects[number] = self._object(kind, text)
            except Exception:  # what looks it up fails, and may hold its values
                self._objects[number] = None

    def of(self, seen: Seen) -> bytes:
        """The lines of a review. Raises an exception of any kind if it cannot be redacted."""
        redacting = self._redactor.begin()
        request = orjson.loads(seen.body)["request"]
        answer = orjson.loads(seen.response)["response"]
        redacting.request(request, orjson.dumps(request), self._redacted_in(seen.lookups))
        patch = answer.pop("patch", None)
        answer.pop("patchType", None)
        answer.pop("uid", None)
        if patch is not None:
            answer["patch"] = redacting.patch(orjson.loads(base64.b64decode(patch)))
        used: dict[str, bytes] = {}
        lookups = [self._lookup(each, redacting, used) for each in seen.lookups]
        findings = [
            {"policy": policy, "binding": binding, "action": action, "message": message, "error": error}
            for policy, binding, action, message, error in seen.findings
        ]
        line: dict[str, Any] = {
            "time": _time(seen.at),
            "path": seen.path,
            "revision": seen.revision,
            "request": request,
            "response": _masked(answer, redacting.texts),
            "findings": redacting.texts(findings) if findings else findings,
        }
        for name, value in (
            ("changed", seen.changed),
            ("unread", seen.unread and {"message": seen.unread[0], "reason": seen.unread[1]}),
            ("lookups", lookups),
            ("kinds", seen.served),
            ("redacted", redacting.named),
        ):
            if value:
                line[name] = value
        text = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
        if len(text) > MAX_LINE:
            raise TooMuch
        before = [definition for each, definition in used.items() if each not in self._pending]
        self._pending.update(used)
        return b"".join((*before, text))

    def begin(self) -> None:
        """A batch begins."""
        self._pending = set(self._defined)

    def written(self) -> None:
        """The batch is in the file."""
        self._defined = self._pending

    def _object(self, kind: str, text: bytes) -> tuple[str, bytes, list[str]]:
        redacting = self._redactor.begin()
        name, line = _definition(redacting.looked_up(orjson.loads(text), kind))
        return name, line, redacting.values

    def _lookup(self, looked: Looked, redacting: Redacting, used: dict[str, bytes]) -> dict[str, Any]:
        what, key, age, answer = looked
        found: dict[str, Any] = {what: redacting.access(key) if what == "access" else list(key)}
        if age:
            found["age"] = round(age, 3)
        if what == "access" and isinstance(answer, list) and len(answer) == 3:
            found["decision"] = {
                "allowed": answer[0],
                "reason": redacting.text(answer[1]),
                "error": redacting.text(answer[2]),
            }
        elif isinstance(answer, bool):
            found["leftOut"] = "too large"
        elif isinstance(answer, list) and answer and isinstance(answer[0], str):
            found["error"] = {"type": answer[0], "message": redacting.text(answer[1])}
        elif isinstance(answer, list):
            found["objects"] = [self._named(each, redacting, used) for each in answer]
        else:
            found["object"] = None if answer is None else self._named(answer, redacting, used)
        return found

    def _redacted_in(self, lookups: Iterable[Looked]) -> list[str]:
        """The values that were redacted in the objects of a review's lookups."""
        values: dict[str, None] = {}
        for what, _, _, answer in lookups:
            if what == "access" or isinstance(answer, bool) or answer is None:
                continue
            for number in answer if isinstance(answer, list) else [answer]:
                if isinstance(number, int):
                    values.update(dict.fromkeys(self._known(number)[2]))
        return list(values)

    def _known(self, number: int) -> tuple[str, bytes, list[str]]:
        known = self._objects[number]
        if known is None:
            raise TooMuch
        return known

    def _named(self, number: int, redacting: Redacting, used: dict[str, bytes]) -> str:
        """The id of an object that a review looked up. One that repeats a value of the review is another object."""
        name, line, _ = self._known(number)
        if redacting.values and redacting.repeats(line):
            value = orjson.loads(line)["value"]
            redacting.repeated(value)
            name, line = _definition(value)
        used[name] = line
        return name


class Process:
    """Serves one server, until it closes its end."""

    def __init__(self, server: socket.socket, writing: Writing) -> None:
        self._server = server
        self._lines = Lines(writing)
        self._files = Files(Path(writing.folder), writing.rotate, writing.limit, self._header)
        self._decoder = msgspec.msgpack.Decoder(list[Seen])
        self._buffer = bytearray()
        self._frames: list[Seen] = []
        self._at = 0

    def _header(self) -> bytes:
        return compressed(self._lines.header())

    def serve(self) -> None:
        open_ = True
        while open_:
            open_ = self._batch()
        self._files.close()

    def _batch(self) -> bool:
        """Write what comes until there is enough, or it has waited long enough. Whether the server is there."""
        batch: list[Seen] = []
        size = 0
        until: float | None = None
        open_ = True
        while size < BATCH:
            seen = self._next()
            if seen is not None:
                until = until or time.monotonic() + GATHER
                batch.append(seen)
                size += len(seen.body)
                continue
            if not open_:
                break
            left = None if until is None else max(0.0, until - time.monotonic())
            if left == 0.0 or not select.select([self._server], [], [], left)[0]:
                break
            try:
                more = self._server.recv(_READ)
            except ConnectionError:
                more = b""
            open_ = bool(more)
            self._buffer += more
        if batch:
            # Searching for garbage would visit what a review holds again and again: half of the time that a review of a
            # million lists takes. What a batch leaves in cycles is collected after it.
            gc.disable()
            try:
                self._write(batch)
            finally:
                gc.enable()
        return open_

    def _write(self, batch: list[Seen]) -> None:
        texts: list[bytes] = []
        failed, error = 0, ""
        broken = ""
        try:
            self._files.ready()
        except OSError as raised:
            broken = raised.strerror or str(raised)
        self._lines.begin()
        for seen in batch:
            try:
                self._lines.learn(seen)
                if not broken:
                    texts.append(self._lines.of(seen))
            except KeyError:
                failed, error = failed + 1, "a review refers to objects that a process before this one was sent"
            except Exception as raised:  # nothing of the review is said: its redaction may be what failed
                excess = isinstance(raised, TooMuch | MemoryError)
                what = "it holds too much to redact" if excess else type(raised).__name__
                failed, error = failed + 1, f"a review cannot be redacted: {what}"
        if texts:
            try:
                self._files.write(compressed(b"".join(texts)))
                self._lines.written()
            except OSError as raised:
                broken = raised.strerror or str(raised)
        if broken:
            texts, failed, error = [], len(batch), f"{self._files.folder}: {broken}"
        self._tell(len(texts), failed, error)

    def _next(self) -> Seen | None:
        """The next review that has come whole."""
        if self._at >= len(self._frames):
            end = _LENGTH + int.from_bytes(self._buffer[:_LENGTH], "big")
            if len(self._buffer) < _LENGTH or len(self._buffer) < end:
                return None
            self._frames = self._decoder.decode(memoryview(self._buffer)[_LENGTH:end].tobytes())
            self._at = 0
            del self._buffer[:end]
        self._at += 1
        return self._frames[self._at - 1]

    def _tell(self, done: int, failed: int, error: str) -> None:
        line = orjson.dumps({"done": done, "failed": failed, "error": error}, option=orjson.OPT_APPEND_NEWLINE)
        with contextlib.suppress(OSError):
            self._server.sendall(line)


def _definition(value: Any) -> tuple[str, bytes]:
    """The id and the line of an object. Raises TooMuch."""
    text = orjson.dumps(value)
    if len(text) > MAX_LINE >> 1:
        raise TooMuch
    name = blake2b(text, digest_size=12).hexdigest()
    return name, b'{"object":"%s","value":%s}\n' % (name.encode(), text)


def compressed(text: bytes) -> bytes:
    """The text as one member of a gzip file."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    return compressor.compress(text) + compressor.flush()


def _masked(answer: dict[str, Any], texts: Any) -> dict[str, Any]:
    """The response with its texts masked. The values of a patch are redacted already, as those of the request are."""
    return {key: value if key == "patch" else texts(value) for key, value in answer.items()}


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def main(configuration: str, descriptor: int) -> None:
    """Serve the server at the other end of a socket."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # of a terminal: the server says when to end
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file as large as a limit allows is an error like a full disk
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # if memory runs out, this process ends before the server
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    os.umask(0o077)
    os.nice(19)  # what the server needs of the processor comes first
    gc.freeze()
    with socket.socket(fileno=descriptor) as server:
        Process(server, msgspec.json.decode(configuration, type=Writing)).serve()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
