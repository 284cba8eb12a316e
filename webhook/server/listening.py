"""A port: its socket, bound before anything else happens, and the server that answers on it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn

from webhook.server.accepting import Acceptor
from webhook.server.connections import BoundedProtocol, Limits
from webhook.server.settings import Settings, flag
from webhook.server.whole import WholeRequestsProtocol

_BACKLOG = 1024
# An idle client may be about to send: this long it can, and is answered, before the connection is closed under it.
_LINGER = 1.0  # seconds


class CannotListen(Exception):
    """The port cannot be had; the text says why, and which flag chooses another."""


def bind(settings: Settings, name: str) -> socket.socket:
    """A socket that listens on the port of that setting. Raises CannotListen."""
    host, port = settings.host, getattr(settings, name)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise CannotListen(f"{flag('host')} {host}: {error.strerror}; expected an address of this machine") from None
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(_BACKLOG)  # now, so that a second server on the port fails here and not later
    except OSError as error:
        bound.close()
        hint = {
            errno.EADDRINUSE: f"something listens there already; end it, or choose another with {flag(name)}",
            errno.EACCES: f"the port needs privileges; choose one above 1023 with {flag(name)}",
            errno.EADDRNOTAVAIL: f"no address of this machine; choose one with {flag('host')}",
        }.get(error.errno or 0, error.strerror)
        raise CannotListen(f"cannot listen on {host}:{port}: {hint}") from None
    bound.setblocking(False)
    return bound


def shown(bound: socket.socket) -> str:
    """Address and port as a URL has them."""
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if bound.family == socket.AF_INET6 else f"{host}:{port}"


class Server(uvicorn.Server):
    """One listening socket: uvicorn's server without its hold on the process's signals, and with our protocol.

    With a `context` it speaks TLS; `handshake_failed` is told why a connection came to nothing (see Acceptor).
    """

    def __init__(
        self,
        app: Any,
        bound: socket.socket,
        settings: Settings,
        limits: Limits,
        context: ssl.SSLContext | None = None,
        handshake_failed: Callable[[str], None] = lambda reason: None,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="none",
                http="httptools",
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="error",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                timeout_keep_alive=math.ceil(settings.idle_timeout),
                timeout_graceful_shutdown=math.ceil(settings.shutdown_timeout),
            )
        )
        self._bound = bound
        self._context = context
        self._limits = limits
        self._handshake_failed = handshake_failed
        self._acceptor: Acceptor | None = None
        self._serving: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Return once the socket accepts connections."""
        self._serving = asyncio.create_task(self.serve([]))
        while not self.started and not self._serving.done():
            await asyncio.sleep(0)
        if self._serving.done():
            self._serving.result()

    async def end(self) -> None:
        """Accept no more, let the requests in flight finish, and return when all connections are closed."""
        self.should_exit = True
        if self._serving is not None:
            await self._serving

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        protocol = WholeRequestsProtocol if hasattr(self.config.app, "answer") else BoundedProtocol
        self.servers = []  # none of the event loop's: the acceptor serves
        self._acceptor = Acceptor(
            self._bound,
            lambda: protocol(self._limits, self.config, self.server_state, {}, loop),
            self._context,
            handshakes=self._limits.connections,
            timeout=self._limits.read_timeout,
            failed=self._handshake_failed,
        )
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._acceptor is not None:
            await self._acceptor.close()
            loop = asyncio.get_running_loop()
            until = loop.time() + _LINGER
            while (self.server_state.connections or self._acceptor.under_way) and loop.time() < until:
                if self.force_exit:
                    break
                await asyncio.sleep(0.02)
        await super().shutdown(sockets)
