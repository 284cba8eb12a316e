"""A port: its socket, bound before anything else happens, and the server that answers on it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable, Iterator

import uvicorn

from webhook.server.accepting import Acceptor
from webhook.server.protocol import Application, Limits, Port
from webhook.server.settings import Settings, flag

_BACKLOG = 1024
# A request that an idle client sends in this time is still answered; then idle connections are closed.
_LINGER = 1.0  # seconds
_LOOK_AGAIN = 0.02  # seconds


class CannotListen(Exception):
    """The port cannot be listened on; the text says why, and which flag chooses another."""


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
    """One listening socket and the connections that came in on it.

    uvicorn keeps its life cycle: start, main loop, and exit, in order or forced. Connections come from our Acceptor and
    speak our protocol. With a `context` they speak TLS; `handshake_failed` is called with the reason why one came to
    nothing (see Acceptor).
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
        # What belongs to uvicorn's own protocols is off: ours has its application, its limits and its log.
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
        self._port = Port(application, limits)
        self._bound = bound
        self._shutdown_timeout = shutdown_timeout
        self._context = context
        self._handshake_failed = handshake_failed
        self._acceptor: Acceptor | None = None
        self._serving: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Return once the socket accepts connections. Raises what starting raises."""
        self._serving = asyncio.create_task(self.serve([]))
        while not self.started and not self._serving.done():
            await asyncio.sleep(0)
        if self._serving.done():
            self._serving.result()

    async def end(self) -> None:
        """Accept no more connections, answer the requests that have begun, and return when all connections are closed.

        What is not answered after `shutdown_timeout` seconds is cut off.
        """
        self.should_exit = True
        if self._serving is not None:
            await self._serving

    def force(self) -> None:
        """End without waiting: all connections are closed at once."""
        self.force_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to the process, which has two ports, or workers."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        limits = self._port.limits
        self._acceptor = Acceptor(
            self._bound,
            self._port.connection,
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
        await self._closed(_LINGER)
        self._port.finish()
        if not await self._closed(self._shutdown_timeout):
            self._port.cut()
            await asyncio.sleep(0)  # for the transports to close their sockets

    async def _closed(self, seconds: float) -> bool:
        """Wait until all connections are closed, for so many seconds at most. Returns whether they are."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while self._port.open or (self._acceptor is not None and self._acceptor.under_way):
            if self.force_exit or loop.time() >= until:
                return False
            await asyncio.sleep(_LOOK_AGAIN)
        return True

    @staticmethod
    async def _not_asgi(*_: object) -> None:
        raise RuntimeError("the port's application is not called by uvicorn")
