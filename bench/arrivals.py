"""A load generator whose arrivals do not wait: reviews are sent at a rate, however slowly they are answered.

    python -m bench.arrivals '{"port": 8443, "address": "127.0.0.2", "connections": 50, "rate": 500, "seconds": 10, …}'

Like the API server it has one review in flight on a connection, uses connections again, and opens another one when all
are busy, up to `connections`. A review that finds none counts as not sent. The time of an answer begins when the review
was due. With a rate of 0 each connection sends its next review when it has the answer. Every answer is compared with
what is right: its uid, its verdict, and of a refusal its status and Retry-After.

Prints "connected" once the first connections are open, begins when a line comes in on stdin, and prints one line of
JSON: accepted and refused reviews by status, their times in milliseconds, and what was wrong.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import sys
import time
from collections import Counter, deque
from typing import Any

import msgspec
import uvloop

from bench.overloading import review

_ALLOWED, _DENIED = review("allowed"), review("denied")  # their uids are the words
_HEAD = b"POST /validate?timeout=%ds HTTP/1.1\r\nHost: gatewright\r\nContent-Type: application/json\r\nContent-Length: "


_TRUST = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_TRUST.check_hostname = False
_TRUST.verify_mode = ssl.CERT_NONE  # the benchmark's own self-signed certificate, on loopback


class Asked(msgspec.Struct):
    port: int
    rate: float
    seconds: float
    connections: int
    address: str = "127.0.0.1"
    timeout: int = 5  # of the webhook's registration, in seconds
    settle: float = 0.0  # seconds after the start that are counted apart
    seed: int = 1


class Connection(asyncio.Protocol):
    """One connection, with one review in flight."""

    def __init__(self, arrivals: Arrivals) -> None:
        self.arrivals = arrivals
        self.buffer = b""
        self.due = 0.0
        self.denied = False
        self.busy = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.arrivals.ready(self)

    def send(self, due: float, denied: bool) -> None:
        self.due, self.denied, self.busy = due, denied, True
        self.transport.write(self.arrivals.requests[denied])

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self.buffer = b""
        self.busy = False
        self.arrivals.answered(self, head, body)

    def connection_lost(self, error: Exception | None) -> None:
        self.arrivals.lost(self)


class Arrivals:
    """The reviews to send, and what became of them."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        head = _HEAD % asked.timeout
        self.requests = [head + b"%d\r\n\r\n%s" % (len(body), body) for body in (_ALLOWED, _DENIED)]
        self.idle: list[Connection] = []
        self.open = 0
        self.opening = 0
        self.waits: deque[tuple[float, bool]] = deque()  # due reviews, for connections that are being opened
        self.times: dict[str, list[float]] = {"200": [], "429": [], "503": [], "settling": []}
        self.wrong: Counter[str] = Counter()
        self.unsent = 0
        self.began = 0.0
        self.over = False
        self.chance = random.Random(asked.seed)

    async def connect(self) -> None:
        self.opening += 1
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(
                lambda: Connection(self), "127.0.0.1", self.asked.port, ssl=_TRUST, local_addr=(self.asked.address, 0)
            )
            self.open += 1
        except OSError as error:
            self.wrong[f"connecting: {type(error).__name__}"] += 1
        finally:
            self.opening -= 1

    def ready(self, connection: Connection) -> None:
        if self.over or not self.began:
            self.idle.append(connection)
        elif self.waits:
            connection.send(*self.waits.popleft())
        elif self.asked.rate:
            self.idle.append(connection)
        else:
            connection.send(time.perf_counter(), self.chance.random() < 0.5)

    def arrive(self, due: float, tasks: set[asyncio.Task[None]]) -> None:
        denied = self.chance.random() < 0.5
        if self.idle:
            self.idle.pop().send(due, denied)
        elif self.open + self.opening < self.asked.connections:
            self.waits.append((due, denied))
            task = asyncio.create_task(self.connect())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        else:
            self.unsent += 1

    def answered(self, connection: Connection, head: bytes, body: bytes) -> None:
        now = time.perf_counter()
        status = head[9:12].decode()
        if status == "200":
            response = json.loads(body)["response"]
            right = ("denied", False) if connection.denied else ("allowed", True)
            if (response["uid"], response["allowed"]) != right:
                self.wrong["verdict"] += 1
        elif status not in self.times or b"retry-after: " not in head:
            self.wrong[f"status {status}"] += 1
            self.times.setdefault(status, [])
        settling = connection.due < self.began + self.asked.settle
        self.times["settling" if settling and status == "200" else status].append(now - connection.due)
        self.ready(connection)

    def lost(self, connection: Connection) -> None:
        self.open -= 1
        if connection in self.idle:
            self.idle.remove(connection)
        if connection.busy and not self.over:
            self.wrong["closed without an answer"] += 1

    async def run(self) -> None:
        asked = self.asked
        first = asked.connections if not asked.rate else min(25, asked.connections)  # Go keeps 25 that are idle
        await asyncio.gather(*(self.connect() for _ in range(first)))
        print("connected", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        self.began = due = time.perf_counter()
        end = self.began + asked.seconds
        tasks: set[asyncio.Task[None]] = set()
        if asked.rate:
            while due < end:
                due += self.chance.expovariate(asked.rate)
                wait = due - time.perf_counter()
                if wait > 0.0005:
                    await asyncio.sleep(wait)
                else:
                    await asyncio.sleep(0)
                self.arrive(due, tasks)
        else:
            for connection in [self.idle.pop() for _ in range(len(self.idle))]:
                self.ready(connection)
            await asyncio.sleep(asked.seconds)
        self.over = True
        late = time.perf_counter() - end
        await asyncio.sleep(0.3)
        print(json.dumps({"late": late, **self.result()}), flush=True)

    def result(self) -> dict[str, Any]:
        return {
            "times": {status: [round(each * 1000, 3) for each in times] for status, times in self.times.items()},
            "unsent": self.unsent,
            "wrong": dict(self.wrong),
        }


if __name__ == "__main__":
    uvloop.run(Arrivals(msgspec.json.decode(sys.argv[1], type=Asked)).run())
