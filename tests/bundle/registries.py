"""Registries on loopback: a real one, of go-containerregistry, and one in Python that answers as a test likes."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from tests.goprograms import built
from tests.policy.trees import PODS, binding, policy
from webhook.bundle.artifact import EMPTY, NOTHING, Artifact, digest_of, made
from webhook.bundle.reference import Reference, parse

HERE = Path(__file__).parent
FILES = (("a.yaml", b"kind: A\n"), ("sub/b.py", b"pass\n"))
REPOSITORY = "team/policies"


@contextlib.contextmanager
def registry(*arguments: str | Path) -> Iterator[str]:
    """A real registry; its address. arguments: a certificate and its key, PEM, for TLS. Skips without Go."""
    command = [str(built(HERE / "registry")), *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def artifact(*files: tuple[str, bytes]) -> Artifact:
    return made(files or FILES, {})


def denying(message: str = "no", name: str = "p", expression: str = "false") -> str:
    """The text of a policy that denies each Pod, and of its binding."""
    own = policy(name, rules=[PODS], validations=[{"expression": expression, "message": message}])
    return yaml.safe_dump_all([own, binding(name, name=name)], sort_keys=False)


class Answering:
    """A registry that holds what `hold` was given. `instead` answers in its place, unless it returns False.

    `asked`: the requests so far: method, path, value of Authorization.
    """

    def __init__(self) -> None:
        self.manifests: dict[str, bytes] = {}
        self.blobs: dict[str, bytes] = {digest_of(NOTHING): NOTHING}
        self.asked: list[tuple[str, str, str | None]] = []
        self.instead: Callable[[Handler], bool] = lambda _: False
        self.address = ""

    def reference(self, target: str = ":v1") -> Reference:
        return parse(f"oci://{self.address}/{REPOSITORY}{target}")

    def hold(self, bundle: Artifact, *tags: str) -> Artifact:
        for name in (*tags, bundle.digest):
            self.manifests[name] = bundle.manifest
        self.blobs[digest_of(bundle.layer)] = bundle.layer
        return bundle

    def manifest(self, tag: str, layers: list[dict[str, Any]], **fields: Any) -> None:
        """Hold any manifest under a tag."""
        config = {"mediaType": EMPTY, "digest": digest_of(NOTHING), "size": 2}
        text = json.dumps({"schemaVersion": 2, "config": config, "layers": layers, **fields}).encode()
        self.manifests |= {tag: text, digest_of(text): text}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    registry: Answering

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", **headers: str) -> bool:
        """Answer. Names of headers have _ for -."""
        self.send_response(status)
        sent = {"Content-Length": str(len(body)), **{key.replace("_", "-"): value for key, value in headers.items()}}
        for key, value in sent.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        return True

    def do_GET(self) -> None:
        self.registry.asked.append((self.command, self.path, self.headers.get("Authorization")))
        with contextlib.suppress(OSError):  # the client has had enough
            if self.registry.instead(self):
                return
            kind, _, name = self.path.removeprefix(f"/v2/{REPOSITORY}/").partition("/")
            found = (self.registry.manifests if kind == "manifests" else self.registry.blobs).get(name)
            if kind == "referrers":
                self.answer(404)
            elif found is None:
                self.answer(404, b'{"errors":[{"code":"UNKNOWN","message":"no such thing"}]}')
            else:
                self.answer(200, found)

    do_HEAD = do_POST = do_PUT = do_GET


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """A client that has had enough is no error here."""


@contextlib.contextmanager
def answering() -> Iterator[Answering]:
    """A registry in Python."""
    held = Answering()
    handler = type("Bound", (Handler,), {"registry": held})
    with _Server(("127.0.0.1", 0), handler) as server:
        held.address = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield held
        finally:
            server.shutdown()
            thread.join()
