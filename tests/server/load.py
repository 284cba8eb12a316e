"""Clients that send reviews to a server, in their own process, and report the results.

    python -m tests.server.load '{"port": 8443, "ca": "ca.pem", "keep_alive": 4, "fresh": 4, …}'

`keep_alive` clients reuse their connections; `fresh` clients open a connection for each request. They run until stdin
ends and `requests` requests are answered, or until a connection is refused. `rate` limits the requests per second of
all clients together. `only`: the beginning of the names of the reviews to send. `answers`: count the answers. Prints
one line of JSON: requests, failures, latencies in milliseconds, for each fresh connection its time and the certificate
of the server, and how often each answer came: the revision of the policies, and the messages of their denials.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.server.authorities import fingerprint
from tests.server.running import REVIEWS
from tests.unmeasured import unmeasured

MOST_SECONDS = 120.0
MOST_REQUESTS = 200_000


@dataclass
class Load:
    port: int
    trust: ssl.SSLContext
    bodies: list[bytes]
    requests: int
    rate: float
    answers: Counter[tuple[str, tuple[str, ...]]] | None = None
    latencies: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    refused: int = 0
    seen: list[tuple[float, str]] = field(default_factory=list)  # of fresh connections: (start, certificate)
    stopping: bool = False
    begun: float = field(default_factory=time.monotonic)
    sent: Any = field(default_factory=itertools.count)

    def over(self) -> bool:
        enough = self.stopping and len(self.latencies) >= self.requests
        late = time.monotonic() - self.begun > MOST_SECONDS
        return enough or late or self.refused > 0 or len(self.latencies) >= MOST_REQUESTS

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        try:
            return await asyncio.open_connection("127.0.0.1", self.port, ssl=self.trust)
        except ConnectionRefusedError:
            self.refused += 1
        except OSError as error:
            self.failures.append(f"connecting: {error!r}")
        return None

    async def ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Send one review and read its response. Returns whether the connection can be reused."""
        number = next(self.sent)
        if self.rate:
            await asyncio.sleep(self.begun + number / self.rate - time.monotonic())
        body = self.bodies[number % len(self.bodies)]
        head = b"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        sent = time.perf_counter()
        try:
            writer.write(head % len(body) + body)
            lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
            (length,) = [int(line.removeprefix(b"content-length: ")) for line in lines if b"content-length" in line]
            body = await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError) as error:
            self.failures.append(f"asking: {error!r}")
            return False
        if not lines[0].startswith(b"http/1.1 200"):
            self.failures.append(lines[0].decode())
            return False
        self.latencies.append(time.perf_counter() - sent)
        if self.answers is not None:
            response = json.loads(body)["response"]
            causes = response.get("status", {}).get("details", {}).get("causes", ())
            messages = sorted({cause["message"].rpartition(": ")[2] for cause in causes})
            self.answers[response["auditAnnotations"]["policy_revision"], (str(len(causes)), *messages)] += 1
        return b"connection: close" not in lines

    async def keep_alive(self) -> None:
        while not self.over() and (connection := await self.connect()):
            while not self.over() and await self.ask(*connection):
                pass
            connection[1].close()

    async def fresh(self) -> None:
        while not self.over():
            at = time.monotonic()
            connection = await self.connect()
            if connection is not None:
                certificate = connection[1].get_extra_info("ssl_object").getpeercert(True)
                self.seen.append((at, fingerprint(certificate)))
                await self.ask(*connection)
                connection[1].close()

    def result(self) -> dict[str, Any]:
        ordered = sorted(self.latencies) or [0.0]
        return {
            "requests": len(self.latencies),
            "failed": len(self.failures),
            "failures": self.failures[:5],
            "refused": self.refused,
            "seconds": time.monotonic() - self.begun,
            "p50": ordered[len(ordered) // 2] * 1000,
            "p99": ordered[int(len(ordered) * 0.99)] * 1000,
            "seen": self.seen,
            "answers": list((self.answers or {}).items()),
        }


async def main(
    port: int,
    ca: str,
    keep_alive: int,
    fresh: int,
    requests: int = 1,
    rate: float = 0,
    only: str = "",
    answers: bool = False,
) -> None:
    import os

    bodies = [file.read_bytes() for file in sorted(REVIEWS.glob(f"{only}*-validate-*.json"))]
    counted: Counter[tuple[str, tuple[str, ...]]] | None = Counter() if answers else None
    load = Load(port, ssl.create_default_context(cafile=ca), bodies, requests, rate, counted)

    def listen() -> None:
        os.read(0, 1)
        load.stopping = True

    threading.Thread(target=listen, daemon=True).start()
    print("begun", flush=True)
    await asyncio.gather(*(load.keep_alive() for _ in range(keep_alive)), *(load.fresh() for _ in range(fresh)))
    print(json.dumps(load.result()), flush=True)


class Clients:
    """The process of the clients. It starts in the constructor and ends with the `with` block at the latest."""

    def __init__(self, port: int, ca: Path, **settings: float | str) -> None:
        arguments = json.dumps({"port": port, "ca": str(ca), **settings})
        command = [sys.executable, "-m", "tests.server.load", arguments]
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root, env=unmeasured()
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "begun\n"

    def __enter__(self) -> Clients:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()

    def wait(self) -> dict[str, Any]:
        """The results, once a connection is refused."""
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def end(self) -> dict[str, Any]:
        """Stop the clients. Returns the results."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.stdin = None
        return self.wait()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(**json.loads(sys.argv[1])))
