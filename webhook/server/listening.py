"""A port: its listening socket, which is bound before the server starts, and the server on it."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from functools import partial

from webhook.server.accepting import Acceptor
from webhook.server.exchange import Application, Limits
from webhook.server.port import Port
from webhook.server.protocol import Connection
from webhook.server.settings import Settings, flag

_BACKLOG = 1024
_RECEIVE_BUFFER = 64 << 10  # bytes; what the kernel, and then TLS, buffers of a connection that is not read yet
_LINGER = 1.0  # seconds after accepting ends in which idle connections may still send a request; then they are closed
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


class Server:
    """The server of one listening socket.

    Our Acceptor accepts the connections, and our protocol serves them. With a `context`, connections use TLS;
    `handshake_failed` is called with the reason of each failed handshake (see Acceptor).
    """

    def __init__(
        self,
        application: Application,
        bound: socket.socket,
        limits: Limits,
        shutdown_timeout: float,
        context: ssl.SSLContext | None = None,
        handshake_failed: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._port = Port(application, limits)
        self._bound = bound
        self._shutdown_timeout = shutdown_timeout
        self._context = context
        self._handshake_failed = handshake_failed
        self._acceptor: Acceptor | None = None
        self._forced = False

    async def begin(self) -> None:
        """Accept connections from now on. Raises what accepting raises."""
        limits = self._port.limits
        self._acceptor = Acceptor(
            self._bound,
            partial(Connection, self._port),
            self._context,
            handshakes=limits.connections,
            timeout=limits.read_timeout,
            failed=self._handshake_failed,
        )

    async def end(self) -> None:
        """Shut down gracefully: accept no more connections, answer the requests in flight, close all connections.

        Requests that are not answered after `shutdown_timeout` seconds are cut off.
        """
        if self._acceptor is None:
            return
        await self._acceptor.close()
        await self._closed(_LINGER)
        self._port.finish()
        if not await self._closed(self._shutdown_timeout):
            self._port.cut()
            await asyncio.sleep(0)  # lets the transports close their sockets

    def force(self) -> None:
        """Shut down without waiting: close all connections at once."""
        self._forced = True

    async def _closed(self, seconds: float) -> bool:
        """Wait for all connections to close, for at most `seconds`. Returns whether all are closed."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while self._port.open or (self._acceptor is not None and self._acceptor.under_way):
            if self._forced or loop.time() >= until:
                return False
            await asyncio.sleep(_CHECK_EVERY)
        return True
