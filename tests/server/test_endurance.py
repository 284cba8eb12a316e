"""Mutated reviews over TLS for a long time: no 5xx, and the server's memory stays flat.

GATEWRIGHT_TEST_MINUTES asks for so many minutes, and then for at least a million reviews (`make soak`).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server.mutatedload import mutated_load
from tests.server.running import COMMAND, Running

MINUTES = float(os.environ.get("GATEWRIGHT_TEST_MINUTES", "0"))
REVIEWS = 1_000_000 if MINUTES else 2_000
SECONDS = MINUTES * 60 or 1
SAMPLES = 40
GROWTH = 8 << 20  # bytes between the largest of the second quarter and the largest of the last half
POLICIES = Path(__file__).parents[2] / "policies"


def _resident(server: Running) -> int:
    """Bytes of memory that the server's process holds."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{server.process.pid}/status").read_text())
    assert found is not None
    return int(found[1]) << 10


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell a process's memory")
def test_memory_stays_flat_and_no_review_fails(start: Callable[..., Running], tmp_path: Path) -> None:
    server = start("--policies", str(POLICIES), "--workers", "1", command=COMMAND)
    (tmp_path / "ca.pem").write_bytes(server.ca)
    sampled: list[int] = []
    client = mutated_load(server.port, tmp_path / "ca.pem", connections=4, requests=REVIEWS, seconds=SECONDS)
    with client:
        try:
            while client.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    client.wait(SECONDS / SAMPLES)
                sampled.append(_resident(server))
                server.lines.clear()  # the log of so many reviews would be this process's memory
        finally:
            client.kill()
        assert client.stdout is not None
        result = json.loads(client.stdout.read())
    statuses = {int(status): count for status, count in result["statuses"].items()}
    half = sampled[len(sampled) // 2 :]
    quarter = sampled[len(sampled) // 4 : len(sampled) // 2] or half
    print(
        f"\n{sum(statuses.values())} mutated and malformed reviews: {statuses}; memory "
        f"{quarter[0] >> 20} MiB after a quarter, at most {max(half) >> 20} MiB in the second half"
    )
    assert result["wrong"] == []
    assert sum(statuses.values()) >= REVIEWS
    assert set(statuses) == {200, 400}
    assert min(statuses.values()) > REVIEWS / 20
    assert max(half) - max(quarter) < GROWTH
