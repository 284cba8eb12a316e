"""Several workers behind one plain port: what each of them tells, and what it comes to.

Every worker has a line to the process of the plain port, a socket pair whose one end it passes through the "door", a
socket that both have inherited. The plain port asks with a byte; a worker answers with a frame: whether it wants
reviews, and its metrics. A line that ends is a worker that ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import operator
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric

from webhook.server.metrics import READY_HELP, RESTARTS_HELP, Metrics
from webhook.server.state import State

HUNG_AFTER = 10.0
"""Seconds without an answer after which a worker counts as hung."""

_ASK_EVERY = 2.0  # seconds; what a worker that is killed has counted since then is lost
_WAIT = 1.0  # seconds that one who asks for metrics waits for a worker; past it, its last known ones are shown
_QUESTIONS = 16  # that wait for an answer of one worker
_AGAIN = 0.2  # seconds until a worker tries anew to reach the plain port
_LENGTH = 4  # bytes of a frame's length, which stands before it

Family = dict[str, Any]
"""A metric family as JSON: name, type, help, and samples, each of name, labels and value."""


def families(metrics: Iterable[Metric]) -> list[Family]:
    """What the collectors of a registry give, as it goes over a line."""
    return [
        {
            "name": metric.name,
            "type": metric.type,
            "help": metric.documentation,
            "samples": [(sample.name, sample.labels, sample.value) for sample in metric.samples],
        }
        for metric in metrics
    ]


# How the values of several processes make one. Counters and histograms are summed; of gauges the least is shown, which
# is the one to worry about (the earliest expiry, the last that is not ready), but for these.
_GAUGES: dict[str, Callable[[float, float], float]] = {
    "gatewright_workers": operator.add,
    "process_resident_memory_bytes": operator.add,
    "process_virtual_memory_bytes": operator.add,
    "process_open_fds": operator.add,
    "gatewright_cluster_cache_age_seconds": max,
}


def merged(snapshots: Iterable[Sequence[Family]]) -> Iterator[Metric]:
    """One family of each name, over all snapshots."""
    known: dict[str, tuple[Family, dict[tuple[str, str], tuple[dict[str, str], float]]]] = {}
    for snapshot in snapshots:
        for family in snapshot:
            name = family["name"]
            join = _GAUGES.get(name, min) if family["type"] == "gauge" else operator.add
            _, samples = known.setdefault(name, (family, {}))
            for sample, labels, value in family["samples"]:
                key = (sample, repr(sorted(labels.items())))
                before = samples.get(key)
                samples[key] = (labels, value if before is None else join(before[1], value))
    for family, samples in known.values():
        metric = Metric(family["name"], family["help"], family["type"])
        for (sample, _), (labels, value) in samples.items():
            metric.add_sample(sample, labels, value)
        yield metric


class Line:
    """A worker's end: keeps a line to the plain port open, and answers on it."""

    def __init__(self, door: socket.socket, worker: int, state: State, metrics: Metrics) -> None:
        self._door = door
        self._worker = worker
        self._state = state
        self._metrics = metrics
        self._writer: asyncio.StreamWriter | None = None
        self._answered = 0

    async def keep(self) -> None:
        """Answer until cancelled; when the process of the plain port is another one, to that."""
        while True:
            with contextlib.suppress(OSError):
                await self._answer()
            await asyncio.sleep(_AGAIN)

    async def tell(self) -> None:
        """Tell how things are, unasked: whether reviews are wanted has changed, or this is the end."""
        if self._writer is None:
            return
        told = {
            "worker": self._worker,
            "not_ready": self._state.not_ready(),
            "answered": self._answered,
            "families": families(self._metrics.registry.collect()),
        }
        frame = orjson.dumps(told)
        self._writer.write(len(frame).to_bytes(_LENGTH, "big") + frame)
        with contextlib.suppress(OSError):
            await self._writer.drain()

    async def _answer(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._door, [b"line"], [theirs.fileno()])
        reader, self._writer = await asyncio.open_unix_connection(sock=ours)
        try:
            self._answered = 0
            await self.tell()
            while asked := await reader.read(64):
                self._answered += len(asked)
                await self.tell()
        finally:
            self._writer.close()
            self._writer = None


@dataclass(slots=True, eq=False)
class _Worker:
    """The plain port's end of one line."""

    writer: asyncio.StreamWriter
    index: int = -1  # not known before its first frame
    not_ready: str | None = "starting"
    families: list[Family] = field(default_factory=list)
    asked: int = 0
    answered: int = 0
    waited_since: float | None = None  # for the oldest question that is not answered
    asking: list[tuple[int, asyncio.Future[None]]] = field(default_factory=list)


class Gathering:
    """All workers as the plain port sees them. Keeps `state.waits_for` true to them."""

    def __init__(self, door: socket.socket, count: int, state: State) -> None:
        self._door = door
        self._count = count
        self._state = state
        self._own = CollectorRegistry()
        self._restarts = Counter("gatewright_worker_restarts", RESTARTS_HELP, registry=self._own)
        self._ready = Gauge("gatewright_ready", READY_HELP, registry=self._own)
        ProcessCollector(registry=self._own)
        self._workers: dict[_Worker, None] = {}
        self._ended: list[Family] = []  # counts of workers that are no more
        self._seen: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self.all_ready = asyncio.Event()
        """Set while every worker serves."""
        self.none_left = asyncio.Event()
        """Set while there is no worker."""
        self._note()
        door.setblocking(False)
        self._loop.add_reader(door.fileno(), self._admit)

    async def keep_asking(self) -> None:
        """Ask regularly, so that a worker that hangs is noticed, and little is lost of one that is killed."""
        while True:
            await asyncio.sleep(_ASK_EVERY)
            for worker in self._workers:
                if worker.waited_since is None:
                    self._ask(worker)

    async def exposition(self) -> bytes:
        """The text of /metrics: the sum of the workers, of those that ended, and of this process."""
        asked = [self._ask(worker) for worker in self._workers]
        if asked:
            await asyncio.wait(asked, timeout=_WAIT)
        self._ready.set(self._state.not_ready() is None)
        snapshots = [worker.families for worker in self._workers]
        snapshots += [self._ended, families(self._own.collect())]
        return generate_latest(_Collected(list(merged(snapshots))))

    def hung(self) -> str | None:
        """Which worker has not answered for HUNG_AFTER seconds; None if each has."""
        for worker in self._workers:
            since = worker.waited_since
            if since is not None and self._loop.time() - since > HUNG_AFTER:
                return f"worker {worker.index} has not answered for {self._loop.time() - since:.0f} s"
        return None

    def _admit(self) -> None:
        try:
            _, descriptors, _, _ = socket.recv_fds(self._door, 16, 1)
        except OSError:
            return
        for descriptor in descriptors:
            task = self._loop.create_task(self._listen(socket.socket(fileno=descriptor)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _listen(self, line: socket.socket) -> None:
        reader, writer = await asyncio.open_unix_connection(sock=line)
        worker = _Worker(writer)
        self._workers[worker] = None
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(_LENGTH), "big")
                self._heard(worker, orjson.loads(await reader.readexactly(length)))
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()
            del self._workers[worker]
            for _, future in worker.asking:
                if not future.done():
                    future.set_result(None)
            counts = [family for family in worker.families if family["type"] != "gauge"]
            self._ended = families(merged([self._ended, counts]))
            self._note()

    def _heard(self, worker: _Worker, told: dict[str, Any]) -> None:
        if worker.index < 0:
            worker.index = told["worker"]
            if worker.index in self._seen:
                self._restarts.inc()
            self._seen.add(worker.index)
        worker.not_ready = told["not_ready"]
        worker.families = told["families"]
        worker.answered = told["answered"]
        worker.waited_since = None if worker.answered >= worker.asked else self._loop.time()
        while worker.asking and worker.asking[0][0] <= worker.answered:
            _, future = worker.asking.pop(0)
            if not future.done():
                future.set_result(None)
        self._note()

    def _ask(self, worker: _Worker) -> asyncio.Future[None]:
        if len(worker.asking) >= _QUESTIONS:
            return worker.asking[-1][1]
        future = self._loop.create_future()
        worker.asked += 1
        worker.asking.append((worker.asked, future))
        if worker.waited_since is None:
            worker.waited_since = self._loop.time()
        worker.writer.write(b"?")
        return future

    def _note(self) -> None:
        serving = sum(worker.not_ready is None for worker in self._workers)
        enough = serving >= self._count
        self._state.waits_for = None if enough else f"{serving} of {self._count} workers serve{self._why()}"
        _set(self.all_ready, enough)
        _set(self.none_left, not self._workers)

    def _why(self) -> str:
        """What keeps the workers that do not serve, but for starting and stopping, which is over soon."""
        reasons = {worker.not_ready for worker in self._workers} - {None, "starting", "shutting down"}
        return f": {'; '.join(sorted(map(str, reasons)))}" if reasons else ""


def _set(event: asyncio.Event, value: bool) -> None:
    if value:
        event.set()
    else:
        event.clear()


@dataclass(frozen=True, slots=True)
class _Collected:
    """What `generate_latest` wants of a registry."""

    metrics: list[Metric]

    def collect(self) -> list[Metric]:
        return self.metrics
