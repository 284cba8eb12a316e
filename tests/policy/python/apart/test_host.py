"""The host forks runners, ends them when told to, and ends with the server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.timing import HANGING
from webhook.policy.python.apart import frames

SPIN = "while True: pass\n"


class Server:
    """The server's end of a host."""

    def __init__(self, control: socket.socket, process: subprocess.Popen[bytes]) -> None:
        self.control = control
        self.process = process

    def start(self, number: int) -> tuple[socket.socket, int]:
        ours, theirs = socket.socketpair()
        reading, writing = os.pipe()
        with theirs:
            order = json.dumps({"start": number, "memory": 64 << 20}).encode()
            socket.send_fds(self.control, [order], [theirs.fileno(), writing])
        os.close(writing)
        ours.settimeout(HANGING)
        return ours, reading

    def heard(self) -> dict[str, int]:
        found: dict[str, int] = json.loads(self.control.recv(4096))
        return found


@pytest.fixture
def server() -> Iterator[Server]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", "webhook.policy.python.apart.host", str(theirs.fileno())]
    with ours:
        ours.settimeout(HANGING)
        with theirs:
            process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        yield Server(ours, process)
    assert process.wait(HANGING) == 0


def load(runner: socket.socket, text: str, seconds: float = 5) -> None:
    runner.sendall(frames.framed({"load": "p.py", "text": text, "seconds": seconds}))


def test_a_runner_is_given_policies_until_its_connection_closes(server: Server) -> None:
    runner, output = server.start(1)
    with runner:
        load(runner, "print('hello')\n")
        assert frames.received(runner) == {"loaded": True, "said": ["hello"]}
    assert server.heard() == {"ended": 1}
    os.close(output)


def test_a_runner_is_ended_by_order_and_by_the_kernel(server: Server) -> None:
    (first, output), (second, other) = server.start(1), server.start(2)
    with first, second:
        load(first, SPIN, 60)
        load(second, SPIN, 0.2)
        assert server.heard() == {"ended": 2}
        assert b'File "p.py", line 1 in <module>' in os.read(other, 1 << 16)
        with pytest.raises(EOFError):
            frames.received(second)
        server.control.send(json.dumps({"end": 1}).encode())
        assert server.heard() == {"ended": 1}
    os.close(output)
    os.close(other)


@pytest.mark.skipif(not Path("/proc/self/oom_score_adj").exists(), reason="the system has no such score")
def test_a_runner_is_what_the_system_ends_first(server: Server) -> None:
    runner, output = server.start(1)
    with runner:
        load(runner, "print('hello')\n")
        frames.received(runner)
        (pid,) = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        own = int(Path("/proc/self/oom_score_adj").read_text())
        assert int(Path(f"/proc/{pid}/oom_score_adj").read_text()) == 1000 > own
        assert int(Path(f"/proc/{server.process.pid}/oom_score_adj").read_text()) == own
    os.close(output)


def test_runners_end_with_the_server(server: Server) -> None:
    runner, output = server.start(1)
    with runner:
        load(runner, SPIN, 60)
        server.control.close()
        with pytest.raises((EOFError, ConnectionError)):
            frames.received(runner)
    os.close(output)
