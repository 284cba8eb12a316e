"""Spans go to a real collector by the exporter's process; whatever the collector does, the server waits for nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
import threading
import time
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tests.server.collector import collecting, slow
from tests.timing import HANGING, patience
from webhook.server.telemetry import feeding
from webhook.server.telemetry.logs import Log
from webhook.server.telemetry.traces.sending import MAX_BYTES, ConfigurationError, Sending, check
from webhook.server.telemetry.traces.spans import Record

TRACE = "0af7651916cd43dd8448eb211c80319c"


def record(number: int = 1, name: str = "web") -> Record:
    request = ("uid", "CREATE", "", "v1", "pods", "", "shop", name, False, "ann")
    now = time.time_ns()
    return (
        *(TRACE, f"{number:016x}", "", "", now, 0.002, "/validate", "127.0.0.1", 200, "", "allow", 200, "r1"),
        *(request, ["one", "two", "one"], (), (), ()),
    )


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT))


def lines(log: Log, folder: Path) -> list[dict[str, Any]]:
    assert log.flush(10)
    return [json.loads(line) for line in (folder / "log").read_bytes().splitlines()]


async def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(patience(seconds)):
        while not true():
            await asyncio.sleep(0.01)


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await work()

    asyncio.run(main())


def test_spans_arrive(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20t")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=gatewright-0")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")

        async def work() -> None:
            sending = Sending(log)
            sending.start()
            for number in range(25):
                sending.put(record(number + 1))
            await until(lambda: sending.done == 25)
            await sending.close()
            assert (sending.failed, sending.dropped) == (0, 0)

        run(work)
        assert {span.span_id for span in collector.spans} == {f"{number + 1:016x}" for number in range(25)}
        assert collector.requests == 3
        assert collector.headers[0]["authorization"] == "Bearer t"
        (span, *_) = collector.spans
        assert (span.name, span.trace_id, span.attributes["gatewright.review.name"]) == ("POST /validate", TRACE, "web")
        assert span.attributes["gatewright.policies.evaluated"] == ["one", "two"]
        assert 1_900_000 < span.ended - span.began < 2_100_000
        assert span.resource["service.name"] == "gatewright"
        assert span.resource["k8s.pod.name"] == "gatewright-0"


def test_what_waits_at_the_end_is_exported(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
        monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
        monkeypatch.setattr(feeding, "END", patience(20))

        async def work() -> None:
            sending = Sending(log)
            sending.start()
            sending.put(record())
            sending.put(record(3))  # a batch, which says that the process has started
            await until(lambda: sending.done == 2)
            sending.put(record(2))
            await sending.close()

        run(work)
        assert len(collector.spans) == 3


@pytest.mark.parametrize("how", ["refuses", "is gone", "is slow"])
def test_a_bad_collector_holds_up_nothing(how: str, log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 60,000 records, what does not fit is dropped and counted; putting them takes the same time as ever."""
    answer = {"refuses": lambda: 400, "is gone": lambda: 200, "is slow": slow(30)}[how]
    with collecting(answer) as collector:
        endpoint = collector.endpoint
        if how == "is gone":
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                endpoint = f"http://127.0.0.1:{probe.getsockname()[1]}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")

        async def work() -> None:
            sending = Sending(log)
            sending.start()
            longest = 0.0
            for number in range(60_000):
                sending.put(record(number + 1))
                if number % 100 == 0:
                    before = time.thread_time()
                    await asyncio.sleep(0)
                    longest = max(longest, time.thread_time() - before)
            assert longest < 0.25  # of processor time: no turn of the loop waits for the process
            assert sending._size <= MAX_BYTES
            await until(lambda: sending.failed > 0)
            registry = CollectorRegistry()
            registry.register(sending)
            counted = {
                result: registry.get_sample_value("gatewright_trace_spans_total", {"result": result})
                for result in ("exported", "failed", "dropped")
            }
            assert counted == {"exported": 0, "failed": sending.failed, "dropped": sending.dropped}
            assert sending.dropped > 20_000
            began = time.monotonic()
            await sending.close()
            assert time.monotonic() - began < 2 + patience(2)
            sending.gather()
            assert sending.failed + sending.dropped + len(sending._waiting) == 60_000

        run(work)
        (line,) = [each for each in lines(log, tmp_path) if each["event"] == "traces not exported"]
        assert line["level"] == "warning"
        assert line["message"]
        assert not collector.spans or how == "is slow"


@pytest.mark.parametrize("head", [b"", b"Content-Encoding: gzip\r\n"])
def test_an_answer_without_end_takes_no_more_memory_than_the_process_may(
    head: bytes, log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = zlib.compressobj(9, wbits=31)
    begin = packed.compress(b"") + packed.flush(zlib.Z_FULL_FLUSH) if head else b""
    piece = packed.compress(b"\0" * (64 << 20)) + packed.flush(zlib.Z_FULL_FLUSH) if head else b"\0" * (1 << 20)
    enough = 32 if head else 2048  # pieces: 2 GiB
    pieces = list[int]()

    def serve(listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection, contextlib.suppress(OSError):
                    connection.recv(1 << 20)
                    connection.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + begin)
                    pieces.append(0)
                    while pieces[-1] < enough:
                        connection.sendall(piece)
                        pieces[-1] += 1

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{listening.getsockname()[1]}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "60")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")

        async def work() -> None:
            sending = Sending(log)
            sending.start()
            sending.put(record())
            await until(lambda: sending.failed + sending.done > 0, HANGING)
            assert (sending.failed, sending.done) == (1, 0), pieces
            await sending.close()

        run(work)
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(HANGING)
    (line,) = [each for each in lines(log, tmp_path) if each["event"] == "traces not exported"]
    assert line["message"].startswith("Failed to export spans batch")
    assert pieces and (head or max(pieces) < enough)  # what is packed fits into the buffers of the connection


def test_a_process_that_ends_is_started_again(log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")

        async def work() -> None:
            sending = Sending(log)
            sending.start()
            sending.put(record(1))
            await until(lambda: sending.done == 1)
            assert sending._process is not None
            sending._process.kill()
            await until(lambda: sending._socket is None)
            sending.put(record(2))  # waits for the next process
            await until(lambda: sending.done == 2)
            await sending.close()

        run(work)
        assert [each["process"] for each in lines(log, tmp_path) if each["event"] == "process ended"] == [
            "exporter of traces"
        ]


def test_a_process_that_cannot_start_is_tried_again_less_and_less(log: Log, tmp_path: Path) -> None:
    async def work() -> None:
        sending = Sending(log, (str(tmp_path / "missing"),))
        sending.start()
        assert sending._socket is None
        assert sending._restart == 2.0
        sending.put(record())
        sending.gather()
        assert len(sending._waiting) == 1
        await sending.close()
        sending.start()  # what was planned does nothing after the end
        assert sending._socket is None

    run(work)
    assert [each["event"] for each in lines(log, tmp_path)] == ["traces not exported"]


def test_a_text_that_cannot_be_sent_costs_its_span(log: Log) -> None:
    async def work() -> None:
        sending = Sending(log)
        sending.put(record(name="\ud800"))
        sending.gather()
        assert (sending.dropped, len(sending._waiting)) == (1, 0)

    run(work)


@pytest.mark.parametrize(
    ("variables", "on"),
    [
        ({}, True),
        ({"OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
    ],
)
def test_the_environment_may_switch_traces_off(variables: dict[str, str], on: bool) -> None:
    assert check(variables) is on


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER: expected otlp or none, got 'zipkin'"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL: expected http/protobuf, got 'grpc'"),
        ({"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: expected http/protobuf"),
    ],
)
def test_what_cannot_be_done_is_refused(variables: dict[str, str], text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check(variables)
    assert text in str(caught.value)


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    for name in [name for name in sys.modules if name.startswith("opentelemetry.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ConfigurationError, match="pip install 'gatewright\\[otel\\]'"):
        check({})
