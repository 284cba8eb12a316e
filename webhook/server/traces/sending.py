"""Sends the spans of reviews to the exporter's process, and starts that process.

Nothing waits for it: a record is put into a queue, of MAX_BYTES, which is sent a moment later as far as the process
reads. What does not fit is dropped and counted. A collector that is slow, refuses or is gone holds up that process
alone; one that has ended is started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec
import orjson
from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from webhook.server.logs import Log, cut
from webhook.server.traces.spans import Record
from webhook.visible import visible

MAX_BYTES: Final = 4 << 20
"""Bytes of the records that wait."""

END: Final = 2.0
"""Seconds that the end of the server waits for the exporter's process."""

_DELAY = 0.05  # seconds that a record waits for others
_PIECE = 256 << 10  # bytes that one turn of the event loop sends at most
_LENGTH = 4  # bytes of the length before a frame
_RESTART, _MAX_RESTART = 1.0, 60.0  # seconds before another process is started; doubled each time
_STEADY = 60.0  # seconds; after a process that ran so long, the first delay holds
_COMPLAIN = 60.0  # seconds between two log lines
_MAX_LINE = 1 << 16


class ConfigurationError(Exception):
    """The exporter cannot be started so; the text says what to change."""


def check(environ: Mapping[str, str]) -> bool:
    """Whether spans are to be exported by OTLP, as the environment says. Raises ConfigurationError if that fails."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
    if exporter == "none":
        return False
    if exporter != "otlp":
        raise ConfigurationError(f"OTEL_TRACES_EXPORTER: expected otlp or none, got {exporter[:80]!r}")
    for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        protocol = environ.get(name, "").strip()
        if protocol:
            if protocol != "http/protobuf":
                raise ConfigurationError(f"{name}: expected http/protobuf, got {protocol[:80]!r}")
            break
    try:
        found = importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise ConfigurationError("the exporter is not installed: pip install 'gatewright[otel]'")
    return True


class Sending(Collector):
    """The queue, the exporter's process, and their metrics. `start` it in the running loop."""

    def __init__(self, log: Log, command: tuple[str, ...] = ()) -> None:
        self._log = log
        self._command = command or (sys.executable, "-P", "-m", "webhook.server.traces.exporter")
        self._encode = msgspec.msgpack.Encoder().encode
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._unsent = memoryview(b"")
        self._turn: asyncio.TimerHandle | None = None
        self._writing = False
        self._under_way = 0  # records that the process has, or is being sent
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._said = b""
        self._started = 0.0
        self._restart = _RESTART
        self._complained = -_COMPLAIN
        self._closed = False
        self.exported = self.failed = self.dropped = 0

    def start(self) -> None:
        """Start the process. If that fails, it is tried again later."""
        if self._closed:
            return
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603
                    [*self._command, str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C in the server's terminal is for the server
                )
        except OSError as error:
            ours.close()
            self._complain(f"the process cannot be started: {error.strerror}")
            self._later()
            return
        ours.setblocking(False)
        self._socket = ours
        self._started = time.monotonic()
        self._loop.add_reader(ours.fileno(), self._heard)
        self._send()

    def put(self, span: Record) -> None:
        """Send a span, or drop it."""
        try:
            record = self._encode(span)
        except UnicodeEncodeError:  # a text with half a surrogate pair
            self.dropped += 1
            return
        size = self._size + len(record)
        if size > MAX_BYTES:
            self.dropped += 1
            return
        self._size = size
        self._waiting.append(record)
        if self._turn is None and not self._writing and self._socket is not None:
            self._turn = self._loop.call_later(_DELAY, self._send)

    async def close(self) -> None:
        """Let the process export what waits, and end, for at most END seconds."""
        self._closed = True
        until = time.monotonic() + END
        while self._socket is not None and (self._waiting or self._unsent) and time.monotonic() < until:
            self._send()
            await asyncio.sleep(0.01)
        process = self._process
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
        while process is not None and process.poll() is None and time.monotonic() < until:
            await asyncio.sleep(0.01)
        self._lose()

    def _send(self) -> None:
        """Send what waits, as far as the process reads."""
        self._turn = None
        connection = self._socket
        if connection is None:
            return
        if not self._unsent and self._waiting:
            self._unsent = memoryview(self._piece())
        try:
            while self._unsent:
                self._unsent = self._unsent[connection.send(self._unsent) :]
        except BlockingIOError:
            if not self._writing:
                self._writing = True
                self._loop.add_writer(connection.fileno(), self._send)
            return
        except OSError:  # it has ended, which the loop hears of
            self._unsent = memoryview(b"")
        if self._writing:
            self._writing = False
            self._loop.remove_writer(connection.fileno())
        if self._waiting:
            self._turn = self._loop.call_later(0, self._send)

    def _piece(self) -> bytes:
        """A frame: its length, and an array of records as MessagePack has it."""
        pieces, size = [], 0
        while self._waiting and size < _PIECE:
            pieces.append(self._waiting.popleft())
            size += len(pieces[-1])
        self._size -= size
        self._under_way += len(pieces)
        array = b"\xdd" + len(pieces).to_bytes(4, "big")
        return b"".join(((size + len(array)).to_bytes(_LENGTH, "big"), array, *pieces))

    def _heard(self) -> None:
        if self._socket is None:
            return
        try:
            more = self._socket.recv(_MAX_LINE)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        if not more or len(self._said) > _MAX_LINE:
            self._ended()
            return
        *lines, self._said = (self._said + more).split(b"\n")
        for line in lines:
            said = orjson.loads(line)
            self.exported += said["exported"]
            self.failed += said["failed"]
            self._under_way -= said["exported"] + said["failed"]
            if said["error"]:
                self._complain(str(said["error"]))

    def _complain(self, text: str) -> None:
        """Say in the log why spans are not exported, at most once a minute."""
        now = time.monotonic()
        if now - self._complained >= _COMPLAIN:
            self._complained = now
            fields = {"message": cut(visible(text)), "failed": self.failed, "dropped": self.dropped}
            self._log.write("warning", "traces not exported", fields)

    def _ended(self) -> None:
        """The process has ended. Start another one after a while, unless it was to end."""
        if self._closed:
            self._lose()
            return
        self._log.write("error", "process ended", {"process": "exporter of traces", "message": "starting another"})
        if time.monotonic() - self._started >= _STEADY:
            self._restart = _RESTART
        self._lose()
        self._later()

    def _later(self) -> None:
        self._loop.call_later(self._restart, self.start)
        self._restart = min(2 * self._restart, _MAX_RESTART)

    def _lose(self) -> None:
        """End the process. What it had is lost."""
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
            self._socket.close()
            self._socket = None
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        self._writing = False
        self._unsent = memoryview(b"")
        self._said = b""
        self.failed += self._under_way
        self._under_way = 0
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(
            "gatewright_trace_spans",
            "Spans of reviews, by result: exported; failed, if the collector did not take them; dropped, as the queue"
            " was full.",
            labels=("result",),
        )
        for result in ("exported", "failed", "dropped"):
            family.add_metric((result,), getattr(self, result))
        yield family

    def describe(self) -> Iterable[Metric]:
        return []
