"""Clients that send a byte a second cost others next to nothing.

GATEWRIGHT_TEST_SLOW asks for more of them than these, and for a longer look (`make soak`). There it is asserted what
they cost; `make test` only sees that a good client is answered beside them.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.load import Clients
from tests.server.running import Running
from tests.timing import ASSERTED
from tests.unmeasured import unmeasured

SLOW = int(os.environ.get("GATEWRIGHT_TEST_SLOW", "100"))
SECONDS = 12.0 if SLOW >= 500 else 2.0  # the longer one sees them cut off, and come back
RATE = 200  # reviews a second
ROUNDS = 3


def test_a_good_client_does_not_notice_them(start: Callable[..., Running], policies: Path, tmp_path: Path) -> None:
    server = start("--policies", str(policies))
    ca = tmp_path / "ca.pem"
    ca.write_bytes(server.ca)

    def good() -> dict[str, Any]:
        with Clients(server.port, ca, keep_alive=1, fresh=0, rate=RATE) as client:
            time.sleep(SECONDS)
            return client.end()

    good()  # the first requests of a server's life are slower
    # Whatever else a machine does lengthens some round, never shortens one: one of three that holds is the server's.
    for _ in range(ROUNDS):
        without = good()
        with _slow_ones(server.port):
            beside = good()
        print(
            f"\nslow clients: p99 {without['p99']:.2f} ms without, {beside['p99']:.2f} ms beside {SLOW} connections "
            f"that send a byte a second; p50 {without['p50']:.2f} and {beside['p50']:.2f} ms; {RATE} reviews a second"
        )
        assert (without["failures"], beside["failures"]) == ([], [])
        assert beside["requests"] > (RATE * SECONDS * 0.8 if ASSERTED else 0)
        if beside["p99"] < 3 * without["p99"] or not ASSERTED:
            break
    else:
        pytest.fail("slow clients take a good one's time")
    if SECONDS > 10:
        metrics = server.get("/metrics").body.decode()
        (cut_off,) = re.findall(r'(?m)^gatewright_requests_refused_total{code="408"} (.+)$', metrics)
        assert float(cut_off) >= SLOW * 0.9


@contextlib.contextmanager
def _slow_ones(port: int) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.server.slow", str(port), str(SLOW)]
    root = Path(__file__).parents[2]
    slow = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root, env=unmeasured())
    try:
        assert slow.stdout is not None
        assert slow.stdout.readline() == b"connected\n"
        yield
        assert slow.poll() is None
    finally:
        slow.kill()
        slow.communicate()
