"""Slow, greedy and confused clients are bounded in time and memory, and others keep being served."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server.running import Running, recorded, wait_for
from tests.timing import within

CREATE_POD = recorded("020")
HEAD = b"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


def _rest(connection: ssl.SSLSocket) -> bytes:
    """All that comes until the server closes."""
    got = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while piece := connection.recv(65536):
            got += piece
    return got


def _good(server: Running) -> None:
    assert server.post("/validate", CREATE_POD).response["allowed"] is False


@pytest.mark.parametrize("sent", [b"GET", HEAD, HEAD + b"content-length: 900\r\n\r\n{"])
def test_a_request_that_never_ends_is_answered_408(server: Running, sent: bytes) -> None:
    with server.connected() as connection:
        connection.sendall(sent)
        begun = time.monotonic()
        with within(5):
            got = _rest(connection)
        assert time.monotonic() - begun > 0.5  # --read-timeout 1
    assert got.startswith(b"HTTP/1.1 408 ")
    assert "error" in json.loads(got.split(b"\r\n\r\n", 1)[1])
    _good(server)


def test_a_byte_at_a_time_gains_nothing(server: Running) -> None:
    with server.connected() as connection:
        cut_off = False
        with within(6):
            try:
                for byte in HEAD * 100:
                    connection.sendall(bytes([byte]))
                    time.sleep(0.02)
            except (ConnectionError, ssl.SSLError):
                cut_off = True
        assert cut_off


def test_a_client_that_says_nothing_is_cut_off(server: Running) -> None:
    with server.connected() as connection:
        assert _rest(connection) == b""


def test_headers_without_end_are_refused(server: Running) -> None:
    with server.connected() as connection:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            for number in range(1000):
                connection.sendall(b"x-%d: %s\r\n" % (number, b"x" * 500) if number else HEAD)
        got = _rest(connection)
    assert got == b"" or got.startswith(b"HTTP/1.1 431 ")  # the answer may be lost in a connection that was reset
    _good(server)


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01nonsense\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n", b"POST / HTTP/9\r\n\r\n"]
)
def test_what_is_no_http_is_answered_400_in_json(server: Running, sent: bytes) -> None:
    with server.connected() as connection:
        connection.sendall(sent)
        got = _rest(connection)
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
        _rest(connection)
    assert count() - before == 1


def test_a_client_that_speaks_no_tls_harms_nobody(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"POST /validate HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert b"HTTP" not in connection.recv(1000)
    _good(server)


def test_an_upgrade_is_not_taken(server: Running) -> None:
    with server.connected() as connection:
        connection.sendall(b"GET /validate HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n")
        got = _rest(connection)
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
        assert all(_rest(connection) == b"" for connection in idle[:20])  # at the latest when the client listens
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
