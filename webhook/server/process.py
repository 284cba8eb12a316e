"""`gatewright serve`: loads everything that the settings name, serves two ports, and shuts down."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import resource
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any

import uvloop
from msgspec import Struct

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
from webhook.server.isolation import Isolation, IsolationMetrics
from webhook.server.listening import CannotListen, Server, bind, shown
from webhook.server.livecluster import CacheMetrics, LiveCluster, prepare, unused
from webhook.server.logs import Log, route_library_records
from webhook.server.metrics import Metrics
from webhook.server.protocol import Limits
from webhook.server.registered import Comparison
from webhook.server.reload import Certificates
from webhook.server.reviews import Reviews
from webhook.server.settings import Settings, flag
from webhook.server.state import State
from webhook.server.workers import Parent, Role, Stop
from webhook.versions import parse_version

_PLAIN_MAX_BODY = 1 << 16  # bytes; no path of the plain port needs a body
_BODIES_AT_ONCE = 16  # bodies of the largest size that may be arriving at the same time
_HUNG = 20.0  # seconds of processor time that the event loop of a server without workers may be held up
_CLOSING = 2.0  # seconds at most from the last response to the end of a process


class StartError(Exception):
    """The server cannot start. The text says what is wrong and what to do."""


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT.

    The exit code: 0; 2 if the server could not start, with the reason on stderr; 1 if a child process failed while
    shutting down.
    """
    log = Log()
    route_library_records(log)
    try:
        serving = _prepare(settings, log)
    except StartError as error:
        print(error, file=sys.stderr)
        return 2
    # What is loaded now stays. Without freeze, collections would visit it, which delays the reviews in flight and makes
    # each worker copy memory that it shares with the others.
    gc.collect()
    gc.freeze()
    # A review allocates some hundred objects. They form no cycles and are freed when it is answered.
    gc.set_threshold(20_000, 20, 20)
    if settings.workers > 1:
        return serving.by_workers()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serving.alone())
    return 0


def _prepare(settings: Settings, log: Log) -> Serving:
    """Load and check everything that serving needs. Raises StartError."""
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
    if cluster is None:  # policies look objects up in the policy tree only
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
        raise StartError(f"no policy folder at {settings.policies}; set {flag('policies')}")
    try:
        version = parse_version(settings.kubernetes_version)
        return load(settings.policies, version, imports=settings.policy_imports)
    except PolicyTreeError as error:
        width = columns(sys.stderr)
        problems = "\n".join(full_text(problem, width) for problem in error.problems)
        raise StartError(
            f"{problems}\nthe policies in {settings.policies} cannot be loaded; the server does not start"
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
    """Raise the limit of open files to its maximum: each connection needs one, and many systems default to 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Serving(Struct, frozen=True):
    """Everything that serving needs. Both sockets listen already."""

    settings: Settings
    state: State
    metrics: Metrics
    log: Log
    certificates: Certificates
    authority: tls.Development | None
    cluster: LiveCluster | None
    bound: socket.socket
    plain_bound: socket.socket
    addresses: tuple[str, str]  # of both sockets

    async def alone(self) -> None:
        """Serve both ports in this process."""
        stop = Stop()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.ask)

        async def exposition() -> bytes:
            return self.metrics.exposition()

        plain_server = self._plain_server(plain(self.state, exposition))
        await plain_server.begin()
        async with _beside(_force(stop, plain_server)), _beside(_end_if_hung()):
            await self._answer_reviews(stop, self._announce, self._announce_stop)
            await plain_server.end()  # last, so that /readyz fails while reviews in flight are answered
        self.log.write("info", "stopped", {})

    def by_workers(self) -> int:
        """Serve the plain port in one process and reviews in `settings.workers` others. Returns the exit code."""
        door, plain_door = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        count = self.settings.workers
        roles = [
            Role("plain port", partial(self._plain_process, plain_door)),
            *(Role(f"worker {index}", partial(self._worker_process, index, door)) for index in range(count)),
        ]
        self.log.share()

        def stopping() -> None:
            self.bound.close()  # the kernel closes the socket once the workers have closed it too
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
            _beside(gathering.keep_polling()),
            _beside(self._announce_when_ready(gathering)),
            _beside(_force(stop, server)),
        ):
            await stop.asked.wait()
            self.state.stopping = True
            with contextlib.suppress(TimeoutError):  # the parent kills a worker that hangs
                await asyncio.wait_for(_first(gathering.none_left, stop.at_once), self._patience)
            await server.end()

    async def _announce_when_ready(self, gathering: Gathering) -> None:
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
        """Answer reviews until stopped, then finish those in flight.

        Calls `serving` once connections are accepted, and `stopping` when shutting down begins. With a live cluster,
        connections are accepted once everything that policies look up has been listed; earlier clients wait.
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
        isolation = Isolation(settings.policy_timeout, self.log, everything=settings.policy_isolation == "all")
        isolation.use(state.policies)
        isolation.start()
        state.isolation = isolation
        self.metrics.registry.register(IsolationMetrics(isolation))
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
        try:
            async with _beside(self.certificates.watch()), _beside(self._compare()), _beside(_force(stop, server)):
                await stop.asked.wait()
                state.stopping = True
                self.metrics.ready(False)
                stopping()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.at_once.wait(), settings.shutdown_delay)
                await server.end()
        finally:
            isolation.close()

    async def _compare(self) -> None:
        """Compare the certificate with the registered caBundles, if the settings name these and there is a cluster."""
        name = self.settings.webhook_configuration
        if self.cluster is not None and name:
            configuration, served = self.cluster.configuration, self.certificates.newest
            await Comparison(name, configuration, served, self.state, self.metrics, self.log).keep()

    @property
    def _patience(self) -> float:
        """Seconds that shutting down may take."""
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
        """Log what is served and where, and print it on stderr for the operator."""
        policies = self.state.policies
        reviews, plain_port = self.addresses
        fields: dict[str, Any] = {
            "reviews": f"https://{reviews}",
            "plain": f"http://{plain_port}",
            "policies": len(policies.names),
            "revision": policies.revision,
            "workers": self.settings.workers,
        }
        if self.cluster is not None:
            fields["cluster"] = self.cluster.configuration.host
        self.log.write("info", "serving", fields)
        width = columns(sys.stderr)
        lines = [full_text(each, width) for each in (*policies.notes, *policies.warnings)]
        messages = list(map(str, (*policies.notes, *policies.warnings)))
        if self.cluster is not None and (note := unused(policies, self.cluster.lookups)) is not None:
            lines.append(note)
            messages.append(note)
        for message in messages:
            self.log.write("warning", "policies", {"message": message})
        lines += [
            f"{len(policies.names)} policies from {self.settings.policies}, revision {policies.revision}",
            f"reviews: https://{reviews}/validate and /mutate",
            f"health, metrics, policies: http://{plain_port}/healthz /readyz /metrics /policies",
        ]
        if self.cluster is not None:
            looked_up = ", ".join(map(str, self.cluster.lookups.targets)) or "nothing"
            lines.append(f"cluster: {self.cluster.configuration.host}; policies look up: {looked_up}")
        if self.authority is not None:
            lines += [
                f"FOR DEVELOPMENT ONLY: the certificate was created at start and is lost at exit; in a cluster, set"
                f" {flag('tls_cert')} and {flag('tls_key')}. Its CA certificate is at http://{plain_port}/ca.pem",
                f"caBundle: {self.authority.ca_bundle}",
            ]
        print("\n".join(lines), file=sys.stderr, flush=True)


@contextlib.asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` as a task during the block; cancel it at the end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _end_if_hung() -> None:
    """Let the kernel end this process if the event loop is held up, even by a call that never returns to Python.

    Signals such as SIGTERM would not be heard then. Where Python is goes to stderr. A container is started again; of
    several workers the parent takes care (webhook.server.workers).
    """
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    faulthandler.register(signal.SIGPROF, all_threads=False, chain=True)
    try:
        while True:
            signal.setitimer(signal.ITIMER_PROF, _HUNG)
            await asyncio.sleep(1)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


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
