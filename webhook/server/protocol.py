"""HTTP/1.1 on one connection: bytes in, requests to the application, its answers back as bytes, in order.

httptools parses, this protocol decides. Every connection costs a bounded amount of memory and time, whoever is at the
other end: a request's head and body, the time it takes to arrive, the time its answer takes to be read, and the number
of connections are limited. Messages whose length can be read in two ways, or whose framing is not the one of RFC 9112,
are refused, and the connection is closed after the answer.

A request is answered within the call that delivered its last byte, unless the application returns an awaitable.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import Final, NamedTuple, Protocol
from urllib.parse import unquote

import httptools
import orjson

MAX_HEAD: Final = 64 << 10
"""Bytes of request line and headers of one request, trailers of a chunked body included."""

MAX_HEADERS: Final = 128
"""Headers of one request, trailers included."""

MAX_WAITING: Final = 64 << 10
"""Bytes of answers that may wait for the client to read them. No further request is answered before fewer wait."""


class Head(NamedTuple):
    """Request line and headers of one request."""

    method: str
    path: str  # percent-decoded
    target: bytes  # path and query as they were sent
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]  # names in lower case
    content_type: bytes


class Answer(NamedTuple):
    """A response. The protocol adds content-length, and `connection: close` where the connection ends with it."""

    status: int
    body: bytes
    content_type: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    close: bool = False


class Application(Protocol):
    """What a port serves."""

    def refuse(self, head: Head, client: str) -> Answer | None:
        """The answer to a request that is refused for its head alone, before its body is read; else None.

        Depends on nothing but the head: a head that was not refused once is not asked about again.
        """

    def answer(self, head: Head, body: bytes, client: str) -> Answer | Awaitable[Answer]:
        """The answer to a complete request, or an awaitable of it. Must not raise; the awaitable may."""

    def refused(self, status: int, message: str, head: Head | None, client: str) -> None:
        """The protocol itself refused a request. `head` is None where none could be read."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one port. Sizes are bytes, times seconds."""

    connections: int
    body: int  # of one request; up to twice as much is read and dropped, so that the client sees the refusal
    bodies: int  # of all requests that are arriving
    read_timeout: float  # for a request to arrive, and for a client to read what waits for it
    idle_timeout: float  # between two requests of a connection

    @property
    def message(self) -> int:
        """Bytes of one request on the wire, framing included, after which the connection is cut."""
        return 2 * self.body + (1 << 20)


@dataclass(slots=True, eq=False)
class Port:
    """All connections of one port, and what they share."""

    application: Application
    limits: Limits
    open: set[Connection] = field(default_factory=set)
    waiting: dict[Connection, None] = field(default_factory=dict)  # for their client; the longest waiting first
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    known: list[Known] = field(default_factory=list)  # heads that came lately
    arriving: int = 0  # bytes of the bodies that are incomplete
    # One buffer serves all connections: what was read into it is used up before anything else is read.
    buffer: memoryview = field(default_factory=lambda: memoryview(bytearray(_READ)))

    def connection(self) -> Connection:
        """The protocol of a new connection."""
        return Connection(self)

    def finish(self) -> None:
        """Close every connection once the requests that have begun on it are answered."""
        for connection in list(self.open):
            connection.finish()

    def cut(self) -> None:
        """Close every connection now, and give up what is still being answered."""
        for connection in list(self.open):
            connection.cut()
        for task in self.tasks:
            task.cancel()


class Known(NamedTuple):
    """A head that httptools has parsed, without the digits of Content-Length.

    API servers send the same head with every review but for these digits. A request that is all of a piece of data and
    has the same bytes around other digits would be parsed to the same head, so it is not parsed again: that takes
    several times as long as comparing.
    """

    before: bytes
    after: bytes
    head: Head

    @classmethod
    def of(cls, data: bytes, length: bytes, head: Head) -> Known | None:
        """`data` is one request with this head and a body of this length, and nothing else."""
        end = data.find(b"\r\n\r\n") + 4
        name = _LENGTH.search(data, 0, end)
        if name is None or end > _MAX_KNOWN_HEAD or int(length) != len(data) - end:
            return None
        at, after = name.end(), name.end() + len(length)
        return cls(data[:at], data[after:end], head) if data[at:after] == length else None

    def body(self, data: bytes) -> bytes | None:
        """The body of the request that is all of `data`; None if it is not known to be one with this head."""
        before, after, _ = self
        if not data.startswith(before):
            return None
        at = len(before)
        end = data.find(b"\r", at, at + _MAX_DIGITS)
        if not data.startswith(after, end):
            return None
        digits = data[at:end]
        body = data[end + len(after) :]
        return body if digits.isdigit() and int(digits) == len(body) else None


class Connection(asyncio.BufferedProtocol):
    """One connection of a Port."""

    __slots__ = (
        "_application",
        "_arriving",
        "_begun",
        "_body",
        "_body_size",
        "_busy",
        "_client",
        "_continue",
        "_drain_timer",
        "_ending",
        "_head",
        "_head_size",
        "_headers",
        "_idle_since",
        "_idle_timer",
        "_keep",
        "_last",
        "_limits",
        "_loop",
        "_parser",
        "_port",
        "_queue",
        "_read_timer",
        "_reading_paused",
        "_received",
        "_refusal",
        "_transport",
        "_url",
        "_writing_paused",
    )

    _transport: asyncio.Transport

    def __init__(self, port: Port) -> None:
        self._port = port
        self._limits = port.limits
        self._application = port.application
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._client = ""
        # The request that is arriving.
        self._arriving = False
        self._begun = 0  # requests so far
        self._received = 0  # bytes of this one, but for the piece of data that it began in
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_size = 0
        self._head: Head | None = None  # None before its headers are complete
        self._body: bytes | bytearray = b""
        self._body_size = 0
        self._refusal: Answer | None = None  # known before the body is complete
        self._keep = True  # others may follow it
        self._continue = False  # the client waits for 100 Continue
        self._last = False  # nothing more is read
        # Requests that are complete and wait for their turn, and what they wait for.
        self._queue: deque[_Request] = deque()
        self._busy = False  # an awaitable answer is being awaited
        self._writing_paused = False
        self._reading_paused = False
        self._ending = False  # close once all that is complete is answered
        self._read_timer: asyncio.TimerHandle | None = None
        self._drain_timer: asyncio.TimerHandle | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._idle_since = 0.0

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # of uvloop
        peer = transport.get_extra_info("peername")
        self._client = peer[0] if peer else ""
        self._transport.set_write_buffer_limits(high=MAX_WAITING)
        port = self._port
        port.open.add(self)
        if len(port.open) > self._limits.connections:
            if not port.waiting:
                self.cut()
                return
            next(iter(port.waiting)).cut()
        port.waiting[self] = None
        self._read_timer = self._loop.call_later(self._limits.read_timeout, self._too_slow)

    def connection_lost(self, error: Exception | None) -> None:
        port = self._port
        port.open.discard(self)
        port.waiting.pop(self, None)
        self._drop_body()
        self._queue.clear()
        for timer in (self._read_timer, self._drain_timer, self._idle_timer):
            if timer is not None:
                timer.cancel()
        self._read_timer = self._drain_timer = self._idle_timer = None
        # Both hold this connection, which holds them: without these lines only a garbage collection would free them,
        # and there is none for hours, as reviews leave no garbage.
        self._parser = None  # type: ignore[assignment]
        self._transport = _CLOSED

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._port.buffer

    def buffer_updated(self, nbytes: int) -> None:
        port = self._port
        data = port.buffer[:nbytes].tobytes()
        if self._arriving or self._busy or self._reading_paused or self._last:
            self._feed(data)
            return
        for known in port.known:
            body = known.body(data)
            if body is not None and len(body) <= self._limits.body:
                if self._read_timer is not None:
                    self._stop_read_timer()
                self._begun += 1
                self._answer(known.head, body, None, True)
                return
        begun = self._begun
        self._feed(data)
        if self._begun == begun + 1:
            self._remember(data)

    def eof_received(self) -> bool:
        # Over TLS nothing can be sent any more: the transport closes whatever is returned.
        self._last = self._ending = True
        return self._busy or bool(self._queue)

    def pause_writing(self) -> None:
        self._writing_paused = True
        self._pause_reading()
        if self._drain_timer is None:
            self._drain_timer = self._loop.call_later(self._limits.read_timeout, self.cut)

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self._transport.is_closing():
            return
        if self._drain_timer is not None:
            self._drain_timer.cancel()
            self._drain_timer = None
        self._go_on()

    # What the port calls.

    def finish(self) -> None:
        """Close once the requests that have begun are answered."""
        self._ending = True
        if not self._arriving and not self._busy and not self._queue:
            self._close()

    def cut(self) -> None:
        """Close now, whatever is under way."""
        self._port.waiting.pop(self, None)
        self._transport.abort()

    # Reading.

    def _feed(self, data: bytes) -> None:
        if self._last:
            return
        begun = self._begun
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # the request was the last one, and what follows it is not HTTP
        except httptools.HttpParserCallbackError as error:
            stop = error.__context__
            if not isinstance(stop, _Stop):
                raise
            answer = stop.answer
            del stop  # its traceback holds this frame
            if answer is not None:
                self._end_with(answer)
        except httptools.HttpParserInvalidMethodError:
            self._end_with(self._unknown_method(data))
        except httptools.HttpParserError:
            if not self._last:  # else it is about what follows the last request
                self._end_with(self._refused(400, "not an HTTP/1.1 request"))
        if not self._arriving:
            self._stop_read_timer()
            return
        if self._begun != begun or self._read_timer is None:
            self._received = 0
            self._stop_read_timer()
            self._read_timer = self._loop.call_later(self._limits.read_timeout, self._too_slow)
            return
        self._received += len(data)
        if self._head is None and self._received > MAX_HEAD:
            self._end_with(self._head_too_large())
        elif self._received > self._limits.message:
            self.cut()

    def on_message_begin(self) -> None:
        if self._last or self._transport.is_closing():
            raise _Stop(None)
        self._arriving = True
        self._begun += 1
        self._url = b""
        self._headers = []
        self._head_size = 0
        self._head = None
        self._body_size = 0
        self._refusal = None
        self._continue = False

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))
        self._count_head(len(name) + len(value) + 4)

    def on_headers_complete(self) -> None:
        head, length, expects = self._read_head()
        limits = self._limits
        self._head = head
        refusal = self._application.refuse(head, self._client)
        if refusal is None and self._parser.should_upgrade():
            refusal = self._refused(400, "upgrade: no other protocol is spoken here")
        if refusal is None and length > limits.body and (expects or length > 2 * limits.body):
            refusal = self._too_large()
        if refusal is not None and (expects or length > 2 * limits.body):
            raise _Stop(refusal)  # its body is not waited for
        self._refusal = refusal
        if expects:
            self._continue = True
            self._send_continue()

    def on_body(self, piece: bytes) -> None:
        size = self._body_size = self._body_size + len(piece)
        limits, port = self._limits, self._port
        if self._refusal is None and size > limits.body:
            self._drop_body()
            self._refusal = self._too_large()
        if self._refusal is not None:
            if size > 2 * limits.body:
                raise _Stop(self._refusal)
            return
        port.arriving += len(piece)
        if not self._body:
            self._body = piece
        else:
            if type(self._body) is bytes:
                self._body = bytearray(self._body)
            self._body += piece
        if port.arriving > limits.bodies:
            raise _Stop(self._refused(503, "too many requests are arriving at once; try again"))

    def on_message_complete(self) -> None:
        head, body = self._head or _UNREAD, bytes(self._body)
        self._arriving = False
        self._drop_body()
        keep = self._keep and self._parser.should_keep_alive()
        self._last = not keep
        if self._busy or self._queue or self._writing_paused:
            self._queue.append((head, body, self._refusal, keep))
            self._pause_reading()
        else:
            self._answer(head, body, self._refusal, keep)

    def _read_head(self) -> tuple[Head, int, bool]:
        """The head, the length of the body (0 where it comes in chunks), and whether 100 Continue is waited for."""
        version = self._parser.get_http_version()
        if version not in _VERSIONS:
            raise _Stop(self._refused(400, f"HTTP/{version}: expected HTTP/1.1"))
        hosts, length, expects, content_type = 0, 0, False, b""
        for name, value in self._headers:
            if name == b"content-type":
                content_type = value
            elif name == b"content-length":
                length = int(value)
            elif name == b"host":
                hosts += 1
            elif name == b"expect":
                expects = version == "1.1" and value.lower() == b"100-continue"
            elif name == b"transfer-encoding" and (version != "1.1" or value.strip().lower() != b"chunked"):
                raise _Stop(self._refused(400, "transfer-encoding: expected chunked, in HTTP/1.1"))
        if hosts > 1 or (hosts == 0 and version == "1.1"):
            raise _Stop(self._refused(400, f"host: expected one such header, got {hosts}"))
        try:
            split = _target if len(self._url) <= _MAX_KEPT_TARGET else _target.__wrapped__
            path, query = split(self._url)
        except (httptools.HttpParserError, ValueError):
            raise _Stop(self._refused(400, "the request's target is not a path")) from None
        method = self._parser.get_method().decode("ascii")
        head = Head(method, path, self._url, query, tuple(self._headers), content_type)
        self._keep = version == "1.1" and not self._parser.should_upgrade()
        return head, length, expects

    def _remember(self, data: bytes) -> None:
        """The parser was fed `data`, and one request began in it: if that is all of the data, its head is known now."""
        head = self._head
        if head is None or self._arriving or self._last or self._refusal is not None:
            return
        framing = [(name, value) for name, value in head.headers if name in _FRAMING]
        if len(framing) == 1 and framing[0][0] == b"content-length":
            known = Known.of(data, framing[0][1], head)
            if known is not None:
                self._port.known.insert(0, known)
                del self._port.known[_MAX_KNOWN:]

    def _count_head(self, size: int) -> None:
        self._head_size += size
        if self._head_size > MAX_HEAD or len(self._headers) > MAX_HEADERS:
            raise _Stop(self._head_too_large())

    def _drop_body(self) -> None:
        self._port.arriving -= len(self._body)
        self._body = b""

    def _too_slow(self) -> None:
        self._read_timer = None
        if self._reading_paused or self._busy:  # it is not the client who is waited for
            self._read_timer = self._loop.call_later(self._limits.read_timeout, self._too_slow)
        elif self._arriving:
            seconds = self._limits.read_timeout
            self._end_with(self._refused(408, f"the request did not arrive within {seconds:g} s"))
        else:
            self.cut()

    def _too_idle(self) -> None:
        self._idle_timer = None
        timeout = self._limits.idle_timeout
        idle = not (self._arriving or self._busy or self._reading_paused)
        left = self._idle_since + timeout - self._loop.time() if idle else timeout
        if left <= 0:
            self._close()
        elif not self._transport.is_closing():
            self._idle_timer = self._loop.call_later(left, self._too_idle)

    def _stop_read_timer(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def _pause_reading(self) -> None:
        if not self._reading_paused and not self._transport.is_closing():
            self._reading_paused = True
            self._transport.pause_reading()

    # Answering.

    def _answer(self, head: Head, body: bytes, answer: Answer | None, keep: bool) -> None:
        """Answer a complete request whose turn it is: by `answer`, where that is known already."""
        if answer is None:
            found = self._application.answer(head, body, self._client)
            if type(found) is not Answer:
                self._busy = True
                self._port.waiting.pop(self, None)
                task = self._loop.create_task(self._wait_for(found, head, keep))  # type: ignore[arg-type]
                self._port.tasks.add(task)
                task.add_done_callback(self._port.tasks.discard)
                return
            answer = found
        self._write(head, answer, keep)

    async def _wait_for(self, coming: Awaitable[Answer], head: Head, keep: bool) -> None:
        try:
            answer = await coming
        except Exception as error:
            self._loop.call_exception_handler({"message": "a request could not be answered", "exception": error})
            answer = Answer(500, orjson.dumps({"error": "the request could not be answered; see the log"}))
        self._busy = False
        if not self._transport.is_closing():
            self._write(head, answer, keep)
            self._go_on()

    def _write(self, head: Head, answer: Answer, keep: bool) -> None:
        status, body, content_type, headers, close = answer
        more = b""
        if headers:
            more = b"".join([b"%s: %s\r\n" % header for header in headers])
        if close or not keep or (self._ending and not self._queue and not self._arriving):
            keep = False
            more += b"connection: close\r\n"
        length = len(body)
        if head.method == "HEAD":
            body = b""
        text = b"%scontent-type: %s\r\ncontent-length: %d\r\n%s\r\n%s"
        self._transport.write(text % (_STATUS_LINES[status], content_type, length, more, body))
        if not keep:
            self._last = True
            self._queue.clear()
            self._close()
            return
        self._idle_since = self._loop.time()
        if self._idle_timer is None:
            self._idle_timer = self._loop.call_later(self._limits.idle_timeout, self._too_idle)
        waiting = self._port.waiting
        waiting.pop(self, None)
        waiting[self] = None  # the last of them now

    def _go_on(self) -> None:
        """Answer the requests that waited for their turn, and then read on."""
        queue = self._queue
        while queue and not self._busy and not self._writing_paused:
            self._answer(*queue.popleft())
        if queue or self._busy or self._writing_paused or self._transport.is_closing():
            return
        if self._ending and not self._arriving:
            self._close()
            return
        self._send_continue()
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()

    def _send_continue(self) -> None:
        if self._continue and not (self._busy or self._queue or self._writing_paused):
            self._continue = False
            if self._arriving and not self._body_size:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _end_with(self, answer: Answer) -> None:
        """Answer the request that is arriving without the rest of it, and close: no other can be read after it."""
        head = (self._head if self._arriving else None) or _UNREAD
        self._arriving = False
        self._last = True
        self._drop_body()
        self._stop_read_timer()
        if self._busy or self._queue or self._writing_paused:
            self._queue.append((head, b"", answer, False))
        else:
            self._write(head, answer, False)

    def _close(self) -> None:
        """Close once the client has read its answers, or has had time to."""
        self._transport.close()
        if self._drain_timer is None:
            self._drain_timer = self._loop.call_later(self._limits.read_timeout, self.cut)

    # Refusing.

    def _refused(self, status: int, message: str) -> Answer:
        head = self._head if self._arriving else None
        self._application.refused(status, message, head, self._client)
        return Answer(status, orjson.dumps({"error": message}), close=True)

    def _too_large(self) -> Answer:
        return self._refused(413, f"the body is larger than the limit of {self._limits.body} bytes")

    def _head_too_large(self) -> Answer:
        return self._refused(431, f"request line and headers are over {MAX_HEAD} bytes or {MAX_HEADERS} headers")

    def _unknown_method(self, data: bytes) -> Answer:
        """httptools stops at a method that it does not know: nothing but the request line can be read."""
        line = _REQUEST_LINE.match(data)
        if line is None or self._busy or self._queue:
            return self._refused(400, "not an HTTP/1.1 request")
        method, path = line[1].decode(), line[2].decode()
        head = Head(method, path, line[2], b"", (), b"")
        refusal = self._application.refuse(head, self._client)
        return refusal or self._refused(405, f"the method {method} is not known")


class _Closed(asyncio.Transport):
    """Stands for the transport of a connection that is lost."""

    def is_closing(self) -> bool:
        return True


_CLOSED: Final = _Closed()


class _Stop(Exception):
    """Raised within the parser's callbacks: this request is the last one, and is answered now."""

    def __init__(self, answer: Answer | None) -> None:
        super().__init__()
        self.answer = answer


@lru_cache(maxsize=64)
def _target(url: bytes) -> tuple[str, bytes]:
    """Path and query of a request's target. API servers ask for two or three of them, over and over."""
    if url == b"*":
        return "*", b""
    parsed = httptools.parse_url(url)
    path = (parsed.path or b"/").decode("ascii")
    return unquote(path) if "%" in path else path, parsed.query or b""


_Request = tuple[Head, bytes, Answer | None, bool]
"""A request that is complete: head, body, its answer where that is known already, and whether others may follow."""

_UNREAD: Final = Head("", "", b"", b"", (), b"")
_READ: Final = 64 << 10  # bytes that are read at once
_VERSIONS: Final = ("1.1", "1.0")
_LENGTH: Final = re.compile(rb"\r\ncontent-length: ", re.IGNORECASE)
_MAX_DIGITS: Final = 9
_FRAMING: Final = (b"content-length", b"transfer-encoding", b"expect")
_MAX_KNOWN: Final = 8
_MAX_KNOWN_HEAD: Final = 2 << 10  # bytes
_MAX_KEPT_TARGET: Final = 256
_REQUEST_LINE: Final = re.compile(rb"([A-Z]{1,32}) (/[!-~]{0,1024}) HTTP/1\.1\r\n")
_STATUS_LINES: Final = {
    status.value: b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus
}
