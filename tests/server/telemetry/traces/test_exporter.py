"""The exporter in a thread of this process, against a real collector. test_sending.py beside it runs the process.

A process that a server ends may leave no record of the lines that it ran: what counts as coverage is run here.
"""

from __future__ import annotations

import logging
import select
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec
import orjson
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import StatusCode

from tests.server.collector import collecting
from tests.server.running import wait_for
from tests.timing import patience
from webhook.server.telemetry.traces import exporter
from webhook.server.telemetry.traces.exporter import LENGTH, Exporter, spans_of
from webhook.server.telemetry.traces.spans import LookupSpan, PolicySpan, RequestNames, ReviewSpan

TRACE = "0af7651916cd43dd8448eb211c80319c"
SECOND = 1_000_000_000


@pytest.fixture(autouse=True)
def _root_logger(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter replaces the handlers of the root logger, as its process has it for itself."""
    monkeypatch.setattr(logging.getLogger(), "handlers", list(logging.getLogger().handlers))


def review(number: int = 1, *, error: str = "", status: int = 200, **fields: object) -> ReviewSpan:
    request = RequestNames("uid", "CREATE", "apps", "v1", "deployments", "", "shop", "web", False, "ann")
    made = ReviewSpan(
        TRACE, f"{number:016x}", "", "", 10 * SECOND, 0.5, "/validate", "127.0.0.1", status, error, "deny", 403, "r1",
        request, ("one", "two", "one"), (), (), (),
    )  # fmt: skip
    return msgspec.structs.replace(made, **fields)


def frame(*reviews: ReviewSpan) -> bytes:
    body = msgspec.msgpack.encode(list(reviews))
    return len(body).to_bytes(LENGTH, "big") + body


class Peer:
    """The server's end of the socket. other: the exporter's."""

    def __init__(self, connection: socket.socket, other: socket.socket) -> None:
        self._connection = connection
        self._other = other
        self._connection.settimeout(patience(20))
        self._lines = connection.makefile("rb")

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def send_alone(self, data: bytes) -> None:
        """Send, and wait until the exporter has read it."""
        self.send(data)
        wait_for(lambda: not select.select([self._other], [], [], 0)[0])

    def said(self) -> dict[str, object]:
        """The next line of the exporter."""
        line: dict[str, object] = orjson.loads(self._lines.readline())
        return line

    def close(self) -> None:
        self._connection.shutdown(socket.SHUT_WR)


@contextmanager
def exporting(endpoint: str, monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str]) -> Iterator[Peer]:
    """An exporter that serves until the block ends."""
    monkeypatch.setattr(exporter, "_end", lambda: None)  # it ends the process
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        thread = threading.Thread(target=Exporter(theirs, environ, OTLPSpanExporter()).serve)
        thread.start()
        peer = Peer(ours, theirs)
        try:
            yield peer
        finally:
            peer.close()
            thread.join(patience(20))
        assert not thread.is_alive()


def test_a_frame_may_come_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting() as collector:
        with exporting(collector.endpoint, monkeypatch, {"OTEL_BSP_SCHEDULE_DELAY": "50"}) as peer:
            whole = frame(review(1), review(2))
            for at in range(0, len(whole), 40):
                peer.send_alone(whole[at : at + 40])
            assert peer.said() == {"done": 2, "failed": 0, "error": ""}
        assert [span.span_id for span in collector.spans] == [f"{number:016x}" for number in (1, 2)]
        assert collector.spans[0].resource["service.name"] == "gatewright"


def test_a_batch_has_at_most_its_size_and_the_rest_is_exported_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"OTEL_BSP_SCHEDULE_DELAY": "600000", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "2"}
    with collecting() as collector:
        with exporting(collector.endpoint, monkeypatch, environ) as peer:
            peer.send(frame(*(review(number) for number in (1, 2, 3))) + frame(review(4), review(5)))
            assert [peer.said()["done"], peer.said()["done"]] == [2, 2]
            peer.close()
            assert peer.said()["done"] == 1
        assert len(collector.spans) == 5
        assert collector.requests == 3


@pytest.mark.parametrize(("status", "expected"), [(400, "400"), (401, "401")])
def test_what_the_collector_refuses_is_reported_with_its_reason(
    status: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collecting(lambda: status) as collector:
        with exporting(collector.endpoint, monkeypatch, {"OTEL_BSP_SCHEDULE_DELAY": "50"}) as peer:
            peer.send(frame(review()))
            said = peer.said()
        assert (said["done"], said["failed"]) == (0, 1)
        assert expected in str(said["error"])


def test_an_exporter_that_raises_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def export(_self: object, _spans: object) -> None:
        raise RuntimeError("no route")

    monkeypatch.setattr(OTLPSpanExporter, "export", export)
    with exporting("http://127.0.0.1:1", monkeypatch, {"OTEL_BSP_SCHEDULE_DELAY": "50"}) as peer:
        peer.send(frame(review()))
        assert peer.said() == {"done": 0, "failed": 1, "error": "RuntimeError: no route"}


def test_a_review_that_failed_is_an_error_span_under_its_parent() -> None:
    (span,) = spans_of(review(error="timeout", status=504, parent="00f067aa0ba902b7", state="a=1"), Resource({}))
    assert (span.name, span.status.status_code, span.status.description) == (
        "POST /validate", StatusCode.ERROR, "timeout",
    )  # fmt: skip
    assert span.parent is not None
    assert (span.parent.span_id, span.parent.is_remote) == (0x00F067AA0BA902B7, True)
    assert span.context.trace_state.get("a") == "1"
    assert (span.start_time, span.end_time) == (9.5 * SECOND, 10 * SECOND)
    assert span.attributes is not None
    assert span.attributes["gatewright.policies.evaluated"] == ("one", "two")
    assert "gatewright.review.subresource" not in span.attributes


def test_a_review_without_a_request_has_a_span() -> None:
    (span,) = spans_of(review(request=None, status=400, error="malformed"), Resource({}))
    assert span.status.status_code is StatusCode.UNSET  # the client's fault
    assert span.attributes is not None
    assert not [name for name in span.attributes if name.startswith(("gatewright.review.", "k8s.", "user."))]


def test_policies_and_lookups_are_spans_within_the_review() -> None:
    parts = (
        PolicySpan("one", "validating", "cel", "first", "error", 0.1, 0.2),
        PolicySpan("two", "validating", "python", "", "deny", 0.2, 0.3),
    )
    lookups = (
        LookupSpan("namespace", "shop", "", 0.0, 0.1),
        LookupSpan("access", "", "timeout", 0.3, 0.4),
        LookupSpan("policy", "two", "", 0.2, 0.3),
    )
    excepted = (("two", ""),)
    own, *inner = spans_of(review(parts=parts, lookups=lookups, excepted=excepted), Resource({}))
    assert own.context is not None
    assert [span.name for span in inner] == [
        "policy one", "policy two", "wait for Namespace shop", "ask the authorizer", "run apart two",
    ]  # fmt: skip
    assert {span.parent.span_id for span in inner if span.parent} == {own.context.span_id}
    assert [span.status.status_code is StatusCode.ERROR for span in inner] == [True, False, False, True, False]
    attributes = [dict(span.attributes or {}) for span in inner]
    assert [each.get("gatewright.policy.excepted") for each in attributes] == [False, True, None, None, None]
    assert attributes[2]["k8s.namespace.name"] == "shop"
    assert attributes[3] == {"gatewright.lookup": "access", "error.type": "timeout"}
    assert attributes[4]["gatewright.policy.name"] == "two"
    assert (inner[0].start_time, inner[0].end_time) == (9.6 * SECOND, 9.7 * SECOND)


@pytest.mark.parametrize(("environ", "name"), [
    ({}, "gatewright"),
    ({"OTEL_RESOURCE_ATTRIBUTES": "k8s.pod.name=a,service.name= door "}, "door"),
    ({"OTEL_RESOURCE_ATTRIBUTES": "service.name="}, "gatewright"),
    ({"OTEL_SERVICE_NAME": "gate", "OTEL_RESOURCE_ATTRIBUTES": "service.name=door"}, "gate"),
])  # fmt: skip
def test_the_name_of_the_service(environ: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in environ.items():
        monkeypatch.setenv(key, value)
    with collecting() as collector:
        with exporting(collector.endpoint, monkeypatch, {**environ, "OTEL_BSP_SCHEDULE_DELAY": "x"}) as peer:
            peer.send(frame(review()))
            peer.close()
            assert peer.said()["done"] == 1
        assert collector.spans[0].resource["service.name"] == name


def test_the_process_ends_although_the_collector_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """After PATIENCE seconds, whatever the exporter waits for."""
    done: list[object] = []
    monkeypatch.setattr("time.sleep", done.append)
    monkeypatch.setattr("os._exit", done.append)
    exporter._end()
    assert done == [exporter.PATIENCE, 0]


def test_main_serves_the_descriptor_and_ignores_what_a_terminal_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    ignored: list[object] = []
    niced: list[int] = []
    monkeypatch.setattr("signal.signal", lambda number, _handler: ignored.append(number))
    monkeypatch.setattr("os.nice", niced.append)
    monkeypatch.setattr("pathlib.Path.write_text", _refuse)
    monkeypatch.setattr(exporter, "_end", lambda: None)
    monkeypatch.setitem(vars(trace_exporter), "encode_spans", encode_spans)
    ours, theirs = socket.socketpair()
    with ours:
        ours.shutdown(socket.SHUT_WR)
        exporter.main(theirs.detach())
        assert ours.recv(1) == b""
    assert len(ignored) == 3
    assert niced == [10]


def _refuse(*_: object) -> None:
    raise PermissionError
