"""An ASGI application behind the protocol of a port: the plain port serves FastAPI this way."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

from webhook.server.protocol import Answer, Head

Message = MutableMapping[str, Any]


class ASGI:
    """Runs `app` (ASGI 3, HTTP only, no lifespan) for each request, and gathers its response before it is sent."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def refuse(self, head: Head, client: str) -> Answer | None:
        """None: the application sees every request."""

    def refused(self, status: int, message: str, head: Head | None, client: str) -> None:
        """Does nothing: requests that this port refuses are neither counted nor logged."""

    async def answer(self, head: Head, body: bytes, client: str) -> Answer:
        """The response of the application. Raises what the application raises before it has responded."""
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": head.method,
            "scheme": "http",
            "path": head.path,
            "raw_path": head.target.partition(b"?")[0],
            "query_string": head.query,
            "root_path": "",
            "headers": list(head.headers),
            "client": (client, 0),
            "server": None,
        }
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        start: Message = {}
        pieces: list[bytes] = []

        async def receive() -> Message:
            if not messages:  # the client has sent all there is, and whether it left does not matter
                await asyncio.Event().wait()
            return messages.pop()

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                pieces.append(message.get("body", b""))

        await self._app(scope, receive, send)
        headers = {bytes(name).lower(): bytes(value) for name, value in start["headers"]}
        content_type = headers.pop(b"content-type", b"application/octet-stream")
        headers.pop(b"content-length", None)
        return Answer(start["status"], b"".join(pieces), content_type, tuple(headers.items()))
