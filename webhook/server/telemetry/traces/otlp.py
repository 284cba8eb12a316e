"""Spans as the bytes of an OTLP request: what the encoder of OpenTelemetry makes of them, in a sixth of the time.

Only what the spans of this exporter have is written: one resource and one scope, attributes that are texts, booleans,
integers and tuples of these, and a status. A resource may have others: then the library's encoder is asked. The
messages and numbers of fields are those of https://github.com/open-telemetry/opentelemetry-proto (trace/v1/trace.proto,
common/v1/common.proto), and the encoding that of https://protobuf.dev/programming-guides/encoding/: both are stable.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan

_KEPT: Final = 4096
"""Attributes that are kept as bytes: most are the same in many spans. Texts of spans are short."""

_FIXED64: Final = struct.Struct("<Q").pack
_FIXED32: Final = struct.Struct("<I").pack
_LOCAL: Final = 0x100  # the flags of a span say whether its parent is known to be in another process, and if so
_REMOTE: Final = 0x300


class Encoded(bytes):
    """An ExportTraceServiceRequest, with the methods by which the exporter asks the library's for its bytes."""

    def SerializePartialToString(self) -> bytes:
        return bytes(self)

    SerializeToString = SerializePartialToString


class _Other(Exception):
    """A value of a type that only the library writes."""


def encode(spans: Sequence[ReadableSpan]) -> Encoded:
    """The request with these spans, which have the resource and the scope of the first."""
    if not spans:
        return Encoded()
    try:
        return _encoded(spans)
    except (_Other, TypeError):  # TypeError: it cannot be kept
        return Encoded(encode_spans(spans).SerializePartialToString())


def _encoded(spans: Sequence[ReadableSpan]) -> Encoded:
    resource, scope = spans[0].resource, spans[0].instrumentation_scope
    of_scope = _text(1, scope.name) + _text(2, scope.version or "") if scope is not None else b""
    scoped = [_message(1, of_scope)]
    scoped += [_message(2, _span(span)) for span in spans]
    of_resource = _message(1, _attributes(1, resource.attributes)) + _message(2, b"".join(scoped))
    return Encoded(_message(1, of_resource + _text(3, resource.schema_url)))


def _span(span: ReadableSpan) -> bytes:
    context, parent, status = span.context, span.parent, span.status
    pieces = [
        b"\x0a\x10",
        context.trace_id.to_bytes(16, "big"),
        b"\x12\x08",
        context.span_id.to_bytes(8, "big"),
    ]
    if context.trace_state:
        pieces.append(_text(3, context.trace_state.to_header()))
    if parent is not None:
        pieces += (b"\x22\x08", parent.span_id.to_bytes(8, "big"))
    pieces += (
        _text(5, span.name),
        b"\x30",
        _varint(span.kind.value + 1),  # of OTLP, where 0 is none
        b"\x39",
        _FIXED64(span.start_time or 0),
        b"\x41",
        _FIXED64(span.end_time or 0),
        _attributes(9, span.attributes or {}),
    )
    of_status = _text(2, status.description or "")
    if status.status_code.value:
        of_status += b"\x18" + _varint(status.status_code.value)
    pieces += (
        _message(15, of_status),
        b"\x85\x01",
        _FIXED32(_REMOTE if parent is not None and parent.is_remote else _LOCAL),
    )
    return b"".join(pieces)


def _attributes(field: int, attributes: Mapping[str, Any]) -> bytes:
    return b"".join([_attribute(field, key, value) for key, value in attributes.items()])


@lru_cache(maxsize=_KEPT, typed=True)  # True, 1 and 1.0 are equal
def _attribute(field: int, key: str, value: Any) -> bytes:
    return _message(field, _text(1, key) + _message(2, _value(value)))


def _value(value: Any) -> bytes:
    if isinstance(value, str):
        text = value.encode()
        return b"\x0a" + _varint(len(text)) + text  # also if it is empty: one of several kinds of values is set
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        return b"\x18" + _varint(value & 0xFFFF_FFFF_FFFF_FFFF)
    if isinstance(value, (tuple, list)):
        return _message(5, b"".join([_message(1, _value(each)) for each in value]))
    raise _Other


def _text(field: int, text: str) -> bytes:
    """A field with a text; nothing for an empty one, as that is what a missing one is."""
    return _message(field, text.encode()) if text else b""


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    if number < 0x80:
        return _SINGLE[number]
    pieces = bytearray()
    while number >= 0x80:
        pieces.append(number & 0x7F | 0x80)
        number >>= 7
    pieces.append(number)
    return bytes(pieces)


_SINGLE: Final = tuple(bytes((number,)) for number in range(0x80))
