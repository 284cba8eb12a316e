"""A runner, in this process: it does what the server says over a socket."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.policy.trees import pod, request
from webhook.policy.python.apart import frames
from webhook.policy.python.apart.runner import Here, Runner, _Cluster
from webhook.policy.python.printing import Said
from webhook.policy.written.policykinds import MUTATING, VALIDATING

POLICY = """\
from gatewright import mutate, validate
from pydantic import BaseModel


class Params(BaseModel):
    minimum: int


@validate(resources=["v1/pods"], param_kind="v1/ConfigMap")
def bounded(request, params: Params):
    return f"at least {params.minimum}"


@validate(resources=["v1/pods"], reads=["v1/Service", "authorization.k8s.io/v1/SubjectAccessReview"])
def looking(request):
    yield str(request.cluster.get("v1", "Service", "s", "shop").value)
    yield str(len(request.cluster.list("v1", "Service").value))
    yield str(bool(request.cluster.authorize("get", resource="pods")))


@mutate(resources=["v1/pods"])
def labelled(request):
    request.object["metadata"]["labels"] = {"a": "b"}


@mutate(resources=["v1/pods"])
def broken(request):
    raise ValueError("no")
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    # The kernel's timer is set in the main thread of a process of its own: tests/server/python/test_isolation.py.
    monkeypatch.setattr("signal.setitimer", lambda *_: None)
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=Runner(theirs, Said()).serve)
    thread.start()
    with ours:
        assert asked(ours, {"load": "p.py", "text": POLICY, "seconds": 5}) == {"loaded": True, "said": []}
        yield ours
    thread.join()
    theirs.close()


def asked(server: socket.socket, order: dict[str, Any]) -> Any:
    server.sendall(frames.framed(order))
    return frames.received(server)


def run(server: socket.socket, kind: str, name: str, params: Any = None, *, cluster: bool = False) -> Any:
    about = {"request": frames.request_of(request(pod())), "params": params, "cluster": cluster, "seconds": 1}
    return asked(server, {"run": [kind, name], **about})


def test_it_evaluates_with_params(server: socket.socket) -> None:
    for minimum in ("2", "3", "2"):
        params = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"minimum": minimum}}
        found = run(server, VALIDATING, "bounded", params)
        assert found["result"] == [[f"at least {minimum}", "Invalid", False, None]]


def test_many_params_are_not_kept_for_ever(server: socket.socket) -> None:
    for minimum in range(70):
        params = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"minimum": str(minimum)}}
        assert run(server, VALIDATING, "bounded", params)["result"][0][0] == f"at least {minimum}"


def test_it_mutates_and_tells_of_errors(server: socket.socket) -> None:
    assert run(server, MUTATING, "labelled")["result"]["object"]["metadata"]["labels"] == {"a": "b"}
    assert "ValueError: no" in run(server, MUTATING, "broken")["result"]["faults"][0]
    assert run(server, MUTATING, "missing") == {"missing": True}


def test_its_lookups_are_answered_by_the_server(server: socket.socket) -> None:
    ask = run(server, VALIDATING, "looking", cluster=True)
    assert ask == {"ask": "get", "with": ["v1", "Service", "s", "shop"]}
    ask = asked(server, {"answer": [{"kind": "Service"}, 0.5]})
    assert ask == {"ask": "list", "with": ["v1", "Service", None]}
    ask = asked(server, {"answer": [[{}, {}], 0.5]})
    assert ask["ask"] == "authorize"
    assert ask["with"][:2] == ["jane", "get"]
    found = asked(server, {"answer": [True, "", ""]})
    assert [each[0] for each in found["result"]] == ["{'kind': 'Service'}", "2", "True"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"unknown": ["v1", "Service"]}, "UnknownKind: unknown kind: Service of v1"),
        ({"not cached": "not yet"}, "NotCached: not yet"),
        ({"no access": "no answer"}, "AccessUnknown: no answer"),
    ],
)
def test_lookups_that_fail_are_errors_of_the_policy(server: socket.socket, answer: Any, message: str) -> None:
    run(server, VALIDATING, "looking", cluster=True)
    assert message in asked(server, answer)["result"][0][0]


def test_it_stops_at_a_question_that_takes_long(server: socket.socket) -> None:
    run(server, VALIDATING, "looking", cluster=True)
    assert asked(server, {"stop": True}) == {"stopped": True}
    assert run(server, MUTATING, "labelled")["result"]


def test_it_ends_when_memory_has_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("signal.setitimer", lambda *_: None)
    monkeypatch.setattr(frames, "request_from", none_left)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        runner = Runner(theirs, Said())
        ours.sendall(frames.framed({"load": "p.py", "text": POLICY, "seconds": 5}))
        about: dict[str, Any] = {"request": {}, "params": None, "cluster": False, "seconds": 1}
        ours.sendall(frames.framed({"run": [MUTATING, "labelled"], **about}))
        runner.serve()
        assert [frames.received(ours), frames.received(ours)] == [{"loaded": True, "said": []}, {"memory": True}]


def test_here_is_no_timer() -> None:
    Here().over()


@pytest.mark.skipif(not Path("/proc/self/oom_score_adj").exists(), reason="the system has no such score")
def test_the_system_ends_it_before_the_server() -> None:
    program = (
        "from pathlib import Path\nfrom webhook.policy.python.apart.runner import ended_first\n"
        "ended_first()\nprint(Path('/proc/self/oom_score_adj').read_text())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1000"


def test_a_namespace_is_looked_up_as_any_object() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(frames.framed({"answer": [{"kind": "Namespace"}, 0.5]}))
        cluster = _Cluster(ours)
        assert cluster.namespace("shop").value == {"kind": "Namespace"}
        assert frames.received(theirs) == {"ask": "get", "with": ["v1", "Namespace", "shop", None]}
        assert cluster.kinds.for_kind("v1", "Namespace") is not None
