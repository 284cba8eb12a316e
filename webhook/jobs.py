"""Work on the parts of a list, divided over processes that fork; the results come in order.

What the processes need is in memory before they fork, and is shared until one of them writes to it. Part N is that of
process N modulo the number of processes. Each sends its results through a pipe, and at its end one value more. The
caller reads all pipes as they fill, so that no process waits for another.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Generic, NoReturn, TypeVar

P = TypeVar("P")
R = TypeVar("R")
E = TypeVar("E")

_CHUNK: Final = 1 << 20  # bytes that are read at once
_HEADER: Final = 8  # bytes of a length


class WorkerDied(Exception):
    """A process ended before its work was done. The text says how it ended."""


class WorkFailed(Exception):
    """The work raised an exception in a process. The text is its traceback."""


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Jobs(Generic[P, R, E]):
    """Work that is done by `count` processes; by this one if count is 1.

    work: the result of a part. ending: what a process gives at its end, of all that it did since `ending` was last
    called. Results and endings are pickled. first: how many parts this process does before others fork: what is made
    when it is first needed, such as compiled expressions, is made once for all of them then. `endings`: those of all
    processes, once every result has been taken. A process with other threads must not fork.
    """

    def __init__(self, count: int, work: Callable[[P], R], ending: Callable[[], E], *, first: int = 0) -> None:
        self._count = count
        self._work = work
        self._ending = ending
        self._first = first
        self.endings: list[E] = []

    def run(self, parts: Sequence[P]) -> Iterator[R]:
        """The result of each part, in order. Raises WorkerDied and WorkFailed; with one process, what the
        work raises."""
        count = min(self._count, len(parts) - self._first)
        here = self._first if count > 1 else len(parts)
        if here or count <= 1:
            for part in parts[:here]:
                yield self._work(part)
            self.endings.append(self._ending())
        if count <= 1:
            return
        parts = parts[here:]
        # So that collecting garbage does not write to what is shared.
        gc.freeze()
        workers: list[_Worker] = []
        try:
            # Ctrl-C comes before the first process is there, or when all are known.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                for number in range(count):
                    workers.append(self._forked(parts[number::count], workers))
            finally:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            with selectors.DefaultSelector() as selector:
                for each in workers:
                    selector.register(each.pipe, selectors.EVENT_READ, each)
                for number in range(len(parts)):
                    yield _result(selector, workers[number % count])
                self.endings += [_result(selector, each) for each in workers]
        finally:
            for each in workers:
                each.end()

    def _forked(self, parts: Sequence[P], others: Sequence[_Worker]) -> _Worker:
        reading, writing = os.pipe()
        child = os.fork()
        if child:
            os.close(writing)
            return _Worker(child, reading)
        os.close(reading)
        for each in others:
            os.close(each.pipe)
        self._worked(parts, writing)

    def _worked(self, parts: Sequence[P], pipe: int) -> NoReturn:
        """Do the work in the new process, which ends."""
        code = 1
        try:
            # Ctrl-C reaches all processes of a terminal; the one that waits for this one ends it.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            try:
                for part in parts:
                    _send(pipe, (None, self._work(part)))
                _send(pipe, (None, self._ending()))
            except BrokenPipeError:
                raise  # nobody reads any more
            except Exception:
                _send(pipe, (traceback.format_exc(), None))
            code = 0
        finally:
            os._exit(code)


class _Worker:
    """A process, the pipe that it writes to, and what it has sent that nobody has taken yet."""

    def __init__(self, pid: int, pipe: int) -> None:
        self.pid = pid
        self.pipe = pipe
        self.received: deque[bytes] = deque()
        self.is_read = False  # to its end
        self._buffer = bytearray()
        self._ended = False

    def read(self) -> None:
        """Read the bytes that the pipe holds, at most _CHUNK of them, and keep the results that are complete."""
        found = os.read(self.pipe, _CHUNK)
        self.is_read = not found
        self._buffer += found
        while len(self._buffer) >= _HEADER:
            size = int.from_bytes(self._buffer[:_HEADER], "big")
            if len(self._buffer) < _HEADER + size:
                break
            self.received.append(bytes(self._buffer[_HEADER : _HEADER + size]))
            del self._buffer[: _HEADER + size]

    def how_it_ended(self) -> str:
        """How the process ended, of which nothing more can be read."""
        _, status = os.waitpid(self.pid, 0)
        self._ended = True
        code = os.waitstatus_to_exitcode(status)
        if code >= 0:
            return f"a worker process ended with exit code {code} before its work was done"
        how = "the system may have run out of memory" if -code == signal.SIGKILL else "this is a bug"
        return f"a worker process was ended by {signal.Signals(-code).name} before its work was done; {how}"

    def end(self) -> None:
        """End the process, if it has not ended."""
        os.close(self.pipe)
        if not self._ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
            self._ended = True


def _result(selector: selectors.BaseSelector, wanted: _Worker) -> Any:
    """The next value that a worker sends; what others send meanwhile is read too."""
    while not wanted.received:
        if wanted.is_read:
            raise WorkerDied(wanted.how_it_ended())
        for key, _ in selector.select():
            key.data.read()
            if key.data.is_read:
                selector.unregister(key.fd)
    import pickle  # most runs are of one process

    raised, value = pickle.loads(wanted.received.popleft())  # noqa: S301  # from our own process
    if raised is not None:
        raise WorkFailed(raised)
    return value


def _send(pipe: int, message: tuple[str | None, Any]) -> None:
    import pickle

    text = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    whole = memoryview(len(text).to_bytes(_HEADER, "big") + text)
    while whole:
        whole = whole[os.write(pipe, whole) :]
