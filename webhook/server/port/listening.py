"""A port: its listening socket, which is bound before the server starts, and the server on it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable, Iterator
from functools import partial

import uvicorn

from webhook.server.port.accepting import Acceptor
from webhook.server.port.connections import Port
from webhook.server.port.exchange import Application, Limits
from webhook.server.port.protocol import Connection
from webhook.server.settings import Settings, flag

_BACKLOG = 1024
_RECEIVE_BUFFER = 64 << 10  # bytes; what the kernel, and then TLS, buffers of a connection that is not read yet
_CHECK_EVERY = 0.02  # seconds between two checks whether all connections are closed


class CannotListen(Exception):
    """The server cannot listen on the port; the text says why, and which flag to change."""


def bind(settings: Settings, name: str) -> socket.socket:
    """A socket that listens on the port of the setting `name` (`port` or `plain_port`). Raises CannotListen."""
    host, port = settings.host, getattr(settings, name)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise CannotListen(f"{flag('host')} {host}: {error.strerror}; expected an address of this host") from None
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)  # connections inherit it
        bound.bind(address)
        bound.listen(_BACKLOG)  # already here, so that a second server on the port fails at once
    except OSError as error:
        bound.close()
        hint = {
            errno.EADDRINUSE: f"the port is in use; stop the process that listens on it, or set {flag(name)}",
            errno.EACCES: f"the port needs privileges; set {flag(name)} to one above 1023",
            errno.EADDRNOTAVAIL: f"not an address of this host; set {flag('host')} to one",
        }.get(error.errno or 0, error.strerror)
        raise CannotListen(f"cannot listen on {host}:{port}: {hint}") from None
    bound.setblocking(False)
    return bound


def shown(bound: socket.socket) -> str:
    """The socket's address and port as in a URL: an IPv6 address is in brackets."""
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if bound.family == socket.AF_INET6 else f"{host}:{port}"


class Server(uvicorn.Server):
    """The server of one listening socket.

    uvicorn runs its life cycle: start, main loop, and shutdown, graceful or forced. Our Acceptor accepts the
    connections, and our protocol serves them. With a `context`, connections use TLS; `handshake_failed` is called with
    the reason of each failed handshake (see Acceptor).
    """

    def __init__(
        self,
        application: Application,
        bound: socket.socket,
        limits: Limits,
        shutdown_idle: float,
        shutdown_timeout: float,
        context: ssl.SSLContext | None = None,
        handshake_failed: Callable[[str], None] = lambda reason: None,
    ) -> None:
        # Everything that belongs to uvicorn's own protocols is off: the application, the limits and the log are ours.
        super().__init__(
            uvicorn.Config(
                self._not_asgi,
                loop="none",
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="error",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
            )
        )
        self.port = Port(application, limits)
        self._bound = bound
        self._shutdown_idle = shutdown_idle
        self._shutdown_timeout = shutdown_timeout
        self._context = context
        self._handshake_failed = handshake_failed
        self._acceptor: Acceptor | None = None
        self._serving: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Start the server; return once it accepts connections. Raises what starting raises."""
        self._serving = asyncio.create_task(self.serve([]))
        while not self.started and not self._serving.done():
            await asyncio.sleep(0)
        if self._serving.done():
            self._serving.result()

    def retire(self) -> None:
        """From now on, end each connection with its next answer. Connections are still accepted."""
        self.port.closing = True

    async def end(self) -> None:
        """Shut down gracefully: accept no more connections, answer the requests in flight, close all connections.

        For `shutdown_idle` seconds idle connections are left to their clients: to close them, or to send one more
        request. Requests that are not answered `shutdown_timeout` seconds later are cut off.
        """
        self.retire()
        self.should_exit = True
        if self._serving is not None:
            await self._serving

    def force(self) -> None:
        """Shut down without waiting: close all connections at once."""
        self.force_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Installs no signal handlers: webhook.server.life.process handles signals for both ports and for workers."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        limits = self.port.limits
        self._acceptor = Acceptor(
            self._bound,
            partial(Connection, self.port),
            self._context,
            handshakes=limits.connections,
            timeout=limits.read_timeout,
            failed=self._handshake_failed,
        )
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._acceptor is None:
            return
        await self._acceptor.close()
        await self._closed(self._shutdown_idle)
        self.port.finish()
        if not await self._closed(self._shutdown_timeout):
            self.port.cut()
            await asyncio.sleep(0)  # lets the transports close their sockets

    async def _closed(self, seconds: float) -> bool:
        """Wait for all connections to close, for at most `seconds`. Returns whether all are closed."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while self.port.open or (self._acceptor is not None and self._acceptor.under_way):
            if self.force_exit or loop.time() >= until:
                return False
            await asyncio.sleep(_CHECK_EVERY)
        return True

    @staticmethod
    async def _not_asgi(scope: object, receive: object, send: object) -> None:
        raise RuntimeError("uvicorn never calls the application: Port does")
