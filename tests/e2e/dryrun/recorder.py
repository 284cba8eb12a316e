"""An admission webhook that allows everything and keeps the requests, by the manifest that their user names."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.server.authorities import Authority

EXTRA = "manifest"
"""The extra of the user by which a request is known."""

Reviewed = dict[str, Any]


class Recorder:
    """`seen[manifest][phase]` is the request of an AdmissionReview; phase is `mutation` or `validation`."""

    def __init__(self, port: int, ca: bytes) -> None:
        self.port = port
        self.ca = ca
        self.seen: dict[str, dict[str, Reviewed]] = {}
        self.heard = threading.Event()
        """Whether anything was asked yet."""


@contextmanager
def recording(folder: Path) -> Iterator[Recorder]:
    """A webhook on loopback, with a certificate of its own authority."""
    authority = Authority("recorder")
    certificate, key = folder / "recorder.crt", folder / "recorder.key"
    for path, content in zip((certificate, key), authority.pair(), strict=True):
        path.write_bytes(content)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            request = review["request"]
            recorder.heard.set()
            for name in request["userInfo"].get("extra", {}).get(EXTRA, ()):
                recorder.seen.setdefault(name, {})[self.path.partition("?")[0].strip("/")] = request
            review["response"] = {"uid": request["uid"], "allowed": True}
            del review["request"]
            body = json.dumps(review).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        recorder = Recorder(server.server_address[1], authority.pem)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield recorder
        finally:
            server.shutdown()
            thread.join()
