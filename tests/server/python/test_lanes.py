"""Lanes: which run is next, what ends one, and what a process that runs policies may say."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.policy.trees import binding, pod, request
from tests.policy.trees import tree as policy_tree
from webhook.access import Access, AccessDecision, AccessUnknown
from webhook.cluster.view import NotCached, Unanswered, UnknownKind
from webhook.policy.python.apart import frames
from webhook.policy.python.declaring import Declaration
from webhook.policy.request import User
from webhook.server.python import lanes
from webhook.server.python.lanes import Ended, Job, Lane
from webhook.server.python.policyprocesses import Processes
from webhook.server.telemetry.logs import Log

CODE = """
@validate(resources=["v1/pods"], reads=["v1/Service"])
def slow(request):
    import time
    time.sleep(0.2)
    return "slow"

@validate(resources=["v1/pods"])
def quick(request):
    return "quick"

@validate(resources=["v1/pods"])
def endless(request):
    while True:
        pass
"""


@pytest.fixture
def declarations(tmp_path: Path) -> dict[str, Declaration]:
    policies = policy_tree(tmp_path, CODE, *(binding(name, name=name) for name in ("slow", "quick", "endless")))
    evaluators: list[Any] = [policy.evaluator for policy in policies.validating]
    return {each.declaration.name: each.declaration for each in evaluators}


def job(declaration: Declaration, patience: float = 60.0, cluster: Any = None) -> Job:
    about = {"request": frames.request_of(request(pod())), "params": None, "cluster": False, "seconds": 0.5}
    order = frames.framed({"run": [declaration.kind, declaration.name], **about})
    return Job(declaration, order, cluster, User(), patience)


def running(work: Callable[[Lane, list[tuple[str, Ended]]], Coroutine[Any, Any, None]]) -> None:
    """Run the work with a lane, and a list of what it hears to have ended."""

    async def run() -> None:
        processes = Processes(Log(os.open(os.devnull, os.O_WRONLY)))
        heard: list[tuple[str, Ended]] = []
        lane = Lane(processes, 0.5, lambda job, ended: heard.append((job.declaration.name, ended)))
        try:
            await work(lane, heard)
        finally:
            processes.close()

    asyncio.run(run())


async def ended(lane: Lane, each: Job) -> Ended:
    try:
        return lane.run(each)
    except Unanswered as unanswered:
        assert unanswered.question is each
        return await each.come()


def test_policies_take_turns(declarations: dict[str, Declaration]) -> None:
    async def work(lane: Lane, heard: list[tuple[str, Ended]]) -> None:
        jobs = [job(declarations[name]) for name in ("slow", "slow", "slow", "quick")]
        found = await asyncio.gather(*(ended(lane, each) for each in jobs))
        assert [each.result[0][0] for each in found] == ["slow", "slow", "slow", "quick"]
        assert [name for name, _ in heard].index("quick") == 1

    running(work)


def test_what_ends_at_once_is_not_awaited(declarations: dict[str, Declaration]) -> None:
    async def work(lane: Lane, _: list[tuple[str, Ended]]) -> None:
        await ended(lane, job(declarations["quick"]))
        found = 0
        for _round in range(50):  # on a busy machine some take longer
            each = job(declarations["quick"])
            try:
                assert lane.run(each).result[0][0] == "quick"
                found += 1
            except Unanswered:
                await each.come()
        assert found

    running(work)


def test_one_that_is_cut_off_costs_the_others_their_turn_only(declarations: dict[str, Declaration]) -> None:
    async def work(lane: Lane, heard: list[tuple[str, Ended]]) -> None:
        jobs = [job(declarations[name]) for name in ("endless", "endless", "quick")]
        first, second, quick = await asyncio.gather(*(ended(lane, each) for each in jobs))
        assert quick.result[0][0] == "quick"
        for each in (first, second):
            assert (each.result, each.reason) == (None, "deadline")
            assert each.message.startswith("cut off: it took longer than 0.5 s")
        assert [name for name, _ in heard] == ["endless", "quick", "endless"]

    running(work)


def test_a_review_waits_only_as_long_as_it_can(declarations: dict[str, Declaration]) -> None:
    async def work(lane: Lane, _: list[tuple[str, Ended]]) -> None:
        await ended(lane, job(declarations["quick"]))
        late = [job(declarations["slow"], 0.01), job(declarations["slow"], 0.01)]
        first, second = await asyncio.gather(*(ended(lane, each) for each in late))
        expected = "no result within 0.01 s, half of the time that the request had left: "
        assert first.message == expected + "it had not ended"
        assert second.message == expected + "others were before it"
        assert (await ended(lane, job(declarations["quick"]))).result  # and the second one was left out
        assert late[1].begun == 0

    running(work)


def test_what_waits_can_be_dropped(declarations: dict[str, Declaration]) -> None:
    async def work(lane: Lane, heard: list[tuple[str, Ended]]) -> None:
        jobs = [asyncio.ensure_future(ended(lane, job(declarations[name]))) for name in ("slow", "quick")]
        await asyncio.sleep(0)
        lane.drop(declarations["quick"], Ended(message="set aside"))
        assert (await jobs[1]).message == "set aside"
        assert (await jobs[0]).result
        assert [name for name, _ in heard] == ["slow"]

    running(work)


def test_a_new_process_is_taken_when_policies_have_changed(declarations: dict[str, Declaration]) -> None:
    async def work(lane: Lane, _: list[tuple[str, Ended]]) -> None:
        lane.load(declarations.values())
        await ended(lane, job(declarations["quick"]))
        before = lane._process
        lane.renew()
        assert (await ended(lane, job(declarations["quick"]))).result
        assert lane._process is not before

    running(work)


@pytest.mark.parametrize(
    "said",
    [
        b"x",
        frames.framed([1]),
        frames.framed({"ask": "get", "with": 1}),
        frames.framed({"ask": "get", "with": ["v1", "Secret", "x", None]}),
        frames.framed({"ask": "list", "with": [1]}),
        b"\xff\xff\xff\xff",
        (1).to_bytes(4, "big") + b"x",
    ],
)
def test_what_is_no_answer_ends_the_process(declarations: dict[str, Declaration], said: bytes) -> None:
    async def work(lane: Lane, heard: list[tuple[str, Ended]]) -> None:
        await ended(lane, job(declarations["quick"]))
        each = job(declarations["slow"], cluster=View())
        task = asyncio.ensure_future(ended(lane, each))
        await asyncio.sleep(0)
        process = lane._process
        assert process is not None
        process.buffer += said  # as if it had come from the process
        found = await task
        assert found.reason in ("answer", "deadline")
        assert heard[-1][1] is found

    running(work)


class View:
    """A cluster in which every lookup has its own end."""

    def get(self, _: str, __: str, name: str, ___: str | None = None) -> Any:
        match name:
            case "unknown":
                raise UnknownKind("v1", "Service")
            case "not cached":
                raise NotCached("not yet")
            case "later":
                raise Unanswered("shop")
        return ({"kind": "Service"}, 0.0)

    def list(self, *_: str) -> Any:
        return ([], 0.0)

    def authorize(self, access: Access) -> AccessDecision:
        if access.verb == "unknown":
            raise AccessUnknown("no answer")
        return AccessDecision(access.user == "jane")


def test_lookups_are_answered(declarations: dict[str, Declaration]) -> None:
    each = job(declarations["slow"], cluster=View())

    def answer(method: str, *about: Any) -> Any:
        return lanes._answer(each, method, list(about))

    assert answer("get", "v1", "Service", "s", None) == {"answer": ({"kind": "Service"}, 0.0)}
    assert answer("list", "v1", "Service", None) == {"answer": ([], 0.0)}
    assert answer("get", "v1", "Service", "unknown", None) == {"unknown": ["v1", "Service"]}
    assert answer("get", "v1", "Service", "not cached", None) == {"not cached": "not yet"}
    assert answer("get", "v1", "Service", "later", None) == {"stop": True}
    assert each.question == "shop"
    for wrong in (("get", "v1", "Secret", "s"), ("authorize", *Access("jane", "get")), ("get", 1), ("drop", "v1")):
        with pytest.raises(frames.BadFrame):
            answer(*wrong)
    with pytest.raises(frames.BadFrame):
        lanes._answer(job(declarations["slow"]), "get", ["v1", "Service", "s", None])


def test_access_is_answered_where_it_is_declared(tmp_path: Path) -> None:
    code = """
    @validate(resources=["v1/pods"], reads=["authorization.k8s.io/v1/SubjectAccessReview"])
    def asking(request):
        pass
    """
    (policy,) = policy_tree(tmp_path, code, binding("asking")).validating
    evaluator: Any = policy.evaluator
    each = job(evaluator.declaration, cluster=View())
    about = ["jane", "get", "", ["a"], [["k", ["v"]]], *Access("", "")[5:]]
    assert lanes._answer(each, "authorize", about) == {"answer": AccessDecision(True)}
    about[1] = "unknown"
    assert lanes._answer(each, "authorize", about) == {"no access": "no answer"}


def test_a_place_is_taken_of_the_policys_own_frames_only() -> None:
    written = (
        b'Fatal\n  File "/x/re.py", line 1 in match\n  File "p.py", line 12 in check\n  File "p.py", line 3 in f\n'
    )
    assert lanes._place(written, "p.py") == "p.py:12, in check"
    for odd in (b"", b'File "p.py", line x in f', b'File "p.py", line 1 in a b', b"\xff\xfe, line 1 in f"):
        assert lanes._place(odd, "p.py") == ""


def test_without_processes_a_run_is_an_error(
    declarations: dict[str, Declaration], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(lane: Lane, _: list[tuple[str, Ended]]) -> None:
        def none(*_: Any) -> Any:
            raise OSError(11, "Resource temporarily unavailable")

        monkeypatch.setattr(lane._processes, "start", none)
        found = lane.run(job(declarations["quick"]))
        assert found.message == "no process to run it in: Resource temporarily unavailable"

    running(work)
