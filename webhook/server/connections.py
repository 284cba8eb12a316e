"""Connections that cost a bounded amount of memory and time, whoever is at the other end.

uvicorn's protocol speaks HTTP; on top of it stand the limits that it lacks: how long a request may take to arrive, how
long an answer to be taken in, how large the head of a request may be, and how many connections are open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import orjson
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

MAX_HEAD = 64 << 10
"""Bytes of request line and headers, as far as they come in more than one piece (a piece is 256 KiB at most)."""

Answer = tuple[int, bytes, tuple[tuple[bytes, bytes], ...]]
"""Status, JSON body and further headers."""

ANSWER = "gatewright.answer"
"""An ASGI extension: `scope["extensions"][ANSWER]["answer"](answer)` sends an Answer in one go.

It returns False where it cannot (the client takes in nothing at the moment): then `send` must be awaited. Two `send`s
check each header by regular expression, and each writes a TLS record of its own: together they take a fifth of what a
review costs.
"""


class WholeRequests(Protocol):
    """An ASGI application that can also answer, without waiting for anything, a request whose body is all there.

    Nearly every review comes in one piece. Answering it from within the parser saves the task, the event and the
    coroutines that ASGI needs to wait for more: a quarter of what a review costs.
    """

    def answer(self, scope: MutableMapping[str, Any], body: bytes) -> Answer | None:
        """The answer to the request; None where it takes waiting, as ASGI has it. Never raises."""


@dataclass(slots=True)
class Limits:
    """The bounds of one port, and the connections that now wait for their client, the longest waiting first."""

    connections: int
    message: int  # bytes of one request, head and framing included, before the connection is cut
    read_timeout: float  # seconds
    refused: Callable[[int], None]  # told the status of every request that is answered here, and never reaches the app
    waiting: dict[BoundedProtocol, None] = field(default_factory=dict)


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol under `Limits`."""

    def __init__(
        self,
        limits: Limits,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits
        self._arriving = False  # a request has begun and is not whole
        self._begun = 0  # requests, the one that is arriving too
        self._received = 0  # bytes of the request that is arriving, but for the piece that it began in
        self._deadline: asyncio.TimerHandle | None = None
        self._drain_deadline: asyncio.TimerHandle | None = None
        self._idle_since = 0.0
        self._whole: WholeRequests | None = config.app if hasattr(config.app, "answer") else None  # type: ignore[assignment]
        self._held: RequestResponseCycle | None = None  # whose body may yet be whole within this piece

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        waiting = self._limits.waiting
        if len(self.connections) > self._limits.connections:
            if waiting:
                next(iter(waiting)).cut()
            else:
                self.cut()
                return
        waiting[self] = None
        self._deadline = self.loop.call_later(self._limits.read_timeout, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._limits.waiting.pop(self, None)
        self._stop_deadline()
        self.resume_writing()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        super().connection_lost(exc)

    def _unset_keepalive_if_required(self) -> None:
        # uvicorn would cancel this timer and start another at every request. It is left to run: when it fires, it looks
        # at how long the connection has been idle.
        pass

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        idle = not self._arriving and (self.cycle is None or self.cycle.response_complete)
        left = self._idle_since + self.timeout_keep_alive - self.loop.time() if idle else self.timeout_keep_alive
        if left <= 0:
            super().timeout_keep_alive_handler()
        elif not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        begun = self._begun
        super().data_received(data)
        if self._held is not None:
            self._wait_for_more()
        if not self._arriving or self._begun != begun:  # what was under way before is whole now
            self._received = 0
            if self._deadline is not None:
                self._stop_deadline()
            if not self._arriving:
                return
        else:
            self._received += len(data)
        if self._deadline is None:
            self._deadline = self.loop.call_later(self._limits.read_timeout, self._too_slow)
        if self._received > MAX_HEAD and not self._in_body():
            self._answer(431, f"request line and headers are over {MAX_HEAD} bytes")
        elif self._received > self._limits.message:
            self.cut()

    def on_message_begin(self) -> None:
        self._arriving = True
        self._begun += 1
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._arriving = False
        self._limits.waiting.pop(self, None)
        super().on_message_complete()
        held, self._held = self._held, None
        if held is None or self._whole is None or held is not self.cycle:
            return
        answer = self._whole.answer(held.scope, bytes(held.body))  # type: ignore[arg-type]
        if answer is None:
            self._run(held, self.app)
        elif not self._answer_whole(held, answer):
            self._start_sending(held, answer)

    def on_response_complete(self) -> None:
        self._idle_since = self.loop.time()
        if self.pipeline or self.timeout_keep_alive_task is None:
            super().on_response_complete()
        else:
            self.server_state.total_requests += 1
            self.flow.resume_reading()
        if self.cycle.response_complete and not self.transport.is_closing():  # and none is queued behind it
            self._limits.waiting[self] = None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        held = self._whole is not None and cycle.more_body and not cycle.waiting_for_100_continue
        if held and not self.parser.should_upgrade():
            self._held = cycle
        else:
            self._run(cycle, app)

    def _wait_for_more(self) -> None:
        """The body comes in several pieces: the application is run as ASGI has it."""
        held, self._held = self._held, None
        if held is not None:
            self._run(held, self.app)

    def _run(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.scope["extensions"] = {ANSWER: {"answer": partial(self._answer_whole, cycle)}}
        super()._start_asgi_task(cycle, app)

    def _start_sending(self, cycle: RequestResponseCycle, answer: Answer) -> None:
        """Sends an answer once the client takes in more."""
        status, body, headers = answer

        async def app(_: Any, __: Any, send: Any) -> None:
            fields = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *headers]
            await send({"type": "http.response.start", "status": status, "headers": fields})
            await send({"type": "http.response.body", "body": body})

        super()._start_asgi_task(cycle, app)

    def _answer_whole(self, cycle: RequestResponseCycle, answer: Answer) -> bool:
        """The extension ANSWER. What `cycle.send` does for a head and a body, at once."""
        if cycle.disconnected or self.flow.write_paused:
            return False
        status, body, headers = answer
        lines = b"".join([b"%s: %s\r\n" % header for header in headers]) if headers else b""
        cycle.response_started = cycle.response_complete = True
        cycle.keep_alive = cycle.keep_alive and b"connection: close" not in lines
        if not cycle.keep_alive and b"connection: close" not in lines:
            lines += b"connection: close\r\n"
        self.transport.write(
            b"%scontent-type: application/json\r\ncontent-length: %d\r\n%s\r\n%s"
            % (STATUS_LINE[status], len(body), lines, body)
        )
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()
        return True

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._drain_deadline is None:
            self._drain_deadline = self.loop.call_later(self._limits.read_timeout, self.cut)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._drain_deadline is not None:
            self._drain_deadline.cancel()
            self._drain_deadline = None

    def send_400_response(self, msg: str) -> None:
        self._answer(400, "not an HTTP/1.1 request")

    def _unsupported_upgrade_warning(self) -> None:
        # The parser stops at an upgrade: the request is answered as any other, and nothing after it can be read.
        self.cycle.keep_alive = False

    def cut(self) -> None:
        """End the connection now, whatever is under way on it."""
        self._limits.waiting.pop(self, None)
        self.transport.abort()

    def _in_body(self) -> bool:
        """Whether the head of the request that is arriving is complete."""
        return self.cycle is not None and self.cycle.scope is self.scope

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if not self._arriving or (self._in_body() and self.cycle.response_started):
            self.cut()
        else:
            self._answer(408, f"the request did not arrive within {self._limits.read_timeout:g} s")

    def _answer(self, status: int, message: str) -> None:
        """Answer what never became a request, and close: what follows cannot be told apart any more."""
        self._limits.refused(status)
        body = orjson.dumps({"error": message})
        self.transport.write(
            b"%scontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
            % (STATUS_LINE[status], len(body), body)
        )
        self.transport.close()
        self.loop.call_later(self._limits.read_timeout, self.transport.abort)
