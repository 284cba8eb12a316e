"""The exporter's process: makes spans of what the server sends, and exports them by OTLP over HTTP.

    python -P -m webhook.server.telemetry.traces.exporter DESCRIPTOR

The descriptor is a stream socket. The server sends frames: four bytes of length, then a list of ReviewSpans in
MessagePack. This process sends lines of JSON: `{"done": N, "failed": N, "error": TEXT}`. It ends when the server
closes its end, and exports what it has before, if the collector takes it within PATIENCE.

What is configured stands in OpenTelemetry's own variables: OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS, _TIMEOUT,
_CERTIFICATE and so on, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_BSP_SCHEDULE_DELAY and
OTEL_BSP_MAX_EXPORT_BATCH_SIZE.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from webhook.server.limiting import bound_memory
from webhook.server.telemetry.traces import otlp
from webhook.server.telemetry.traces.sampling import new_id
from webhook.server.telemetry.traces.spans import LookupSpan, PolicySpan, RequestNames, ReviewSpan

PATIENCE: Final = 1.5
"""Seconds that this process goes on after the server has closed its end."""

MEMORY: Final = 128 << 20
"""Bytes that the process may take beside what it has at its start: a collector may answer without end."""

LENGTH: Final = 4
"""Bytes of the length before a frame."""

_SERVICE: Final = "gatewright"
_READ: Final = 1 << 16
_MAX_ERROR: Final = 300  # characters
_SCOPE: Final = InstrumentationScope("gatewright", version("gatewright"))
_NANO: Final = 1_000_000_000
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_Attributes = Mapping[str, Any]


class Exporter:
    """Serves one server. environ: see the module."""

    def __init__(self, server: socket.socket, environ: Mapping[str, str], exporter: SpanExporter) -> None:
        self._server = server
        self._exporter = exporter
        self._delay = _number(environ, "OTEL_BSP_SCHEDULE_DELAY", 5000) / 1000
        self._most = max(1, _number(environ, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512))
        self._resource = Resource.create(
            {} if environ.get("OTEL_SERVICE_NAME") else {"service.name": _service(environ)}
        )
        self._buffer = bytearray()
        self._decoder = msgspec.msgpack.Decoder(list[ReviewSpan])
        self._read: deque[ReviewSpan] = deque()
        self._errors = _Errors()

    def serve(self) -> None:
        """Export until the server closes its end."""
        open_ = True
        while open_:
            batch, open_ = self._batch()
            if not open_:
                threading.Thread(target=_end, daemon=True).start()  # whatever the exporter still waits for
            if batch:
                self._export(batch)
        self._exporter.shutdown()

    def _batch(self) -> tuple[list[ReviewSpan], bool]:
        """The records until there are enough, or the first has waited long enough; whether the server is there."""
        batch: list[ReviewSpan] = []
        until = None
        while True:
            batch += self._records(self._most - len(batch))
            if batch and until is None:
                until = time.monotonic() + self._delay
            left = None if until is None else until - time.monotonic()
            if len(batch) >= self._most or (left is not None and left <= 0):
                return batch, True
            if not select.select([self._server], [], [], left)[0]:
                return batch, True
            try:
                more = self._server.recv(_READ)
            except ConnectionError:
                more = b""
            if not more:
                return batch, False
            self._buffer += more

    def _records(self, most: int) -> Iterator[ReviewSpan]:
        """At most so many of the records that have come."""
        while most > 0 and (self._read or self._frame()):
            yield self._read.popleft()
            most -= 1

    def _frame(self) -> bool:
        """Read the next frame, if it has come whole."""
        end = LENGTH + int.from_bytes(self._buffer[:LENGTH], "big")
        if len(self._buffer) < LENGTH or len(self._buffer) < end:
            return False
        self._read.extend(self._decoder.decode(memoryview(self._buffer)[LENGTH:end].tobytes()))
        del self._buffer[:end]
        return bool(self._read)

    def _export(self, batch: Sequence[ReviewSpan]) -> None:
        spans = [span for each in batch for span in spans_of(each, self._resource)]
        error = ""
        self._errors.last = ""
        try:
            if self._exporter.export(spans) is not SpanExportResult.SUCCESS:
                error = self._errors.last or "the exporter failed"
        except Exception as raised:
            error = f"{type(raised).__name__}: {raised}"
        count = len(batch)
        said = {"done": 0, "failed": count, "error": error} if error else {"done": count, "failed": 0}
        line = orjson.dumps({"error": "", **said}, option=orjson.OPT_APPEND_NEWLINE)
        with contextlib.suppress(OSError):
            self._server.sendall(line)


class _Errors(logging.Handler):
    """Keeps the last message that the libraries log, in place of writing it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""
        root = logging.getLogger()
        root.handlers = [self]

    def emit(self, record: logging.LogRecord) -> None:
        self.last = " ".join(record.getMessage().split())[:_MAX_ERROR]


def spans_of(review: ReviewSpan, resource: Resource) -> list[ReadableSpan]:
    """The spans of a review: its own, and one for each part and lookup."""
    trace_id = int(review.trace_id, 16)
    state = TraceState.from_header([review.state]) if review.state else TraceState()

    def context(span_id: str, *, remote: bool = False) -> SpanContext:
        return SpanContext(trace_id, int(span_id, 16), remote, _SAMPLED, state)

    def span(
        name: str,
        began: int,
        ended: int,
        attributes: _Attributes,
        *,
        own: SpanContext | None = None,
        parent: SpanContext | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        error: str = "",
    ) -> ReadableSpan:
        return ReadableSpan(
            name=name,
            context=own or context(new_id()),
            parent=parent,
            resource=resource,
            attributes={key: value for key, value in attributes.items() if value not in ("", ())},
            kind=kind,
            instrumentation_scope=_SCOPE,
            status=Status(StatusCode.ERROR, error) if error else Status(StatusCode.UNSET),
            start_time=began,
            end_time=ended,
        )

    began = review.ended - int(review.seconds * _NANO)

    def at(seconds: float) -> int:
        return began + int(seconds * _NANO)

    own = context(review.span_id)
    found = [
        span(
            f"POST {review.path}",
            began,
            review.ended,
            _attributes(review),
            own=own,
            parent=context(review.parent, remote=True) if review.parent else None,
            kind=SpanKind.SERVER,
            error=review.error or "error" if review.status >= 500 else "",
        )
    ]
    for part in review.parts:
        failed = "evaluation error" if part.result == "error" else ""
        name = f"policy {part.name}"
        about = _policy(part, excepted=(part.name, part.binding) in review.excepted)
        found.append(span(name, at(part.began), at(part.ended), about, parent=own, error=failed))
    for lookup in review.lookups:
        name = f"{_LOOKUPS[lookup.what]} {lookup.name}".strip()
        found.append(span(name, at(lookup.began), at(lookup.ended), _lookup(lookup), parent=own, error=lookup.error))
    return found


_LOOKUPS: Final = {"namespace": "wait for Namespace", "access": "ask the authorizer", "policy": "run apart"}


def _attributes(review: ReviewSpan) -> _Attributes:
    """https://opentelemetry.io/docs/specs/semconv/http/http-spans/ and, of Kubernetes, the registry's names."""
    request = review.request or RequestNames()
    names = tuple(dict.fromkeys(review.evaluated))
    return {
        "http.request.method": "POST",
        "url.scheme": "https",
        "url.path": review.path,
        "http.route": review.path,
        "http.response.status_code": review.status,
        "client.address": review.client,
        "error.type": review.error,
        "k8s.namespace.name": request.namespace,
        "user.name": request.user,
        "gatewright.review.uid": request.uid,
        "gatewright.review.operation": request.operation,
        "gatewright.review.group": request.group,
        "gatewright.review.version": request.version,
        "gatewright.review.resource": request.resource,
        "gatewright.review.subresource": request.subresource,
        "gatewright.review.name": request.name,
        "gatewright.review.dry_run": request.dry_run if review.request else "",
        "gatewright.verdict": review.verdict,
        "gatewright.verdict.code": review.code,
        "gatewright.policies.revision": review.revision,
        "gatewright.policies.evaluated": names,
    }


def _policy(part: PolicySpan, *, excepted: bool) -> _Attributes:
    return {
        "gatewright.policy.name": part.name,
        "gatewright.policy.kind": part.kind,
        "gatewright.policy.language": part.language,
        "gatewright.binding.name": part.binding,
        "gatewright.policy.result": part.result,
        "gatewright.policy.excepted": excepted,
    }


def _lookup(lookup: LookupSpan) -> _Attributes:
    named = {"namespace": "k8s.namespace.name", "policy": "gatewright.policy.name"}.get(lookup.what)
    return {"gatewright.lookup": lookup.what, **({named: lookup.name} if named else {}), "error.type": lookup.error}


def _service(environ: Mapping[str, str]) -> str:
    """The name of the service, unless OTEL_RESOURCE_ATTRIBUTES has one."""
    for each in environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
        key, _, value = each.partition("=")
        if key.strip() == "service.name" and value.strip():
            return value.strip()
    return _SERVICE


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    try:
        number = int(environ.get(name, "") or default)
    except ValueError:
        return default
    return number if number > 0 else default


def _end() -> None:
    time.sleep(PATIENCE)
    os._exit(0)


def encode_quickly() -> None:
    """Have OpenTelemetry's exporter take the encoder of webhook.server.telemetry.traces.otlp in place of its own.

    A version that does not ask for it by this name any more encodes as it does by itself.
    """
    vars(trace_exporter)["encode_spans"] = otlp.encode


def main(descriptor: int) -> None:
    """Serve the server at the other end of a socket."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # of a terminal: the server says when to end
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # if memory runs out, this process ends before the server
    os.nice(10)
    encode_quickly()
    with socket.socket(fileno=descriptor) as server:
        Exporter(server, os.environ, OTLPSpanExporter()).serve()


if __name__ == "__main__":
    bound_memory(MEMORY)
    main(int(sys.argv[1]))
