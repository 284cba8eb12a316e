"""A collector of traces: takes OTLP over HTTP on loopback, and reads it with the published protobuf classes."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.server.running import wait_for


@dataclass(frozen=True)
class Span:
    """What tests look at of a span."""

    trace_id: str
    span_id: str
    parent: str
    name: str
    kind: int
    status: int
    state: str
    began: int
    ended: int
    attributes: dict[str, Any]
    resource: dict[str, Any]


@dataclass
class Collector:
    """A receiver. `answer` decides what it answers to a request: a status, after whatever it waits for."""

    port: int = 0
    answer: Callable[[], int] = lambda: 200
    spans: list[Span] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    requests: int = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def of(self, count: int, seconds: float = 20.0) -> list[Span]:
        """The spans, once there are so many."""
        wait_for(lambda: len(self.spans) >= count, seconds)
        return list(self.spans)

    def reviews(self, count: int = 1, seconds: float = 20.0) -> list[Span]:
        """The spans of reviews, once there are so many."""
        found: list[Span] = wait_for(
            lambda: (found := [each for each in self.spans if each.kind == 2])[count - 1 :] and found, seconds
        )
        return found


def _value(value: Any) -> Any:
    which = value.WhichOneof("value")
    return [_value(each) for each in value.array_value.values] if which == "array_value" else getattr(value, which)


def _attributes(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes}


def read(body: bytes) -> Iterator[Span]:
    request = ExportTraceServiceRequest.FromString(body)
    for of_resource in request.resource_spans:
        resource = _attributes(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield Span(
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.name,
                    span.kind,
                    span.status.code,
                    span.trace_state,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    _attributes(span.attributes),
                    resource,
                )


@contextlib.contextmanager
def collecting(answer: Callable[[], int] = lambda: 200) -> Iterator[Collector]:
    """A collector on a free port."""
    collector = Collector(answer=answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.requests += 1
            status = collector.answer()
            if status == 200:
                assert self.path == "/v1/traces"
                collector.headers.append({key.lower(): value for key, value in self.headers.items()})
                collector.spans += read(body)
            with contextlib.suppress(OSError):
                self.send_response(status)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        collector.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()


def slow(seconds: float) -> Callable[[], int]:
    """Answers after so long."""

    def answer() -> int:
        time.sleep(seconds)
        return 200

    return answer
