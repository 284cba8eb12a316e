"""A load generator: posts recorded reviews over keep-alive TLS connections to a port on loopback.

    python -m bench.load PORT CONNECTIONS SECONDS RATE PATH=FILE…

Posts each file to its path, in turn, for SECONDS or MAX_REQUESTS. RATE is in requests a second; 0 sends the next
request as soon as the response arrives. Prints one JSON line: requests, seconds, latencies in milliseconds (p50, p99),
the client's own CPU seconds, failed requests.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import uvloop

MAX_REQUESTS = 400_000


class Client(asyncio.Protocol):
    """One connection, with one request in flight at a time."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.buffer = b""
        self.sent_at = 0.0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.load.ready(self)

    def send(self, request: bytes) -> None:
        self.sent_at = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        _, _, rest = head.lower().partition(b"content-length: ")
        if len(body) < int(rest.partition(b"\r\n")[0]):
            return
        self.buffer = b""
        self.load.answered(self, head.startswith(b"HTTP/1.1 200"))

    def connection_lost(self, error: Exception | None) -> None:
        self.load.lost += 0 if self.load.over else 1


class Load:
    """The requests to send, and the results."""

    def __init__(self, requests: list[bytes], seconds: float, rate: float) -> None:
        self.requests = requests
        self.rate = rate
        self.idle: list[Client] = []
        self.latencies: list[float] = []
        self.sent = self.failed = self.lost = 0
        self.over = False
        self.started = time.perf_counter()
        self.until = self.started + seconds

    def ready(self, client: Client) -> None:
        if self.rate:
            self.idle.append(client)
        else:
            self.next(client)

    def next(self, client: Client) -> None:
        if self.over or self.sent >= MAX_REQUESTS:
            return
        client.send(self.requests[self.sent % len(self.requests)])
        self.sent += 1

    def answered(self, client: Client, good: bool) -> None:
        now = time.perf_counter()
        self.latencies.append(now - client.sent_at)
        self.failed += not good
        if now >= self.until:
            self.over = True
        self.ready(client)

    async def paced(self) -> None:
        """Send at the rate, on idle connections. Requests that find no idle connection are sent later."""
        while not self.over and self.sent < MAX_REQUESTS:
            now = time.perf_counter()
            self.over = now >= self.until
            due = int((now - self.started) * self.rate) - self.sent
            for _ in range(min(due, len(self.idle))):
                self.next(self.idle.pop())
            await asyncio.sleep(0.0005)


async def run(port: int, connections: int, seconds: float, rate: float, calls: list[str]) -> None:
    requests = []
    for call in calls:
        path, _, file = call.partition("=")
        head = f"POST {path} HTTP/1.1\r\nHost: gatewright\r\nContent-Type: application/json\r\nContent-Length: "
        body = json.dumps(json.loads(Path(file).read_text()), separators=(",", ":")).encode()
        requests.append(f"{head}{len(body)}\r\n\r\n".encode() + body)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the benchmark's own self-signed certificate, on loopback
    load = Load(requests, seconds, rate)
    loop = asyncio.get_running_loop()
    cpu = time.process_time()
    clients = [
        await loop.create_connection(lambda: Client(load), "127.0.0.1", port, ssl=context) for _ in range(connections)
    ]
    if rate:
        await load.paced()
    # Busy-wait: a server pays for waking up a client that sleeps on another processor, on a virtual machine several
    # microseconds a response, and the slower server would pay that more often.
    deadline = load.until + 10
    while not load.over and time.perf_counter() < deadline:
        await asyncio.sleep(0)
    elapsed = time.perf_counter() - load.started
    cpu = time.process_time() - cpu
    for transport, _ in clients:
        transport.close()
    times = sorted(load.latencies)
    print(
        json.dumps(
            {
                "requests": len(times),
                "seconds": elapsed,
                "p50": times[len(times) // 2] * 1000,
                "p99": times[int(len(times) * 0.99)] * 1000,
                "cpu": cpu,
                "failed": load.failed + load.lost,
            }
        )
    )


if __name__ == "__main__":
    port, connections, seconds, rate, *calls = sys.argv[1:]
    uvloop.run(run(int(port), int(connections), float(seconds), float(rate), calls))
