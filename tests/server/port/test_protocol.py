"""HTTP/1.1 as the ports speak it: framing, order, limits, and clients that are slow, greedy, confused or hostile."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import random
import re
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pytest
from msgspec.structs import replace

from tests.server.ports import LIMITS, RAISED, Echo, Served, request, response, rest, served
from tests.server.running import Running, recorded, wait_for
from tests.timing import HANGING, patience, within
from webhook.server.port.exchange import READ_ON, Answer, Client, Head
from webhook.server.port.incoming import MAX_HEAD, MAX_HEADERS
from webhook.server.port.protocol import MAX_PIPELINED, Connection

CREATE_POD = recorded("020")
HEAD = b"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


def _good(server: Running) -> None:
    assert server.post("/validate", CREATE_POD).response["allowed"] is False


@pytest.mark.parametrize("sent", [b"GET", HEAD, HEAD + b"content-length: 900\r\n\r\n{"])
def test_a_request_that_never_ends_is_answered_408(impatient: Running, sent: bytes) -> None:
    with impatient.connected() as connection:
        connection.sendall(sent)
        begun = time.monotonic()
        with within(5):
            got = rest(connection)
        assert time.monotonic() - begun > 0.5  # --read-timeout 1
    assert got.startswith(b"HTTP/1.1 408 ")
    assert "error" in json.loads(got.split(b"\r\n\r\n", 1)[1])
    _good(impatient)


def test_a_byte_at_a_time_gains_nothing(impatient: Running) -> None:
    with impatient.connected() as connection:
        cut_off = False
        with within(6):
            try:
                for byte in HEAD * 100:
                    connection.sendall(bytes([byte]))
                    time.sleep(0.02)
            except (ConnectionError, ssl.SSLError):
                cut_off = True
        assert cut_off


def test_a_client_that_says_nothing_is_cut_off(impatient: Running) -> None:
    with impatient.connected() as connection:
        assert rest(connection) == b""


def test_headers_without_end_are_refused(server: Running) -> None:
    with server.connected() as connection:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            for number in range(1000):
                connection.sendall(b"x-%d: %s\r\n" % (number, b"x" * 500) if number else HEAD)
        got = rest(connection)
    assert got == b"" or got.startswith(b"HTTP/1.1 431 ")  # the answer may be lost in a connection that was reset
    _good(server)


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01nonsense\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n", b"POST / HTTP/9\r\n\r\n"]
)
def test_what_is_no_http_is_answered_400_in_json(server: Running, sent: bytes) -> None:
    with server.connected() as connection:
        connection.sendall(sent)
        got = rest(connection)
    assert got.startswith(b"HTTP/1.1 400 ")
    assert "error" in json.loads(got.split(b"\r\n\r\n", 1)[1])
    _good(server)


def test_what_never_became_a_request_is_counted(server: Running) -> None:
    def count() -> float:
        found = re.findall(rb'gatewright_requests_refused_total{code="400"} (.+)', server.get("/metrics").body)
        return float(found[0]) if found else 0.0

    before = count()
    with server.connected() as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        rest(connection)
    assert count() - before == 1


def test_a_client_that_speaks_no_tls_harms_nobody(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=HANGING) as connection:
        connection.sendall(b"POST /validate HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert b"HTTP" not in connection.recv(1000)
    _good(server)


def test_an_upgrade_is_not_taken(server: Running) -> None:
    with server.connected() as connection:
        connection.sendall(b"GET /validate HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n")
        got = rest(connection)
    assert got.startswith(b"HTTP/1.1 405 ")
    assert b"connection: close" in got
    _good(server)


def test_clients_that_leave_in_the_middle_leave_nothing_behind(server: Running) -> None:
    for sent in (b"PO", HEAD, HEAD + b"content-length: 900\r\n\r\n{"):
        with server.connected() as connection:
            connection.sendall(sent)
    _good(server)
    assert not [line for line in server.lines if line["level"] == "error"]


def test_past_the_most_connections_the_one_that_waits_longest_is_closed(
    start: Callable[..., Running], policies: Path
) -> None:
    server = start("--policies", str(policies), "--max-connections", "8", "--read-timeout", "60")
    busy = server.connect()
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(server.connected()) for _ in range(7)]
        busy.connect()
        for _ in range(20):  # each new one closes an idle one, and never the one that is at work
            idle.append(stack.enter_context(server.connected()))
            busy.request("POST", "/validate", CREATE_POD, {"content-type": "application/json"})
            assert busy.getresponse().read()
        for connection in idle[:20]:  # at the latest when the client listens
            got = rest(connection)
            assert got == b"" or (got.startswith(b"HTTP/1.1 503 ") and b"retry-after: 0" in got)
        wait_for(lambda: len(_open(idle[20:])) == 7)
    busy.close()


def _open(connections: list[ssl.SSLSocket]) -> list[ssl.SSLSocket]:
    still = []
    for connection in connections:
        connection.settimeout(0.05)
        try:
            if connection.recv(1):
                still.append(connection)
        except TimeoutError:
            still.append(connection)
        except OSError:
            pass
    return still


@pytest.fixture(params=[True, False], ids=["tls", "plain"])
def small(request: pytest.FixtureRequest) -> Iterator[Served]:
    """A port for two connections."""
    with served(Echo(), replace(LIMITS, connections=2, read_timeout=HANGING), secure=request.param) as found:
        yield found
        assert found.errors == []


@pytest.mark.parametrize(
    "sent", [b"", b"POST /too-late", b"POST /too-late HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n"]
)
def test_who_makes_way_for_another_connection_is_told_to_try_again(small: Served, sent: bytes) -> None:
    with small.connected() as first, small.connected() as second:
        wait_for(lambda: len(small.port.waiting) == 2)
        first.sendall(sent)
        wait_for(lambda: not sent or small.port.held)
        with small.connected() as third:
            status, head, body = response(first.makefile("rb"))
            assert (status, b"connection: close" in head) == (503, True)
            assert body == ({"error": "more than 2 connections are open; try again"} if sent else "gone")
            assert (b"retry-after: 1" in head) == bool(sent)
            for connection in (second, third):
                connection.sendall(request(b"/stays"))
                assert response(connection.makefile("rb"))[0] == 200
    assert small.app.refusals == ([503] if sent else [])
    wait_for(lambda: not small.port.open)
    assert (small.port.making_way, small.port.held) == (0, 0)


def test_who_comes_when_all_connections_are_at_work_is_told_to_try_again(small: Served) -> None:
    small.app.release = small.call(asyncio.Event)
    with small.connected() as first, small.connected() as second:
        for connection in (first, second):
            connection.sendall(request(b"/later"))
        wait_for(lambda: len(small.app.asked) == 2)
        with small.connected() as third:
            assert response(third.makefile("rb"))[0] == 503
        small.call(small.app.release.set)
        assert [response(each.makefile("rb"))[0] for each in (first, second)] == [200, 200]


def test_who_makes_way_and_does_not_close_is_not_waited_for_without_bound() -> None:
    limits = replace(LIMITS, connections=2, read_timeout=HANGING)
    with served(Echo(), limits) as port, contextlib.ExitStack() as stack:
        seen, made = 0, Connection.connection_made

        def look(connection: Connection, transport: asyncio.BaseTransport) -> None:
            nonlocal seen
            made(connection, transport)
            seen = max(seen, len(port.port.open))

        stack.enter_context(pytest.MonkeyPatch.context()).setattr(Connection, "connection_made", look)
        for _ in range(60):  # none of them takes part in closing
            stack.enter_context(port.connected())
        assert limits.connections < seen <= limits.connections + limits.making_way + 1
        wait_for(lambda: len(port.port.open) == 2)
        assert port.port.making_way == 0


Sending = Callable[[socket.socket, bytes], None]


def _at_once(connection: socket.socket, text: bytes) -> None:
    connection.sendall(text)


def _in_two(connection: socket.socket, text: bytes) -> None:
    connection.sendall(text[:-9])
    time.sleep(0.05)
    connection.sendall(text[-9:])


@pytest.fixture(params=[_at_once, _in_two], ids=["at once", "in two pieces"])
def sending(request: pytest.FixtureRequest) -> Sending:
    way: Sending = request.param
    return way


def _request(target: bytes = b"/validate", version: bytes = b"1.1", *headers: bytes) -> bytes:
    text = request(target, b"content-type: application/json", *headers, body=CREATE_POD)
    return text.replace(b"HTTP/1.1", b"HTTP/" + version, 1)


def _response(stream: BinaryIO) -> tuple[bytes, bytes]:
    """Head and body of the next answer."""
    _, head, body = response(stream)
    return head, json.dumps(body).encode()


def _denied(head: bytes, body: bytes) -> bool:
    return head.startswith(b"HTTP/1.1 200 ") and json.loads(body)["response"]["allowed"] is False


@pytest.mark.parametrize("target", [b"/validate?timeout=5s", b"/%76alidate", b"/validate?", b"/validate#x"])
def test_the_path_is_what_it_means(server: Running, sending: Sending, target: bytes) -> None:
    with server.connected() as connection:
        sending(connection, _request(target))
        assert _denied(*_response(connection.makefile("rb")))


def test_a_target_that_is_none_is_refused(server: Running, sending: Sending) -> None:
    with server.connected() as connection:
        sending(connection, _request(b"http://[::1/validate"))
        assert _response(connection.makefile("rb"))[0].startswith(b"HTTP/1.1 400 ")
        assert connection.recv(1) == b""


@pytest.mark.parametrize(
    ("version", "headers"),
    [(b"1.0", ()), (b"1.0", (b"connection: keep-alive",)), (b"1.1", (b"connection: close",))],
)
def test_a_connection_that_is_not_kept_is_closed(
    server: Running, sending: Sending, version: bytes, headers: tuple[bytes, ...]
) -> None:
    with server.connected() as connection:
        sending(connection, _request(b"/validate", version, *headers))
        head, body = _response(connection.makefile("rb"))
        assert _denied(head, body)
        assert head.lower().count(b"connection: close") == 1
        assert connection.recv(1) == b""


def test_a_connection_that_is_kept_says_nothing_of_it(server: Running, sending: Sending) -> None:
    with server.connected() as connection:
        for _ in range(3):
            sending(connection, _request())
            head, body = _response(connection.makefile("rb"))
            assert _denied(head, body)
            assert b"connection" not in head.lower()


def test_a_client_that_waits_for_100_continue_is_told(server: Running) -> None:
    with server.connected() as connection:
        text = _request(b"/validate", b"1.1", b"expect: 100-continue")
        connection.sendall(text[: -len(CREATE_POD)])
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(CREATE_POD)
        assert _denied(*_response(connection.makefile("rb")))


def test_answers_keep_their_order_when_some_come_at_once_and_some_do_not(server: Running) -> None:
    paths = [b"/%d" % number for number in range(40)]
    with server.connected() as connection:
        text = b"".join(_request(path) for path in paths)
        cut = len(text) // 3 + 100
        connection.sendall(text[:cut])
        time.sleep(0.05)
        connection.sendall(text[cut:])
        stream = connection.makefile("rb")
        for path in paths:
            head, body = _response(stream)
            assert head.startswith(b"HTTP/1.1 404 ")
            assert repr(path.decode()) in json.loads(body)["error"]


def test_a_client_that_reads_late_gets_every_answer(server: Running) -> None:
    """More than the buffers between it and the server hold: the server waits for it, and keeps the order."""
    count = 8000
    one = b"GET /%05d" + b"x" * 900 + b" HTTP/1.1\r\nhost: x\r\n\r\n"
    with server.connected() as connection:
        text = b"".join(one % number for number in range(count))
        sender = threading.Thread(target=connection.sendall, args=(text,))
        sender.start()
        time.sleep(0.5)
        stream = connection.makefile("rb")
        for number in range(count):
            head, body = _response(stream)
            assert head.startswith(b"HTTP/1.1 404 "), number
            assert b"/%05d" % number in body
        sender.join(patience(10))


def test_nothing_more_is_read_of_a_client_that_takes_nothing_in(server: Running) -> None:
    """Its answers wait in memory, so there must not be ever more of them."""
    block = (b"GET /" + b"x" * 900 + b" HTTP/1.1\r\nhost: x\r\n\r\n") * 256
    sent = 0
    with server.connected() as connection:
        connection.settimeout(0.3)
        with contextlib.suppress(TimeoutError):
            while sent < 64 << 20:
                connection.sendall(block)
                sent += len(block)
        assert sent < 32 << 20


# From here on: a port in this process, whose application says what it was asked.


@pytest.fixture
def port() -> Iterator[Served]:
    """A port over TLS; at the end of the test it holds nothing, and nothing went wrong unseen."""
    with served(Echo()) as found:
        yield found
        if found.app.release is not None:
            found.call(found.app.release.set)
        wait_for(lambda: not found.port.open)
        wait_for(lambda: not found.port.tasks)
        assert found.port.held == 0
        assert not found.port.waiting
        assert found.errors == []


def _exchanged(port: Served, *pieces: bytes) -> bytes:
    """What comes back for the pieces, each a TLS record of its own, until the server closes."""
    with port.connected() as connection:
        connection.settimeout(HANGING)
        try:
            for piece in pieces:
                connection.sendall(piece)
        except (ConnectionError, ssl.SSLError):
            pass
        with contextlib.suppress(TimeoutError):
            return rest(connection)
    raise AssertionError("the server did not close")


def _statuses(got: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", got)]


THREE = (
    request(b"/one", body=b"x" * 40)
    + request(b"/later/two", b"transfer-encoding: chunked")
    + b"5;a=b\r\n01234\r\n3\r\n567\r\n0\r\nx-trailer: 1\r\n\r\n"
    + request(b"/three", b"connection: close", method=b"GET")
)


@pytest.mark.parametrize("part", range(4))
def test_requests_may_be_cut_anywhere(port: Served, part: int) -> None:
    expected = [["POST", "/one", 40], ["POST", "/later/two", 8], ["GET", "/three", 0]]
    cuts = range(1 + part, len(THREE), 4)
    assert len(cuts) > 50
    for cut in cuts:
        with port.connected() as connection:
            connection.sendall(THREE[:cut])
            if cut % 3 == 0:
                time.sleep(0.002)  # so that the server sees two pieces
            connection.sendall(THREE[cut:])
            stream = connection.makefile("rb")
            assert [response(stream)[2] for _ in expected] == expected, cut
            assert stream.read() == b"", cut


def test_requests_may_come_a_byte_at_a_time(port: Served) -> None:
    with port.connected() as connection:
        for byte in THREE:
            connection.sendall(bytes([byte]))
        stream = connection.makefile("rb")
        assert [response(stream)[2][1] for _ in range(3)] == ["/one", "/later/two", "/three"]


def test_a_hundred_requests_at_once_are_answered_in_their_order(port: Served) -> None:
    """Some answers come at once, some later, and some are refusals."""
    paths = [("/later/%d", "/%d", "/refused/%d", "/%d")[number % 4] % number for number in range(100)]
    with port.connected() as connection:
        connection.sendall(b"".join(request(path.encode(), body=b"x" * number) for number, path in enumerate(paths)))
        stream = connection.makefile("rb")
        for number, path in enumerate(paths):
            status, head, body = response(stream)
            if path.startswith("/refused"):
                assert (status, body) == (404, {"error": path})
            else:
                assert (status, body) == (200, ["POST", path, number])
            assert b"connection" not in head


def test_a_refusal_comes_after_the_answers_that_are_due(port: Served) -> None:
    got = _exchanged(port, request(b"/later/1") + request(b"/later/2") + b"nonsense\r\n\r\n" + request(b"/never"))
    assert _statuses(got) == [200, 200, 400]
    assert port.app.asked == ["/later/1", "/later/2"]


H = b"POST /first HTTP/1.1\r\nhost: x\r\n"
SMUGGLED = b"GET /second HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.mark.parametrize(
    "text",
    [
        H + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        H + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        H + b"content-length: 5\r\ncontent-length: 6\r\n\r\n01234",
        H + b"content-length: 5\r\ncontent-length: 5\r\n\r\n01234",
        H + b"content-length: 5, 5\r\n\r\n01234",
        H + b"content-length: +5\r\n\r\n01234",
        H + b"content-length: -5\r\n\r\n01234",
        H + b"content-length: 0x5\r\n\r\n01234",
        H + b"content-length: 5 5\r\n\r\n01234",
        H + b"content-length : 5\r\n\r\n01234",
        H + b"content-length: 99999999999999999999999\r\n\r\n01234",
        H + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        H + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        H + b"transfer-encoding: identity\r\n\r\n",
        H + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        H + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        H + b"transfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        H + b"transfer-encoding\x00: chunked\r\n\r\n0\r\n\r\n",
        H + b"x: y\r\n transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        H + b"x: y\rtransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        H + b"x: y\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        H + b"transfer-encoding: chunked\r\n\r\n5\n01234\n0\n\n",
        H + b"transfer-encoding: chunked\r\n\r\n-5\r\n01234\r\n0\r\n\r\n",
        H + b"transfer-encoding: chunked\r\n\r\n0x5\r\n01234\r\n0\r\n\r\n",
        H + b"transfer-encoding: chunked\r\n\r\n5\r\n01234567\r\n0\r\n\r\n",
        H + b"transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n01234\r\n0\r\n\r\n",
        b"POST /first HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /first HTTP/2.0\r\nhost: x\r\n\r\n",
        b"POST /first HTTP/0.9\r\nhost: x\r\n\r\n",
        b"POST /first HTTP/1.1\r\n\r\n",
        b"POST /first HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
        b"POST /first HTTP/1.1\nhost: x\n\n",
        b"POST /fi\x00rst HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /first\r\n",
        b"CONNECT x:443 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        H + b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 5\r\n\r\n01234",
    ],
    ids=repr,
)
def test_framing_that_can_be_read_in_two_ways_is_refused(port: Served, text: bytes) -> None:
    """And nothing that follows it is taken for a request."""
    got = _exchanged(port, text + SMUGGLED)
    assert _statuses(got) == [400]
    assert b"connection: close" in got
    assert port.app.asked == []
    assert port.app.refusals == [400]


@pytest.mark.parametrize(
    ("text", "statuses"),
    [
        (request(b"/" + b"x" * (MAX_HEAD - 100), method=b"GET"), [200]),
        (request(b"/" + b"x" * MAX_HEAD, method=b"GET"), [431]),
        (request(b"/", b"x: " + b"y" * MAX_HEAD, method=b"GET"), [431]),
        (request(b"/", b"y" * MAX_HEAD + b": x", method=b"GET"), [431]),
        (request(b"/", *[b"x: y"] * (MAX_HEADERS - 1), method=b"GET"), [200]),
        (request(b"/", *[b"x: y"] * MAX_HEADERS, method=b"GET"), [431]),
        (request(b"/", b"transfer-encoding: chunked") + b"0\r\n" + b"x: y\r\n" * MAX_HEADERS + b"\r\n", [431]),
        (request(b"/", b"transfer-encoding: chunked") + b"0\r\nx: " + b"y" * MAX_HEAD + b"\r\n\r\n", [431]),
        (request(b"/", body=b"x" * LIMITS.body), [200]),
        (request(b"/", body=b"x" * (LIMITS.body + 1)), [413]),
        (request(b"/", body=b"x" * (READ_ON * LIMITS.body + 1)), [413]),
        (request(b"/", b"transfer-encoding: chunked") + b"c350\r\n" + b"x" * 50_000, [413]),
        (request(b"/", b"content-length: 999999999999999"), [413]),
        (request(b"/refused", b"content-length: 999999999999999"), [404]),
        (request(b"/refused", body=b"x" * 15_000), [404]),
    ],
    ids=lambda value: repr(value[:30]) + str(len(value)) if isinstance(value, bytes) else "",
)
@pytest.mark.parametrize("piece", [1 << 20, 1000])
def test_what_is_too_large_is_refused_exactly_past_the_limit(
    port: Served, text: bytes, statuses: list[int], piece: int
) -> None:
    end = request(b"/end", b"connection: close")
    text += end if statuses != [431] else b""
    got = _exchanged(port, *(text[at : at + piece] for at in range(0, len(text), piece)))
    goes_on = statuses == [200] or b"/refused HTTP/1.1\r\nhost: x\r\nContent" in text
    assert _statuses(got) == [*statuses, *([200] if goes_on else [])]
    assert got.count(b"connection: close") == 1


def test_headers_without_a_line_end_are_not_gathered(port: Served) -> None:
    refused = pytest.raises((ConnectionError, ssl.SSLError))
    with port.connected() as connection, within(4), refused:  # a second of it to notice the answer
        connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nx: ")
        for _ in range(10_000):
            connection.sendall(b"y" * 4096)
            time.sleep(0.0005)
    assert port.app.refusals == [431]


def test_a_body_in_chunks_of_a_byte_is_bounded_by_what_is_sent(port: Served) -> None:
    with port.connected() as connection:
        connection.sendall(request(b"/", b"transfer-encoding: chunked"))
        block = b"1;" + b"x" * 900 + b"\r\ny\r\n"
        sent = 0
        with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):
            while sent < 16 << 20:
                connection.sendall(block * 64)
                sent += 64 * len(block)
        assert sent < 8 << 20
    assert port.app.asked == []


def test_bodies_that_arrive_at_the_same_time_are_bounded_together_and_the_oldest_gives_way() -> None:
    part = request(b"/", body=b"x" * 9_500)[:-500]
    with served(Echo(), replace(LIMITS, held=40_000)) as port, contextlib.ExitStack() as stack:
        for round_ in (1, 2):
            clients = []
            for count in range(1, 7):
                clients.append(stack.enter_context(port.connected()))
                clients[-1].sendall(part)
                wait_for(partial(_holding, port, min(count, 4)))
            for client in clients[:2]:
                status, head, _ = response(client.makefile("rb"))
                assert (status, b"retry-after: 1\r\n" in head) == (503, True)
            for client in clients[2:]:
                client.sendall(b"x" * 500)
                assert response(client.makefile("rb"))[2] == ["POST", "/", 9_500]
            assert port.port.held == 0, round_
        assert port.app.refusals == [503] * 4
        assert port.errors == []


def test_of_a_body_that_is_said_to_be_too_large_only_the_beginning_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tenants can have an API server send many of them."""
    begins: list[bytes] = []

    def too_large(self: Echo, head: Head, begin: bytes, client: Client) -> Answer | None:
        begins.append(begin)
        return Answer(200, b'"denied"')

    monkeypatch.setattr(Echo, "too_large", too_large)
    limits = replace(LIMITS, body=2 << 20, held=16 << 20, read_timeout=HANGING)
    body = bytes(range(256)) * (3 << 12)
    with served(Echo(), limits) as port, contextlib.ExitStack() as stack:
        connections = [stack.enter_context(port.connected()) for _ in range(10)]
        for connection in connections:
            connection.sendall(request(b"/", body=body)[:1_500_000])
        wait_for(lambda: port.port.held >= 10 << 20)
        assert port.port.held < 11 << 20
        for connection in connections:
            connection.sendall(request(b"/", body=body)[1_500_000:])
            assert response(connection.makefile("rb"))[2] == "denied"
        assert begins == [body[: 1 << 20]] * 10


def _holding(port: Served, count: int) -> bool:
    return len(port.port.holding) == count and port.port.held > count * 9_000


def test_heads_that_never_end_are_bounded_together() -> None:
    with served(Echo(), replace(LIMITS, held=40_000)) as port, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(port.connected()) for _ in range(40)]
        for client in clients:
            client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 5_000)
        wait_for(lambda: port.app.refusals == [503] * 33)
        assert 7 * 5_000 < port.port.held <= 40_000
        clients[-1].sendall(b"\r\n\r\n")
        assert response(clients[-1].makefile("rb"))[0] == 200
    wait_for(lambda: not port.port.open)
    assert port.port.held == 0


def test_a_head_without_end_is_refused_at_its_limit_however_it_is_cut(port: Served) -> None:
    for piece in (100, 3_000, MAX_HEAD + 1):
        with port.connected() as connection:
            sent = 0
            with contextlib.suppress(OSError):
                while sent < 4 * MAX_HEAD:
                    connection.sendall((b"GET / HTTP/1.1\r\nx: " if not sent else b"") + b"y" * piece)
                    sent += piece
                    assert port.port.held <= MAX_HEAD + piece + 20
            assert rest(connection).startswith(b"HTTP/1.1 431 ")


def test_answers_that_are_not_read_are_bounded_together() -> None:
    """Each client asks for as much as it can without reading; the oldest of them are cut off."""
    with served(Echo(), replace(LIMITS, held=400_000, read_timeout=30)) as port, contextlib.ExitStack() as stack:
        for _ in range(12):
            connection = stack.enter_context(port.connected())
            connection.settimeout(0.1)
            with contextlib.suppress(OSError):
                while True:
                    connection.sendall(request(b"/" + b"x" * 900, method=b"GET") * 50)
        wait_for(lambda: len(port.port.open) < 8)
        assert port.port.held <= 400_000
    wait_for(lambda: not port.port.open)
    assert port.port.held == 0


def test_requests_that_wait_for_an_earlier_answer_are_bounded(port: Served) -> None:
    port.app.release = port.call(asyncio.Event)
    with port.connected() as connection:
        connection.sendall(request(b"/later") + request(b"/next", method=b"GET") * (MAX_PIPELINED + 50))
        wait_for(lambda: port.app.refusals == [503])
        assert MAX_PIPELINED * 1000 < port.port.held < MAX_PIPELINED * 1200
        port.call(port.app.release.set)
        stream = connection.makefile("rb")
        answers = [response(stream) for _ in range(MAX_PIPELINED + 2)]
        assert [status for status, _, _ in answers] == [200] * (MAX_PIPELINED + 1) + [503]
        assert stream.read() == b""


def test_a_head_request_is_answered_without_a_body(port: Served) -> None:
    with port.connected() as connection:
        stream = connection.makefile("rb")
        connection.sendall(request(b"/one", method=b"HEAD") + request(b"/refused", method=b"HEAD") + request(b"/two"))
        assert response(stream, "HEAD")[0] == 200
        assert response(stream, "HEAD")[0] == 404
        assert response(stream)[2] == ["POST", "/two", 0]


@pytest.mark.parametrize(
    ("target", "length", "answers"),
    [
        (b"/", 10, [b"100", b"200"]),
        (b"/refused", 10, [b"404"]),
        (b"/", LIMITS.body + 1, [b"413"]),
    ],
)
def test_a_body_is_asked_for_only_where_it_is_wanted(
    port: Served, target: bytes, length: int, answers: list[bytes]
) -> None:
    with port.connected() as connection:
        connection.sendall(request(target, b"expect: 100-continue", b"content-length: %d" % length))
        first = connection.recv(65536)
        assert first.startswith(b"HTTP/1.1 %s " % answers[0])
        if answers[0] != b"100":
            assert b"connection: close" in first
            assert rest(connection) == b""
            return
        connection.sendall(b"x" * length)
        assert response(connection.makefile("rb"))[2] == ["POST", "/", length]


def test_a_body_is_asked_for_when_its_turn_has_come(port: Served) -> None:
    with port.connected() as connection:
        connection.sendall(request(b"/later") + request(b"/", b"expect: 100-continue", b"content-length: 3"))
        stream = connection.makefile("rb")
        assert response(stream)[2] == ["POST", "/later", 0]
        assert stream.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert stream.readline() == b"\r\n"
        connection.sendall(b"abc")
        assert response(stream)[2] == ["POST", "/", 3]


def test_a_method_that_nobody_knows_is_405_and_the_connection_is_closed(port: Served) -> None:
    got = _exchanged(port, request(b"/", method=b"FROB") + request(b"/second"))
    assert got.startswith(b"HTTP/1.1 405 ")
    assert _exchanged(port, request(b"/refused/x", method=b"FROB")).startswith(b"HTTP/1.1 404 ")
    assert port.app.asked == []


def test_an_answer_that_fails_is_a_500_and_is_reported(port: Served) -> None:
    with port.connected() as connection:
        connection.sendall(request(b"/broken") + request(b"/next"))
        stream = connection.makefile("rb")
        status, _, body = response(stream)
        assert (status, list(body)) == (500, ["error"])
        assert response(stream)[2] == ["POST", "/next", 0]
    (error,) = port.errors
    assert str(error["exception"]) == "out of order"
    port.errors.clear()


@pytest.mark.parametrize(
    "first",
    [
        b"GET /1 HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
        request(b"/1", b"connection: close"),
        request(b"/1", b"connection: upgrade", b"upgrade: h2c", method=b"GET").replace(b"/1", b"/refused/1"),
        request(b"/1", b"expect: 100-continue", b"content-length: 20000"),
    ],
)
def test_nothing_after_the_last_request_is_read(port: Served, first: bytes) -> None:
    got = _exchanged(port, first + request(b"/2"), request(b"/3"))
    assert len(_statuses(got)) == 1
    assert b"connection: close" in got
    assert port.app.asked in ([], ["/1"])


@pytest.mark.parametrize("sent", [b"PO", H, H + b"content-length: 900\r\n\r\n{", request(b"/later") * 3, THREE])
@pytest.mark.parametrize("way", ["reset", "no close_notify", "close_notify"])
def test_a_client_that_leaves_leaves_nothing_behind(port: Served, sent: bytes, way: str) -> None:
    port.app.release = port.call(asyncio.Event)
    with port.connected() as connection:
        connection.sendall(sent)
        wait_for(lambda: port.port.open)
        if way == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        elif way == "no close_notify":
            connection.shutdown(socket.SHUT_RDWR)
    wait_for(lambda: not port.port.open)  # before its answers are there


def _connections() -> int:
    return sum(isinstance(each, Connection) for each in gc.get_objects())


@pytest.mark.parametrize("sent", [THREE, THREE[:60], request(b"/later"), b"nonsense\r\n\r\n", H + b"host: y\r\n\r\n"])
@pytest.mark.parametrize("secure", [True, False])
def test_a_connection_is_freed_without_a_garbage_collection(sent: bytes, secure: bool) -> None:
    """The server collects seldom: what a connection left behind would pile up."""
    with served(Echo(), secure=secure) as port:
        gc.collect()
        before = _connections()
        gc.disable()
        try:
            for _ in range(8):
                with port.connected() as connection:
                    connection.sendall(sent)
                    connection.settimeout(0.02)
                    with contextlib.suppress(OSError):
                        connection.recv(65536)
            wait_for(lambda: not port.port.open)
            wait_for(lambda: _connections() <= before)
        finally:
            gc.enable()


@pytest.mark.parametrize("paths", [["/later/1"], ["/later/1", "/2"], ["/1"]])
def test_who_closes_its_half_gets_the_answers_that_are_due(paths: list[str]) -> None:
    with served(Echo(), secure=False) as port, port.connected() as connection:
        port.app.release = port.call(asyncio.Event)
        unfinished = request(b"/3", b"content-length: 10")
        connection.sendall(b"".join(request(path.encode()) for path in paths) + unfinished)
        connection.shutdown(socket.SHUT_WR)
        time.sleep(0.05)
        port.call(port.app.release.set)
        stream = connection.makefile("rb")
        assert [response(stream)[2][1] for _ in paths] == paths
        stream.read()
        wait_for(lambda: not port.port.open)
        assert port.errors == []


def test_who_reads_no_answers_is_cut_off(port: Served) -> None:
    with port.connected() as connection:
        connection.settimeout(0.2)
        begun = time.monotonic()
        with contextlib.suppress(OSError):  # until the buffers between the two are full
            while True:
                connection.sendall(request(b"/" + b"x" * 900, method=b"GET") * 100)
        wait_for(lambda: not port.port.open, 5)
        assert time.monotonic() - begun > 0.9  # read_timeout 1


def test_what_waits_behind_a_late_answer_is_not_read_without_bound(port: Served) -> None:
    port.app.release = port.call(asyncio.Event)
    block = request(b"/next", body=b"x" * 1000) * 50
    with port.connected() as connection:
        connection.sendall(request(b"/later"))
        connection.settimeout(0.3)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 64 << 20:
                connection.sendall(block)
                sent += len(block)
        assert sent < 32 << 20  # what the system's buffers hold
        assert port.app.asked == ["/later"]


def test_five_hundred_slow_clients_are_answered_408_and_forgotten() -> None:
    limits = replace(LIMITS, read_timeout=2.0)
    with served(Echo(), limits) as port, contextlib.ExitStack() as stack:
        clients = []
        for _ in range(500):
            clients.append(stack.enter_context(port.connected()))
            clients[-1].sendall(
                H[:1]
            )  # at once: without a byte it would be cut, on a machine that takes long for them all
        stop = threading.Event()

        def trickle() -> None:
            for byte in H[1:] + H * 19:
                for client in clients:
                    with contextlib.suppress(OSError):
                        client.sendall(bytes([byte]))
                if stop.wait(0.1):
                    return

        trickling = threading.Thread(target=trickle)
        trickling.start()
        time.sleep(0.5)
        with port.connected() as good:  # is served all the while
            stream = good.makefile("rb")
            for _ in range(20):
                good.sendall(request(b"/good"))
                assert response(stream)[0] == 200
        wait_for(lambda: not port.port.open, 20)
        stop.set()
        trickling.join(HANGING)
        # A handshake that took all the time leaves none for a byte: such a client was cut without an answer.
        assert Counter(port.app.refusals)[408] > 400
        assert set(port.app.refusals) == {408}
        assert port.port.tasks == set()
        assert port.errors == []


def _spoiled(chance: random.Random) -> bytes:
    """Requests with bytes of them changed, left out, doubled or moved."""
    text = bytearray(THREE if chance.random() < 0.5 else request(b"/one", b"content-type: a/b", body=b"x" * 30) * 2)
    for _ in range(chance.choice((1, 1, 2, 3, 10))):
        at = chance.randrange(len(text)) if text else 0
        match chance.randrange(5):
            case 0:
                text[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del text[at : at + chance.randrange(1, 20)]
            case 2:
                text[at:at] = text[at : at + chance.randrange(1, 60)]
            case 3:
                text[at:at] = chance.choice((b"\r\n", b"\r", b"\n", b"\x00", b": ", b"chunked", b"0", b"\r\n\r\n"))
            case 4:
                del text[at:]
    return bytes(text) or b"x"


def test_spoiled_requests_get_answers_that_are_no_fault_of_ours(port: Served) -> None:
    statuses: Counter[int] = Counter()
    for seed in range(160):
        chance = random.Random(seed)
        text = _spoiled(chance)
        with port.connected() as connection, contextlib.suppress(ConnectionError, ssl.SSLError):
            cut = chance.randrange(len(text))
            connection.sendall(text[:cut])
            connection.sendall(text[cut:])
            connection.settimeout(0.05)
            got = b""
            with contextlib.suppress(TimeoutError):
                while piece := connection.recv(65536):
                    got += piece
            statuses.update(_statuses(got))
    assert statuses[200] > 50
    assert statuses[400] > 50
    assert not [status for status in statuses if status >= 500], statuses


VARIED = [
    (b"POST /v HTTP/1.1", b"host: x", b"Content-Length: %d", b"content-type: a/b"),
    (b"POST /v HTTP/1.1", b"host: x", b"content-type: a/b", b"Content-Length: %d"),
    (b"POST /v HTTP/1.1", b"Host: x", b"CONTENT-length: %d"),
]


LENGTHS = (b"%d", b"0%d", b"+%d", b"%d ", b" %d", b"%d0", b"", b"%dx", b"0x%d", b"00000000000%d")


def _varied(chance: random.Random) -> tuple[bytes, bytes]:
    """A good request, and one that differs from it in its length, or in more."""
    head = b"\r\n".join(chance.choice(VARIED)) + b"\r\n\r\n"
    known = b"x" * chance.choice((0, 7, 500))
    body = b"x" * chance.choice((0, 1, 9, 10, 99, 100, 1234, LIMITS.body, LIMITS.body + 1))
    length = chance.choice(LENGTHS)
    text = head.replace(b"%d", length.replace(b"%d", b"%d" % len(body)))
    if chance.random() < 0.3:
        at = chance.randrange(len(text))
        text = text[:at] + chance.choice((b"\r\n", b" ", b"x", b"0", b"\r\ncontent-length: 1")) + text[at:]
    return head % len(known) + known, text + body


@pytest.mark.parametrize("seed", range(2))
def test_a_head_that_is_known_is_read_as_one_that_is_not(seed: int) -> None:
    """The same texts, to a port that knows the heads they are made of, and to one that knows none: the same answers."""
    chance = random.Random(seed)
    good_answers: Counter[bool] = Counter()
    limits = replace(LIMITS, read_timeout=0.4)
    with served(Echo(), limits) as knowing, served(Echo(), limits) as ignorant:
        for _ in range(40):
            good, text = _varied(chance)
            with knowing.connected() as connection:
                connection.sendall(good)
                assert response(connection.makefile("rb"))[0] == 200
            assert any(known.body(good) is not None for known in knowing.port.known)
            ignorant.call(ignorant.port.known.clear)
            answers = [_exchanged(port, text, request(b"/end", b"connection: close")) for port in (knowing, ignorant)]
            assert answers[0] == answers[1], text[:200]
            good_answers[answers[0].startswith(b"HTTP/1.1 200")] += 1
        assert knowing.errors == ignorant.errors == []
    assert good_answers[True] > 5
    assert good_answers[False] > 5


def test_heads_that_are_known_are_few(port: Served) -> None:
    for number in range(50):
        with port.connected() as connection:
            connection.sendall(request(b"/%d" % number, body=b"x"))
            assert response(connection.makefile("rb"))[0] == 200
    assert len(port.port.known) == 8
    with port.connected() as connection:
        connection.sendall(request(b"/" + b"x" * 3000, body=b"x"))
        assert response(connection.makefile("rb"))[0] == 200
    assert max(len(known.before) for known in port.port.known) < 100


@pytest.mark.parametrize("later", ["", "/later"])
@pytest.mark.parametrize("path", RAISED)
def test_whatever_the_application_raises_is_its_own_failure(path: str, later: str) -> None:
    """Not of the request: SystemExit within the parser's callback would pass for bad HTTP."""
    with served(Echo()) as port, port.connected() as connection:
        stream = connection.makefile("rb")
        for _ in range(2):
            connection.sendall(request((later + path).encode()) + request(b"/good"))
            status, _, body = response(stream)
            assert (status, "internal error" in body["error"]) == (500, True)
            assert response(stream)[0] == 200
        assert [type(context["exception"]) for context in port.errors] == [type(RAISED[path])] * 2


@pytest.mark.parametrize(
    "text",
    [
        b"HEAD / HTTP/1.1\r\n\r\n",
        b"HEAD / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
        b"HEAD / HTTP/1.1\r\nhost: x\r\n" + b"x: y\r\n" * (MAX_HEADERS + 1) + b"\r\n",
        b"HEAD / HTTP/1.1\r\nhost: x\r\nx: " + b"y" * (2 * MAX_HEAD),
        b"HEAD / HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n\r\n",
        b"HEAD /refused HTTP/1.1\r\nhost: x\r\n\r\n",
        b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
)
def test_no_answer_to_head_has_a_body(port: Served, text: bytes) -> None:
    with port.connected() as connection:
        connection.sendall(text + request(b"/", b"connection: close", method=b"HEAD"))
        got = rest(connection)
    assert got.startswith(b"HTTP/1.1 ")
    for head in got.split(b"HTTP/1.1 ")[1:]:
        assert head.endswith(b"\r\n\r\n"), got
        assert b"\r\ncontent-length: " in head
