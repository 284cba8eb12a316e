"""One bad policy in Python costs its own requests the answer of their failurePolicy, and others nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.server import hostile_policies
from tests.server.hostile_policies import CUT_OFF, REFUSED, review
from tests.server.load import Clients
from tests.server.running import Running, ask, recorded, wait_for
from tests.timing import within

TIMEOUT = "0.4"
CREATE_POD = recorded("020")
LONG = "GATEWRIGHT_TEST_TIMES" in os.environ


@pytest.fixture
def hostile(start: Callable[..., Running], tmp_path: Path) -> Running:
    tree = hostile_policies.write(tmp_path / "tree")
    return start("--policies", str(tree), "--policy-timeout", TIMEOUT)


def denied(server: Running, kind: str) -> str:
    """The message of the denial of a hostile policy's request."""
    answer = server.post("/validate?timeout=30s", review(kind))
    assert answer.status == 200, answer
    message: str = json.loads(answer.body)["response"]["status"]["message"]
    prefix = f"ValidatingAdmissionPolicy 'hostile-{kind}' with binding 'hostile-{kind}' denied request: "
    assert message.startswith(prefix)
    return message.removeprefix(prefix)


@contextmanager
def others(server: Running) -> Iterator[list[float]]:
    """Reviews of others, one after the other, while the block runs. Yields their seconds; fails if one fails."""
    latencies: list[float] = []
    wrong: list[Any] = []
    over = threading.Event()
    expected = server.post("/validate", CREATE_POD).body

    def post() -> None:
        connection = server.connect()
        while not over.is_set():
            begun = time.perf_counter()
            answer = ask(connection, "POST", "/validate", CREATE_POD, "application/json")
            latencies.append(time.perf_counter() - begun)
            if (answer.status, answer.body) != (200, expected):
                wrong.append(answer)
            time.sleep(0.002)

    thread = threading.Thread(target=post)
    thread.start()
    try:
        yield latencies
    finally:
        over.set()
        thread.join()
    assert wrong == []
    assert latencies


def metric(server: Running, name: str, **labels: str) -> float:
    wanted = ",".join(f'{key}="{value}"' for key, value in labels.items())
    found = re.findall(rf"(?m)^{name}{{{wanted}}} (.+)$", server.get("/metrics").body.decode())
    return float(found[0])


def cut_off(server: Running, kind: str) -> dict[str, Any]:
    """The log's line on a cut-off."""
    lines = server.lines
    found: dict[str, Any] = wait_for(
        lambda: next((line for line in lines if line.get("policy") == f"hostile-{kind}" and "reason" in line), None)
    )
    return found


def standing(server: Running, kind: str) -> dict[str, Any]:
    policies = json.loads(server.get("/policies").body)["policies"]
    (found,) = (each for each in policies if each["name"] == f"hostile-{kind}")
    isolation: dict[str, Any] = found["isolation"]
    return isolation


def test_what_does_not_end_is_cut_off_and_others_are_answered(hostile: Running) -> None:
    unplaced: list[str] = []
    with others(hostile):
        for kind in CUT_OFF:
            message = denied(hostile, kind)
            assert "resulted in error: cut off: it " in message, kind
            line = cut_off(hostile, kind)
            if line["reason"] == "deadline":
                assert f"it took longer than {TIMEOUT} s" in message
                place = rf"\(.*{kind.replace('-', '_')}\.py:\d+, in \w+\)"
                unplaced += [] if re.search(place, message) else [kind]
        for kind, (_, expected) in REFUSED.items():
            assert expected in denied(hostile, kind), kind
    # A process that gets no processor at its deadline is ended from outside, without a word of where it was.
    assert len(unplaced) <= 2, unplaced
    assert not Path("/tmp/a-policy-was-here").exists()
    assert {line["reason"] for line in hostile.events("policy cut off")} == {"deadline", "ended"}
    assert metric(hostile, "gatewright_policy_cut_offs_total", policy="hostile-exit", reason="ended") == 1
    # The tame ones were stopped in the server first, and then cut off like any other.
    assert metric(hostile, "gatewright_policy_stops_total", policy="hostile-loop") == 1
    assert metric(hostile, "gatewright_policy_stops_total", policy="hostile-pattern-in-the-server") == 1
    assert hostile.stop() == 0


def test_a_policy_that_is_cut_off_too_often_is_set_aside(hostile: Running) -> None:
    kind = "sleep"
    assert metric(hostile, "gatewright_policy_set_aside", policy=f"hostile-{kind}") == 0
    for _ in range(3):
        denied(hostile, kind)
    with others(hostile), within(3 * 20 * float(TIMEOUT), time.perf_counter):  # none of them waits
        messages = [denied(hostile, kind) for _ in range(20)]
    assert all("it is not run until 2" in message for message in messages)
    assert "because it was cut off 3 times: cut off: it took longer than" in messages[0]
    assert len(hostile.events("policy cut off")) == 3
    assert hostile.events("policy cut off")[-1]["set_aside_until"] in messages[0]
    assert metric(hostile, "gatewright_policy_set_aside", policy=f"hostile-{kind}") == 1
    found = standing(hostile, kind)
    assert (found["runs"], found["cutOffs"]) == ("apart", 3)
    assert found["setAsideUntil"] in messages[0]
    assert "time is not among the modules" in found["why"]


def test_a_hung_policy_does_not_hold_up_the_end(hostile: Running) -> None:
    threads = [threading.Thread(target=hostile.post, args=("/validate", review("call-into-c"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    assert hostile.stop() == 0
    for thread in threads:
        thread.join()


def test_all_policies_run_apart_if_they_are_to(start: Callable[..., Running], tmp_path: Path) -> None:
    tree = hostile_policies.write(tmp_path / "tree", kinds={"loop": CUT_OFF["loop"]})
    server = start("--policies", str(tree), "--policy-timeout", TIMEOUT, "--policy-isolation", "all")
    service = json.loads(recorded("011"))
    apart = server.post("/validate", json.dumps(service).encode())
    assert apart.status == 200
    assert "cut off" in denied(server, "loop")
    assert server.events("policy cut off")[0]["policy"] == "hostile-loop"
    assert metric(server, "gatewright_policy_stops_total", policy="hostile-loop") == 0
    policies = json.loads(server.get("/policies").body)["policies"]
    assert {each["isolation"]["runs"] for each in policies if each["language"] == "python"} == {"apart"}


PRINTING = '''\
from gatewright import mutate, validate


@validate(resources=["v1/configmaps", "v1/secrets"], operations=["CREATE"], reads=["v1/Namespace"])
def talking(request):
    """Prints, and looks something up."""
    print("labels of", request.namespace, request.cluster.namespace("shop").value["metadata"]["labels"])
    print("data", request.object.get("data"))


@mutate(resources=["v1/services"], operations=["CREATE"])
def labelling(request):
    """Prints, too."""
    print("x" * 5000)
    request.object["metadata"]["labels"] = {"team": "none"}
'''
BOUND = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: talking}
spec: {policyName: talking, validationActions: [Deny]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: labelling}
spec: {policyName: labelling}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {a: b}}
"""


def test_what_runs_apart_looks_up_and_mutates_and_what_it_prints_is_logged(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "talking.py").write_text(PRINTING)
    (tmp_path / "tree" / "talking.yaml").write_text(BOUND)
    server = start("--policies", str(tmp_path / "tree"), "--workers", "2")
    answer = json.loads(server.post("/validate", review("any", a="b")).body)["response"]
    assert answer["allowed"], answer
    assert [line["message"] for line in server.events("policy said", 2)] == [
        "labels of default {'a': 'b', 'kubernetes.io/metadata.name': 'shop'}",
        "data {'a': 'b'}",
    ]
    secret = review("any", password="hunter2").replace(b"ConfigMap", b"Secret").replace(b"configmaps", b"secrets")
    assert json.loads(server.post("/validate", secret).body)["response"]["allowed"]
    assert server.events("policy said", 3)[2]["message"] == "(left out: the policy sees a Secret)"
    service = review("any").replace(b"ConfigMap", b"Service").replace(b"configmaps", b"services")
    assert json.loads(server.post("/mutate", service).body)["response"]["patch"]
    assert server.events("policy said", 4)[3]["message"] == "x" * 1024 + "…"
    assert "hunter2" not in json.dumps(server.lines)
    about = {"runs": "apart", "cutOffs": 0}
    wait_for(lambda: (standings := _standings(server)) and all(about.items() <= each.items() for each in standings))


def _standings(server: Running) -> list[dict[str, Any]]:
    return [each["isolation"] for each in json.loads(server.get("/policies").body)["policies"] if each["isolation"]]


def _descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *_descendants(int(child))]
    return found


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no /proc")
def test_the_processes_of_policies_end_with_a_server_that_is_killed_and_are_replaced(hostile: Running) -> None:
    denied(hostile, "power")
    host, *runners = wait_for(lambda: (found := _descendants(hostile.process.pid)) and len(found) > 1 and found)
    for pid in (*runners, host):
        os.kill(pid, signal.SIGKILL)
    # The first run may be given to a process that has been killed, which the server has not heard of yet.
    assert any("cut off: it took longer than" in denied(hostile, "call-into-c") for _ in range(2))
    assert hostile.events("process ended")[0]["process"] == "host of policies"
    left = _descendants(hostile.process.pid)
    assert host not in left
    hostile.process.kill()
    wait_for(lambda: not any(_alive(pid) for pid in left))


def _alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(not LONG, reason="takes long: make soak")
def test_others_wait_less_than_1_2_seconds(start: Callable[..., Running], tmp_path: Path) -> None:
    server = start("--policies", str(hostile_policies.write(tmp_path / "tree")))
    ca = tmp_path / "ca.pem"
    ca.write_bytes(server.ca)

    def measured(during: Callable[[], object]) -> dict[str, Any]:
        with Clients(server.port, ca, keep_alive=4, fresh=0, requests=1, rate=200) as clients:
            during()
            return clients.end()

    before = measured(lambda: time.sleep(10))
    during = measured(lambda: [denied(server, kind) for kind in CUT_OFF for _ in range(3)])
    after = measured(lambda: [denied(server, kind) for _ in range(20) for kind in CUT_OFF])
    for name, result in (("before", before), ("cut off", during), ("set aside", after)):
        print(f"\nothers, {name}: {result['requests']} reviews, p50 {result['p50']:.1f} ms, p99 {result['p99']:.1f} ms")
        assert result["failed"] == 0, result["failures"]
    assert during["p99"] < 1200
