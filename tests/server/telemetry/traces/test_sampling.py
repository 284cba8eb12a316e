"""Which reviews are traced: as OpenTelemetry's own SDK decides, for every sampler and trace context."""

from __future__ import annotations

import random

import pytest
from opentelemetry.propagators import textmap
from opentelemetry.sdk.trace import sampling as sdk
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tests.amounts import amount
from webhook.server.telemetry.traces.sampling import SamplerError, parent_of, sampler

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
NAMES = [prefix + name for prefix in ("", "parentbased_") for name in ("always_on", "always_off", "traceidratio")]
HEADERS = [
    f"00-{TRACE}-{SPAN}-01",
    f"00-{TRACE}-{SPAN}-00",
    f"00-{TRACE}-{SPAN}-03",
    f"00-{TRACE}-{SPAN}-01-more",
    f"01-{TRACE}-{SPAN}-01-more",
    f"cc-{TRACE}-{SPAN}-01",
    f"ff-{TRACE}-{SPAN}-01",
    f"00-{'0' * 32}-{SPAN}-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"00-{TRACE.upper()}-{SPAN}-01",
    f"00-{TRACE}-{SPAN}",
    f"00-{TRACE}-{SPAN}-1",
    f"0-{TRACE}-{SPAN}-01",
    f"00-{TRACE}x-{SPAN}-01",
    f"00-{TRACE}-{SPAN}-01\n",
    "",
    "x" * 10_000,
]


class Headers(textmap.Getter[dict[str, str]]):
    def get(self, carrier: dict[str, str], key: str) -> list[str] | None:
        return [carrier[key]] if key in carrier else None

    def keys(self, carrier: dict[str, str]) -> list[str]:
        return list(carrier)


@pytest.mark.parametrize("header", HEADERS, ids=range(len(HEADERS)))
def test_a_context_is_what_the_sdk_reads(header: str) -> None:
    context = TraceContextTextMapPropagator().extract({"traceparent": header}, getter=Headers())
    expected = get_current_span(context).get_span_context()
    found = parent_of([(b"host", b"x"), (b"traceparent", header.encode())])
    # The SDK takes a newline at the end; HTTP has none there.
    if not expected.is_valid or header.endswith("\n"):
        assert found is None
    else:
        assert found is not None
        assert (int(found.trace_id, 16), int(found.span_id, 16)) == (expected.trace_id, expected.span_id)
        assert found.sampled == expected.trace_flags.sampled


def test_a_context_that_is_given_twice_is_none() -> None:
    header = (b"traceparent", HEADERS[0].encode())
    assert parent_of([header]) is not None
    assert parent_of([header, header]) is None


def test_the_state_is_passed_on_unless_it_is_long() -> None:
    header = (b"traceparent", HEADERS[0].encode())
    short, long = parent_of([(b"tracestate", b"a=1"), header]), parent_of([header, (b"tracestate", b"a" * 513)])
    assert short is not None
    assert long is not None
    assert (short.state, long.state) == ("a=1", "")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("argument", ["", "0", "0.25", "1"])
def test_decisions_are_the_sdks(name: str, argument: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", name)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    theirs = sdk._get_from_env_or_default()
    ours = sampler({"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": argument})
    generated = random.Random(7)
    for number in range(amount(5000, 300)):
        trace = generated.getrandbits(128) | 1
        flags = number % 2
        header = f"00-{trace:032x}-{SPAN}-{flags:02x}"
        context = TraceContextTextMapPropagator().extract({"traceparent": header}, getter=Headers())
        expected = theirs.should_sample(context, trace, "POST").decision is not sdk.Decision.DROP
        ids = ours.begin([(b"traceparent", header.encode())])
        assert (ids is not None) == expected, header
        if ids is not None:
            assert (ids[0], ids[2], len(ids[1])) == (f"{trace:032x}", SPAN, 16)


@pytest.mark.parametrize(("name", "share"), [("always_on", 1), ("always_off", 0), ("traceidratio", 0.25)])
def test_without_a_context_a_trace_begins(name: str, share: float) -> None:
    random.seed(11)
    for prefix in ("", "parentbased_"):
        ours = sampler({"OTEL_TRACES_SAMPLER": prefix + name, "OTEL_TRACES_SAMPLER_ARG": "0.25"})
        begun = [ids for _ in range(2000) if (ids := ours.begin([(b"host", b"x")])) is not None]
        assert abs(len(begun) / 2000 - share) < 0.04
        assert len({trace for trace, _, _, _ in begun}) == len({span for _, span, _, _ in begun}) == len(begun)
        assert all((len(trace), len(span), parent, state) == (32, 16, "", "") for trace, span, parent, state in begun)
        if name == "traceidratio":  # whoever samples the same trace by its id comes to the same
            theirs = sdk.TraceIdRatioBased(0.25)
            decisions = {theirs.should_sample(None, int(ids[0], 16), "").decision for ids in begun}
            assert decisions == {sdk.Decision.RECORD_AND_SAMPLE}


def test_all_is_the_default() -> None:
    assert sampler({}).begin([]) is not None
    assert sampler({}).begin([(b"traceparent", f"00-{TRACE}-{SPAN}-00".encode())]) is None


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({"OTEL_TRACES_SAMPLER": "jaeger_remote"}, "OTEL_TRACES_SAMPLER: expected one of always_on,"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "2"}, "expected a ratio from 0 to 1"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "x"}, "such as 0.1, got 'x'"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "nan"}, "got 'nan'"),
    ],
)
def test_a_sampler_that_is_not_known_is_refused(variables: dict[str, str], text: str) -> None:
    with pytest.raises(SamplerError) as caught:
        sampler(variables)
    assert text in str(caught.value)
