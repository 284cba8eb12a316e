"""A scripted API server, for failures that a real one cannot be made to produce."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Object = dict[str, Any]


class Exchange:
    """One request, and the methods that respond to it. `earlier`: the requests before it."""

    def __init__(self, handler: BaseHTTPRequestHandler, earlier: list[Exchange]) -> None:
        self._handler = handler
        self.earlier = earlier
        self.method = handler.command
        split = urlsplit(handler.path)
        self.path = split.path
        self.query = dict(parse_qsl(split.query))
        self.authorization = handler.headers.get("Authorization", "")
        length = int(handler.headers.get("Content-Length") or 0)
        self.body: Object | None = json.loads(handler.rfile.read(length)) if length else None

    @property
    def first(self) -> bool:
        """Whether it is the first list or the first watch."""
        return all(each.watching != self.watching for each in self.earlier)

    @property
    def watching(self) -> bool:
        return self.query.get("watch") == "true"

    def json(self, value: Any, status: int = 200) -> None:
        self.text(json.dumps(value).encode(), status)

    def text(self, body: bytes, status: int = 200) -> None:
        self._handler.send_response(status)
        self._handler.send_header("Content-Length", str(len(body)))
        self._handler.end_headers()
        self._handler.wfile.write(body)

    def refuse(self, status: int, message: str = "no") -> None:
        self.json({"kind": "Status", "status": "Failure", "message": message, "code": status}, status)

    def stream(
        self, *pieces: bytes | Callable[[], bytes], end: bool = True, hold: threading.Event | None = None
    ) -> None:
        """Respond to a watch with one chunk for each piece. A function is called when its piece is due.

        Afterwards it stays open until `hold` is set (at most 20 s), if there is one. Then it ends properly, or breaks
        off if `end` is false.
        """
        self._handler.send_response(200)
        self._handler.send_header("Transfer-Encoding", "chunked")
        self._handler.end_headers()
        for each in pieces:
            piece = each if isinstance(each, bytes) else each()
            self._handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self._handler.wfile.flush()
        if hold is not None:
            hold.wait(20)
        if end:
            self._handler.wfile.write(b"0\r\n\r\n")
        self._handler.close_connection = True


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that was stopped
            super().handle_error(request, client_address)


@contextmanager
def playing(answer: Callable[[Exchange], None]) -> Iterator[tuple[str, list[Exchange]]]:
    """A running server: its URL, and the list of requests that it has received. `answer` responds to each."""
    exchanges: list[Exchange] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            exchange = Exchange(self, list(exchanges))
            exchanges.append(exchange)
            answer(exchange)

        do_POST = do_PATCH = do_DELETE = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", exchanges
    finally:
        server.shutdown()
        server.server_close()


def config_map(name: str, version: int, namespace: str = "shop", **values: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{namespace}-{name}",
            "resourceVersion": str(version),
            "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:data": {}}}],
        },
        "data": values,
    }


def listed(version: int, *items: Object, token: str = "") -> Object:
    """A list as an API server sends it: its items have no apiVersion and kind. `token`: for the next page."""
    metadata: Object = {"resourceVersion": str(version)}
    if token:
        metadata["continue"] = token
    bare = [{key: value for key, value in each.items() if key not in ("apiVersion", "kind")} for each in items]
    return {"apiVersion": "v1", "kind": "ConfigMapList", "metadata": metadata, "items": bare}


def event(kind: str, value: Object) -> bytes:
    return json.dumps({"type": kind, "object": value}).encode() + b"\n"


def bookmark(version: int) -> bytes:
    return event("BOOKMARK", {"kind": "ConfigMap", "metadata": {"resourceVersion": str(version)}})


def gone(code: int = 410) -> bytes:
    return event("ERROR", {"kind": "Status", "code": code, "message": "too old resource version"})
