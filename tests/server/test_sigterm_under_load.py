"""SIGTERM under load: whoever got a connection gets answers, then connections are refused, and the exit code is 0.

GATEWRIGHT_TEST_TIMES asks for more times than these (`make soak`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server.authorities import Authority
from tests.server.load import Clients
from tests.server.running import Running

TIMES = int(os.environ.get("GATEWRIGHT_TEST_TIMES", "2"))
CLIENTS, REVIEWS = 8, 60  # how many reviews have been answered when SIGTERM comes


@pytest.mark.parametrize("workers", [1, 2])
def test_no_request_fails(start: Callable[..., Running], policies: Path, tmp_path: Path, workers: int) -> None:
    authority = Authority()
    certificate, key = authority.pair()
    files = {"ca.pem": authority.pem, "tls.crt": certificate, "tls.key": key}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    flags = ("--tls-cert", str(tmp_path / "tls.crt"), "--tls-key", str(tmp_path / "tls.key"))
    answered, seconds = 0, []
    for _ in range(TIMES):
        server = start("--policies", str(policies), *flags, "--workers", str(workers))
        with Clients(server.port, tmp_path / "ca.pem", keep_alive=CLIENTS // 2, fresh=CLIENTS // 2) as clients:
            server.events("review", REVIEWS)
            begun = time.monotonic()
            assert server.stop() == 0
            seconds.append(time.monotonic() - begun)
            came = clients.wait()
        assert came["failures"] == []
        assert came["refused"] > 0
        assert came["requests"] >= REVIEWS - CLIENTS  # what is logged may not have been read by its client
        answered += came["requests"]
        assert [line["event"] for line in server.lines if line["event"] != "review"] == [
            "serving",
            "stopping",
            "stopped",
        ]
    print(
        f"\nSIGTERM under load, {workers} worker(s), {TIMES} times: {answered} requests, 0 failed, exit 0 after "
        f"{max(seconds):.2f} s at most"
    )
