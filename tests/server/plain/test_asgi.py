"""An ASGI application behind the protocol: what it sees of a request, and what becomes of its response."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import StreamingResponse

from tests.server.ports import Served, request, response, served
from webhook.server.plain.asgi import ASGI


async def _mirror(scope: Any, receive: Any, send: Any) -> None:
    """Answers with what it was asked, in two pieces; fails at /broken; streams at /stream."""
    message = await receive()
    if scope["path"] == "/broken":
        raise RuntimeError("out of order")
    if scope["path"] == "/stream":
        await StreamingResponse(iter(["[1,", "2]"]))(scope, receive, send)
        return
    seen = {key: scope[key] for key in ("type", "method", "path", "scheme", "http_version")}
    seen |= {key: scope[key].decode() for key in ("raw_path", "query_string")}
    seen |= {
        "client": scope["client"][0],
        "headers": [[name.decode(), value.decode()] for name, value in scope["headers"]],
    }
    seen |= {"body": message["body"].decode(), "more": message["more_body"]}
    text = json.dumps(seen).encode()
    headers = [(b"Content-Type", b"text/x"), (b"content-length", b"%d" % len(text)), (b"x-further", b"1")]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": text[:10], "more_body": True})
    await send({"type": "http.response.body", "body": text[10:]})


def _asked(port: Served, *texts: bytes) -> list[tuple[int, bytes, Any]]:
    with port.connected() as connection:
        connection.sendall(b"".join(texts))
        stream = connection.makefile("rb")
        return [response(stream) for _ in texts]


def test_the_application_sees_the_request_and_the_client_its_response() -> None:
    with served(ASGI(_mirror), secure=False) as port:
        ((status, head, seen),) = _asked(port, request(b"/a%20b?c=d", b"X-Sent: y", body=b"hello"))
    assert status == 201
    assert b"content-type: text/x\r\n" in head
    assert b"x-further: 1\r\n" in head
    assert head.lower().count(b"content-length") == 1
    assert seen == {
        "type": "http",
        "method": "POST",
        "path": "/a b",
        "raw_path": "/a%20b",
        "query_string": "c=d",
        "scheme": "http",
        "http_version": "1.1",
        "client": "127.0.0.1",
        "headers": [["host", "x"], ["x-sent", "y"], ["content-length", "5"]],
        "body": "hello",
        "more": False,
    }


def test_a_response_that_is_streamed_is_gathered() -> None:
    with served(ASGI(_mirror), secure=False) as port:
        ((status, _, body),) = _asked(port, request(b"/stream"))
        assert (status, body) == (200, [1, 2])


def test_an_application_that_fails_is_a_500_and_the_next_request_is_served() -> None:
    with served(ASGI(_mirror), secure=False) as port:
        broken, next_one = _asked(port, request(b"/broken"), request(b"/"))
        assert (broken[0], next_one[0]) == (500, 201)
        (error,) = port.errors
        assert str(error["exception"]) == "out of order"
