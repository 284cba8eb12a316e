"""With several workers, a changed policy tree comes in force in all of them or in none, and stays when one ends."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server.running import Running, wait_for
from tests.server.trees import CREATE_POD, policy, refused, reload, said, value, write
from webhook.policy.load.treefiles import Tree, TreeFile
from webhook.server.policies.together import Kept


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write(tmp_path / "tree", a_yaml=policy("one"))


@pytest.fixture
def two(start: Callable[..., Running], tree: Path) -> Running:
    return start("--policies", str(tree), "--workers", "2")


def _children(server: Running) -> list[int]:
    """The processes of the plain port and of the workers, in this order."""
    pid = server.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _answers(server: Running, count: int = 30) -> set[str]:
    """What the policies answer to a Pod, on connections of their own: to any of the workers."""
    return {said(server) for _ in range(count)}


def test_all_workers_swap(two: Running, tree: Path) -> None:
    assert _answers(two) == {"one"}
    write(tree, a_yaml=policy("two"))
    answer = reload(two)
    assert (answer.status, answer.json["changed"]) == (200, True)
    assert _answers(two) == {"two"}
    assert {line["worker"] for line in two.events("review", 60)} == {0, 1}
    revision = answer.json["revision"]
    assert two.get("/policies").json["revision"] == revision
    assert {line["revision"] for line in two.events("review", 60)[30:]} == {revision}
    assert value(two, "gatewright_policy_reloads_total") == 1
    write(tree, a_yaml=policy("three"))
    two.process.send_signal(signal.SIGHUP)
    two.events("reload", 2)
    assert _answers(two) == {"three"}
    write(tree, a_yaml=policy("four"))
    two.events("reload", 3)  # by itself
    assert _answers(two) == {"four"}
    assert two.stop() == 0


def test_a_broken_tree_changes_no_worker(two: Running, tree: Path) -> None:
    write(tree, a_yaml="kind: [")
    assert reload(two).status == 409
    assert _answers(two) == {"one"}
    assert two.get("/readyz").status == 200
    assert refused(two) is not None
    assert value(two, "gatewright_policy_last_reload_successful") == 0


def test_a_process_that_starts_later_has_the_tree_in_force(two: Running, tree: Path) -> None:
    write(tree, a_yaml=policy("two"))
    assert reload(two).status == 200
    write(tree, a_yaml="kind: [")  # what is in force is no longer on disk
    for child in _children(two)[1:]:
        os.kill(child, signal.SIGKILL)
    two.events("process ended", 2)
    wait_for(lambda: two.get("/readyz").status == 200, 30)
    assert _answers(two) == {"two"}

    def ready() -> bool:
        try:
            return len(_children(two)) == 3 and two.get("/readyz").status == 200
        except OSError:
            return False

    wait_for(ready, 30)
    for child in _children(two):
        os.kill(child, signal.SIGKILL)
    two.events("process ended", 5)
    wait_for(ready, 30)
    assert _answers(two) == {"two"}
    wait_for(lambda: refused(two) is not None, 30)
    write(tree, a_yaml=policy("three"))
    assert reload(two).status == 200
    assert _answers(two) == {"three"}
    assert two.stop() == 0


def test_a_worker_that_hangs_keeps_the_others_from_swapping_without_it(
    start: Callable[..., Running], tree: Path
) -> None:
    server = start("--policies", str(tree), "--workers", "2", "--reload-timeout", "3")
    (stopped, _) = _children(server)[1:]
    os.kill(stopped, signal.SIGSTOP)
    write(tree, a_yaml=policy("two"))
    answer = reload(server)
    assert answer.status == 409
    assert answer.json["problems"][0]["message"] == "a worker did not load the tree in time; it may hang"
    os.kill(stopped, signal.SIGCONT)
    assert _answers(server, 10) == {"one"}
    assert reload(server).status == 200
    assert _answers(server) == {"two"}
    assert server.stop() == 0


def _tree(text: str) -> Tree:
    return Tree(("tree",), (TreeFile("tree/a.yaml", text.encode()),), (), text[:16])


def test_the_last_tree_is_kept() -> None:
    kept = Kept()
    assert kept.read() is None
    for number, text in enumerate(("one", "a longer one", "two"), 1):
        kept.write(number, _tree(text))
        assert kept.read() == (number, _tree(text))


def test_a_writer_that_is_killed_leaves_what_was_kept() -> None:
    kept = Kept()
    kept.write(1, _tree("one"))
    large = _tree("two" * 20_000_000)
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        number = 1
        theirs.send(b"!")
        while True:
            number += 1
            kept.write(number, large)
    ours.recv(1)
    try:
        for _ in range(20):
            time.sleep(0.01)
            found = kept.read()
            assert found is not None
            assert found[1] in (_tree("one"), large)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        ours.close()
        theirs.close()
    found = kept.read()
    assert found is not None
    kept.write(found[0] + 1, _tree("three"))
    assert kept.read() == (found[0] + 1, _tree("three"))


def test_one_review_after_the_other_never_goes_back(two: Running, tree: Path) -> None:
    """Workers differ only while they swap: once the request for a reload is answered, none has the old tree."""
    for number in range(5):
        write(tree, a_yaml=policy(f"number {number}"))
        revision = reload(two).json["revision"]
        for _ in range(10):
            response = two.post("/validate", CREATE_POD).response
            assert response["auditAnnotations"]["policy_revision"] == revision
