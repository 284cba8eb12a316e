"""Which reviews are traced: the trace context of the API server, and OpenTelemetry's samplers.

The context is the header `traceparent` (https://www.w3.org/TR/trace-context/). The sampler is the one that
OTEL_TRACES_SAMPLER names, of those that the specification of OpenTelemetry lists:
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from random import getrandbits
from typing import Final, NamedTuple

from msgspec import Struct

_TRACEPARENT: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[ -~]{0,256})?")
_MAX_STATE: Final = 512  # characters of `tracestate` that are passed on
_ALL: Final = 1 << 64
_HALF: Final = _ALL - 1
_RATIO: Final = "traceidratio"
_SAMPLERS: Final = ("always_on", "always_off", _RATIO)
_PARENT_BASED: Final = "parentbased_"
_DEFAULT: Final = "parentbased_always_on"


class SamplerError(Exception):
    """A sampler that is not known, or its argument is no ratio; the text names the variable."""


class Parent(NamedTuple):
    """The span of the client in which a review was sent, as lower-case hexadecimal digits."""

    trace_id: str
    span_id: str
    sampled: bool
    state: str  # of the header `tracestate`; "" without one


Ids = tuple[str, str, str, str]
"""The ids of a new span: of its trace, its own, of the span that it is part of ("" if it begins a trace), and the trace
state."""


def parent_of(headers: Iterable[tuple[bytes, bytes]]) -> Parent | None:
    """The client's span in the headers of a request, whose names are in lower case.

    None without a `traceparent`, or with one that is not valid: the specification has the trace begin anew then.
    """
    found, state = None, b""
    for name, value in headers:
        if name == b"traceparent":
            if found is not None:
                return None
            found = value
        elif name == b"tracestate":
            state = value
    match = _TRACEPARENT.fullmatch(found) if found is not None else None
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if version == b"ff" or (version == b"00" and more) or not trace_id.strip(b"0") or not span_id.strip(b"0"):
        return None
    text = state.decode("latin-1") if len(state) <= _MAX_STATE else ""
    return Parent(trace_id.decode(), span_id.decode(), bool(int(flags, 16) & 1), text)


class Sampler(Struct, frozen=True):
    """Decides which reviews are traced. below: of the 2**64 values of an id's second half, those less than this are.

    parent_based: a review within a client's span is traced exactly if the client's span is.
    """

    below: int = _ALL
    parent_based: bool = True

    def begin(self, headers: Iterable[tuple[bytes, bytes]]) -> Ids | None:
        """The ids of the span of a review with these headers; None if it is not traced."""
        parent = parent_of(headers)
        if parent is None:
            return self.begin_trace()
        if not parent.sampled if self.parent_based else int(parent.trace_id[16:], 16) >= self.below:
            return None
        return parent.trace_id, new_id(), parent.span_id, parent.state

    def begin_trace(self) -> Ids | None:
        """The same for a review that is not within a client's span."""
        bits = getrandbits(192)
        if bits & _HALF >= self.below:
            return None
        digits = f"{bits:048x}"  # the second half of the trace's id comes last
        return digits[16:], digits[:16], "", ""


def new_id() -> str:
    """A random id of a span."""
    return f"{getrandbits(64) or 1:016x}"


def sampler(environ: Mapping[str, str]) -> Sampler:
    """The sampler that the environment names. Raises SamplerError."""
    name = environ.get("OTEL_TRACES_SAMPLER", "") or _DEFAULT
    kind = name.removeprefix(_PARENT_BASED)
    if kind not in _SAMPLERS:
        known = ", ".join((*_SAMPLERS, *(_PARENT_BASED + each for each in _SAMPLERS)))
        raise SamplerError(f"OTEL_TRACES_SAMPLER: expected one of {known}, got {name[:80]!r}")
    return Sampler(_below(kind, environ.get("OTEL_TRACES_SAMPLER_ARG", "")), name.startswith(_PARENT_BASED))


def _below(kind: str, argument: str) -> int:
    if kind != _RATIO:
        return _ALL if kind == "always_on" else 0
    try:
        ratio = float(argument or 1.0)
    except ValueError:
        ratio = -1.0
    if not 0.0 <= ratio <= 1.0:
        raise SamplerError(f"OTEL_TRACES_SAMPLER_ARG: expected a ratio from 0 to 1, such as 0.1, got {argument[:80]!r}")
    return round(ratio * _ALL)
