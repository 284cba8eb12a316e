"""Connections that come to nothing before their first request are bounded, counted, and leave nothing behind."""

from __future__ import annotations

import contextlib
import re
import resource
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server.running import COMMAND, Running, recorded, wait_for
from tests.timing import HANGING

CREATE_POD = recorded("020")


def _failures(server: Running) -> dict[str, float]:
    text = server.get("/metrics").body.decode()
    found = re.findall(r'(?m)^gatewright_tls_handshake_failures_total{reason="(.+)"} (.+)$', text)
    return {reason: float(value) for reason, value in found}


def _descriptors(server: Running) -> int:
    folder = Path(f"/proc/{server.process.pid}/fd")
    if not folder.exists():
        pytest.skip(f"no {folder} on this system")
    return len(list(folder.iterdir()))


def test_handshakes_under_way_are_bounded_and_the_newest_goes_before(
    start: Callable[..., Running], policies: Path
) -> None:
    server = start("--policies", str(policies), "--max-connections", "8", "--read-timeout", "60")
    server.post("/validate", CREATE_POD)
    before = _descriptors(server)
    with contextlib.ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=HANGING))
        wait_for(lambda: _failures(server).get("closed", 0) >= 52)
        assert server.post("/validate", CREATE_POD).response["allowed"] is False
        assert _descriptors(server) - before < 12
    wait_for(lambda: _descriptors(server) <= before)
    assert not [line for line in server.lines if line["level"] == "error"]


def test_why_a_handshake_failed_is_counted(impatient: Running) -> None:
    before = _failures(impatient)
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=HANGING) as silent:
        assert silent.recv(1) == b""  # --read-timeout 1
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=HANGING) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            plain.recv(1000)
    with (
        pytest.raises(ssl.SSLCertVerificationError),
        socket.create_connection(("127.0.0.1", impatient.port), timeout=HANGING) as plain,
    ):
        ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")
    wait_for(lambda: sum(_failures(impatient).values()) - sum(before.values()) >= 3)
    after = _failures(impatient)
    new = {reason for reason, count in after.items() if count > before.get(reason, 0)}
    assert new == {"timeout", "http_request", "tlsv1_alert_unknown_ca"}


def test_more_connections_than_files_are_not_promised(policies: Path, start: Callable[..., Running]) -> None:
    command = ["/bin/sh", "-c", 'ulimit -n 400 && exec "$@"', "sh", *COMMAND]
    server = start("--policies", str(policies), "--read-timeout", "60", command=command)
    (line,) = [line for line in server.lines if line["event"] == "limits"]
    assert "--max-connections is 512, but the limit of 400 open files allows 128; 128 are accepted" in line["message"]
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=HANGING))
        assert server.post("/validate", CREATE_POD).response["allowed"] is False
        assert server.get("/readyz").status == 200


def test_with_no_descriptor_left_it_goes_on_once_there_is_one(policies: Path, start: Callable[..., Running]) -> None:
    server = start("--policies", str(policies), "--read-timeout", "60")
    server.post("/validate", CREATE_POD)
    limit = _descriptors(server) + 10
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
    with contextlib.ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=HANGING))
        wait_for(lambda: _descriptors(server) >= limit)
    assert server.post("/validate", CREATE_POD).response["allowed"] is False
    assert server.stop() == 0
