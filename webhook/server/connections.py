"""Connections that cost a bounded amount of memory and time, whoever is at the other end.

uvicorn's protocol speaks HTTP; on top of it stand the limits that it lacks: how long a request may take to arrive, how
long an answer to be taken in, how large the head of a request may be, and how many connections are open.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

import orjson
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

MAX_HEAD = 64 << 10
"""Bytes of request line and headers, as far as they come in more than one piece (a piece is 256 KiB at most)."""


@dataclass(slots=True)
class Limits:
    """The bounds of one port, and the connections that now wait for their client, the longest waiting first."""

    connections: int
    message: int  # bytes of one request, head and framing included, before the connection is cut
    read_timeout: float  # seconds
    waiting: dict[BoundedProtocol, None] = field(default_factory=dict)


class _Phase(Enum):
    IDLE = auto()  # between requests
    HEAD = auto()
    BODY = auto()


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
        self._phase = _Phase.IDLE
        self._received = 0  # bytes of the request that is arriving
        self._deadline: asyncio.TimerHandle | None = None
        self._drain_deadline: asyncio.TimerHandle | None = None

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
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._phase is _Phase.IDLE:  # whatever came, came whole
            self._received = 0
            if self._deadline is not None:
                self._stop_deadline()
            return
        self._received += len(data)
        if self._deadline is None:
            self._deadline = self.loop.call_later(self._limits.read_timeout, self._too_slow)
        if self._phase is _Phase.HEAD and self._received > MAX_HEAD:
            self._answer(431, f"request line and headers are over {MAX_HEAD} bytes")
        elif self._received > self._limits.message:
            self.cut()

    def on_message_begin(self) -> None:
        self._phase = _Phase.HEAD
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._phase = _Phase.BODY
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._phase = _Phase.IDLE
        self._limits.waiting.pop(self, None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():  # and none is queued behind it
            self._limits.waiting[self] = None

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

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self._phase is _Phase.IDLE or (self.cycle is not None and self.cycle.response_started):
            self.cut()
        else:
            self._answer(408, f"the request did not arrive within {self._limits.read_timeout:g} s")

    def _answer(self, status: int, message: str) -> None:
        """Answer what never became a request, and close: what follows cannot be told apart any more."""
        body = orjson.dumps({"error": message})
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
            % (status, _REASONS[status], len(body), body)
        )
        self.transport.close()
        self.loop.call_later(self._limits.read_timeout, self.transport.abort)


_REASONS = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large"}
