"""`gatewright serve`: from settings to two listening ports, and back to exit 0."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

import uvloop

from webhook.cluster.connection import ConfigurationError
from webhook.cluster.manifestsview import ManifestsView
from webhook.documents.reader import full_text
from webhook.excerpts import columns
from webhook.policy.load.loading import PolicyTreeError, load
from webhook.policy.policyset import PolicySet
from webhook.schema import Kinds
from webhook.server import tls
from webhook.server.app import plain
from webhook.server.asgi import ASGI
from webhook.server.gathering import Gathering, Line
from webhook.server.listening import CannotListen, Server, bind, shown
from webhook.server.livecluster import CacheMetrics, LiveCluster, prepare, unused
from webhook.server.logs import Log, route_library_records
from webhook.server.metrics import Metrics
from webhook.server.protocol import Limits
from webhook.server.reload import Certificates
from webhook.server.reviews import Reviews
from webhook.server.settings import Settings, flag
from webhook.server.state import State
from webhook.server.workers import Parent, Role, Stop
from webhook.versions import parse_version

_PLAIN_MAX_BODY = 1 << 16  # bytes; nothing there takes a body
_BODIES_AT_ONCE = 16  # largest bodies that may be arriving at the same time; API servers send them in one go
_CLOSING = 2.0  # seconds at most between the last request and the end of a process


class StartError(Exception):
    """The server cannot start; the text says what is wrong and what to do."""


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT. The exit code: 0; 2 if it could not start, with the reason on stderr; 1 if a
    worker did not end in order."""
    log = Log()
    route_library_records(log)
    try:
        serving = _prepare(settings, log)
    except StartError as error:
        print(error, file=sys.stderr)
        return 2
    # What is loaded stays: no collection need look at it again, and pause every review that is under way; and what
    # workers share is not copied by it.
    gc.collect()
    gc.freeze()
    # A review is some hundred objects that are gone when it is answered, without a cycle among them.
    gc.set_threshold(20_000, 20, 20)
    if settings.workers > 1:
        return serving.by_workers()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serving.alone())
    return 0


def _prepare(settings: Settings, log: Log) -> Serving:
    """Load and check everything that serving takes. Raises StartError."""
    policies = _load(settings)
    kinds = Kinds.builtin().with_crds(policies.objects)
    metrics = Metrics(kinds, log)
    metrics.policies(policies)
    certificates, authority = _certificates(settings, metrics, log)
    try:
        cluster = prepare(settings, policies, log)
    except ConfigurationError as error:
        raise StartError(str(error)) from None
    ca = authority.ca if authority else None
    if cluster is None:  # the policy tree is all there is to look things up in
        state = State(policies, ManifestsView(policies.objects, kinds), development_ca=ca)
    else:
        state = State(policies, cluster.view, cluster.view, development_ca=ca)
        metrics.registry.register(CacheMetrics(cluster.view))
    _raise_descriptor_limit()
    try:
        sockets = bind(settings, "port"), bind(settings, "plain_port")
    except CannotListen as error:
        raise StartError(str(error)) from None
    addresses = shown(sockets[0]), shown(sockets[1])
    return Serving(settings, state, metrics, log, certificates, authority, cluster, *sockets, addresses)


def _load(settings: Settings) -> PolicySet:
    if not settings.policies.is_dir():
        raise StartError(f"no policy folder at {settings.policies}; name one with {flag('policies')}")
    try:
        return load(settings.policies, parse_version(settings.kubernetes_version))
    except PolicyTreeError as error:
        width = columns(sys.stderr)
        problems = "\n".join(full_text(problem, width) for problem in error.problems)
        raise StartError(
            f"{problems}\nthe policies in {settings.policies} cannot be loaded; nothing is served"
        ) from None


def _certificates(settings: Settings, metrics: Metrics, log: Log) -> tuple[Certificates, tls.Development | None]:
    authority, files = None, None
    if settings.tls_cert is not None and settings.tls_key is not None:
        files = (settings.tls_cert, settings.tls_key)
    else:
        authority = tls.development(settings.tls_name, settings.host)
    pair = authority.pair if authority else None
    try:
        return Certificates(metrics, log, pair=pair, files=files, client_ca=settings.client_ca), authority
    except tls.TLSError as error:
        raise StartError(str(error)) from None


def _raise_descriptor_limit() -> None:
    """As many open files as this process may have: each connection is one, and many systems start with 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@dataclass(frozen=True, slots=True)
class Serving:
    """Everything that serving takes. Both sockets listen already."""

    settings: Settings
    state: State
    metrics: Metrics
    log: Log
    certificates: Certificates
    authority: tls.Development | None
    cluster: LiveCluster | None
    bound: socket.socket
    plain_bound: socket.socket
    addresses: tuple[str, str]  # of the two

    async def alone(self) -> None:
        """Both ports in this process."""
        stop = Stop()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.ask)

        async def exposition() -> bytes:
            return self.metrics.exposition()

        plain_server = self._plain_server(plain(self.state, exposition))
        await plain_server.begin()
        async with _beside(_force(stop, plain_server)):
            await self._answer_reviews(stop, self._announce, self._announce_stop)
            await plain_server.end()  # last, for /readyz has to say that this server is stopping
        self.log.write("info", "stopped", {})

    def by_workers(self) -> int:
        """A process for the plain port, and `settings.workers` for the other. Returns the exit code."""
        door, plain_door = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        count = self.settings.workers
        roles = [
            Role("plain port", partial(self._plain_process, plain_door)),
            *(Role(f"worker {index}", partial(self._worker_process, index, door)) for index in range(count)),
        ]
        self.log.share()

        def stopping() -> None:
            self.bound.close()  # the workers have it; when they close it too, it is closed
            self._announce_stop()

        code = Parent(roles, self.log, self._patience, stopping).run()
        self.log.write("info", "stopped", {})
        return code

    async def _plain_process(self, door: socket.socket, stop: Stop) -> None:
        self.bound.close()
        self.state.listening = True
        self.state.live = None  # each worker has its own
        gathering = Gathering(door, self.settings.workers, self.state)
        server = self._plain_server(plain(self.state, gathering.exposition, gathering.hung))
        await server.begin()
        async with (
            _beside(gathering.keep_asking()),
            _beside(self._when_ready(gathering)),
            _beside(_force(stop, server)),
        ):
            await stop.asked.wait()
            self.state.stopping = True
            with contextlib.suppress(TimeoutError):  # one that hangs is the parent's to end
                await asyncio.wait_for(_first(gathering.none_left, stop.at_once), self._patience)
            await server.end()

    async def _when_ready(self, gathering: Gathering) -> None:
        await gathering.all_ready.wait()
        self._announce()

    async def _worker_process(self, index: int, door: socket.socket, stop: Stop) -> None:
        self.plain_bound.close()
        self.log.share(worker=index)
        line = Line(door, index, self.state, self.metrics)

        def changed() -> None:
            tasks.append(asyncio.ensure_future(line.report()))

        tasks: list[asyncio.Future[None]] = []
        async with _beside(line.keep()):
            await self._answer_reviews(stop, changed, changed)
            await line.report()

    async def _answer_reviews(self, stop: Stop, serving: Callable[[], None], stopping: Callable[[], None]) -> None:
        """Answer reviews until stopped, and those in flight to their end. Calls `serving` and `stopping` in between.

        With a cluster, connections are accepted once everything that policies look up has been listed; clients that
        connect before wait.
        """
        if self.cluster is None:
            await self._answer_at_once(stop, serving, stopping)
            return
        async with self.cluster.following():
            if await self.cluster.synced(stop.asked):
                await self._answer_at_once(stop, serving, stopping)
            else:
                self.state.stopping = True
                stopping()

    async def _answer_at_once(self, stop: Stop, serving: Callable[[], None], stopping: Callable[[], None]) -> None:
        settings, state = self.settings, self.state
        server = Server(
            Reviews(state, self.metrics, self.log),
            self.bound,
            self._limits(settings.max_body),
            settings.shutdown_timeout,
            self.certificates.listening,
            self.metrics.handshake_failed,
        )
        await server.begin()
        state.listening = True
        self.metrics.ready(True)
        serving()
        async with _beside(self.certificates.watch()), _beside(_force(stop, server)):
            await stop.asked.wait()
            state.stopping = True
            self.metrics.ready(False)
            stopping()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.at_once.wait(), settings.shutdown_delay)
            await server.end()

    @property
    def _patience(self) -> float:
        """Seconds that stopping may take."""
        return self.settings.shutdown_delay + self.settings.shutdown_timeout + _CLOSING

    def _plain_server(self, app: Any) -> Server:
        return Server(ASGI(app), self.plain_bound, self._limits(_PLAIN_MAX_BODY), self.settings.shutdown_timeout)

    def _limits(self, body: int) -> Limits:
        settings = self.settings
        return Limits(
            connections=settings.max_connections,
            body=body,
            bodies=_BODIES_AT_ONCE * body,
            read_timeout=settings.read_timeout,
            idle_timeout=settings.idle_timeout,
        )

    def _announce_stop(self) -> None:
        self.log.write("info", "stopping", {"delay_seconds": self.settings.shutdown_delay})

    def _announce(self) -> None:
        """Tell the log, and the person at the terminal, what is served where."""
        policies = self.state.policies
        reviews, plain_port = self.addresses
        told: dict[str, Any] = {
            "reviews": f"https://{reviews}",
            "plain": f"http://{plain_port}",
            "policies": len(policies.policies),
            "revision": policies.revision,
            "workers": self.settings.workers,
        }
        if self.cluster is not None:
            told["cluster"] = self.cluster.configuration.host
        self.log.write("info", "serving", told)
        width = columns(sys.stderr)
        lines = [full_text(each, width) for each in (*policies.notes, *policies.warnings)]
        told_too = list(map(str, (*policies.notes, *policies.warnings)))
        if self.cluster is not None and (left := unused(policies, self.cluster.lookups)) is not None:
            lines.append(left)
            told_too.append(left)
        for note in told_too:
            self.log.write("warning", "policies", {"message": note})
        lines += [
            f"{len(policies.policies)} policies from {self.settings.policies}, revision {policies.revision}",
            f"reviews: https://{reviews}/validate and /mutate",
            f"health, metrics, policies: http://{plain_port}/healthz /readyz /metrics /policies",
        ]
        if self.cluster is not None:
            looked_up = ", ".join(map(str, self.cluster.lookups.targets)) or "nothing"
            lines.append(f"cluster: {self.cluster.configuration.host}, where is looked up: {looked_up}")
        if self.authority is not None:
            lines += [
                f"FOR DEVELOPMENT ONLY: the certificate was made just now and is gone at exit; in a cluster give"
                f" {flag('tls_cert')} and {flag('tls_key')}. Its authority is at http://{plain_port}/ca.pem",
                f"caBundle: {self.authority.ca_bundle}",
            ]
        print("\n".join(lines), file=sys.stderr, flush=True)


@contextlib.asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run the work while the block runs."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _force(stop: Stop, server: Server) -> None:
    await stop.at_once.wait()
    server.force()


async def _first(*events: asyncio.Event) -> None:
    """Return once one of the events is set."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
