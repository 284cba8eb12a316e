"""Whichever way a request comes, at once or not, the answer and what becomes of the connection are the same."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import BinaryIO

import pytest

from tests.server.running import Running, recorded

CREATE_POD = recorded("020")
LENGTH = b"content-length: %d\r\n" % len(CREATE_POD)

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
    more = b"".join(header + b"\r\n" for header in headers)
    head = b"POST %s HTTP/%s\r\nhost: x\r\ncontent-type: application/json\r\n%s%s\r\n"
    return head % (target, version, LENGTH, more) + CREATE_POD


def _response(stream: BinaryIO) -> tuple[bytes, bytes]:
    """Head and body of the next answer."""
    head = b"".join(iter(stream.readline, b"\r\n"))
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
    return head, stream.read(length)


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
        time.sleep(0.5)  # --read-timeout 1
        stream = connection.makefile("rb")
        for number in range(count):
            head, body = _response(stream)
            assert head.startswith(b"HTTP/1.1 404 "), number
            assert b"/%05d" % number in body
        sender.join(10)


def test_nothing_more_is_read_of_a_client_that_takes_nothing_in(server: Running) -> None:
    """Its answers wait in memory, so there must not be ever more of them."""
    block = (b"GET /" + b"x" * 900 + b" HTTP/1.1\r\nhost: x\r\n\r\n") * 256
    sent = 0
    with server.connected() as connection:
        connection.settimeout(0.3)  # --read-timeout 1
        with contextlib.suppress(TimeoutError):
            while sent < 64 << 20:
                connection.sendall(block)
                sent += len(block)
        assert sent < 32 << 20
