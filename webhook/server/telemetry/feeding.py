"""Feeds records to a process of the server's own, and starts that process.

Nothing waits for it: a record is put into a queue of bounded size, which is sent a moment later as far as the process
reads. What does not fit is dropped and counted. A process that is slow, stopped or gone holds up nothing; one that has
ended is started again.

The process is given the number of a stream socket as its last argument. It reads frames: four bytes of length, then an
array of records in MessagePack. It writes lines of JSON: `{"done": N, "failed": N, "error": TEXT}`. It ends when the
server closes its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

import orjson
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from webhook.server.telemetry.logs import Log, cut
from webhook.visible import visible

END: Final = 2.0
"""Seconds that the end of the server waits for the process."""

_DELAY = 0.05  # seconds that a record waits for others
_PIECE = 256 << 10  # bytes that one turn of the event loop sends at most
_BUFFER = 1 << 20  # bytes that the kernel is asked to hold of what is sent; it may grant fewer
_MOST = 512  # pieces of a frame; Linux takes 1024 at once
_LENGTH = 4  # bytes of the length before a frame
_RESTART, _MAX_RESTART = 1.0, 60.0  # seconds before another process is started; doubled each time
_STEADY = 60.0  # seconds; after a process that ran so long, the first delay holds
_COMPLAIN = 60.0  # seconds between two log lines
_MAX_LINE = 1 << 16


class Feeding(Collector):
    """The queue, and the process. `start` it in the running loop.

    command: of the process. most: bytes of the records that wait. name: of the process in the log. event: of the line
    of the log that says why records failed.
    """

    def __init__(self, log: Log, command: Sequence[str], most: int, name: str, event: str) -> None:
        self._log = log
        self._command = command
        self._most = most
        self._name = name
        self._event = event
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
        self.done = self.failed = self.dropped = 0
        """Records that the process is done with; that it failed with, or that were lost with it; that were dropped."""

    def start(self) -> None:
        """Start the process. If that fails, it is tried again later."""
        if self._closed:
            return
        self.started()
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603
                    [*self._command, str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    # Ctrl-C in the server's terminal is for the server. In a session of its own the process would get
                    # as much of the processors as all others together, however nice it is: see sched(7), autogroup.
                    process_group=0,
                )
        except OSError as error:
            ours.close()
            self._complain(f"the process cannot be started: {error.strerror}")
            self._later()
            return
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)  # a frame then mostly fits at once
        self._socket = ours
        self._started = time.monotonic()
        self._loop.add_reader(ours.fileno(), self._heard)
        self._send()

    def put_record(self, record: bytes) -> bool:
        """Queue a record, or drop and count it. Returns whether it was queued; it is lost if the process ends."""
        size = self._size + len(record)
        if size > self._most:
            self.drop()
            return False
        self._size = size
        self._waiting.append(record)
        if self._turn is None:
            self.send_soon()
        return True

    def send_soon(self) -> None:
        """Send the waiting records a moment later, with those that are put until then."""
        if self._turn is None and not self._writing and self._socket is not None:
            self._turn = self._loop.call_later(_DELAY, self._send)

    def send_now(self) -> None:
        """Send the waiting records in the next turn of the event loop."""
        if self._turn is not None:
            self._turn.cancel()
            self._turn = self._loop.call_later(0, self._send)

    def gather(self) -> None:
        """Make the records that are not made yet, and queue them. Making many at once takes less time for each, because
        after a review the processor's caches hold other data."""

    def drop(self) -> None:
        """Count a record for which there is no room."""
        self.dropped += 1
        self._complain("the process does not keep up, and the queue is full")

    def started(self) -> None:
        """A process is about to be started, which knows nothing of the records before."""

    async def close(self) -> None:
        """Give the process at most END seconds to read the waiting records and end."""
        self._closed = True
        until = time.monotonic() + END
        self.gather()
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
        if self._waiting:
            self.dropped += len(self._waiting)
            self._waiting.clear()
            self._size = 0
            self._complain("the process has not taken all before the end of the server")

    def _send(self) -> None:
        """Send the waiting records, as far as the process reads."""
        connection = self._socket
        if connection is not None:
            self.gather()  # while `_turn` is set, so that it plans no other turn
        self._turn = None
        if connection is None:
            return
        try:
            if not self._unsent and self._waiting:
                frame, size = self._frame()
                sent = 0
                try:
                    sent = connection.sendmsg(frame)  # which need not be copied together first
                finally:
                    if sent < size:
                        self._unsent = memoryview(b"".join(frame))[sent:]
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

    def _frame(self) -> tuple[list[bytes], int]:
        """A frame in pieces, and its bytes: its length, and an array of records as MessagePack has it."""
        waiting = self._waiting
        pieces, size = [b""], 0
        while waiting and size < _PIECE and len(pieces) < _MOST:
            record = waiting.popleft()
            pieces.append(record)
            size += len(record)
        self._size -= size
        number = len(pieces) - 1
        self._under_way += number
        head = b"\xdd" + number.to_bytes(4, "big")
        pieces[0] = (size + len(head)).to_bytes(_LENGTH, "big") + head
        return pieces, size + len(pieces[0])

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
            self.done += said["done"]
            self.failed += said["failed"]
            self._under_way -= said["done"] + said["failed"]
            if said["error"]:
                self._complain(str(said["error"]))

    def _complain(self, text: str) -> None:
        """Log why records fail, at most once a minute."""
        now = time.monotonic()
        if now - self._complained >= _COMPLAIN:
            self._complained = now
            fields = {"message": cut(visible(text)), "failed": self.failed, "dropped": self.dropped}
            self._log.write("warning", self._event, fields)

    def _ended(self) -> None:
        """The process has ended. Start another one after a while, unless it was to end."""
        if self._closed:
            self._lose()
            return
        self._log.write("error", "process ended", {"process": self._name, "message": "starting another"})
        if time.monotonic() - self._started >= _STEADY:
            self._restart = _RESTART
        self._lose()
        self._later()

    def _later(self) -> None:
        self._loop.call_later(self._restart, self.start)
        self._restart = min(2 * self._restart, _MAX_RESTART)

    def _lose(self) -> None:
        """End the process. The records that it had are lost."""
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

    def describe(self) -> Iterable[Metric]:
        return []
