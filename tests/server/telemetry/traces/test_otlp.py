"""Spans as bytes: the encoder of OpenTelemetry says what they must be."""

from __future__ import annotations

import random
import time

import msgspec
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan

from tests.amounts import amount
from webhook.server.telemetry.traces import exporter, otlp
from webhook.server.telemetry.traces.exporter import spans_of
from webhook.server.telemetry.traces.spans import LookupSpan, PolicySpan, RequestNames, ReviewSpan

TEXTS = ("", "a", "no-host-path", "é" * 100, "😀", "x" * 256, "\x00", "a,b=c")


def _read(spans: list[ReadableSpan]) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(otlp.encode(spans).SerializePartialToString())


def _review(chance: random.Random) -> ReviewSpan:
    def text() -> str:
        return chance.choice(TEXTS)

    def new_id(digits: int) -> str:
        return f"{chance.getrandbits(4 * digits) or 1:0{digits}x}"

    def part() -> PolicySpan:
        result = chance.choice(("deny", "error", "skipped"))
        return PolicySpan(text(), text(), text(), text(), result, chance.random(), 1 + chance.random())

    def lookup() -> LookupSpan:
        what = chance.choice(("namespace", "access", "policy"))
        return LookupSpan(what, text(), text(), chance.random(), 1 + chance.random())

    names = msgspec.convert([*(text() for _ in range(8)), chance.random() < 0.5, text()], RequestNames)
    parts = tuple(part() for _ in range(chance.randrange(3)))
    return ReviewSpan(
        trace_id=new_id(32),
        span_id=new_id(16),
        parent=chance.choice(("", new_id(16))),
        state=chance.choice(("", "vendor=1", "a=1,b=2")),
        ended=chance.choice((time.time_ns(), 1 << 62)),
        seconds=chance.random(),
        path=chance.choice(("/validate", "/mutate/fail")),
        client=text(),
        status=chance.choice((200, 400, 500)),
        error=text(),
        verdict=text(),
        code=chance.choice((0, 200, 403, 100_000)),
        revision=text(),
        request=chance.choice((None, names)),
        evaluated=tuple(text() for _ in range(chance.randrange(4))),
        parts=parts,
        lookups=tuple(lookup() for _ in range(chance.randrange(3))),
        excepted=tuple((each.name, each.binding) for each in parts if chance.random() < 0.5),
    )


@pytest.mark.parametrize("seed", range(amount(2000, 100)))
def test_a_batch_is_what_the_librarys_encoder_makes_of_it(seed: int) -> None:
    chance = random.Random(seed)
    resource = Resource({"service.name": "gatewright", "number": 7, "on": True}, chance.choice(("", "https://a/1.0")))
    spans = [span for _ in range(chance.randrange(1, 4)) for span in spans_of(_review(chance), resource)]
    assert _read(spans) == encode_spans(spans)


@pytest.mark.parametrize("value", [True, False, 0, 1, -1, (1 << 63) - 1, -(1 << 63), "", (), ("", "a"), (1, True)])
def test_values_of_each_type(value: object) -> None:
    """Equal ones of other types are told apart."""
    (span,) = spans_of(_review(random.Random(1)), Resource({}))[:1]
    spans = [
        ReadableSpan("s", context=span.context, resource=span.resource, attributes={"a": each}, kind=span.kind)  # type: ignore[dict-item]
        for each in (value, 1, True, "1", value)
    ]
    assert _read(spans) == encode_spans(spans)


def test_what_only_the_library_writes_is_left_to_it() -> None:
    """A detector of resources may find anything."""
    spans = spans_of(_review(random.Random(1)), Resource({"ratio": 0.5}))
    assert _read(spans) == encode_spans(spans)


def test_no_spans_are_no_bytes() -> None:
    assert otlp.encode([]).SerializeToString() == encode_spans([]).SerializeToString() == b""


def test_the_exporter_asks_the_quick_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, OpenTelemetry has given its encoder another name: find the new one."""
    monkeypatch.setitem(vars(trace_exporter), "encode_spans", encode_spans)  # restored afterwards
    exporter.encode_quickly()
    export = trace_exporter.OTLPSpanExporter.export
    assert export.__globals__["encode_spans"] is otlp.encode
    assert "encode_spans" in export.__code__.co_names
