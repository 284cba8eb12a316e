"""A port in this process, on loopback with real TLS, with an application that echoes requests."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO

import uvloop

from tests.timing import HANGING
from webhook.server.port import tls
from webhook.server.port.accepting import Acceptor
from webhook.server.port.connections import Port
from webhook.server.port.exchange import Answer, Application, Client, Head, Limits
from webhook.server.port.protocol import Connection

RAISED: dict[str, BaseException] = {
    f"/raises/{type(error).__name__}": error
    for error in (SystemExit(3), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError(), ValueError())
}
"""Paths whose requests raise these in the application, where it must not raise."""

LIMITS = Limits(connections=1000, body=10_000, held=400_000, read_timeout=1.0, idle_timeout=5.0)
UNSOLICITED = Answer(503, b'"gone"')
PAIR = tls.development().pair
TRUST = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TRUST.check_hostname = False
TRUST.verify_mode = ssl.CERT_NONE  # loopback, with a certificate that was just created


class Echo:
    """Responds with method, path and length of the body; to `/later…` after a short wait. `/broken` raises an error."""

    def __init__(self) -> None:
        self.asked: list[str] = []  # the paths of the requests
        self.refusals: list[int] = []  # their statuses
        self.release: asyncio.Event | None = None  # `/later…` waits for it; for 5 ms without it

    @property
    def unsolicited(self) -> Answer | None:
        return UNSOLICITED

    def admit(self, certificate: Any) -> str | None:
        return None

    def refuse(self, head: Head, client: Client) -> Answer | None:
        if head.path.startswith("/refused"):
            return Answer(404, json.dumps({"error": head.path}).encode())
        return None

    def answer(self, head: Head, body: bytes, client: Client) -> Answer | Awaitable[Answer]:
        self.asked.append(head.path)
        if head.path in RAISED:
            raise RAISED[head.path]
        answer = Answer(200, json.dumps([head.method, head.path, len(body)]).encode())
        return self._later(head, answer) if head.path.startswith(("/later", "/broken")) else answer

    def too_large(self, head: Head, begin: bytes, client: Client) -> Answer | None:
        return None

    def refused(self, status: int, message: str, head: Head | None, client: Client) -> None:
        self.refusals.append(status)

    async def _later(self, head: Head, answer: Answer) -> Answer:
        if head.path == "/broken":
            raise RuntimeError("out of order")
        if head.path.startswith("/later/raises/"):
            raise RAISED[head.path.removeprefix("/later")]
        if self.release is None:
            await asyncio.sleep(0.005)
        else:
            await self.release.wait()
        return answer


@dataclass
class Served:
    """A port that an event loop in its own thread serves."""

    app: Any
    port: Port
    loop: asyncio.AbstractEventLoop
    number: int
    secure: bool
    errors: list[dict[str, Any]] = field(default_factory=list)  # that reached the loop's exception handler

    @contextlib.contextmanager
    def connected(self) -> Iterator[socket.socket]:
        """A connection; its operations time out after 10 s."""
        with socket.create_connection(("127.0.0.1", self.number), timeout=HANGING) as plain:
            if not self.secure:
                yield plain
                return
            with TRUST.wrap_socket(plain) as connection:
                yield connection

    def call(self, function: Any, *arguments: Any) -> Any:
        """Run a function in the event loop and return its result."""

        async def run() -> Any:
            return function(*arguments)

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(10)


@contextlib.contextmanager
def served(
    app: Application, limits: Limits = LIMITS, *, secure: bool = True, pair: tls.Pair = PAIR
) -> Iterator[Served]:
    """Serve the application on a free port."""
    bound = socket.create_server(("127.0.0.1", 0))
    bound.setblocking(False)
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    found = Served(app, Port(app, limits), loop, bound.getsockname()[1], secure)
    loop.call_soon_threadsafe(loop.set_exception_handler, lambda _, context: found.errors.append(context))

    def accept() -> Acceptor:
        return Acceptor(
            bound,
            partial(Connection, found.port),
            tls.context(pair) if secure else None,
            handshakes=limits.connections,
            timeout=HANGING,
            failed=lambda reason: None,
        )

    acceptor = found.call(accept)
    try:
        yield found
    finally:
        asyncio.run_coroutine_threadsafe(acceptor.close(), loop).result(10)
        found.call(found.port.cut)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(HANGING)
        loop.close()


def request(target: bytes, *headers: bytes, body: bytes = b"", method: bytes = b"POST", host: bytes = b"x") -> bytes:
    """The bytes of a request, with a content-length if it has a body."""
    lines = [b"%s %s HTTP/1.1" % (method, target), b"host: " + host, *headers]
    if body:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def response(stream: BinaryIO, method: str = "POST") -> tuple[int, bytes, Any]:
    """Status, head and JSON body of the next response; (0, b"", None) at the end of the stream."""
    lines: list[bytes] = []
    while (line := stream.readline()) != b"\r\n":
        if not line:
            return 0, b"", None
        lines.append(line)
    head = b"".join(lines)
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    body = b"" if method == "HEAD" else stream.read(length)
    return int(head.split(b" ", 2)[1]), head, json.loads(body) if body else None


def rest(connection: socket.socket) -> bytes:
    """Everything that the server sends until it closes the connection."""
    got = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while piece := connection.recv(65536):
            got += piece
    return got
