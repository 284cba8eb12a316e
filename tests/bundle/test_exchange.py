"""Exchanges are bounded in time and bytes, whatever the other side does."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from webhook.bundle.exchange import Answer, Deadline, ExchangeError, exchange

SECONDS = 0.6
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextlib.contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does with each connection what it is told; its address."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.05)

        def serve() -> None:
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    connection, _ = listening.accept()
                    with connection:
                        connection.settimeout(5)
                        answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        stop.set()
        thread.join()


def ask(address: str, most: int = 1000, scheme: str = "http", method: str = "GET") -> Answer:
    trust = ssl.create_default_context() if scheme == "https" else None
    return exchange(method, f"{scheme}://{address}/x?y=1", {}, b"", most, Deadline(SECONDS), trust)


def after_head(*pieces: bytes, pause: float = 0.0) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)

    return answer


def test_an_answer_is_whole() -> None:
    with server(after_head(OK)) as address:
        answer = ask(address)
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"ok", "2")


@pytest.mark.parametrize(
    "answer",
    [
        after_head(b"", pause=2),
        after_head(*[bytes([byte]) for byte in b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100], pause=0.1),
        after_head(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", *[b"x"] * 40, pause=0.1),
        after_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n"] * 40, pause=0.1),
    ],
    ids=["silent", "slow head", "slow body", "slow chunks"],
)
def test_who_does_not_end_is_given_up(answer: Callable[[socket.socket], None]) -> None:
    """Also who sends a byte now and then: http.client alone would wait for each of them anew."""
    with server(answer) as address, pytest.raises(ExchangeError, match=rf"{address} did not answer within 0.6 s"):
        ask(address)


def test_a_tls_handshake_is_bounded_too() -> None:
    def drip(connection: socket.socket) -> None:
        connection.recv(65536)
        for byte in b"\x16\x03\x03\x10\x00" + b"x" * 60:
            connection.sendall(bytes([byte]))
            time.sleep(0.1)

    with server(drip) as address, pytest.raises(ExchangeError, match=r"did not answer within 0.6 s"):
        ask(address, scheme="https")


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (OK[:-2], "sent 0 of 2 bytes|the answer broke off"),
        (OK[:-1], "the answer broke off|sent 1 of 2 bytes"),
        (b"", "closed the connection without an answer"),
        (b"SSH-2.0-x\r\n\r\n", "no HTTP/1.1: BadStatusLine"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500 + b"\r\n", "no HTTP/1.1: HTTPException got more than 100 headers"),
        (b"HTTP/1.1 200 OK\r\na: " + b"b" * 70000 + b"\r\n\r\n", "no HTTP/1.1: LineTooLong"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000, "sent more than 1,000 bytes"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000, "sent more than 1,000 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "the answer broke off|no HTTP|ValueError"),
    ],
)
def test_a_wrong_answer_is_an_error(sent: bytes, message: str) -> None:
    with server(after_head(sent)) as address, pytest.raises(ExchangeError, match=message):
        ask(address)


def test_the_body_of_a_head_is_not_waited_for() -> None:
    with server(after_head(OK[:-2])) as address:
        assert ask(address, method="HEAD").status == 200


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
    with pytest.raises(ExchangeError, match=rf"{address}: ConnectionRefusedError: Connection refused"):
        ask(address)
    with pytest.raises(ExchangeError, match="there is no host of this name"):
        ask("nowhere.invalid:1")


def test_what_is_no_tls_is_said() -> None:
    with server(after_head(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as address, pytest.raises(ExchangeError) as error:
        ask(address, scheme="https")
    assert str(error.value).startswith(f"{address}: SSLError: ")


def test_no_time_is_left() -> None:
    deadline = Deadline(0.0)
    with server(after_head(OK)) as address, pytest.raises(ExchangeError, match="did not answer within 0 s"):
        exchange("GET", f"http://{address}/", {}, b"", 10, deadline, None)
