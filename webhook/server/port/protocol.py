"""HTTP/1.1 on one connection: parses requests, passes them to the application, and writes its responses in order.

webhook.server.port.incoming parses what arrives. The memory and the time that a connection takes are bounded, even if
the client is hostile: there are limits for a request's head and body, for the time in which a request arrives and its
response is read, and for the number of connections.

A request is answered within the call that delivers its last byte, unless the application returns an awaitable.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Final

import orjson

from webhook.server.port.connections import Port
from webhook.server.port.exchange import Answer, Client, Head, Later
from webhook.server.port.incoming import MAX_HEAD, TRY_AGAIN, UNREAD, Incoming, Overfull
from webhook.server.port.knownheads import Known

MAX_WAITING: Final = 64 << 10
"""Most bytes of unread responses. While more wait, no further request of the connection is answered."""

MAX_PIPELINED: Final = 100
"""Most complete requests of a connection that wait for an earlier response; one more ends the connection."""


class Connection(asyncio.BufferedProtocol):
    """One connection of a Port."""

    __slots__ = (
        "_application",
        "_asked",
        "_busy",
        "_client",
        "_drain_timer",
        "_ending",
        "_held",
        "_idle_since",
        "_idle_timer",
        "_incoming",
        "_last",
        "_later",
        "_limits",
        "_loop",
        "_making_way",
        "_port",
        "_queue",
        "_read_timer",
        "_reading_paused",
        "_received",
        "_transport",
        "_writing_paused",
    )

    _transport: asyncio.Transport  # this and the next two: set when the connection is made
    _client: Client
    _incoming: Incoming

    def __init__(self, port: Port) -> None:
        self._port = port
        self._limits = port.limits
        self._application = port.application
        self._loop = asyncio.get_running_loop()
        self._received = 0  # bytes of the request that arrives, without a piece of data that began with another one
        self._last = False  # no more requests are read
        # Complete requests that wait for an earlier response.
        self._queue: deque[_Request] = deque()
        self._held = 0  # bytes, as counted in port.held
        self._busy = False  # waiting for the application
        self._later: Later | None = None  # for which it waits
        self._asked = 0  # bytes of the body of that request
        self._writing_paused = False
        self._reading_paused = False
        self._ending = False  # close once all complete requests are answered
        self._making_way = False  # for another connection
        self._read_timer: asyncio.TimerHandle | None = None
        self._drain_timer: asyncio.TimerHandle | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._idle_since = 0.0

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # of uvloop
        peer = transport.get_extra_info("peername")
        certificate = transport.get_extra_info("peercert")
        self._client = Client(peer[0] if peer else "", certificate, transport.get_extra_info("socket"))
        self._transport.set_write_buffer_limits(high=MAX_WAITING)
        denied = self._application.admit(certificate)
        self._incoming = Incoming(self, self._application, self._limits, self._client, denied)
        port = self._port
        port.open.add(self)
        if len(port.open) - port.making_way > self._limits.connections:
            longest = next(iter(port.waiting), self)
            longest.make_way()
            if longest is self:
                return
        port.waiting[self] = None
        self._read_timer = self._loop.call_later(self._limits.read_timeout, self._too_slow)

    def connection_lost(self, error: Exception | None) -> None:
        port = self._port
        port.open.discard(self)
        port.waiting.pop(self, None)
        port.making_way -= self._making_way
        self._making_way = False
        self._queue.clear()
        self._release()
        if self._later is not None:
            self._later.gone = True
            self._later = None
        for timer in (self._read_timer, self._drain_timer, self._idle_timer):
            if timer is not None:
                timer.cancel()
        self._read_timer = self._drain_timer = self._idle_timer = None
        self._incoming.close()
        self._transport = _CLOSED  # which refers to this connection too; see Incoming.close

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._port.buffer

    def buffer_updated(self, nbytes: int) -> None:
        port = self._port
        data = port.buffer[:nbytes].tobytes()
        incoming = self._incoming
        if incoming.arriving or self._busy or self._reading_paused or self._last or incoming.denied:
            self._feed(data)
            return
        for known in port.known:
            body = known.body(data)
            if body is not None and len(body) <= self._limits.body:
                if self._read_timer is not None:
                    self._stop_read_timer()
                self._answer(known.head, body, None, True)
                return
        begun = incoming.begun
        self._feed(data)
        if incoming.begun == begun + 1:
            self._remember(data)

    def eof_received(self) -> bool:
        # Over TLS nothing can be sent after EOF: the transport closes, whatever this returns.
        self._last = self._ending = True
        return self.occupied

    def pause_writing(self) -> None:
        self._writing_paused = True
        self._pause_reading()
        self._hold()
        if self._drain_timer is None:
            self._drain_timer = self._loop.call_later(self._limits.read_timeout, self.cut)

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._hold()
        if self._transport.is_closing():
            return
        if self._drain_timer is not None:
            self._drain_timer.cancel()
            self._drain_timer = None
        self._go_on()

    # Called by the port.

    def finish(self) -> None:
        """Close once the requests in flight are answered, also one that is still arriving."""
        self._ending = True
        if not self._incoming.arriving and not self._busy and not self._queue:
            self._part()

    def cut(self) -> None:
        """Close now, without answering requests in flight."""
        self._port.waiting.pop(self, None)
        self._transport.abort()

    def make_way(self) -> None:
        """Close, as there are too many connections: with 503 to what the client is sending, or may be about to send.

        While many close in this way, which may take their clients a second, others are closed at once.
        """
        port = self._port
        if self._writing_paused or port.making_way >= port.limits.making_way:
            self.cut()
            return
        port.waiting.pop(self, None)
        self._making_way = True
        port.making_way += 1
        if self._incoming.arriving:
            most = self._limits.connections
            message = f"more than {most} connections are open; try again"
            self._end_with(self._incoming.refused(503, message, TRY_AGAIN))
        else:
            self._part()

    def give_way(self) -> None:
        """Give back what is held: refuse the request that is arriving; without one, close now."""
        incoming = self._incoming
        if incoming.arriving and not self._writing_paused:
            self._end_with(incoming.refused(503, "too many requests are arriving at once; try again", TRY_AGAIN))
            self._hold()
        if self._held:
            self.cut()
            self._release()

    # Reading.

    def _hold(self) -> None:
        """Count what this connection holds now."""
        incoming = self._incoming
        held = len(incoming.body)
        if incoming.arriving:
            held += self._received if incoming.head is None else incoming.head_size
        if self._busy:
            held += self._asked
        for head, body, _, _ in self._queue:
            held += len(head.target) + len(body) + _QUEUED
        if self._writing_paused:
            held += self._transport.get_write_buffer_size()
        port = self._port
        port.held += held - self._held
        self._held = held
        if held and (incoming.arriving or self._writing_paused):
            port.holding.setdefault(self)
            if port.held > self._limits.held:
                port.make_room()
        else:
            port.holding.pop(self, None)

    def _release(self) -> None:
        self._port.held -= self._held
        self._held = 0
        self._port.holding.pop(self, None)

    def _feed(self, data: bytes) -> None:
        if self._last:
            return
        incoming = self._incoming
        begun, whole = incoming.begun, not incoming.arriving
        answer = incoming.feed(data)
        if answer is not None:
            self._end_with(answer)
        if not incoming.arriving:
            self._stop_read_timer()
            if self._held or self._queue:
                self._hold()
            return
        if incoming.begun != begun or self._read_timer is None:
            # In a piece that began with another request, nobody says where this one begins.
            self._received = len(data) if whole and incoming.begun == begun + 1 else 0
            self._stop_read_timer()
            self._read_timer = self._loop.call_later(self._limits.read_timeout, self._too_slow)
        else:
            self._received += len(data)
        if incoming.head is None and self._received > MAX_HEAD:
            self._end_with(incoming.head_too_large())
        elif self._received > self._limits.message:
            self.cut()
        self._hold()

    # Called by Incoming.

    @property
    def ended(self) -> bool:
        return self._last or self._transport.is_closing()

    @property
    def occupied(self) -> bool:
        return self._busy or bool(self._queue)

    def complete(self, head: Head, body: bytes, refusal: Answer | None, keep: bool) -> None:
        self._last = not keep
        if self._busy or self._queue or self._writing_paused:
            if len(self._queue) >= MAX_PIPELINED:
                raise Overfull(
                    f"more than {MAX_PIPELINED} requests of this connection wait; send them after their answers"
                )
            self._queue.append((head, body, refusal, keep))
            self._pause_reading()
        else:
            self._answer(head, body, refusal, keep)

    def send_continue(self) -> None:
        incoming = self._incoming
        if incoming.expects and not (self._busy or self._queue or self._writing_paused):
            incoming.expects = False
            if incoming.arriving and not incoming.body_size:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _remember(self, data: bytes) -> None:
        """Keep the head of a request that began in `data`, if `data` is exactly this request."""
        head = self._incoming.accepted
        if head is None or self._last:
            return
        known = Known.of(data, head)
        if known is not None:
            self._port.known.insert(0, known)
            del self._port.known[_MAX_KNOWN:]

    def _too_slow(self) -> None:
        self._read_timer = None
        if self._reading_paused or self._busy:  # the delay is ours, not the client's
            self._read_timer = self._loop.call_later(self._limits.read_timeout, self._too_slow)
        elif self._incoming.arriving:
            seconds = self._limits.read_timeout
            self._end_with(self._incoming.refused(408, f"the request did not arrive within {seconds:g} s"))
        else:
            self.cut()

    def _too_idle(self) -> None:
        self._idle_timer = None
        timeout = self._limits.idle_timeout
        idle = not (self._incoming.arriving or self._busy or self._reading_paused)
        left = self._idle_since + timeout - self._loop.time() if idle else timeout
        if left <= 0:
            self._part()
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
        """Answer a complete request, after all earlier ones: with `answer`, or if it is None, the application's."""
        if answer is None:
            try:
                found = self._application.answer(head, body, self._client)
            except BaseException as error:  # SystemExit too: within the parser's callback it would pass for bad HTTP
                found = self._failed(error)
            if type(found) is not Answer:
                self._busy = True
                self._asked = len(body)
                self._hold()
                self._port.waiting.pop(self, None)
                if type(found) is Later:
                    self._later = found
                    found.then(partial(self._given, head, keep))
                else:
                    self._start_waiting(found, head, keep)  # type: ignore[arg-type]
                return
            answer = found
        self._write(head, answer, keep)

    def _given(self, head: Head, keep: bool, make: Callable[[], Answer | Awaitable[Answer]]) -> None:
        """Answer with what the application gives now."""
        self._later = None
        try:
            found = make()
        except BaseException as error:
            found = self._failed(error)
        if type(found) is Answer:
            self._busy = False
            if not self._transport.is_closing():
                self._write(head, found, keep)
                self._go_on()
        else:
            self._start_waiting(found, head, keep)  # type: ignore[arg-type]

    def _start_waiting(self, coming: Awaitable[Answer], head: Head, keep: bool) -> None:
        task = self._loop.create_task(self._wait_for(coming, head, keep))
        self._port.tasks.add(task)
        task.add_done_callback(self._port.tasks.discard)

    async def _wait_for(self, coming: Awaitable[Answer], head: Head, keep: bool) -> None:
        try:
            answer = await coming
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and self._transport.is_closing():  # see Port.cut
                raise
            answer = self._failed(error)
        self._busy = False
        if not self._transport.is_closing():
            self._write(head, answer, keep)
            self._go_on()

    def _failed(self, error: BaseException) -> Answer:
        self._loop.call_exception_handler({"message": "the application failed on a request", "exception": error})
        return Answer(500, orjson.dumps({"error": "internal error; see the server's log"}))

    def _write(self, head: Head, answer: Answer, keep: bool) -> None:
        status, body, content_type, headers, close = answer
        more = b""
        if headers:
            more = b"".join([b"%s: %s\r\n" % header for header in headers])
        port = self._port
        if close or not keep or ((self._ending or port.closing) and not self._queue and not self._incoming.arriving):
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
        waiting = port.waiting
        waiting.pop(self, None)
        waiting[self] = None  # moves this connection to the end

    def _go_on(self) -> None:
        """Answer the queued requests, then resume reading."""
        queue = self._queue
        while queue and not self._busy and not self._writing_paused:
            self._answer(*queue.popleft())
        if queue or self._busy or self._writing_paused or self._transport.is_closing():
            return
        if self._ending and not self._incoming.arriving:
            self._close()
            return
        self.send_continue()
        if self._held:
            self._hold()
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()

    def _end_with(self, answer: Answer) -> None:
        """Answer the request that is arriving without reading the rest of it, and close the connection.

        The next request cannot be found without the rest of this one.
        """
        head = self._incoming.abandon()
        self._last = True
        self._stop_read_timer()
        if self._busy or self._queue or self._writing_paused:
            self._queue.append((head, b"", answer, False))
        else:
            self._write(head, answer, False)

    def _part(self) -> None:
        """Close an idle connection: with a response to the request that its client may be sending now.

        Such a request is lost, as the client reads the end of the connection in place of a response, and an API server
        does not send a POST again then (https://pkg.go.dev/net/http#Transport). A 503 with Retry-After it does. To a
        client that is idle, a response without a request means no more than the end of the connection (RFC 9112, 9.2).
        """
        answer = self._application.unsolicited
        if answer is None or self._transport.is_closing():
            self._close()
        else:
            self._write(UNREAD, answer, False)

    def _close(self) -> None:
        """Close once the client has read its responses, or after `read_timeout`."""
        self._transport.close()
        if self._drain_timer is None:
            self._drain_timer = self._loop.call_later(self._limits.read_timeout, self.cut)


class _Closed(asyncio.Transport):
    """The transport of a lost connection: it is closed."""

    def is_closing(self) -> bool:
        return True


_CLOSED: Final = _Closed()


_Request = tuple[Head, bytes, Answer | None, bool]
"""A complete request: head, body, the response if it was refused, and whether the connection stays open after it."""

_MAX_KNOWN: Final = 8
_QUEUED: Final = 1 << 10  # bytes that a request takes in the queue, besides its target and body
_STATUS_LINES: Final = {
    status.value: b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus
}
