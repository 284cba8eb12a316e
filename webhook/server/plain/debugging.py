"""What /debug shows of the processes of a server: stacks, a profile, memory.

In the process of the plain port, `Debugging` asks every process that answers reviews. Each of them opens a line to it,
by a socket that all inherited, and sends two descriptors: the line, and a file in memory. The stacks of a process are
written to that file by a signal handler in C (faulthandler), so they can be had of one that hangs, too. All else is
asked for over the line.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import os
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import orjson
from msgspec import Struct

from webhook.server.doors import Listener, open_line
from webhook.server.plain.profiling import Busy, Profiler
from webhook.visible import visible

SIGNAL: Final = signal.SIGUSR1
"""Has a process write the stacks of its threads."""

_WAIT = 2.0  # seconds that a process has for an answer
_QUIET = 0.05  # seconds after which the stacks are whole
_RETRY_AFTER = 0.2  # seconds before a worker tries again to open its line
_CHECK_EVERY = 0.2  # seconds between two checks whether the other end has closed a line
_MAX_STACKS = 256 << 10  # bytes
_MAX_TASKS = 100
_LENGTH = 4  # bytes of the length before an answer
_STATUS = ("VmRSS", "VmHWM", "RssAnon", "RssFile", "RssShmem", "VmSwap", "Threads")

Apart = Callable[[], str]
"""The stacks of the processes that run policies apart from this one, as text."""


class Debugged:
    """This process, as it describes itself. name: such as `worker 0`. apart: stacks of policies that run apart."""

    def __init__(self, name: str, apart: Apart = lambda: "") -> None:
        self.name = name
        self.apart = apart
        self.profiler = Profiler()
        self.file = os.memfd_create("gatewright-stacks")

    def register(self) -> None:
        """Write stacks to the file from now on, when the signal comes."""
        faulthandler.register(SIGNAL, file=self.file, all_threads=True)

    async def keep(self, door: socket.socket) -> None:
        """Answer the process of the plain port until cancelled. If that is replaced, answer the new one."""
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._answer(door)
            await asyncio.sleep(_RETRY_AFTER)

    async def _answer(self, door: socket.socket) -> None:
        hello = orjson.dumps({"name": self.name, "pid": os.getpid()})
        reader, writer = await asyncio.open_unix_connection(sock=open_line(door, hello, self.file))
        try:
            while line := await reader.readline():
                answer = orjson.dumps(await self.answer(orjson.loads(line)))
                writer.write(len(answer).to_bytes(_LENGTH, "big") + answer)
                await writer.drain()
        finally:
            writer.close()

    async def answer(self, asked: dict[str, Any]) -> Any:
        """The answer to what the other end asks for; None if there is none now."""
        if asked["what"] == "memory":
            return memory()
        if asked["what"] == "beside":
            return beside(self.apart)
        with contextlib.suppress(Busy):
            return await self.profiler.profile(asked["seconds"])
        return None


class _Process(Struct, eq=False):
    """The other end of a line."""

    name: str
    pid: int
    file: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, within: float, **what: Any) -> Any:
        """The answer; None if there is none in time. A line that has missed an answer is closed: it would lag."""
        try:
            async with asyncio.timeout(within):
                self.writer.write(orjson.dumps(what, option=orjson.OPT_APPEND_NEWLINE))
                await self.writer.drain()
                length = int.from_bytes(await self.reader.readexactly(_LENGTH), "big")
                return orjson.loads(await self.reader.readexactly(length))
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            self.writer.close()
            return None


class Debugging:
    """All processes of the server: this one, and those that open a line at the `door`; None without workers."""

    def __init__(self, own: Debugged, door: socket.socket | None = None) -> None:
        self._own = own
        self._processes: dict[_Process, None] = {}
        self._lock = asyncio.Lock()
        own.register()
        self._listener = None if door is None else Listener(door, self._listen, files=1)

    async def stacks(self) -> str:
        """The stacks of all processes and of the policies that run apart, and the tasks of event loops. Raises Busy."""
        async with self._alone():
            parts = [f"=== {self._own.name}, pid {os.getpid()}\n{await _written(os.getpid(), self._own.file)}"]
            parts.append(beside(self._own.apart))
            for process in list(self._processes):
                parts.append(f"=== {process.name}, pid {process.pid}\n{await _written(process.pid, process.file)}")
                found = await process.ask(_WAIT, what="beside")
                parts.append(found if found is not None else "(its event loop does not answer)\n")
        return "\n".join(parts)

    async def profile(self, seconds: float) -> str:
        """Where the processor time goes, of all processes at once: a line for each stack, with its count. Raises
        Busy."""
        async with self._alone():
            asked = [process.ask(seconds + _WAIT, what="profile", seconds=seconds) for process in self._processes]
            names = [self._own.name, *(process.name for process in self._processes)]
            found = await asyncio.gather(self._own.profiler.profile(seconds), *asked)
        whole: Counter[str] = Counter()
        for name, stacks in zip(names, found, strict=True):
            for stack, count in (stacks or {}).items():
                whole[f"{name};{stack}"] += count
        return "".join(f"{stack} {count}\n" for stack, count in whole.most_common())

    async def memory(self) -> dict[str, Any]:
        """The memory of each process, by name; None of one that does not answer. Raises Busy."""
        async with self._alone():
            found = {self._own.name: memory()}
            for process in list(self._processes):
                found[process.name] = await process.ask(_WAIT, what="memory")
        return found

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """One question at a time. Raises Busy."""
        if self._lock.locked():
            raise Busy
        async with self._lock:
            yield

    async def _listen(self, introduction: bytes, line: socket.socket, file: int) -> None:
        hello: dict[str, Any] = orjson.loads(introduction)
        reader, writer = await asyncio.open_unix_connection(sock=line)
        for former in [each for each in self._processes if each.name == hello["name"]]:
            former.writer.close()
        process = _Process(hello["name"], hello["pid"], file, reader, writer)
        self._processes[process] = None
        while not (reader.at_eof() or writer.is_closing()):
            await asyncio.sleep(_CHECK_EVERY)
        writer.close()
        del self._processes[process]
        os.close(file)


async def _written(pid: int, file: int) -> str:
    """What a process writes to the file at the signal."""
    os.ftruncate(file, 0)
    os.lseek(file, 0, os.SEEK_SET)
    try:
        os.kill(pid, SIGNAL)
    except ProcessLookupError:
        return "(it has ended)\n"
    size, waited = -1, 0.0
    while waited < _WAIT and (size <= 0 or os.fstat(file).st_size != size):
        size = os.fstat(file).st_size
        await asyncio.sleep(_QUIET)
        waited += _QUIET
    text = os.pread(file, _MAX_STACKS, 0).decode("utf-8", "backslashreplace")
    return "".join(f"{visible(line)}\n" for line in text.splitlines()) or "(it writes nothing)\n"


def beside(apart: Apart) -> str:
    """The tasks of this process's event loop, and what runs policies apart from it."""
    tasks = sorted(asyncio.all_tasks(), key=lambda task: task.get_name())
    lines = [f"{len(tasks)} tasks"]
    for task in tasks[:_MAX_TASKS]:
        frames = task.get_stack(limit=1)
        at = f" at {frames[0].f_code.co_filename}:{frames[0].f_lineno}" if frames else ""
        lines.append(visible(f"  {getattr(task.get_coro(), '__qualname__', '?')}{at}"))
    return "\n".join(lines) + f"\n{apart()}"


def memory() -> dict[str, Any]:
    """What this process takes: bytes as the kernel counts them, and Python's own figures."""
    kernel = {}
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in _STATUS:
            number, _, unit = value.strip().partition(" ")
            kernel[name] = int(number) << 10 if unit == "kB" else int(number)
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):  # shared pages count in part
                kernel["Pss"] = int(line.split()[1]) << 10
    return {
        "pid": os.getpid(),
        "kernel": kernel,
        "allocatedBlocks": sys.getallocatedblocks(),
        "frozenObjects": gc.get_freeze_count(),
        "collections": [each["collections"] for each in gc.get_stats()],
        "threads": sorted(thread.name for thread in threading.enumerate())[:_MAX_TASKS],
        "descriptors": sum(1 for _ in Path("/proc/self/fd").iterdir()),
    }
