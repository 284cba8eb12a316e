"""The review application by itself, as any ASGI server would call it: what no client can bring about at will."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.server.running import recorded
from webhook.admission import engine
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.policyset import PolicySet
from webhook.schema import Kinds
from webhook.server.logs import Log
from webhook.server.metrics import Metrics
from webhook.server.reviews import Reviews
from webhook.server.state import State

BODY = recorded("028")  # a Secret
SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/validate",
    "headers": [(b"content-type", b"application/json")],
    "client": ("192.0.2.1", 4711),
}
MAX_BODY = 10_000


class App:
    """The application, its log in a file."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "log"
        log = Log(os.open(self._log, os.O_WRONLY | os.O_CREAT))
        self.state = State(PolicySet(), ManifestsView(()))
        self.metrics = Metrics(Kinds.builtin(), log)
        self.reviews = Reviews(self.state, self.metrics, log, max_body=MAX_BODY, max_buffered=2 * MAX_BODY)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    async def call(self, receive: Callable[[], Awaitable[dict[str, Any]]]) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []

        async def send(message: Any) -> None:
            sent.append(message)

        await self.reviews(dict(SCOPE), receive, send)
        return sent

    def post(self, *pieces: bytes, gone: bool = False) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": piece, "more_body": gone or at < len(pieces) - 1}
            for at, piece in enumerate(pieces)
        ]
        if gone:
            messages.append({"type": "http.disconnect"})

        async def receive() -> dict[str, Any]:
            return messages.pop(0)

        return asyncio.run(self.call(receive))


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path)


def test_a_review_is_answered_by_two_messages(app: App) -> None:
    start, body = app.post(BODY)
    assert start["status"] == 200
    assert dict(start["headers"])[b"content-length"] == b"%d" % len(body["body"])
    assert json.loads(body["body"])["response"]["allowed"] is True


def test_a_body_in_pieces_is_the_same_body(app: App) -> None:
    assert app.post(BODY) == app.post(BODY[:10], BODY[10:500], b"", BODY[500:])


def test_a_defect_is_a_500_that_tells_nothing_of_the_object(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("hunter2")

    monkeypatch.setattr(engine, "validate", broken)
    start, body = app.post(BODY)
    assert start["status"] == 500
    assert json.loads(body["body"]) == {"error": "the review could not be decided (RuntimeError); see the log"}
    (line,) = app.lines()
    assert (line["level"], line["event"], line["error"]) == ("error", "review failed", "RuntimeError")
    assert line["uid"] == json.loads(BODY)["request"]["uid"]
    assert "broken" in line["at"][-1]
    assert "hunter2" not in json.dumps(line)
    assert 'resource="secrets",verdict="error"} 1.0' in app.metrics.exposition().decode()


@pytest.mark.parametrize("pieces", [(), (BODY[:100],), (BODY[:100], b"")])
def test_nobody_answers_a_client_that_has_left(app: App, pieces: tuple[bytes, ...]) -> None:
    assert app.post(*pieces, gone=True) == []
    assert app.lines() == []


def test_bodies_that_arrive_at_the_same_time_are_bounded_together(app: App) -> None:
    async def many() -> list[int]:
        go_on = asyncio.Event()

        def client() -> Callable[[], Awaitable[dict[str, Any]]]:
            begun = False

            async def receive() -> dict[str, Any]:
                nonlocal begun
                if not begun:
                    begun = True
                    return {"type": "http.request", "body": b" " * 9000, "more_body": True}
                await go_on.wait()
                return {"type": "http.request", "body": b"{}", "more_body": False}

            return receive

        clients = [asyncio.create_task(app.call(client())) for _ in range(5)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        go_on.set()
        return [(await answered)[0]["status"] for answered in clients]

    assert asyncio.run(many()) == [400, 400, 503, 503, 503]
    assert app.post(BODY)[0]["status"] == 200  # what was held is given back
    assert asyncio.run(many()) == [400, 400, 503, 503, 503]


def test_a_body_over_the_limit_is_read_to_twice_the_limit_and_no_further(app: App) -> None:
    asked = 0

    async def receive() -> dict[str, Any]:
        nonlocal asked
        asked += 1000
        return {"type": "http.request", "body": b" " * 1000, "more_body": True}

    start, _ = asyncio.run(app.call(receive))
    assert start["status"] == 413
    assert (b"connection", b"close") in start["headers"]
    assert 2 * MAX_BODY <= asked <= 2 * MAX_BODY + 1000


def test_a_server_that_stops_sends_its_clients_elsewhere(app: App) -> None:
    app.state.stopping = True
    start, _ = app.post(BODY)
    assert start["status"] == 200
    assert (b"connection", b"close") in start["headers"]
