"""What docs/serve.md says of shutting down: who is answered, how connections end, and when the process does."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import signal
import socket
import ssl
import struct
import termios
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import uvloop
from msgspec import structs

from tests.server.ports import Echo, Served, request, response, rest, served
from tests.server.running import Running, recorded, wait_for
from tests.timing import HANGING, patience
from webhook.server.port import accepting
from webhook.server.port.accepting import Acceptor
from webhook.server.port.connections import Port
from webhook.server.port.exchange import Limits
from webhook.server.port.listening import Server
from webhook.server.port.protocol import Connection

CREATE_POD = recorded("020")
HEAD = b"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
REVIEW = HEAD % len(CREATE_POD) + CREATE_POD


LIMITS = Limits(connections=100, body=10_000, held=400_000, read_timeout=HANGING, idle_timeout=HANGING)


# How the connections of a port end.


@pytest.fixture(params=[True, False], ids=["tls", "plain"])
def port(request: pytest.FixtureRequest) -> Iterator[Served]:
    with served(Echo(), secure=request.param) as found:
        yield found
        assert found.errors == []


def _closing(port: Served) -> None:
    port.port.closing = True


@pytest.mark.parametrize("path", [b"/here", b"/later", b"/refused", b"/broken"])
def test_each_answer_ends_its_connection_once_the_port_is_closing(port: Served, path: bytes) -> None:
    with port.connected() as connection:
        stream = connection.makefile("rb")
        connection.sendall(request(b"/first"))
        assert b"connection: close" not in response(stream)[1]
        port.call(_closing, port)
        connection.sendall(request(path))
        assert b"connection: close" in response(stream)[1]
        assert stream.read() == b""
    port.errors.clear()  # of /broken


def test_requests_that_were_sent_at_once_are_all_answered(port: Served) -> None:
    port.app.release = port.call(asyncio.Event)
    paths = [b"/later", b"/2", b"/refused", b"/later/4", b"/5"]
    with port.connected() as connection:
        connection.sendall(b"".join(map(request, paths)))
        wait_for(lambda: port.app.asked)
        port.call(_closing, port)
        port.call(port.app.release.set)
        stream = connection.makefile("rb")
        heads = [response(stream)[1] for _ in paths]
        assert [b"connection: close" in head for head in heads] == [False] * 4 + [True]
        assert stream.read() == b""


def test_a_request_that_is_arriving_is_answered(port: Served) -> None:
    with port.connected() as connection:
        stream = connection.makefile("rb")
        text = request(b"/cut", body=b"x" * 100)
        connection.sendall(request(b"/first") + text[:90])
        assert b"connection: close" not in response(stream)[1]
        port.call(port.port.finish)
        connection.sendall(text[90:])
        assert response(stream)[2] == ["POST", "/cut", 100]
        assert stream.read() == b""


@pytest.mark.parametrize("end", ["closing", "finish"])
def test_a_request_that_is_arriving_behind_another_is_answered(port: Served, end: str) -> None:
    port.app.release = port.call(asyncio.Event)
    text = request(b"/cut", body=b"x" * 100)
    with port.connected() as connection:
        stream = connection.makefile("rb")
        connection.sendall(request(b"/later") + text[:90])
        wait_for(lambda: port.app.asked)
        port.call(partial(_closing, port) if end == "closing" else port.port.finish)
        port.call(port.app.release.set)
        assert b"connection: close" not in response(stream)[1]
        connection.sendall(text[90:])
        _, head, body = response(stream)
        assert (body, b"connection: close" in head) == (["POST", "/cut", 100], True)
        assert stream.read() == b""


@pytest.mark.parametrize("used", [False, True])
def test_the_client_of_an_idle_connection_reads_a_response_to_what_it_sends_too_late(port: Served, used: bool) -> None:
    """The server has closed the connection when the request arrives, and the client does not know it yet."""
    with port.connected() as connection:
        stream = connection.makefile("rb")
        if used:
            connection.sendall(request(b"/first"))
            assert response(stream)[0] == 200
        wait_for(lambda: port.port.open)
        port.call(port.port.finish)
        if not port.secure:  # over TLS the server waits for the client's part of closing
            wait_for(lambda: not port.port.open)
        connection.sendall(request(b"/too-late"))
        status, head, body = response(stream)
        assert (status, body) == (503, "gone")
        assert b"connection: close" in head
        assert rest(connection) == b""
    assert b"/too-late" not in port.app.asked


def test_a_connection_that_idles_too_long_ends_in_the_same_way() -> None:
    with served(Echo(), structs.replace(LIMITS, idle_timeout=0.1)) as port, port.connected() as connection:
        stream = connection.makefile("rb")
        connection.sendall(request(b"/first"))
        assert response(stream)[0] == 200
        status, head, body = response(stream)
        assert (status, body, b"connection: close" in head) == (503, "gone", True)
        assert stream.read() == b""


def test_an_answer_that_is_due_is_the_only_one(port: Served) -> None:
    port.app.release = port.call(asyncio.Event)
    with port.connected() as connection:
        connection.sendall(request(b"/later"))
        wait_for(lambda: port.app.asked)
        port.call(port.port.finish)
        port.call(port.app.release.set)
        assert rest(connection).count(b"HTTP/1.1 ") == 1


def test_where_requests_may_be_sent_again_nothing_is_said(port: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Echo, "unsolicited", None)
    with port.connected() as connection:
        connection.sendall(request(b"/first"))
        stream = connection.makefile("rb")
        assert response(stream)[0] == 200
        port.call(port.port.finish)
        assert stream.read() == b""


# How a server ends.


def test_connections_that_clients_have_opened_are_accepted_and_later_ones_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accepting, "_HALF_OPEN", 0.0)  # in which the event loop would accept them all
    bound = socket.create_server(("127.0.0.1", 0), backlog=64)
    bound.setblocking(False)
    address = bound.getsockname()

    port = Port(Echo(), LIMITS)

    async def main() -> None:
        some = Acceptor(bound, partial(Connection, port), handshakes=100, timeout=HANGING, failed=lambda reason: None)
        # The event loop accepts nothing meanwhile: to the clients, the connections are open.
        clients = [socket.create_connection(address, timeout=HANGING) for _ in range(40)]
        await some.close()
        port.closing = True
        for client in clients:
            client.sendall(request(b"/"))
            answer = await asyncio.to_thread(rest, client)
            assert answer.startswith(b"HTTP/1.1 200 ")
            client.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=HANGING)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_an_idle_connection_is_left_to_its_client(start: Callable[..., Running], policies: Path) -> None:
    server = start("--policies", str(policies), "--shutdown-idle", "300")
    with server.connected() as first, server.connected() as second:
        for connection in (first, second):
            connection.sendall(REVIEW)
            assert response(connection.makefile("rb"))[0] == 200
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: _refuses(server))
        stream = first.makefile("rb")
        first.sendall(REVIEW)
        status, head, _ = response(stream)
        assert (status, b"connection: close" in head) == (200, True)
        assert stream.read() == b""
        assert server.process.poll() is None
    assert server.process.wait(patience(20)) == 0  # long before the 300 s


@pytest.mark.parametrize("workers", [1, 2])
def test_the_process_ends_though_clients_keep_their_connections(
    start: Callable[..., Running], policies: Path, workers: int
) -> None:
    server = start("--policies", str(policies), "--workers", str(workers), "--shutdown-idle", "0.1")
    with server.connected() as used, server.connected() as fresh:
        used.sendall(REVIEW)
        stream = used.makefile("rb")
        assert response(stream)[0] == 200
        assert server.stop() == 0
        for connection in (stream, fresh.makefile("rb")):
            status, head, _ = response(connection)
            assert status == 503
            assert b"retry-after: 0" in head
            assert connection.read() == b""


def test_a_request_that_never_ends_is_cut_off(start: Callable[..., Running], policies: Path) -> None:
    server = start("--policies", str(policies), "--shutdown-timeout", "0.5", "--read-timeout", "300")
    with server.connected() as connection:
        connection.sendall(REVIEW[:1000])
        wait_for(lambda: _read(connection))
        assert server.stop() == 0
        assert rest(connection) == b""


@pytest.mark.parametrize("sent", [request(b"/later"), request(b"/later")[:-2]], ids=["unanswered", "arriving"])
@pytest.mark.parametrize("forced", [False, True])
def test_an_ended_server_has_no_connections(sent: bytes, forced: bool) -> None:
    """Whatever the process does then: the exporter of traces may still be waited for."""
    bound = socket.create_server(("127.0.0.1", 0))
    bound.setblocking(False)
    app = Echo()

    async def main() -> None:
        app.release = asyncio.Event()
        server = Server(app, bound, LIMITS, 0.0, HANGING if forced else 0.1)
        await server.begin()
        reader, writer = await asyncio.open_connection(*bound.getsockname())
        writer.write(sent)
        held = server.port
        while not (app.asked or held.held):
            await asyncio.sleep(0.01)
        if forced:
            server.force()
        await server.end()
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), HANGING) == b""
        assert (held.open, held.held) == (set(), 0)
        await asyncio.sleep(0)
        assert not held.tasks
        writer.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def _refuses(server: Running) -> bool:
    """Whether the server takes no more connections."""
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=patience(3)).close()
    except OSError:
        return True
    return False


def _read(connection: ssl.SSLSocket) -> bool:
    """Whether the other side has taken everything in."""
    left = struct.unpack("I", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0" * 4))[0]
    return bool(left == 0)
