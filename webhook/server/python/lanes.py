"""The lanes in which policies run apart, from the server's side.

A lane has at most one process, and one run in it at a time. The event loop is notified of its end, so other reviews are
answered meanwhile. Most runs end within a fraction of a millisecond, so the server waits that long before it answers
others.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from msgspec import Struct, field

from webhook.access import Access, AccessUnknown
from webhook.cluster.lookups import ACCESS_KIND
from webhook.cluster.view import ClusterQuestion, ClusterView, NotCached, Unanswered, UnknownKind
from webhook.policy.python.apart import frames
from webhook.policy.python.declaring import Declaration, Source
from webhook.policy.request import User
from webhook.server.python.policyprocesses import MEMORY, Process, Processes

LOADING: Final = 5.0
"""Seconds that importing a policy's file may take."""

_STARTING = 15.0  # seconds more until the first answer of a new process, which Python has to start
_LATE = 0.5  # seconds after the deadline, by when the kernel has ended the process
_AT_ONCE = 2  # milliseconds to wait for a result before turning to other reviews
_SHORT = 64 << 10  # bytes of an order that the socket takes at once
_READ = 1 << 18
_OLD_AGE = 100_000  # runs of a process, after which it is replaced: what leaks is gone then


class Ended(Struct):
    """How a run ended: with a result, or a message why it has none. `reason`: why it was cut off, if it was."""

    result: Any = None
    message: str = ""
    reason: str = ""
    said: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Job(Struct, eq=False):
    """A run of a policy. patience: seconds that the review can wait for it.

    It is the question of an Unanswered; `come` waits for the answer.
    """

    declaration: Declaration
    order: bytes
    cluster: ClusterView | None
    user: User
    patience: float
    begun: float = 0.0
    abandoned: bool = False
    ended: Ended | None = None
    question: ClusterQuestion | None = None  # to the cluster, after whose answer the policy is to be run again
    _done: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, ended: Ended) -> None:
        self.ended = ended
        self._done.set()

    async def come(self) -> Ended:
        """Wait for the end, as long as the review can."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._done.wait(), self.patience)
        if self.ended is None:
            self.abandoned = True
            what = "it had not ended" if self.begun else "others were before it"
            return Ended(
                message=f"no result within {self.patience:.2g} s, half of the time that the request had left: {what}"
            )
        return self.ended


class Lane:
    """One process at most, and the runs that wait for it, which it takes policy by policy in turn.

    timeout: seconds that a run may take. ended: is called with each run that has ended, and not with those that were
    dropped.
    """

    def __init__(self, processes: Processes, timeout: float, ended: Callable[[Job, Ended], None]) -> None:
        self._processes = processes
        self._timeout = timeout
        self._heard_end = ended
        self._loop = asyncio.get_running_loop()
        self._process: Process | None = None
        self._stale = False
        self._waiting: OrderedDict[int, deque[Job]] = OrderedDict()  # by the identity of the declaration
        self._to_load: deque[Source] = deque()
        self._running: Job | None = None
        self._loading: tuple[Source, float] | None = None
        self._overdue: asyncio.TimerHandle | None = None
        self._unsent = memoryview(b"")

    def load(self, declarations: Iterable[Declaration]) -> None:
        """Import the files of these policies before they are run."""
        self._to_load.extend({id(each.source): each.source for each in declarations if each.source}.values())
        self._next()

    def renew(self) -> None:
        """Use a new process for later runs: the policies have changed."""
        self._stale = True
        self._to_load.clear()
        self._next()

    def run(self, job: Job) -> Ended:
        """Run a policy. Raises Unanswered with the job if the result does not come at once, or the cluster's."""
        idle = self._running is None and self._loading is None and not self._waiting and not self._stale
        process = self._process
        self._waiting.setdefault(id(job.declaration), deque()).append(job)
        self._next()
        if idle and process is not None and self._running is job and not self._unsent and process is self._process:
            self._wait(process)
        if job.ended is None or job.question is not None:
            raise Unanswered(job if job.question is None else job.question)
        return job.ended

    def drop(self, declaration: Declaration, ended: Ended) -> None:
        """End the runs of a policy that wait."""
        for job in self._waiting.pop(id(declaration), ()):
            job.end(ended)

    def shown(self) -> str:
        """What runs in the process, for how long, and where it is; and how many runs wait."""
        process, job = self._process, self._running
        if process is None:
            return "no process"
        if job is not None:
            what = f"runs {job.declaration.name} for {time.monotonic() - job.begun:.1f} s"
        else:
            what = "imports a file" if self._loading is not None else "idle"
        waiting = sum(map(len, self._waiting.values()))
        return f"{what}; {waiting} runs wait\n{self._processes.shown(process)}"

    def _wait(self, process: Process) -> None:
        """Wait a moment for the result of the run in progress."""
        poll = select.poll()
        poll.register(process.connection.fileno(), select.POLLIN)
        until = time.monotonic() + _AT_ONCE / 1000
        job = self._running
        while self._running is job and self._process is process and time.monotonic() < until:
            if poll.poll(_AT_ONCE):
                self._readable()

    def _next(self) -> None:
        """Start the next run, if none is in progress."""
        if self._running is not None or self._loading is not None:
            return
        process = self._process
        if process is not None and (self._stale or process.runs >= _OLD_AGE):
            self._leave()
            process = None
        self._stale = False
        job = self._turn()
        source = job.declaration.source if job is not None else None
        while source is None and job is None and self._to_load:
            source = self._to_load.popleft()
        if source is None and job is None:
            return
        try:
            process = process or self._start()
        except OSError as error:
            if job is not None:
                job.end(Ended(message=f"no process to run it in: {error.strerror}"))
            self._loop.call_later(1.0, self._next)
            return
        if source is not None and id(source) not in process.loaded:
            if job is not None:
                self._waiting.setdefault(id(job.declaration), deque()).appendleft(job)
                self._waiting.move_to_end(id(job.declaration), last=False)  # it is still its turn
            new = not process.loaded
            process.loaded[id(source)] = source
            self._loading = source, time.monotonic()
            self._set_overdue(LOADING + (_STARTING if new else _LATE))
            text = source.text.decode("utf-8", "surrogateescape")
            load = {"load": source.file, "text": text, "seconds": LOADING}
            self._send(process, frames.framed(load))
        elif job is not None:
            self._running = job
            process.runs += 1
            job.begun = time.monotonic()
            self._set_overdue(self._timeout + _LATE)
            self._send(process, job.order)
        else:
            self._next()

    def _turn(self) -> Job | None:
        """The job whose turn it is: of the policy that has waited longest."""
        while self._waiting:
            key, jobs = self._waiting.popitem(last=False)
            while jobs and jobs[0].abandoned:
                jobs.popleft()
            if jobs:
                job = jobs.popleft()
                if jobs:
                    self._waiting[key] = jobs
                return job
        return None

    def _start(self) -> Process:
        process: Process | None = None

        def ended() -> None:
            if self._process is process and process is not None:
                self._gone(process)

        process = self._process = self._processes.start(ended)
        self._loop.add_reader(process.connection.fileno(), self._readable)
        return process

    def _send(self, process: Process, order: bytes) -> None:
        self._unsent = memoryview(order)
        self._write()
        if self._unsent and self._process is process:
            self._loop.add_writer(process.connection.fileno(), self._write)

    def _write(self) -> None:
        process = self._process
        if process is None:
            return
        try:
            while self._unsent:
                self._unsent = self._unsent[process.connection.send(self._unsent) :]
        except BlockingIOError:
            return
        except OSError:  # it has ended, which the loop hears of
            self._unsent = memoryview(b"")
        self._loop.remove_writer(process.connection.fileno())

    def _readable(self) -> None:
        process = self._process
        if process is None:
            return
        try:
            more = process.connection.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        if not more:
            self._gone(process)
            return
        process.buffer += more
        try:
            while self._process is process and (frame := process.frame()) is not None:
                self._heard(process, frame)
        except (frames.BadFrame, TypeError, ValueError, KeyError):
            self._cut_off(Ended(message="cut off: it sent something else than an answer", reason="answer"))

    def _heard(self, process: Process, frame: dict[str, Any]) -> None:
        if "ask" in frame:
            if self._running is None:
                raise frames.BadFrame("nothing runs")
            self._send(process, frames.framed(_answer(self._running, frame["ask"], frame["with"])))
            return
        if self._loading is not None:
            self._loading = None
            self._set_overdue(None)
        elif self._running is not None:
            job = self._running
            lines = frame.get("said") or []
            said = [str(each)[:2048] for each in lines[:32]]
            seconds = time.monotonic() - job.begun
            if "result" in frame:
                ended = Ended(frame["result"], said=said, seconds=seconds)
            elif "stopped" in frame:
                ended = Ended(message="it is to be run again", said=said)
            elif "memory" in frame:
                ended = Ended(message=f"MemoryError: more than {MEMORY >> 20} MiB", seconds=seconds)
            else:
                ended = Ended(message="its file could not be imported in the process that runs it")
            self._finish(ended)
        else:
            raise frames.BadFrame("nothing runs")
        self._next()

    def _finish(self, ended: Ended) -> None:
        job, self._running = self._running, None
        self._set_overdue(None)
        if job is not None:
            job.end(ended)
            self._heard_end(job, ended)

    def _gone(self, process: Process) -> None:
        """The process has ended, or its connection is closed."""
        process.read_output()
        began = self._running.begun if self._running is not None else self._loading[1] if self._loading else 0.0
        limit = self._timeout if self._running is not None else LOADING
        if time.monotonic() - began >= limit - 0.05:
            what = Ended(message=f"cut off: it took longer than {limit:g} s", reason="deadline")
        else:
            what = Ended(message="cut off: it ended the process that it ran in", reason="ended")
        self._cut_off(what)

    def _set_overdue(self, seconds: float | None) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
        self._overdue = None if seconds is None else self._loop.call_later(seconds, self._is_overdue)

    def _is_overdue(self) -> None:
        if self._process is not None:
            self._gone(self._process)

    def _cut_off(self, ended: Ended) -> None:
        """End the process, and what runs in it."""
        process, job, loading = self._process, self._running, self._loading
        if process is not None:
            if loading is not None:
                process.loaded.pop(id(loading[0]), None)  # or the next process would import it at once, too
            process.read_output()
            file = job.declaration.file if job is not None else loading[0].file if loading is not None else ""
            place = _place(process.written, file)
            if place:
                ended.message = f"{ended.message} ({place})"
            self._leave()
        if loading is not None and job is None:
            self._loading = None
            for jobs in [each for each in self._waiting.values() if each[0].declaration.source is loading[0]]:
                waiting = jobs.popleft()
                if not jobs:
                    del self._waiting[id(waiting.declaration)]
                waiting.end(ended)
                self._heard_end(waiting, ended)
                break
        elif job is not None:
            ended.seconds = time.monotonic() - job.begun
        self._finish(ended)
        self._next()

    def _leave(self) -> None:
        process, self._process = self._process, None
        self._unsent = memoryview(b"")
        if process is not None:
            self._to_load.extendleft(process.loaded.values() if not self._stale else ())
            self._processes.end(process)


def _place(written: bytes, file: str) -> str:
    """`FILE:LINE, in FUNCTION` of the innermost frame in a policy's file, of what faulthandler has written."""
    for line in written.decode("ascii", "replace").splitlines():
        start, separator, rest = line.strip().rpartition(", line ")
        if separator and start == f'File "{file}"':
            number, _, function = rest.partition(" in ")
            if number.isdigit() and function.isidentifier():
                return f"{file}:{number}, in {function}"
    return ""


def _answer(job: Job, method: Any, about: Any) -> dict[str, Any]:
    """The answer to a lookup of a policy that runs apart. It sees the kinds that it declares, as in this process."""
    view, reads = job.cluster, job.declaration.reads
    if view is None or not isinstance(about, list):
        raise frames.BadFrame("no cluster")
    try:
        if method == "authorize" and ACCESS_KIND in reads:
            user, verb, uid, groups, extra, *rest = about
            extra = tuple((key, tuple(values)) for key, values in extra)
            return {"answer": view.authorize(Access(user, verb, uid, tuple(groups), extra, *rest))}
        if not all(each is None or isinstance(each, str) for each in about):
            raise frames.BadFrame("expected text")
        if method == "get" and tuple(about[:2]) in reads:
            return {"answer": view.get(*about)}
        if method == "list" and tuple(about[:2]) in reads:
            return {"answer": view.list(*about)}
    except UnknownKind as error:
        return {"unknown": [error.api_version, error.kind]}
    except NotCached as error:
        return {"not cached": str(error)}
    except AccessUnknown as error:
        return {"no access": str(error)}
    except Unanswered as unanswered:
        if isinstance(unanswered.question, Access | str):
            job.question = unanswered.question
        return {"stop": True}
    raise frames.BadFrame("a lookup that is not declared")
