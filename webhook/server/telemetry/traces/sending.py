"""Sends the spans of reviews to the exporter's process.

Of records that wait there are at most MAX_BYTES: see webhook.server.telemetry.feeding. A collector that is slow,
refuses or is gone holds up that process alone.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
from prometheus_client.metrics_core import Metric

from webhook.server.telemetry.counting import counter
from webhook.server.telemetry.feeding import Feeding
from webhook.server.telemetry.logs import Log
from webhook.server.telemetry.traces.spans import Record

MAX_BYTES: Final = 4 << 20
"""Bytes of the records that wait."""

MAX_SPANS: Final = 256
"""Spans that wait to become records: each has at most some kilobytes."""


class ConfigurationError(Exception):
    """The exporter cannot be started so; the text says what to change."""


def check(environ: Mapping[str, str]) -> bool:
    """Whether spans are to be exported by OTLP, as the environment says. Raises ConfigurationError if that fails."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
    if exporter == "none":
        return False
    if exporter != "otlp":
        raise ConfigurationError(f"OTEL_TRACES_EXPORTER: expected otlp or none, got {exporter[:80]!r}")
    for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        protocol = environ.get(name, "").strip()
        if protocol:
            if protocol != "http/protobuf":
                raise ConfigurationError(f"{name}: expected http/protobuf, got {protocol[:80]!r}")
            break
    try:
        found = importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise ConfigurationError("the exporter is not installed: pip install 'gatewright[otel]'")
    return True


class Sending(Feeding):
    """Feeds the exporter's process with spans, and its metrics."""

    def __init__(self, log: Log, command: tuple[str, ...] = ()) -> None:
        command = command or (sys.executable, "-P", "-m", "webhook.server.telemetry.traces.exporter")
        super().__init__(log, command, MAX_BYTES, "exporter of traces", "traces not exported")
        self._encode = msgspec.msgpack.Encoder().encode
        self._spans: list[Record] = []

    def put(self, span: Record) -> None:
        """Send a span, or drop it."""
        spans = self._spans
        spans.append(span)
        if len(spans) == 1:
            self.send_soon()
        elif len(spans) >= MAX_SPANS:
            self.gather()

    def gather(self) -> None:
        """See Feeding."""
        spans, self._spans = self._spans, []
        for span in spans:
            try:
                self.put_record(self._encode(span))
            except UnicodeEncodeError:  # a text with half a surrogate pair
                self.dropped += 1

    def collect(self) -> Iterator[Metric]:
        yield counter(
            "gatewright_trace_spans",
            "Spans of reviews, by result: exported; failed, if the collector did not take them; dropped, as the queue"
            " was full.",
            ("result",),
            ((("exported",), self.done), (("failed",), self.failed), (("dropped",), self.dropped)),
        )
