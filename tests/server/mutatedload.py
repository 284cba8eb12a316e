"""A client that sends mutated and malformed reviews to a server without pause, in its own process.

    python -m tests.server.mutatedload '{"port": 8443, "ca": "ca.pem", "connections": 4, "requests": 900, "seconds": 1}'

It runs until so many requests are answered and so many seconds are over. Prints one line of JSON: how often each status
came, and the first answers that are wrong (anything but 200 for the review's own uid and 400), each with its seed.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from tests.server.mutations import generated, uid_of
from tests.unmeasured import unmeasured

PATHS = (b"/validate", b"/mutate")
HEAD = b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
SHOWN = 5  # wrong answers


class MutatedLoad:
    def __init__(self, port: int, ca: str, requests: int, seconds: float) -> None:
        self._port, self._trust = port, ssl.create_default_context(cafile=ca)
        self._requests, self._until = requests, time.monotonic() + seconds
        self.statuses: Counter[int] = Counter()
        self.wrong: list[str] = []
        self._seed = 0

    def _over(self) -> bool:
        return (self._seed >= self._requests and time.monotonic() >= self._until) or len(self.wrong) >= SHOWN

    async def run(self) -> None:
        """Send on one connection after the other, each for as long as the server keeps it."""
        while not self._over():
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port, ssl=self._trust)
            while not self._over() and await self._ask(reader, writer):
                pass
            writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        seed = self._seed
        self._seed += 1
        body = generated(seed)
        writer.write(HEAD % (PATHS[seed % 2], len(body)) + body)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            (length,) = [int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")]
            answer = await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError) as error:
            self.wrong.append(f"seed {seed}: {error!r}")
            return False
        status = int(head[9:12])
        self.statuses[status] += 1
        if status == 200:
            if orjson.loads(answer)["response"]["uid"] != uid_of(body):
                self.wrong.append(f"seed {seed}: the answer to another review")
        elif status != 400:
            self.wrong.append(f"seed {seed}: {status} {answer[:200]!r}")
        return b"connection: close" not in head


async def main(port: int, ca: str, connections: int, requests: int, seconds: float) -> None:
    load = MutatedLoad(port, ca, requests, seconds)
    await asyncio.gather(*(load.run() for _ in range(connections)))
    print(json.dumps({"statuses": load.statuses, "wrong": load.wrong}), flush=True)


def mutated_load(port: int, ca: Path, **settings: float) -> subprocess.Popen[str]:
    """Start the client. Its result is the line that `communicate` gives; end it with `kill` if need be."""
    arguments: dict[str, Any] = {"port": port, "ca": str(ca), **settings}
    command = [sys.executable, "-m", "tests.server.mutatedload", json.dumps(arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2], env=unmeasured())


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(**json.loads(sys.argv[1])))
