"""Requests that arrive in one piece, answered from within the HTTP parser.

Nearly every review comes in one piece, and deciding it waits for nothing. Such a request needs no task, no event and no
ASGI messages; together they cost as much as the decision. All others are run as ASGI has it, by uvicorn.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from webhook.server.connections import BoundedProtocol

Answer = tuple[int, bytes, tuple[tuple[bytes, bytes], ...]]
"""Status, JSON body and further headers."""

ANSWER = "gatewright.answer"
"""An ASGI extension: `scope["extensions"][ANSWER]["answer"](answer)` sends an Answer in one go.

It returns False where it cannot (the client takes in nothing at the moment): then `send` must be awaited. Two `send`s
check each header by regular expression, and each writes a TLS record of its own.
"""


class WholeRequests(Protocol):
    """An ASGI application that can also answer, without waiting for anything, a request whose body is all there."""

    def answer(self, scope: MutableMapping[str, Any], body: bytes) -> Answer | None:
        """The answer to the request; None where it takes waiting, and the application is to be run as ASGI has it.

        Never raises. Of an ASGI scope there are path, query_string, method, headers and client.
        """


class WholeRequestsProtocol(BoundedProtocol):
    """The protocol of a port whose application answers WholeRequests."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._application: WholeRequests = self.config.app  # type: ignore[assignment]
        self._whole: _Whole | None = None

    def on_message_begin(self) -> None:
        # As uvicorn's, but for the scope, which is made where it is wanted.
        self._arriving = True
        self._begun += 1
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self.scope = None  # type: ignore[assignment]

    def on_headers_complete(self) -> None:
        cycle, parser = self.cycle, self.parser
        if (
            (cycle is not None and not cycle.response_complete)  # pipelined behind one that is still waited for
            or self.expect_100_continue
            or self.flow.write_paused
            or parser.should_upgrade()
        ):
            self._run_as_asgi()
            return
        split = _split if len(self.url) <= _MAX_KEPT_URL else _split.__wrapped__
        path, query = split(self.url)
        scope = {
            "path": path,
            "query_string": query,
            "method": parser.get_method().decode("ascii"),
            "headers": self.headers,
            "client": self.client,
        }
        self._whole = _Whole(scope, parser.should_keep_alive() and parser.get_http_version() != "1.0", [])

    def on_body(self, body: bytes) -> None:
        if self._whole is None:
            super().on_body(body)
        else:
            self._whole.body.append(body)

    def on_message_complete(self) -> None:
        if self._whole is None:
            super().on_message_complete()
            return
        scope, keep_alive, body = self._whole
        self._whole = None
        self._arriving = False
        answer = self._application.answer(scope, body[0] if len(body) == 1 else b"".join(body))
        if answer is None:
            self._run_as_asgi()
            for piece in body:
                super().on_body(piece)
            super().on_message_complete()
            return
        text, keep_alive = _written(answer, keep_alive)
        self.transport.write(text)
        self._idle_since = self.loop.time()
        if not keep_alive:
            self.transport.close()
            return
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        waiting = self._limits.waiting
        waiting.pop(self, None)
        waiting[self] = None  # the last of them now

    def _fed(self) -> None:
        whole = self._whole
        if whole is None:
            return
        self._whole = None
        if not self.transport.is_closing():
            self._run_as_asgi()
            for piece in whole.body:
                super().on_body(piece)

    def _in_body(self) -> bool:
        return self._whole is not None or super()._in_body()

    def _run_as_asgi(self) -> None:
        """Hands the request whose head is complete to uvicorn, which runs the application for it."""
        head = self.url, self.headers, self.expect_100_continue
        HttpToolsProtocol.on_message_begin(self)
        self.url, self.headers, self.expect_100_continue = head
        self.scope["headers"] = self.headers
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.scope["extensions"] = {ANSWER: {"answer": partial(self._answer_at_once, cycle)}}
        super()._start_asgi_task(cycle, app)

    def _answer_at_once(self, cycle: RequestResponseCycle, answer: Answer) -> bool:
        """The extension ANSWER. What `cycle.send` does for a head and a body."""
        if cycle.disconnected or self.flow.write_paused:
            return False
        text, cycle.keep_alive = _written(answer, cycle.keep_alive)
        cycle.response_started = cycle.response_complete = True
        self.transport.write(text)
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()
        return True


class _Whole(NamedTuple):
    """A request whose head is complete, and whose body may yet be whole within this piece of data."""

    scope: dict[str, Any]
    keep_alive: bool
    body: list[bytes]


def _written(answer: Answer, keep_alive: bool) -> tuple[bytes, bool]:
    """The response, and whether the connection is kept after it."""
    status, body, headers = answer
    lines = b""
    if headers:
        lines = b"".join([b"%s: %s\r\n" % header for header in headers])
        keep_alive = keep_alive and _CLOSE not in lines
    if not keep_alive and _CLOSE not in lines:
        lines += _CLOSE
    text = b"%scontent-type: application/json\r\ncontent-length: %d\r\n%s\r\n%s"
    return text % (STATUS_LINE[status], len(body), lines, body), keep_alive


_CLOSE: Final = b"connection: close\r\n"
_MAX_KEPT_URL: Final = 256


@lru_cache(maxsize=64)
def _split(url: bytes) -> tuple[str, bytes]:
    """Path and query of a request's target. API servers ask for two or three of them, over and over."""
    parsed = httptools.parse_url(url)
    path = parsed.path.decode("ascii")
    return unquote(path) if "%" in path else path, parsed.query or b""
