"""/debug says where a server spends its time, also one that hangs; only clients on the host get at it."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server.running import Running, recorded, wait_for, write_policies
from tests.timing import HANGING
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.policyset import PolicySet
from webhook.server.plain.app import plain
from webhook.server.plain.asgi import ASGI
from webhook.server.plain.debugging import Debugged, Debugging, _written
from webhook.server.policies.reload import Outcome
from webhook.server.port.exchange import Client, Head
from webhook.server.state import InForce, State

SLEEPING = {
    "sleeping.py": '''\
import time
from gatewright import validate


@validate(resources=["v1/pods"], operations=["CREATE"])
def sleeping(request):
    """Takes its time, apart from the server."""
    time.sleep(20)
    yield "late"
''',
    "sleeping.yaml": """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: sleeping}
spec: {policyName: sleeping, validationActions: [Deny]}
""",
}


def addresses() -> list[str]:
    """The addresses of this machine that are not of the loopback interface."""
    found = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9)) if Path("/proc/net/route").read_text().count("\n") > 1 else None
        found.add(probe.getsockname()[0])
    return sorted(str(each) for each in found if not str(each).startswith(("127.", "0.")))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_stacks_memory_and_a_profile_of_every_process(
    workers: str, start: Callable[..., Running], policies: Path
) -> None:
    server = start("--policies", str(policies), "--debug", "--workers", workers)
    names = ["server"] if workers == "1" else ["plain port", "worker 0", "worker 1"]
    wait_for(lambda: all(f"=== {name}, pid" in server.get("/debug/stacks").body.decode() for name in names))
    stacks = server.get("/debug/stacks").body.decode()
    assert stacks.count("most recent call first") >= len(names)
    assert "asyncio/runners.py" in stacks
    assert "Serving.alone" in stacks if workers == "1" else "in _worker_process" not in stacks
    found = server.get("/debug/memory").json
    assert sorted(found) == names
    for process in found.values():
        assert process["kernel"]["VmRSS"] > 10 << 20
        assert process["kernel"]["Pss"] <= process["kernel"]["VmRSS"]
        assert process["descriptors"] > 3
    assert {process["pid"] for process in found.values()} >= {server.process.pid} or workers != "1"

    over = threading.Event()

    def load() -> None:
        connection = server.connect()
        while not over.is_set():
            connection.request("POST", "/validate", recorded("020"), {"content-type": "application/json"})
            connection.getresponse().read()

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        profile = server.get("/debug/profile?seconds=2").body.decode()
    finally:
        over.set()
        for thread in threads:
            thread.join()
    lines = [line.rpartition(" ") for line in profile.splitlines()]
    assert all(int(count) > 0 for _, _, count in lines)
    assert {stack.partition(";")[0] for stack, _, _ in lines} <= set(names)
    assert any("Reviews.answer (" in stack for stack, _, _ in lines)
    assert server.get("/healthz").status == 200
    assert server.stop() == 0


def test_what_a_policy_does_that_runs_apart_is_shown(start: Callable[..., Running], tmp_path: Path) -> None:
    tree = write_policies(tmp_path / "tree", SLEEPING)
    flags = ("--policy-imports", "time", "--policy-timeout", "8")
    server = start("--policies", str(tree), "--debug", *flags)
    thread = threading.Thread(target=server.post, args=("/validate?timeout=30s", recorded("020")))
    thread.start()
    # The process of the policy may not have begun with the function when it is first said to run it.
    line = 'sleeping.py", line 8 in sleeping'
    shown = wait_for(lambda: line in (text := server.get("/debug/stacks").body.decode()) and text)
    assert "runs sleeping for" in shown
    again = server.get("/debug/stacks").body.decode()  # it was not ended
    assert "runs sleeping for" in again
    thread.join()
    (event,) = server.events("policy cut off")
    assert "sleeping.py:8, in sleeping" in event["message"]


def test_a_worker_that_does_not_answer_holds_up_no_other(start: Callable[..., Running], policies: Path) -> None:
    server = start("--policies", str(policies), "--debug", "--workers", "2")
    found = wait_for(lambda: (memory := server.get("/debug/memory").json) and "worker 1" in memory and memory)
    os.kill(found["worker 1"]["pid"], signal.SIGSTOP)
    try:
        text = server.get("/debug/stacks").body.decode()
    finally:
        os.kill(found["worker 1"]["pid"], signal.SIGCONT)
    assert "=== worker 0, pid" in text
    assert "(it writes nothing)" in text
    assert "(its event loop does not answer)" in text


def test_the_stacks_of_a_process_whose_loop_is_held_up_are_written() -> None:
    code = (
        "from webhook.server.plain.debugging import Debugged\n"
        "it = Debugged('it')\nit.register()\nprint(it.file, flush=True)\nwhile True:\n    sum(range(10**7))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            file = os.open(f"/proc/{process.pid}/fd/{process.stdout.readline().strip()}", os.O_RDWR)
            wait_for(lambda: "line 6 in <module>" in asyncio.run(_written(process.pid, file)))
            os.close(file)
        finally:
            process.kill()


def test_one_question_at_a_time_and_a_profile_is_bounded(start: Callable[..., Running], policies: Path) -> None:
    server = start("--policies", str(policies), "--debug")
    for seconds in ("0", "61", "nan", "x", "-1", "inf"):
        answer = server.get(f"/debug/profile?seconds={seconds}")
        assert (answer.status, answer.json["error"][:24]) == (400, "seconds: expected 1 to 6")

    def profile() -> None:
        while server.get("/debug/profile?seconds=3").status == 409:
            pass

    thread = threading.Thread(target=profile)
    thread.start()
    assert wait_for(lambda: server.get("/debug/stacks").status == 409)
    assert "one at a time" in server.get("/debug/profile").json["error"]
    thread.join()
    assert server.get("/debug/stacks").status == 200


def test_without_the_option_there_is_no_such_page(server: Running) -> None:
    for page in ("/debug", "/debug/stacks", "/debug/profile", "/debug/memory"):
        assert server.get(page).status == 404


def test_from_another_address_nothing_is_shown(start: Callable[..., Running], policies: Path) -> None:
    """As from the Pod network: the peer's address is one of the machine's that is not of the loopback interface."""
    server = start("--policies", str(policies), "--debug", "--host", "0.0.0.0")
    assert server.get("/debug").status == 200
    others = addresses()
    if not others:
        pytest.skip("this machine has the loopback interface only")
    for page in ("/debug", "/debug/stacks", "/debug/profile?seconds=1", "/debug/memory"):
        connection = http.client.HTTPConnection(others[0], server.plain_port, timeout=HANGING)
        connection.request("GET", page)
        answer = connection.getresponse()
        assert (answer.status, b"loopback" in answer.read()) == (403, True)
        connection.close()


@pytest.mark.parametrize(
    ("client", "headers", "status"),
    [
        ("127.0.0.1", (), 200),
        ("::1", (), 200),
        ("10.0.0.8", (), 403),
        ("::ffff:10.0.0.8", (), 403),
        ("", (), 403),
        ("127.0.0.6", ((b"x-forwarded-for", b"10.0.0.8"),), 403),
        ("127.0.0.6", ((b"x-forwarded-proto", b"http"),), 403),  # all that a sidecar with Envoy adds
        ("127.0.0.1", ((b"l5d-client-id", b"web.shop.serviceaccount.identity"),), 403),
        ("127.0.0.1", ((b"forwarded", b"for=10.0.0.8"),), 403),
        ("127.0.0.1", ((b"host", b"shop.example"),), 403),  # a page of another site, whose name leads here
        ("127.0.0.1", ((b"sec-fetch-site", b"cross-site"),), 403),
    ],
)
def test_only_clients_of_this_host_and_not_of_a_proxy_get_at_it(
    client: str, headers: tuple[tuple[bytes, bytes], ...], status: int
) -> None:
    async def nothing(openmetrics: bool) -> bytes:
        return b""

    async def reload() -> Outcome:
        return Outcome("one", changed=False)

    async def asked() -> int:
        app = plain(
            State(InForce(PolicySet(), ManifestsView(()))), nothing, reload, debugging=Debugging(Debugged("it"))
        )
        named = () if any(name == b"host" for name, _ in headers) else ((b"host", b"localhost:8080"),)
        head = Head("GET", "/debug/memory", b"/debug/memory", b"", (*named, *headers), b"")
        return (await ASGI(app).answer(head, b"", Client(client))).status

    assert asyncio.run(asked()) == status
