"""Adapts an ASGI application to a port's protocol: the plain port serves FastAPI this way."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

from webhook.server.plain.rationing import Ration
from webhook.server.port.exchange import Answer, Client, Head

Message = MutableMapping[str, Any]
_TOO_OFTEN = Answer(
    429, b'{"error":"this client asks too often; try again"}', headers=((b"retry-after", b"1"),), close=True
)
_PROBES = ("/healthz", "/readyz")


class ASGI:
    """Runs `app` (ASGI 3, HTTP only, no lifespan) for each request. Its response is buffered, then sent as a whole.

    A client that asks too often gets 429, and has its connection closed; see webhook.server.plain.rationing. Probes are
    counted separately, because the kubelet's come from the node's address, which Pods may have too.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._ration, self._probes = Ration(), Ration()

    @property
    def unsolicited(self) -> Answer | None:
        """Nothing: clients send a GET again by themselves, if its connection was closed."""

    def admit(self, certificate: Any) -> str | None:
        """Admits every connection."""

    def refuse(self, head: Head, client: Client) -> Answer | None:
        """Refuses nothing: the application sees every request."""

    def too_large(self, head: Head, begin: bytes, client: Client) -> Answer | None:
        return None

    def refused(self, status: int, message: str, head: Head | None, client: Client) -> None:
        """Does nothing: requests that the protocol refuses on this port are neither counted nor logged."""

    async def answer(self, head: Head, body: bytes, client: Client) -> Answer:
        """The application's response, or a refusal. Raises what the application raises."""
        probe = head.path in _PROBES
        too_often = not (self._probes if probe else self._ration).allows(client.address)
        if too_often and not probe:
            return _TOO_OFTEN
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
            "client": (client.address, 0),
            "server": None,
        }
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        start: Message = {}
        pieces: list[bytes] = []

        async def receive() -> Message:
            if not messages:  # the whole body is delivered; http.disconnect is never sent
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
        return Answer(start["status"], b"".join(pieces), content_type, tuple(headers.items()), close=too_often)
