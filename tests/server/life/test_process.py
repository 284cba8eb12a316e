"""How the server runs and how it ends."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server.running import (
    COMMAND,
    INSTALLED,
    Running,
    environment,
    recorded,
    wait_for,
)
from tests.timing import ASSERTED, HANGING, patience

CREATE_POD = recorded("020")


@pytest.mark.skipif(not ASSERTED, reason="seconds are asserted by make soak")
def test_it_serves_within_three_seconds(start: Callable[..., Running], policies: Path) -> None:
    assert min(start("--policies", str(policies), command=COMMAND).started_in for _ in range(3)) < 3.0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_installed_command_ends_with_exit_0(
    start: Callable[..., Running], policies: Path, number: signal.Signals
) -> None:
    server = start("--policies", str(policies), command=INSTALLED)
    kept = server.connect()  # an idle connection does not hold it up
    kept.request("POST", "/validate", CREATE_POD, {"content-type": "application/json"})
    kept.getresponse().read()
    server.process.send_signal(number)
    assert server.process.wait(patience(10)) == 0
    # The process has ended; what it wrote is still being read.
    wait_for(lambda: [line["event"] for line in server.lines][-2:] == ["stopping", "stopped"])
    assert "Traceback" not in "\n".join(server.said)


def test_a_request_in_flight_is_answered_while_readiness_is_red(start: Callable[..., Running], policies: Path) -> None:
    server = start("--policies", str(policies))
    assert server.get("/readyz").status == 200
    head = b"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=HANGING) as plain,
        server.trust.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(head % len(CREATE_POD) + CREATE_POD[:1000])
        time.sleep(0.2)  # the server has begun to read it
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: server.get("/readyz").status == 503)
        assert b"shutting down" in server.get("/readyz").body
        assert server.get("/healthz").status == 200
        assert "gatewright_ready 0.0" in server.get("/metrics").body.decode()
        time.sleep(1.5)  # longer than idle connections are left
        connection.sendall(CREATE_POD[1000:])
        got = b""
        while piece := connection.recv(65536):
            got += piece
    assert got.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in got
    assert b"hostPath is not allowed" in got
    assert server.process.wait(patience(10)) == 0


def test_during_the_delay_reviews_are_answered_and_clients_sent_elsewhere(
    start: Callable[..., Running], policies: Path
) -> None:
    server = start("--policies", str(policies), "--shutdown-delay", "300")
    server.process.send_signal(signal.SIGTERM)
    wait_for(lambda: server.get("/readyz").status == 503)
    answer = server.post("/validate", CREATE_POD)
    assert answer.response["allowed"] is False
    assert answer.headers["connection"] == "close"
    server.process.send_signal(signal.SIGTERM)  # asked twice, it waits no longer
    assert server.process.wait(patience(5)) == 0


def test_after_the_delay_it_ends(start: Callable[..., Running], policies: Path) -> None:
    server = start("--policies", str(policies), "--shutdown-delay", "1")
    begun = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(patience(5)) == 0
    assert time.monotonic() - begun >= 1


def test_it_ends_without_a_word_on_stderr(policies: Path) -> None:
    command = [*COMMAND, "serve", "--policies", str(policies), "--port", "0", "--plain-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "serving"
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=patience(10))
    assert process.returncode == 0
    assert said.decode().rstrip("\n").split("\n")[-1].startswith("caBundle: ")  # the last line of its start


def test_a_log_that_nobody_reads_any_more_does_not_stop_it(policies: Path) -> None:
    command = [*COMMAND, "serve", "--policies", str(policies), "--port", "0", "--plain-port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment())
    try:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        process.stdout.close()
        port = int(first["reviews"].rpartition(":")[2])
        trust = ssl._create_unverified_context()  # its stderr, with the authority, is not read here
        with contextlib.closing(
            http.client.HTTPSConnection("127.0.0.1", port, timeout=HANGING, context=trust)
        ) as connection:
            for _ in range(3):
                connection.request("POST", "/validate", CREATE_POD, {"content-type": "application/json"})
                assert connection.getresponse().read().startswith(b'{"apiVersion"')
        process.send_signal(signal.SIGTERM)
        assert process.wait(patience(10)) == 0
    finally:
        process.kill()
        process.wait()


HELD_UP = """
import asyncio, sys, time
from webhook.server.life import tasks

tasks.HUNG = 0.2  # seconds of processor time

def hold_up(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass

async def main():
    async with tasks.beside(tasks.end_if_hung()):
        await asyncio.sleep(0)
        if sys.argv[1] == "within":
            hold_up(60)
    hold_up(0.6)  # at the end of the process nobody watches any more

asyncio.run(main())
"""


def test_the_kernel_ends_a_process_whose_event_loop_is_held_up() -> None:
    """Nothing in Python could: a C call that never returns hears no signal. A container is started again then."""

    def ended(where: str) -> subprocess.CompletedProcess[str]:
        command = (sys.executable, "-c", HELD_UP, where)
        return subprocess.run(command, capture_output=True, text=True, timeout=HANGING, check=False)

    held_up = ended("within")
    assert held_up.returncode == -signal.SIGPROF
    assert "in hold_up" in held_up.stderr  # where it was
    assert ended("after").returncode == 0
