"""`gatewright serve`: from settings to two listening ports, and back to exit 0."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import math
import resource
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn
import uvloop

from webhook.cluster.manifests import ManifestsView
from webhook.policy.load import PolicyTreeError, load
from webhook.policy.policyset import PolicySet
from webhook.schema import Kinds
from webhook.server import tls
from webhook.server.app import plain
from webhook.server.connections import BoundedProtocol, Limits
from webhook.server.logs import Log, route_library_records
from webhook.server.metrics import Metrics
from webhook.server.reviews import Reviews
from webhook.server.settings import Settings, flag
from webhook.server.state import State

_BACKLOG = 1024
_TLS_CLOSE_TIMEOUT = 1.0  # seconds a client has to take part in closing
# An idle client may be about to send: this long it can, and is answered, before the connection is closed under it.
_LINGER = 1.0  # seconds
_PLAIN_MAX_MESSAGE = 1 << 20  # bytes; nothing there takes a body
_BODIES_AT_ONCE = 16  # largest bodies that may be arriving at the same time; API servers send them in one go


class StartError(Exception):
    """The server cannot start; the text says what is wrong and what to do."""


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT. The exit code: 0, or 2 if it could not start, with the reason on stderr."""
    log = Log()
    route_library_records(log)
    try:
        prepared = _prepare(settings, log)
    except StartError as error:
        print(error, file=sys.stderr)
        return 2
    # What is loaded stays: no collection need look at it again, and pause every review that is under way.
    gc.collect()
    gc.freeze()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(prepared.serve())
    return 0


def _prepare(settings: Settings, log: Log) -> Serving:
    """All that can fail, before anything listens."""
    policies = _load(settings)
    kinds = Kinds.builtin().with_crds(policies.objects)
    pair, authority = _pair(settings)
    metrics = Metrics(kinds, log)
    metrics.policies(policies)
    metrics.certificate(pair.not_after.timestamp())
    try:
        context = tls.context(pair)
    except tls.TLSError as error:
        raise StartError(str(error)) from None
    # Without a cluster the policy tree is all there is to look things up in.
    state = State(policies, ManifestsView(policies.objects, kinds), authority.ca if authority else None)
    _raise_descriptor_limit()
    return Serving(
        settings=settings,
        state=state,
        metrics=metrics,
        log=log,
        context=context,
        authority=authority,
        sockets=(_bind(settings, "port"), _bind(settings, "plain_port")),
    )


def _load(settings: Settings) -> PolicySet:
    if not settings.policies.is_dir():
        raise StartError(f"no policy folder at {settings.policies}; name one with {flag('policies')}")
    try:
        return load(settings.policies)
    except PolicyTreeError as error:
        problems = "\n".join(str(problem) for problem in error.problems)
        raise StartError(
            f"{problems}\nthe policies in {settings.policies} cannot be loaded; nothing is served"
        ) from None


def _pair(settings: Settings) -> tuple[tls.Pair, tls.Development | None]:
    if settings.tls_cert is None or settings.tls_key is None:
        authority = tls.development(settings.tls_name, settings.host)
        return authority.pair, authority
    try:
        return tls.read_pair(settings.tls_cert, settings.tls_key), None
    except tls.TLSError as error:
        raise StartError(str(error)) from None


def _bind(settings: Settings, name: str) -> socket.socket:
    host, port = settings.host, getattr(settings, name)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise StartError(f"{flag('host')} {host}: {error.strerror}; expected an address of this machine") from None
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
        raise StartError(f"cannot listen on {host}:{port}: {hint}") from None
    bound.setblocking(False)
    return bound


def _raise_descriptor_limit() -> None:
    """As many open files as this process may have: each connection is one, and many systems start with 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@dataclass(frozen=True, slots=True)
class Serving:
    """Everything that serves, ready to."""

    settings: Settings
    state: State
    metrics: Metrics
    log: Log
    context: ssl.SSLContext
    authority: tls.Development | None
    sockets: tuple[socket.socket, socket.socket]  # reviews, plain

    async def serve(self) -> None:
        """Listen on both ports until SIGTERM or SIGINT, then let what is in flight finish."""
        settings, state = self.settings, self.state
        reviews = Reviews(
            state,
            self.metrics,
            self.log,
            max_body=settings.max_body,
            max_buffered=_BODIES_AT_ONCE * settings.max_body,
        )
        servers = (
            # Twice the limit is read of a body that is too large; what is over that is framing and headers.
            Server(
                reviews,
                self.sockets[0],
                settings,
                self._limits(2 * settings.max_body + (1 << 20), self.metrics.refused),
                self.context,
            ),
            Server(plain(state, self.metrics), self.sockets[1], settings, self._limits(_PLAIN_MAX_MESSAGE)),
        )
        stop, at_once = asyncio.Event(), asyncio.Event()

        def stopping() -> None:
            if stop.is_set():  # asked twice: no more waiting
                at_once.set()
                for server in servers:
                    server.force_exit = True
            state.stopping = True
            self.metrics.ready(False)
            stop.set()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping)

        for server in servers:
            await server.begin()
        state.listening = True
        self.metrics.ready(True)
        self._announce()
        await stop.wait()
        self.log.write("info", "stopping", {"delay_seconds": settings.shutdown_delay})
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(at_once.wait(), settings.shutdown_delay)
        for server in servers:  # the plain one last: until the end it tells that this server is not ready
            await server.end()
        self.log.write("info", "stopped", {})

    def _limits(self, message: int, refused: Callable[[int], None] = lambda status: None) -> Limits:
        return Limits(self.settings.max_connections, message, self.settings.read_timeout, refused)

    def _announce(self) -> None:
        """Tell the log, and the person at the terminal, what is served where."""
        policies = self.state.policies
        reviews, plain_port = (f"{_host(bound)}:{bound.getsockname()[1]}" for bound in self.sockets)
        told: dict[str, Any] = {
            "reviews": f"https://{reviews}",
            "plain": f"http://{plain_port}",
            "policies": len(policies.policies),
            "revision": policies.revision,
        }
        self.log.write("info", "serving", told)
        for note in policies.notes:
            self.log.write("warning", "policies", {"message": str(note)})
        lines = [
            *map(str, policies.notes),
            f"{len(policies.policies)} policies from {self.settings.policies}, revision {policies.revision}",
            f"reviews: https://{reviews}/validate and /mutate",
            f"health, metrics, policies: http://{plain_port}/healthz /readyz /metrics /policies",
        ]
        if self.authority is not None:
            lines += [
                f"FOR DEVELOPMENT ONLY: the certificate was made just now and is gone at exit; in a cluster give"
                f" {flag('tls_cert')} and {flag('tls_key')}. Its authority is at http://{plain_port}/ca.pem",
                f"caBundle: {self.authority.ca_bundle}",
            ]
        print("\n".join(lines), file=sys.stderr, flush=True)


class Server(uvicorn.Server):
    """One listening socket: uvicorn's server without its hold on the process's signals, and with our protocol."""

    def __init__(
        self,
        app: Any,
        bound: socket.socket,
        settings: Settings,
        limits: Limits,
        context: ssl.SSLContext | None = None,
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
        self._serving: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Return once the socket accepts connections."""
        self._serving = asyncio.create_task(self.serve([self._bound]))
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
        self.servers = [
            await loop.create_server(
                lambda: BoundedProtocol(self._limits, self.config, self.server_state, {}, loop),
                sock=bound,
                ssl=self._context,
                backlog=_BACKLOG,
                ssl_handshake_timeout=self._limits.read_timeout if self._context else None,
                ssl_shutdown_timeout=_TLS_CLOSE_TIMEOUT if self._context else None,
            )
            for bound in sockets or ()
        ]
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        loop = asyncio.get_running_loop()
        until = loop.time() + _LINGER
        while self.server_state.connections and loop.time() < until and not self.force_exit:
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)


def _host(bound: socket.socket) -> str:
    host = bound.getsockname()[0]
    return f"[{host}]" if bound.family == socket.AF_INET6 else host
