"""Several workers look like one server: one port, one readiness, one set of numbers, one end."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from tests.server.running import Running, ask, changed, recorded, wait_for
from tests.timing import patience, within
from webhook.server.life.gathering import Family, merged

CREATE_POD = recorded("020")
PROC = Path("/proc/self/task")
needs_proc = pytest.mark.skipif(not PROC.exists(), reason=f"no {PROC} on this system")


@pytest.fixture
def two(start: Callable[..., Running], policies: Path) -> Running:
    return start("--policies", str(policies), "--workers", "2")


def _children(server: Running) -> list[int]:
    """The processes of the plain port and of the workers, in this order."""
    pid = server.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _values(server: Running, name: str) -> list[float]:
    found = re.findall(rf"(?m)^{name}(?:{{.*}})? (.+)$", server.get("/metrics").body.decode())
    return [float(value) for value in found]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_reviews_are_shared_and_counted_once(two: Running) -> None:
    for _ in range(60):
        assert two.post("/validate", CREATE_POD).response["allowed"] is False
    assert _values(two, "gatewright_reviews_total") == [60]
    assert _values(two, "gatewright_review_duration_seconds_count") == [60]
    assert sum(_values(two, "gatewright_policy_evaluations_total")) == 60
    assert _values(two, "gatewright_workers") == [2]
    assert _values(two, "gatewright_ready") == [1]
    assert _values(two, "gatewright_policies") == [4]
    assert {line["worker"] for line in two.events("review", 60)} == {0, 1}
    assert two.get("/policies").json["revision"] == two.lines[0]["revision"]
    assert two.lines[0]["workers"] == 2


@needs_proc
def test_a_worker_that_dies_is_started_anew_and_its_numbers_stay(two: Running) -> None:
    kept = two.connect()
    for _ in range(20):
        assert ask(kept, "POST", "/validate", CREATE_POD, "application/json").status == 200
    assert _values(two, "gatewright_reviews_total") == [20]
    for worker in _children(two)[1:]:
        os.kill(worker, signal.SIGKILL)
    wait_for(lambda: two.get("/readyz").body == b"0 of 2 workers serve\n")
    wait_for(lambda: two.get("/readyz").status == 200)
    for _ in range(20):
        assert two.post("/validate", CREATE_POD).response["allowed"] is False
    assert _values(two, "gatewright_reviews_total") == [40]
    assert _values(two, "gatewright_worker_restarts_total") == [2]
    assert [line["message"] for line in two.events("process ended", 2)] == ["signal 9; restarting it"] * 2
    assert two.stop() == 0


@needs_proc
def test_a_worker_that_dies_takes_only_its_own_connections_along(two: Running) -> None:
    kept: list[HTTPSConnection] = []
    served: Counter[int] = Counter()
    while len(served) < 2:
        kept.append(two.connect())
        assert ask(kept[-1], "POST", "/validate", CREATE_POD, "application/json").status == 200
        served = Counter(line["worker"] for line in two.events("review", len(kept)))
    os.kill(_children(two)[1], signal.SIGKILL)  # worker 0
    two.events("process ended")
    living = 0
    for connection in kept:
        with contextlib.suppress(OSError):
            living += ask(connection, "POST", "/validate", CREATE_POD, "application/json").status == 200
    assert living == served[1]


@needs_proc
def test_the_plain_port_comes_back_too(two: Running) -> None:
    assert two.post("/validate", CREATE_POD).status == 200
    os.kill(_children(two)[0], signal.SIGKILL)
    wait_for(lambda: len(two.events("serving")) == 2)
    assert two.get("/readyz").status == 200
    assert _values(two, "gatewright_reviews_total") == [1]  # the workers still know
    assert two.stop() == 0


@needs_proc
def test_metrics_do_not_wait_for_a_worker_that_hangs(two: Running) -> None:
    for _ in range(10):
        two.post("/validate", CREATE_POD)
    assert _values(two, "gatewright_reviews_total") == [10]
    worker = _children(two)[1]
    os.kill(worker, signal.SIGSTOP)
    try:
        with within(3):
            assert _values(two, "gatewright_reviews_total") == [10]
        if "GATEWRIGHT_TEST_TIMES" in os.environ:
            assert b"has not answered for" in wait_for(lambda: (a := two.get("/healthz")).status == 503 and a.body, 15)
    finally:
        os.kill(worker, signal.SIGCONT)
    wait_for(lambda: two.get("/healthz").status == 200)


@needs_proc
def test_a_parent_that_is_gone_takes_its_processes_along(two: Running) -> None:
    children = _children(two)
    assert len(children) == 3
    two.process.kill()
    wait_for(lambda: not any(_alive(child) for child in children))


@needs_proc
def test_a_signal_to_the_whole_group_is_one_order(start: Callable[..., Running], policies: Path) -> None:
    server = start("--policies", str(policies), "--workers", "2", "--shutdown-delay", "300")
    for pid in (*_children(server), server.process.pid):
        os.kill(pid, signal.SIGINT)
    wait_for(lambda: server.get("/readyz").body == b"shutting down\n")
    assert server.post("/validate", CREATE_POD).headers["connection"] == "close"  # two orders would have ended it
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(patience(10)) == 0
    assert [line["event"] for line in server.lines if "worker" not in line] == ["serving", "stopping", "stopped"]


def test_asked_twice_they_wait_no_longer(start: Callable[..., Running], policies: Path) -> None:
    server = start("--policies", str(policies), "--workers", "2", "--shutdown-delay", "300")
    server.process.send_signal(signal.SIGTERM)
    wait_for(lambda: server.get("/readyz").status == 503)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(patience(5)) == 0


@needs_proc
@pytest.mark.skipif("GATEWRIGHT_TEST_TIMES" not in os.environ, reason="takes long: make soak")
def test_a_worker_that_does_not_end_is_killed(start: Callable[..., Running], policies: Path) -> None:
    server = start("--policies", str(policies), "--workers", "2", "--shutdown-timeout", "1")
    os.kill(_children(server)[1], signal.SIGSTOP)
    assert server.stop() == 1
    assert server.events("process killed")[0]["process"] == "worker 0"


def test_long_lines_of_several_workers_are_not_mixed(start: Callable[..., Running], policies: Path) -> None:
    server = start("--policies", str(policies), "--workers", "4")
    # The lines are longer than the 4 KiB that a pipe takes at once, and all clients ask at the same time.
    name = "n" * 1000
    body = changed(CREATE_POD, uid="u" * 1000, name=name, namespace=name, userInfo={"username": name})

    def client(_: int) -> None:
        connection = server.connect()
        for _ in range(25):
            assert ask(connection, "POST", "/validate", body, "application/json").status == 200
        connection.close()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(client, range(8)))
    lines = server.events("review", 200)  # a mixed one would have ended the thread that reads them
    assert {line["name"] for line in lines} == {name}
    assert len({line["worker"] for line in lines}) > 1


def _family(name: str, kind: str, **samples: float) -> Family:
    return {
        "name": name,
        "type": kind,
        "help": "",
        "samples": [(name, {"of": of}, value, None) for of, value in samples.items()],
    }


def test_counts_are_summed_and_of_gauges_the_least_is_shown() -> None:
    one = [
        _family("c", "counter", a=1, b=2),
        _family("expiry", "gauge", x=5),
        _family("gatewright_workers", "gauge", x=1),
    ]
    two = [_family("c", "counter", a=10), _family("expiry", "gauge", x=3), _family("gatewright_workers", "gauge", x=1)]
    found = {
        (sample.name, sample.labels["of"]): sample.value for metric in merged([one, two]) for sample in metric.samples
    }
    assert found == {("c", "a"): 11, ("c", "b"): 2, ("expiry", "x"): 3, ("gatewright_workers", "x"): 2}


@needs_proc
@pytest.mark.skipif("GATEWRIGHT_TEST_TIMES" not in os.environ, reason="takes long: make soak")
def test_a_worker_that_hangs_is_not_ready_and_is_replaced(two: Running) -> None:
    worker = _children(two)[1]
    os.kill(worker, signal.SIGSTOP)
    reason = wait_for(lambda: (answer := two.get("/readyz")).status == 503 and answer.body, 15)
    assert b"1 of 2 workers serve: worker 0 has not answered for" in reason
    line = two.events("process hangs")[0] if wait_for(lambda: "process hangs" in _said(two), 30) else {}
    assert (line["process"], line["pid"]) == ("worker 0", worker)
    wait_for(lambda: two.get("/readyz").status == 200, 15)
    assert worker not in _children(two)
    assert _values(two, "gatewright_worker_restarts_total") == [1]


def _said(server: Running) -> set[str]:
    return {line["event"] for line in server.lines}
