"""Whatever clients send, the process stays under the memory limit of its manifest, and refuses at once what is over.

Where a control group can be made, the server runs in one with the limit of its container. The attack is everything at
once: connections with heads that do not end, bodies that do not end, and reviews of each shape, as large as the server
takes them; and then, beside it, policies that take all memory that they may, in a tree that changes again and again.
GATEWRIGHT_TEST_TIMES asks for more connections and all shapes (`make soak`).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.server.cgroups import control_group
from tests.server.hostile_policies import review, write
from tests.server.running import COMMAND, Running, end, launch, recorded, wait_for
from tests.timing import HANGING
from webhook.server.memory import fits
from webhook.server.settings import Settings

ROOT = Path(__file__).parents[2]
LONG = int(os.environ.get("GATEWRIGHT_TEST_TIMES", "1")) > 1
DEFAULTS = Settings()
FOR_A_REVIEW = DEFAULTS.max_memory // 4 * 3
SHAPES = {
    "objects": (b"[", b"{}", b",", b"]"),
    "deep objects": (b"[", b'{"":' * 200 + b"0" + b"}" * 200, b",", b"]"),
    "lists": (b"[", b"[]", b",", b"]"),
    "numbers": (b"[", b"300", b",", b"]"),
    "texts": (b"[", b'"ab"', b",", b"]"),
    "one text": (b'"', b"a", b"", b'"'),
    "one text with an emoji": ('"😀'.encode(), b"a", b"", b'"'),
}
HOARD = """\
kept = []
while True:
    try:
        kept.append(bytearray(b"x" * 65536))
    except MemoryError:
        pass
"""
LABELED = b'"labels":{"gatewright.dev/keep-finalizer":"true"}'  # finalizer-enforcement mutates it


def _review(shape: str, count: int) -> bytes:
    begin, item, between, end = SHAPES[shape]
    value = begin + between.join([item] * count) + end
    return (
        b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE",'
        b'"kind":{"group":"","version":"v1","kind":"ConfigMap"},"namespace":"default","name":"x",'
        b'"resource":{"group":"","version":"v1","resource":"configmaps"},"userInfo":{"username":"a"},'
        b'"object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x",%s},"x":%s}}}' % (LABELED, value)
    )


def _largest(shape: str, phase: str) -> bytes:
    """The largest review of the shape that the server takes."""
    most = (DEFAULTS.max_body - 1000) // (len(SHAPES[shape][1]) + len(SHAPES[shape][2]))
    if fits(body := _review(shape, most), phase, FOR_A_REVIEW):
        return body
    low, high = 0, most
    while high - low > most / 50:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(_review(shape, middle), phase, FOR_A_REVIEW) else (low, middle)
    return _review(shape, low)


def _limit() -> int:
    """The memory limit of the container in the manifests, in bytes."""
    (container,) = yaml.safe_load((ROOT / "manifests/base/deployment.yaml").read_text())["spec"]["template"]["spec"][
        "containers"
    ]
    found = re.fullmatch(r"(\d+)Mi", container["resources"]["limits"]["memory"])
    assert found is not None
    return int(found[1]) << 20


def _peak(server: Running) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{server.process.pid}/status").read_text())
    assert found is not None
    return int(found[1]) << 10


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell a process's peak")
@pytest.mark.parametrize("policies_too", [False, True] if LONG else [True])
def test_the_server_stays_under_the_limit_of_its_manifest(tmp_path: Path, policies_too: bool) -> None:
    hoards = {f"hoard-{number}": HOARD for number in range(20)} if policies_too else {}
    tree = write(tmp_path / "policies", kinds=hoards)
    with control_group(_limit()) as group:
        server = launch("--policies", str(tree), "--read-timeout", "300", command=group.command if group else COMMAND)
        try:
            with contextlib.ExitStack() as stack:
                clients = stack.enter_context(contextlib.ExitStack())
                if policies_too:
                    reviews = itertools.cycle([review(kind) for kind in hoards])
                    for _ in range(2):
                        clients.enter_context(_repeated(lambda: server.post("/validate", next(reviews))))
                    # The files must be unchanged for two seconds, as seen by looks that are a second or more apart.
                    stack.enter_context(_repeated(lambda: _change(tree), pause=5))
                _attack(server)
                clients.close()  # reviews come first: while they take all processors, a tree loads slowly
                if policies_too:  # a change is taken over
                    wait_for(lambda: [line for line in server.lines if "before" in line], 120)
            if group:
                print(f"its control group: peak {group.peak >> 20} MiB, {group.killed} processes ended")
                assert group.peak < _limit() * 0.95
                assert group.killed == 0
        finally:
            end(server)


def _change(tree: Path) -> None:
    with (tree / "hoard_0.py").open("a") as file:
        file.write("\n# changed\n")


@contextlib.contextmanager
def _repeated(action: Callable[[], object], pause: float = 0) -> Iterator[None]:
    """A thread does it again and again during the block."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(pause):
            action()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(HANGING)


def _attack(server: Running) -> None:
    at_rest = _peak(server)
    shapes = list(SHAPES) if LONG else ["objects", "one text with an emoji"]
    with contextlib.ExitStack() as stack:
        for _ in range(DEFAULTS.max_connections - 20 if LONG else 40):
            connection = stack.enter_context(server.connected())
            connection.sendall(b"POST /validate HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 16_000)
        for _ in range(DEFAULTS.max_connections if LONG else 40):  # handshakes that are not finished
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=HANGING))
        head = b"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        for _ in range(12):  # more than there is room for: the oldest requests give way
            connection = stack.enter_context(server.connected())
            with contextlib.suppress(OSError):
                connection.sendall(head % DEFAULTS.max_body + b" " * (DEFAULTS.max_body - 1))
        for shape in shapes:
            for phase in ("validate", "mutate"):
                answer = server.post(f"/{phase}", _largest(shape, phase))
                assert answer.status == 200, (shape, phase)
                assert server.post(f"/{phase}", recorded("020")).status == 200
                print(f"{shape}, {phase}: peak {_peak(server) >> 20} MiB")
    whole = _review("objects", (DEFAULTS.max_body - 1000) // 3)
    refused = server.post("/mutate", whole)
    assert not refused.response["allowed"]  # by the mutating policy of the tree, whose failurePolicy is Fail
    assert "--max-memory" in refused.response["status"]["message"]
    assert 'gatewright_requests_refused_total{code="503"}' in server.get("/metrics").body.decode()
    print(f"memory: {at_rest >> 20} MiB at rest, peak {_peak(server) >> 20} MiB, limit {_limit() >> 20} MiB")
    assert _peak(server) < _limit() * 0.95
    wait_for(lambda: server.get("/readyz").status == 200)
