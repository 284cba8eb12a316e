"""The processes in which policies run apart, from the server's side: started and ended through the host, which forks
them (webhook.policy.python.apart.host), with what they have sent and written.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import orjson

from webhook.policy.python.apart import frames
from webhook.policy.python.declaring import Source
from webhook.server.telemetry.logs import Log

MEMORY: Final = 128 << 20
"""Bytes that a process may take beside what it starts with."""

SHOWING: Final = 0.1
"""Seconds at most that the server waits for a process to write where it is: it answers nothing meanwhile."""

_QUIET = 10  # milliseconds after which that is whole
_OUTPUT = 1 << 14  # bytes of a process's output that are kept
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")


class Process:
    """A process of a lane, which runs policies."""

    __slots__ = ("buffer", "connection", "loaded", "number", "output", "runs", "written")

    def __init__(self, number: int, connection: socket.socket, output: int) -> None:
        self.number = number
        self.connection = connection
        self.output = output
        self.buffer = bytearray()
        self.written = b""
        self.loaded: dict[int, Source] = {}  # by identity
        self.runs = 0

    def frame(self) -> Any:
        """The next frame that has come whole; None if there is none. Raises BadFrame."""
        if len(self.buffer) < frames.HEAD:
            return None
        length = int.from_bytes(self.buffer[: frames.HEAD], "big")
        if length > frames.MAX_FRAME:
            raise frames.BadFrame("too long")
        if len(self.buffer) < frames.HEAD + length:
            return None
        text = bytes(self.buffer[frames.HEAD : frames.HEAD + length])
        del self.buffer[: frames.HEAD + length]
        found = frames.read(text)
        if not isinstance(found, dict):
            raise frames.BadFrame("expected a mapping")
        return found

    def read_output(self) -> None:
        with contextlib.suppress(OSError):
            while more := os.read(self.output, _OUTPUT):
                self.written = (self.written + more)[-_OUTPUT:]


class Processes:
    """The host, started when it is needed, and again if it ends. It forks the processes of the lanes."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._host: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._number = 0
        self._ended: dict[int, Callable[[], None]] = {}
        self._open: set[Process] = set()

    def start(self, ended: Callable[[], None]) -> Process:
        """Start a process for a lane. Calls `ended` if the host says that it has ended. Raises OSError."""
        new = self._control is None
        control = self._control or self._start_host()
        self._number += 1
        ours, theirs = socket.socketpair()
        reading, writing = os.pipe()
        with theirs:
            try:
                order = orjson.dumps({"start": self._number, "memory": MEMORY})
                socket.send_fds(control, [order], [theirs.fileno(), writing])
            except OSError:
                ours.close()
                os.close(reading)
                self._host_ended()
                if new:
                    raise
                return self.start(ended)  # the host has ended, which the loop has not heard yet: by another one
            finally:
                os.close(writing)
        ours.setblocking(False)
        os.set_blocking(reading, False)
        self._ended[self._number] = ended
        process = Process(self._number, ours, reading)
        self._open.add(process)
        return process

    def end(self, process: Process) -> None:
        """End a process, whatever it does."""
        self._open.discard(process)
        self._loop.remove_reader(process.connection.fileno())
        self._loop.remove_writer(process.connection.fileno())
        process.connection.close()
        os.close(process.output)
        self._ended.pop(process.number, None)
        if self._control is not None:
            with contextlib.suppress(OSError):
                self._control.send(orjson.dumps({"end": process.number}))

    def shown(self, process: Process) -> str:
        """Where a process is, as it writes it to its output; "" if it does not within SHOWING."""
        kept, process.written = process.written, b""
        process.read_output()
        kept, process.written = (kept + process.written)[-_OUTPUT:], b""
        try:
            if self._control is not None:
                with contextlib.suppress(OSError):
                    self._control.send(orjson.dumps({"show": process.number}))
            until = time.monotonic() + SHOWING
            poll = select.poll()
            poll.register(process.output, select.POLLIN)
            if poll.poll(SHOWING * 1000):
                while time.monotonic() < until and poll.poll(_QUIET):
                    process.read_output()
            return process.written.decode("utf-8", "backslashreplace")
        finally:
            process.written = kept

    def close(self) -> None:
        """End the host, and with it all processes."""
        for process in list(self._open):
            self.end(process)
        self._lose_host()

    def _start_host(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        kept = {name: value for name, value in os.environ.items() if name in _KEPT_VARIABLES or _is_python(name)}
        with theirs:
            self._host = subprocess.Popen(  # noqa: S603
                [sys.executable, "-P", "-m", "webhook.policy.python.apart.host", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=kept,
                start_new_session=True,  # Ctrl-C in the server's terminal is for the server
            )
        ours.setblocking(False)
        self._control = ours
        self._loop.add_reader(ours.fileno(), self._heard)
        return ours

    def _heard(self) -> None:
        control = self._control
        if control is None:
            return
        try:
            packet = control.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._host_ended()
            return
        ended = self._ended.pop(orjson.loads(packet)["ended"], None)
        if ended is not None:
            ended()

    def _host_ended(self) -> None:
        self._log.write("error", "process ended", {"process": "host of policies", "message": "starting another"})
        self._lose_host()

    def _lose_host(self) -> None:
        if self._control is not None:
            self._loop.remove_reader(self._control.fileno())
            self._control.close()
            self._control = None
        if self._host is not None:
            try:
                self._host.wait(2)
            except subprocess.TimeoutExpired:
                self._host.kill()
                self._host.wait()
            self._host = None


def _is_python(name: str) -> bool:
    return name.startswith(("PYTHON", "COVERAGE_"))
