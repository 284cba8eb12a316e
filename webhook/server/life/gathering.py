"""Collects the readiness and the metrics of worker processes, for the process that serves the plain port.

Each worker opens a line to that process: it creates a socket pair and sends one end through the `door`, a socket that
all these processes inherited. The process of the plain port sends a byte to poll; the worker replies with a frame: four
bytes of length, then a report in JSON, with its readiness and its metrics. A line that closes means that its worker has
ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import operator
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import orjson
from msgspec import Struct, field
from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Exemplar, Sample

from webhook.server.doors import Listener, open_line
from webhook.server.state import State
from webhook.server.telemetry.metrics import READY_HELP, RESTARTS_HELP, Metrics, exposition
from webhook.server.telemetry.seen import Outbox, Seen

HUNG_AFTER = 10.0
"""Seconds without an answer after which a worker counts as hung."""

SILENT_AFTER = 4.0
"""Seconds without an answer after which a worker counts as not ready."""

_POLL_EVERY = 2.0  # seconds; a worker that is killed loses what it counted since its last report
_WAIT = 1.0  # seconds that /metrics waits for reports; then it uses the last report of each worker
_MAX_UNANSWERED = 16  # polls of one worker without a reply
_RETRY_AFTER = 0.2  # seconds before a worker tries again to open its line
_LENGTH = 4  # bytes of the length at the beginning of a frame

Family = dict[str, Any]
"""A metric family as JSON: name, type, help, and samples, each of name, labels, value and exemplar, which is None, or
labels, value and timestamp."""


def families(metrics: Iterable[Metric]) -> list[Family]:
    """The metrics as JSON, for a report."""
    return [
        {
            "name": metric.name,
            "type": metric.type,
            "help": metric.documentation,
            "samples": [(sample.name, sample.labels, sample.value, _example(sample)) for sample in metric.samples],
        }
        for metric in metrics
    ]


def _example(sample: Sample) -> tuple[dict[str, str], float, float] | None:
    exemplar = sample.exemplar
    return None if exemplar is None else (exemplar.labels, exemplar.value, float(exemplar.timestamp or 0))


# How to combine a gauge's values of several processes. Counters and histograms are summed. Other gauges show the least
# value, which is the one to act on: the earliest expiry, a worker that is not ready.
_GAUGES: dict[str, Callable[[float, float], float]] = {
    "gatewright_workers": operator.add,
    "gatewright_policies_not_sent": max,
    "gatewright_policy_set_aside": max,
    "gatewright_reviews_waiting": operator.add,
    "gatewright_reviews_in_flight": operator.add,
    "gatewright_overloaded": max,
    "process_resident_memory_bytes": operator.add,
    "process_virtual_memory_bytes": operator.add,
    "process_open_fds": operator.add,
    "gatewright_cluster_cache_age_seconds": max,
}


def merged(snapshots: Iterable[Sequence[Family]]) -> Iterator[Metric]:
    """The families of all snapshots; those with the same name are combined into one."""
    known: dict[str, tuple[Family, dict[tuple[str, str], tuple[dict[str, str], float, Any]]]] = {}
    for snapshot in snapshots:
        for family in snapshot:
            name = family["name"]
            join = _GAUGES.get(name, min) if family["type"] == "gauge" else operator.add
            _, samples = known.setdefault(name, (family, {}))
            for sample, labels, value, example in family["samples"]:
                key = (sample, repr(sorted(labels.items())))
                before = samples.get(key)
                if before is None:
                    samples[key] = labels, value, example
                else:
                    latest = max((before[2], example), key=lambda each: each[2] if each else 0.0)
                    samples[key] = labels, join(before[1], value), latest
    for family, samples in known.values():
        metric = Metric(family["name"], family["help"], family["type"])
        for (sample, _), (labels, value, example) in samples.items():
            metric.add_sample(sample, labels, value, exemplar=Exemplar(*example) if example else None)
        yield metric


class Line:
    """A worker's end of its line: opens it, reopens it when it closes, and answers polls."""

    def __init__(self, door: socket.socket, worker: int, state: State, metrics: Metrics) -> None:
        self._door = door
        self._worker = worker
        self._state = state
        self._metrics = metrics
        self._writer: asyncio.StreamWriter | None = None
        self._answered = 0

    async def keep(self) -> None:
        """Answer polls until cancelled. When the process of the plain port restarts, open a line to the new one."""
        while True:
            with contextlib.suppress(OSError):
                await self._answer()
            await asyncio.sleep(_RETRY_AFTER)

    async def report(self) -> None:
        """Send a report; without a poll when readiness has changed or the worker is about to end."""
        if self._writer is None:
            return
        report = {
            "worker": self._worker,
            "not_ready": self._state.not_ready(),
            "notice": self._state.notice,
            "not_sent": self._state.not_sent,
            "answered": self._answered,
            "families": families(self._metrics.registry.collect()),
            "policies": self._state.python_policies(),
            "seen": self._state.seen.emptied() if isinstance(self._state.seen, Outbox) else (),
        }
        frame = orjson.dumps(report)
        self._writer.write(len(frame).to_bytes(_LENGTH, "big") + frame)
        with contextlib.suppress(OSError):
            await self._writer.drain()

    async def _answer(self) -> None:
        reader, self._writer = await asyncio.open_unix_connection(sock=open_line(self._door, b"line"))
        try:
            self._answered = 0
            await self.report()
            while polls := await reader.read(64):
                self._answered += len(polls)
                await self.report()
        finally:
            self._writer.close()
            self._writer = None


class _Worker(Struct, eq=False):
    """The plain port's end of one line, with the worker's last report."""

    writer: asyncio.StreamWriter
    index: int = -1  # unknown before its first frame
    not_ready: str | None = "starting"
    notice: str | None = None
    not_sent: dict[str, str] = field(default_factory=dict)  # see State.not_sent
    families: list[Family] = field(default_factory=list)
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)  # see State.python_policies
    polls: int = 0  # sent
    answered: int = 0
    waited_since: float | None = None  # loop time since which a poll is unanswered
    unanswered: list[tuple[int, asyncio.Future[None]]] = field(default_factory=list)  # (number of the poll, its reply)


class Gathering:
    """The reports of all workers, in the process of the plain port.

    While fewer than `count` workers are ready, `state.waits_for` says so.
    """

    def __init__(self, door: socket.socket, count: int, state: State) -> None:
        self._count = count
        self._state = state
        self.own = CollectorRegistry()
        """The metrics of the process of the plain port itself."""
        self._restarts = Counter("gatewright_worker_restarts", RESTARTS_HELP, registry=self.own)
        self._ready = Gauge("gatewright_ready", READY_HELP, registry=self.own)
        ProcessCollector(registry=self.own)
        self._workers: dict[_Worker, None] = {}
        self._ended: list[Family] = []  # counters and histograms of workers that have ended
        self._seen: set[int] = set()
        self._loop = asyncio.get_running_loop()
        self.all_ready = asyncio.Event()
        """Set while every worker is ready."""
        self.none_left = asyncio.Event()
        """Set while no worker has a line."""
        self._update_readiness()
        self._listener = Listener(door, self._listen)

    async def keep_polling(self) -> None:
        """Poll every worker regularly, to detect one that hangs and to lose few counts of one that is killed."""
        while True:
            await asyncio.sleep(_POLL_EVERY)
            for worker in self._workers:
                if worker.waited_since is None:
                    self._poll(worker)
            self._update_readiness()

    async def exposition(self, openmetrics: bool) -> bytes:
        """The text of /metrics: the metrics of all workers, past and present, and of this process, combined."""
        return exposition(_Collected(await self.collected()), openmetrics=openmetrics)

    async def collected(self) -> list[Metric]:
        """The metrics of all workers, past and present, and of this process, combined."""
        replies = [self._poll(worker) for worker in self._workers]
        if replies:
            await asyncio.wait(replies, timeout=_WAIT)
        self._ready.set(self._state.not_ready() is None)
        snapshots = [worker.families for worker in self._workers]
        snapshots += [self._ended, families(self.own.collect())]
        return list(merged(snapshots))

    def verdicts(self) -> dict[str, float]:
        """Reviews by verdict, of all workers, as they were at the last report."""
        found: dict[str, float] = {}
        for snapshot in (*(worker.families for worker in self._workers), self._ended):
            for family in snapshot:
                if family["name"] == "gatewright_reviews":
                    for _, labels, value, _ in family["samples"]:
                        found[labels["verdict"]] = found.get(labels["verdict"], 0) + value
        return found

    def hung(self) -> str | None:
        """A message that names a worker with a poll unanswered for more than HUNG_AFTER seconds; None without one."""
        for worker in self._workers:
            if (silence := self._silence(worker)) > HUNG_AFTER:
                return f"worker {worker.index} has not answered for {silence:.0f} s"
        return None

    def _silence(self, worker: _Worker) -> float:
        """Seconds for which a poll of the worker is unanswered."""
        return 0.0 if worker.waited_since is None else self._loop.time() - worker.waited_since

    def _silent(self, worker: _Worker) -> bool:
        """Whether the worker has not answered for so long that it does not count as ready."""
        return self._silence(worker) > SILENT_AFTER

    async def _listen(self, _hello: bytes, line: socket.socket) -> None:
        reader, writer = await asyncio.open_unix_connection(sock=line)
        worker = _Worker(writer)
        self._workers[worker] = None
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(_LENGTH), "big")
                self._received(worker, orjson.loads(await reader.readexactly(length)))
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()
            del self._workers[worker]
            for _, reply in worker.unanswered:
                if not reply.done():
                    reply.set_result(None)
            counts = [family for family in worker.families if family["type"] != "gauge"]
            self._ended = families(merged([self._ended, counts]))
            self._update_readiness()

    def _received(self, worker: _Worker, report: dict[str, Any]) -> None:
        if worker.index < 0:
            worker.index = report["worker"]
            if worker.index in self._seen:
                self._restarts.inc()
            self._seen.add(worker.index)
        worker.not_ready = report["not_ready"]
        worker.notice = report["notice"]
        worker.not_sent = report["not_sent"]
        worker.families = report["families"]
        worker.policies = report["policies"]
        worker.answered = report["answered"]
        worker.waited_since = None if worker.answered >= worker.polls else self._loop.time()
        while worker.unanswered and worker.unanswered[0][0] <= worker.answered:
            _, reply = worker.unanswered.pop(0)
            if not reply.done():
                reply.set_result(None)
        if isinstance(self._state.seen, Seen):
            self._state.seen.also(report["seen"])
        self._state.standings = _combined(worker.policies for worker in self._workers)
        self._update_readiness()

    def _poll(self, worker: _Worker) -> asyncio.Future[None]:
        """Ask the worker for a report. The future is done when the report has come, or the worker has ended."""
        if len(worker.unanswered) >= _MAX_UNANSWERED:
            return worker.unanswered[-1][1]
        reply = self._loop.create_future()
        worker.polls += 1
        worker.unanswered.append((worker.polls, reply))
        if worker.waited_since is None:
            worker.waited_since = self._loop.time()
        worker.writer.write(b"?")
        return reply

    def _update_readiness(self) -> None:
        serving = sum(worker.not_ready is None and not self._silent(worker) for worker in self._workers)
        enough = serving >= self._count
        self._state.waits_for = None if enough else f"{serving} of {self._count} workers serve{self._why()}"
        self._state.not_sent = next((worker.not_sent for worker in self._workers if worker.not_sent), {})
        self._state.notice = next((worker.notice for worker in self._workers if worker.notice), None)
        _set(self.all_ready, enough)
        _set(self.none_left, not self._workers)

    def _why(self) -> str:
        """Why workers are not ready, except the temporary reasons `starting` and `shutting down`."""
        reasons = {worker.not_ready for worker in self._workers} - {None, "starting", "shutting down"}
        reasons |= {
            f"worker {worker.index} has not answered for {self._silence(worker):.0f} s"
            for worker in self._workers
            if self._silent(worker)
        }
        return f": {'; '.join(sorted(map(str, reasons)))}" if reasons else ""


def _combined(reports: Iterable[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """The state of each Python policy over all workers: cut-offs are summed, and a policy is set aside if one worker
    has set it aside."""
    found: dict[str, dict[str, Any]] = {}
    for report in reports:
        for name, about in report.items():
            known = found.get(name)
            if known is None:
                found[name] = dict(about)
                continue
            known["cutOffs"] += about["cutOffs"]
            known["lastCutOff"] = known["lastCutOff"] or about["lastCutOff"]
            known["setAsideUntil"] = max(known["setAsideUntil"] or "", about["setAsideUntil"] or "") or None
            if about["runs"] != "in the server":
                known["runs"], known["why"] = about["runs"], about["why"]
    return found


def _set(event: asyncio.Event, value: bool) -> None:
    if value:
        event.set()
    else:
        event.clear()


class _Collected(Struct, frozen=True):
    """A registry with fixed metrics."""

    metrics: list[Metric]

    def collect(self) -> list[Metric]:
        return self.metrics
