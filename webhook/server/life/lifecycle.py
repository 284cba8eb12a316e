"""The ports of a server: how they are served in one process or in several, and how they end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from webhook.cluster.live import LiveView
from webhook.policy.load.treefiles import Stamp, Tree
from webhook.policy.policyset import PolicySet
from webhook.server.cluster.livecluster import LiveCluster
from webhook.server.cluster.registered import Comparison
from webhook.server.life.announcing import announce
from webhook.server.life.gathering import Gathering, Line
from webhook.server.life.starting import (
    PLAIN_CONNECTIONS,
)
from webhook.server.life.tasks import beside, end_if_hung, first
from webhook.server.life.workers import Parent, Role, Stop
from webhook.server.memory import HELD_SHARE
from webhook.server.plain.app import plain
from webhook.server.plain.asgi import ASGI
from webhook.server.plain.debugging import Debugged, Debugging
from webhook.server.policies.installing import Installer
from webhook.server.policies.reload import Reload, ReloadMetrics, on_request
from webhook.server.policies.sources import Sources
from webhook.server.policies.together import Coordinator, Follower, Kept, Member
from webhook.server.port import tls
from webhook.server.port.certificates import Certificates
from webhook.server.port.exchange import Application, Limits
from webhook.server.port.listening import Server
from webhook.server.python.isolation import Isolation, IsolationMetrics
from webhook.server.reviews.answering import Reviews
from webhook.server.reviews.observers import started
from webhook.server.reviews.turns import TurnMetrics, Turns
from webhook.server.settings import Settings
from webhook.server.state import State
from webhook.server.telemetry.logs import ErrorOutput, Log
from webhook.server.telemetry.metrics import Metrics
from webhook.server.telemetry.seen import Outbox, Seen
from webhook.versions import parse_version

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from webhook.server.page.running import Programs
    from webhook.server.page.serving import Page

_PLAIN_MAX_BODY = 1 << 16  # bytes; no path of the plain port needs a body
_PLAIN_HELD = 4 << 20  # bytes that these may hold
_PLAIN_IDLE = 1.0  # seconds in which clients may close their connections to the plain port
_CLOSING = 2.0  # seconds at most from the last response to the end of a process


class Serving(Struct, frozen=True):
    """Everything that serving needs. Both sockets listen already."""

    settings: Settings
    programs: Programs
    state: State
    metrics: Metrics
    log: Log
    errors: ErrorOutput
    certificates: Certificates
    authority: tls.Development | None
    cluster: LiveCluster | None
    bound: socket.socket
    plain_bound: socket.socket
    addresses: tuple[str, str]  # of both sockets
    sources: Sources  # of the policy tree
    since: Stamp  # of these, before they were read

    async def alone(self) -> None:
        """Serve both ports in this process."""
        stop = Stop()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.ask)
        loop.add_signal_handler(signal.SIGHUP, stop.reload.set)

        async def exposition(openmetrics: bool) -> bytes:
            return self.metrics.exposition(openmetrics=openmetrics)

        reload = self._reload(self._installer(self.cluster).install, self.metrics.registry, self.since)
        debugging = Debugging(Debugged("server", self.state.policies_apart)) if self.settings.debug else None

        async def collected() -> Iterable[Metric]:
            return self.metrics.registry.collect()

        page = self._page(collected, self.metrics.verdicts, self.metrics.registry)
        app = plain(self.state, exposition, reload.now, debugging=debugging, page=page)
        plain_server = self._plain_server(app)
        await plain_server.begin()
        async with (
            beside(page.keep()) if page is not None else contextlib.nullcontext(),
            beside(_force(stop, plain_server)),
            beside(end_if_hung()),
            beside(reload.watch()),
            beside(on_request(stop.reload, reload)),
        ):
            await self._answer_reviews(stop, self._announce, self._announce_stop)
            await plain_server.end()  # last, so that /readyz fails while reviews in flight are answered
        self.log.write("info", "stopped", {})

    def _page(
        self,
        collected: Callable[[], Awaitable[Iterable[Metric]]],
        verdicts: Callable[[], Mapping[str, float]],
        registry: CollectorRegistry,
    ) -> Page | None:
        """The page, if the settings switch it on. It takes the findings of reviews from now on. registry: it gets the
        metrics of the audit that the page shows."""
        if not self.settings.page:
            return None
        from webhook.server.page.course import Course  # only servers with the page need it
        from webhook.server.page.lastaudit import LastAudit
        from webhook.server.page.serving import Page
        from webhook.server.page.trying import Trying

        state = self.state
        state.seen = seen = Seen()
        trying = None
        if self.settings.playground:
            imports = self.settings.policy_imports if self.settings.playground_python else None
            trying = Trying(
                self.programs.playground,
                self.settings.kubernetes_version,
                stopping=lambda: state.stopping,
                python=imports,
            )
        file = self.settings.page_audit
        audit = LastAudit(self.programs.audit, file) if file is not None else None
        if audit is not None:
            registry.register(audit)
        return Page(state, collected, Course(verdicts), seen, trying, audit)

    def _installer(self, cluster: LiveCluster | None) -> Installer:
        settings = self.settings
        version = parse_version(settings.kubernetes_version)
        return Installer(self.state, self.metrics, version, settings.reload_timeout, cluster)

    def _reload(
        self, install: Callable[[Tree], Awaitable[PolicySet]], registry: CollectorRegistry, since: Stamp | None
    ) -> Reload:
        settings = self.settings
        version = parse_version(settings.kubernetes_version)
        metrics = ReloadMetrics(registry)
        return Reload(
            self.sources,
            version,
            settings.reload_timeout,
            install,
            self.state,
            metrics,
            self.log,
            since,
        )

    def by_workers(self) -> int:
        """Serve the plain port in one process and reviews in `settings.workers` others. Returns the exit code."""
        door, plain_door = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        tree_door, plain_tree_door = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        debug_doors = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        kept = Kept()
        count = self.settings.workers
        workers = (
            partial(self._worker_process, index, door, tree_door, debug_doors[0], kept) for index in range(count)
        )
        roles = [
            Role(
                "plain port",
                partial(self._plain_process, plain_door, plain_tree_door, debug_doors[1], kept),
                reloads=True,
            ),
            *(Role(f"worker {index}", work) for index, work in enumerate(workers)),
        ]
        self.log.share()
        self.errors.share()

        def stopping() -> None:
            self.bound.close()  # the kernel closes the socket once the workers have closed it too
            self._announce_stop()

        def ending() -> None:
            self.log.flush()
            self.errors.flush()

        code = Parent(roles, self.log, self._patience, stopping, ending).run()
        self.log.write("info", "stopped", {})
        return code

    async def _plain_process(
        self, door: socket.socket, tree_door: socket.socket, debug_door: socket.socket, kept: Kept, stop: Stop
    ) -> None:
        self.bound.close()
        state, settings = self.state, self.settings
        state.listening = True
        state.in_force = replace(state.in_force, live=None)  # each worker has its own
        gathering = Gathering(door, settings.workers, state)
        member = Member(self._installer(None), kept, self.log)
        since: Stamp | None = self.since
        if (known := kept.read()) is not None:
            self.sources.adopt(known[1])
            since = None
        await member.catch_up()
        coordinator = Coordinator(tree_door, member, kept, settings.reload_timeout)
        reload = self._reload(coordinator.install, gathering.own, since)
        debugging = Debugging(Debugged("plain port"), debug_door) if settings.debug else None
        page = self._page(gathering.collected, gathering.verdicts, gathering.own)
        server = self._plain_server(plain(state, gathering.exposition, reload.now, gathering.hung, debugging, page))
        await server.begin()
        async with (
            beside(page.keep()) if page is not None else contextlib.nullcontext(),
            beside(gathering.keep_polling()),
            beside(self._announce_when_ready(gathering)),
            beside(_force(stop, server)),
            beside(reload.watch()),
            beside(on_request(stop.reload, reload)),
        ):
            await stop.asked.wait()
            state.stopping = True
            with contextlib.suppress(TimeoutError):  # the parent kills a worker that hangs
                await asyncio.wait_for(first(gathering.none_left, stop.at_once), self._patience)
            await server.end()

    def _announce(self) -> None:
        announce(self.settings, self.state.in_force.policies, self.addresses, self.cluster, self.authority, self.log)

    async def _announce_when_ready(self, gathering: Gathering) -> None:
        await gathering.all_ready.wait()
        self._announce()

    async def _worker_process(
        self,
        index: int,
        door: socket.socket,
        tree_door: socket.socket,
        debug_door: socket.socket,
        kept: Kept,
        stop: Stop,
    ) -> None:
        self.plain_bound.close()
        self.log.share(worker=index)
        debugged = Debugged(f"worker {index}", self.state.policies_apart) if self.settings.debug else None
        if debugged is not None:
            debugged.register()
        self.state.seen = Outbox() if self.settings.page else None
        line = Line(door, index, self.state, self.metrics)

        def changed() -> None:
            tasks.append(asyncio.ensure_future(line.report()))

        tasks: list[asyncio.Future[None]] = []
        follower = Follower(tree_door, Member(self._installer(self.cluster), kept, self.log))
        async with (
            beside(line.keep()),
            beside(follower.keep()),
            beside(debugged.keep(debug_door)) if debugged is not None else contextlib.nullcontext(),
        ):
            await follower.ready()
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

        def current() -> LiveView | None:
            return self.state.in_force.live

        async with self.cluster.following(current):
            if await self.cluster.synced(current, stop.asked):
                await self._answer_at_once(stop, serving, stopping)
            else:
                self.state.stopping = True
                stopping()

    async def _answer_at_once(self, stop: Stop, serving: Callable[[], None], stopping: Callable[[], None]) -> None:
        settings, state = self.settings, self.state
        isolation = Isolation(settings.policy_timeout, self.log, everything=settings.policy_isolation == "all")
        isolation.use(state.in_force.policies)
        isolation.start()
        state.isolation = isolation
        self.metrics.registry.register(IsolationMetrics(isolation))
        cluster = self.cluster.configuration if self.cluster is not None else None
        watching = started(settings, self.metrics, self.log, cluster)
        turns = Turns(settings.max_wait, self.log)
        turns.start()
        reviews = Reviews(
            state,
            self.metrics,
            self.log,
            settings.max_memory - settings.max_memory // HELD_SHARE,
            settings.client_name,
            turns,
            watching.sight,
            watching.events,
            watching.recorder,
            settings.page_owner_label,
        )
        self.metrics.registry.register(TurnMetrics(turns, lambda: turns.waiting + reviews.awaiting))
        server = Server(
            self._with_events(reviews) if settings.audit_webhook else reviews,
            self.bound,
            self._limits(settings.max_body, settings.max_connections, settings.max_memory // HELD_SHARE),
            settings.shutdown_idle,
            settings.shutdown_timeout,
            self.certificates.listening,
            self.metrics.handshake_failed,
        )
        await server.begin()
        state.listening = True
        self.metrics.ready(True)
        serving()
        try:
            async with beside(self.certificates.watch()), beside(self._compare()), beside(_force(stop, server)):
                await stop.asked.wait()
                state.stopping = True
                server.retire()
                self.metrics.ready(False)
                stopping()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.at_once.wait(), settings.shutdown_delay)
                await server.end()
        finally:
            isolation.close()
            await watching.close()

    def _with_events(self, reviews: Reviews) -> Application:
        """The reviews, and beside them what the API server's audit webhook sends."""
        from webhook.server.reviews.auditevents import EventMetrics, WithEvents  # only servers with the setting need it

        metrics = EventMetrics()
        self.metrics.registry.register(metrics)
        memory = self.settings.max_memory - self.settings.max_memory // HELD_SHARE
        return WithEvents(reviews, self.state, metrics, self.log, memory)

    async def _compare(self) -> None:
        """Compare the certificate with the registered caBundles, if the settings name these and there is a cluster."""
        name = self.settings.webhook_configuration
        if self.cluster is not None and name:
            configuration, served = self.cluster.configuration, self.certificates.newest
            await Comparison(name, configuration, served, self.state, self.metrics, self.log).keep()

    @property
    def _patience(self) -> float:
        """Seconds that shutting down may take."""
        settings = self.settings
        return settings.shutdown_delay + settings.shutdown_idle + settings.shutdown_timeout + _CLOSING

    def _plain_server(self, app: Any) -> Server:
        limits = self._limits(_PLAIN_MAX_BODY, min(PLAIN_CONNECTIONS, self.settings.max_connections), _PLAIN_HELD)
        return Server(ASGI(app), self.plain_bound, limits, _PLAIN_IDLE, self.settings.shutdown_timeout)

    def _limits(self, body: int, connections: int, held: int) -> Limits:
        settings = self.settings
        return Limits(
            connections=connections,
            body=body,
            held=held,
            read_timeout=settings.read_timeout,
            idle_timeout=settings.idle_timeout,
        )

    def _announce_stop(self) -> None:
        self.log.write("info", "stopping", {"delay_seconds": self.settings.shutdown_delay})


async def _force(stop: Stop, server: Server) -> None:
    await stop.at_once.wait()
    server.force()
