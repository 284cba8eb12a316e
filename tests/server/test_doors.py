"""Lines between the server's processes: what comes with them, and what is dropped."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from tests.timing import HANGING
from webhook.server.doors import Listener, open_line


def doors() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_line_comes_with_what_was_sent(tmp_path: Path) -> None:
    async def run() -> None:
        ours, theirs = doors()
        served: asyncio.Queue[tuple[bytes, bytes]] = asyncio.Queue()

        async def serve(hello: bytes, line: socket.socket, file: int) -> None:
            with line, os.fdopen(file, "rb") as sent:
                served.put_nowait((hello, sent.read()))
                line.send(b"welcome")

        listener = Listener(theirs, serve, files=1)
        (tmp_path / "file").write_bytes(b"stacks")
        with ours, theirs, (tmp_path / "file").open("rb") as file:
            with open_line(ours, b"me", file.fileno()) as line:
                async with asyncio.timeout(HANGING):
                    assert await served.get() == (b"me", b"stacks")
                assert line.recv(16) == b"welcome"
            asyncio.get_running_loop().remove_reader(theirs.fileno())
        assert listener is not None

    asyncio.run(run())


def test_a_line_that_lacks_a_file_is_dropped_and_the_next_one_is_served() -> None:
    async def run() -> None:
        ours, theirs = doors()
        served: asyncio.Queue[bytes] = asyncio.Queue()

        async def serve(hello: bytes, line: socket.socket, file: int) -> None:
            line.close()
            os.close(file)
            served.put_nowait(hello)

        listener = Listener(theirs, serve, files=1)
        with ours, theirs:
            lacking = open_line(ours, b"lacking")
            with lacking, Path("/dev/null").open("rb") as file, open_line(ours, b"whole", file.fileno()):
                async with asyncio.timeout(HANGING):
                    assert await served.get() == b"whole"
                lacking.settimeout(HANGING)
                assert lacking.recv(1) == b"", "the other end is open"
            asyncio.get_running_loop().remove_reader(theirs.fileno())
        assert served.empty() and listener is not None

    asyncio.run(run())


def test_a_line_that_cannot_be_sent_is_closed() -> None:
    ours, theirs = doors()
    with ours:
        theirs.close()
        before = open_files()
        with pytest.raises(OSError, match="refused"):
            open_line(ours, b"me")
        assert open_files() == before


def test_nothing_is_served_when_nothing_was_sent() -> None:
    async def run() -> None:
        ours, theirs = doors()

        async def serve(_hello: bytes, _line: socket.socket) -> None:
            raise AssertionError("served")

        with ours, theirs:
            listener = Listener(theirs, serve)
            listener._admit()
            asyncio.get_running_loop().remove_reader(theirs.fileno())

    asyncio.run(run())
