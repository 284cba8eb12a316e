"""`--workers N`: a parent process starts child processes, restarts those that end unexpectedly, and stops them all.

Policies are loaded and sockets are bound before the first fork. So all workers, also those started later, use the same
policies and accept from the same socket. The parent has no event loop, and besides its one thread only those that write
its lines, which a fork may interrupt (webhook.server.telemetry.writing): forking from it is safe. It sends orders to
each child over a socket pair. Children ignore SIGTERM, SIGINT and SIGHUP: a terminal or a service manager that signals
the whole process group does not stop them twice.

Each child sends a beat over the same socket pair every second. One that has fallen silent hangs: it is killed, and
replaced as one that ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
import warnings
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, NoReturn

import uvloop
from msgspec import Struct

from webhook.server.telemetry.logs import Log, failure

HUNG_AFTER = 15.0
"""Seconds without a beat after which a child is killed and replaced."""

_STOP, _AT_ONCE, _RELOAD, _BEAT = b"s", b"!", b"h", b"."
_BEAT_EVERY = 1.0  # seconds
_SIGNALS = frozenset((signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD))
_GRACE = 3.0  # seconds after the time for shutting down, before a child is killed
_STEADY = 5.0  # seconds; a child that ran this long is restarted without delay
_DELAY, _MAX_DELAY = 0.2, 10.0  # seconds before restarting a child that ended sooner; doubled each time


class Stop:
    """A request to shut down: the first is graceful, the second is immediate. `reload`: set by SIGHUP."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.at_once = asyncio.Event()
        self.reload = asyncio.Event()

    def ask(self) -> None:
        if self.asked.is_set():
            self.at_once.set()
        self.asked.set()

    def obey(self, orders: socket.socket) -> None:
        """Shut down, or reload, when the parent sends an order. Shut down when the parent has ended."""
        loop = asyncio.get_running_loop()

        def received() -> None:
            try:
                order = orders.recv(16)
            except ConnectionError:  # the parent has ended, and had not read all beats
                order = b""
            if _RELOAD in order:
                self.reload.set()
            if not order or _STOP in order:
                self.ask()
            if _AT_ONCE in order:
                self.ask()
                self.ask()
            if not order:
                loop.remove_reader(orders.fileno())

        loop.add_reader(orders.fileno(), received)


class Role(Struct, frozen=True):
    """The name of a child process in the log, and its work, which returns after a Stop. `reloads`: on SIGHUP."""

    name: str
    work: Callable[[Stop], Coroutine[Any, Any, None]]
    reloads: bool = False


class _Child(Struct):
    role: Role
    pid: int
    orders: socket.socket
    started: float
    delay: float
    heard: float | None = None  # when the last beat came; None before the first, as starting may take long


class Parent:
    """Keeps one process per role running until SIGTERM or SIGINT.

    `patience`: seconds that shutting down may take. `stopping` is called once, when shutting down begins; `ending` in
    each process that ends, last.
    """

    def __init__(
        self,
        roles: list[Role],
        log: Log,
        patience: float,
        stopping: Callable[[], None],
        ending: Callable[[], None] = lambda: None,
    ) -> None:
        self._roles = roles
        self._log = log
        self._patience = patience
        self._stopping = stopping
        self._ending = ending
        self._children: dict[int, _Child] = {}
        self._due: list[tuple[float, Role, float]] = []  # restarts: (when, role, delay of the restart after it)
        self._signals = 0  # received
        self._kill_at = float("inf")
        self._failed = False

    def run(self) -> int:
        """Run until all processes have ended. The exit code: 0; 1 if one failed or was killed while shutting down."""
        before: set[int] = {*signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)}
        try:
            for role in self._roles:
                self._start(role, _DELAY, before)
            while self._children or (self._due and not self._signals):
                found = signal.sigtimedwait(_SIGNALS, 0.5 if not self._due else 0.05)
                if found is not None and found.si_signo == signal.SIGHUP:
                    self._send(_RELOAD, [child for child in self._children.values() if child.role.reloads])
                elif found is not None and found.si_signo != signal.SIGCHLD:
                    self._stop()
                self._reap()
                self._kill_hung()
                self._start_due(before)
                self._kill_late()
        finally:
            for child in self._children.values():  # only if this process failed itself
                os.kill(child.pid, signal.SIGKILL)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return 1 if self._failed else 0

    def _start(self, role: Role, delay: float, mask: set[int]) -> None:
        ours, theirs = socket.socketpair()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12, about threads of the parent
                pid = os.fork()
        except OSError as error:  # the system cannot start another process now
            self._log.write("error", "process not started", {"process": role.name, "message": error.strerror})
            self._due.append((time.monotonic() + delay, role, min(2 * delay, _MAX_DELAY)))
            return
        if pid == 0:
            self._be(role, ours, theirs, mask)
        theirs.close()
        self._children[pid] = _Child(role, pid, ours, time.monotonic(), delay)

    def _be(self, role: Role, ours: socket.socket, orders: socket.socket, mask: set[int]) -> NoReturn:
        """Do the work of a role in a child process, and end the process."""
        code = 1
        try:
            ours.close()
            for child in self._children.values():
                child.orders.close()
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            _work(role, orders)
            code = 0
        except BaseException as error:
            self._log.write("error", "process failed", {"process": role.name, **failure(error)})
        finally:
            self._ending()
            os._exit(code)

    def _start_due(self, mask: set[int]) -> None:
        now = time.monotonic()
        due = [entry for entry in self._due if entry[0] <= now]
        self._due = [entry for entry in self._due if entry[0] > now]
        for _, role, delay in due:
            if not self._signals:
                self._start(role, delay, mask)

    def _stop(self) -> None:
        self._signals += 1
        if self._signals == 1:
            self._kill_at = time.monotonic() + self._patience + _GRACE
            self._stopping()
        self._send(_STOP if self._signals == 1 else _AT_ONCE, self._children.values())

    def _send(self, order: bytes, children: Iterable[_Child]) -> None:
        for child in children:
            with contextlib.suppress(OSError):  # it has ended, and is reaped next; or hangs, with many orders unread
                child.orders.send(order, socket.MSG_DONTWAIT)

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            child = self._children.pop(pid, None)
            if child is None:  # an orphan: process 1 of a container inherits them
                continue
            child.orders.close()
            code = os.waitstatus_to_exitcode(status)
            if self._signals:
                self._failed |= code != 0
                continue
            now = time.monotonic()
            delay = _DELAY if now - child.started >= _STEADY else min(2 * child.delay, _MAX_DELAY)
            wait = 0.0 if now - child.started >= _STEADY else child.delay
            self._due.append((now + wait, child.role, delay))
            ended = f"signal {-code}" if code < 0 else f"exit code {code}"
            self._log.write(
                "error",
                "process ended",
                {"process": child.role.name, "pid": pid, "message": f"{ended}; restarting it"},
            )

    def _kill_hung(self) -> None:
        """Kill the children whose event loops have fallen silent. `_reap` replaces them."""
        now = time.monotonic()
        for child in self._children.values():
            with contextlib.suppress(BlockingIOError, OSError):
                if child.orders.recv(256, socket.MSG_DONTWAIT):
                    child.heard = now
            if child.heard is not None and now - child.heard > HUNG_AFTER:
                message = f"it has not answered for {now - child.heard:.0f} s; replacing it"
                about = {"process": child.role.name, "pid": child.pid, "message": message}
                self._log.write("error", "process hangs", about)
                os.kill(child.pid, signal.SIGKILL)
                child.heard = None

    def _kill_late(self) -> None:
        if time.monotonic() < self._kill_at:
            return
        for child in self._children.values():
            self._log.write("error", "process killed", {"process": child.role.name, "pid": child.pid})
            os.kill(child.pid, signal.SIGKILL)
        self._kill_at = float("inf")


async def _beat(orders: socket.socket) -> None:
    """Tell the parent every second that the event loop runs."""
    while True:
        with contextlib.suppress(OSError):  # the parent has ended, which `Stop.obey` hears of
            orders.send(_BEAT, socket.MSG_DONTWAIT)
        await asyncio.sleep(_BEAT_EVERY)


def _work(role: Role, orders: socket.socket) -> None:
    async def work() -> None:
        stop = Stop()
        stop.obey(orders)
        beating = asyncio.create_task(_beat(orders))
        try:
            await role.work(stop)
        finally:
            beating.cancel()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work())
    sys.stdout.flush()
    sys.stderr.flush()
