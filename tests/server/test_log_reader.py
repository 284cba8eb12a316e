"""A log reader that stops reading stops neither admission nor health nor shutdown.

stdout and stderr are pipes that nobody reads, as behind a log collector that hangs.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import forking
from tests.server.running import ask, changed, environment, get, recorded, wait_for
from tests.timing import HANGING, patience, within
from webhook.server.telemetry.writing import MAX_BYTES

LONG = "\x01" * 1024  # six bytes of the log for each character
REVIEW = changed(recorded("020"), uid=LONG, name=LONG)
REVIEWS = 2 * MAX_BYTES // (2 * 6 * 1024)


def _fill(descriptor: int) -> None:
    os.set_blocking(descriptor, False)
    try:
        while True:
            os.write(descriptor, b"\n" * 4096)
    except BlockingIOError:
        os.set_blocking(descriptor, True)


class _Deaf:
    """A server whose stdout is read up to the line `serving`, and whose stderr is a full pipe."""

    def __init__(self, policies: Path, workers: int) -> None:
        reading, writing = os.pipe()
        _fill(writing)
        self.said = reading
        self.workers = workers
        flags = ("--port", "0", "--plain-port", "0", "--policies", str(policies), "--workers", str(workers))
        self.process = forking.start("serve", *flags, env=environment(), stderr=writing)
        os.close(writing)
        assert self.process.stdout is not None
        serving = next(line for line in map(json.loads, self.process.stdout) if line["event"] == "serving")
        self.port, self.plain_port = (int(serving[name].rpartition(":")[2]) for name in ("reviews", "plain"))

    def get(self, path: str) -> bytes:
        answer = get(self.plain_port, path)
        assert answer.status == 200
        return answer.body

    def lost(self) -> float:
        metrics = self.get("/metrics").decode()
        (value,) = re.findall(r'(?m)^gatewright_log_lines_lost_total\{output="stdout"\} (.+)$', metrics)
        return float(value)


@pytest.fixture
def deaf(policies: Path, request: pytest.FixtureRequest) -> Iterator[_Deaf]:
    server = _Deaf(policies, request.param)
    yield server
    os.close(server.said)
    if server.process.poll() is None:
        server.process.kill()
    server.process.wait()
    assert server.process.stdout is not None
    server.process.stdout.close()


@pytest.mark.parametrize("deaf", [1, 2], indirect=True, ids=["alone", "workers"])
def test_admission_health_and_shutdown_go_on(deaf: _Deaf) -> None:
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", deaf.port, timeout=HANGING, context=trust)
    for _ in range(REVIEWS):
        assert ask(connection, "POST", "/validate", REVIEW, "application/json").response["allowed"] is False
    connection.close()
    assert deaf.get("/healthz") == deaf.get("/readyz") == b"ok\n"
    wait_for(lambda: deaf.lost() > REVIEWS / 10)
    lost = deaf.lost()
    assert deaf.process.stdout is not None
    if deaf.workers == 1:
        # The reader goes on: it gets whole lines, and one that says how many are missing.
        lines = [json.loads(deaf.process.stdout.readline()) for _ in range(REVIEWS - int(lost) + 1)]
        assert [line["lines"] for line in lines if line["event"] == "log lines lost"] == [lost]
    else:  # nobody reads until the end
        with within(20):
            deaf.process.send_signal(signal.SIGTERM)
            assert deaf.process.wait(patience(30)) == 0
    deaf.process.terminate()
    assert deaf.process.wait(patience(30)) == 0
