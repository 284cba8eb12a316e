"""A tree is loaded in a process of its own first: what its limit of time counts. What else it refuses: test_reload."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.running import wait_for
from webhook.policy.load.treefiles import read_tree
from webhook.server.policies import rehearsal
from webhook.versions import NEWEST

ENDLESS = "while True:\n    pass\n"
SLOW = """
from gatewright import validate

for _ in range(10_000_000):  # some half of a second
    pass


@validate(resources=["v1/pods"])
def allowed(request):
    pass
"""


def rehearsed(folder: Path, text: str, seconds: float) -> list[str]:
    """What is wrong with a tree of one policy in Python."""
    (folder / "policy.py").write_text(text)
    return [each.message for each in asyncio.run(rehearsal.rehearse(read_tree(folder), NEWEST, seconds))]


def test_what_takes_longer_than_its_limit_is_refused(tmp_path: Path) -> None:
    assert rehearsed(tmp_path, ENDLESS, 0.5) == ["loading this file did not end within 0.5 s"]


def test_the_time_in_which_others_had_the_processor_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 0.05  # less than Python needs to start
    assert rehearsed(tmp_path, SLOW, seconds) == ["loading this file did not end within 0.05 s"]
    monkeypatch.setattr(rehearsal, "_PATIENCE", 10_000)
    monkeypatch.setattr(rehearsal, "_waited", lambda _pid: 10_000.0)
    assert rehearsed(tmp_path, SLOW, seconds) == []


def test_it_does_not_count_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "_waited", lambda _pid: 10_000.0)
    assert rehearsed(tmp_path, ENDLESS, 0.05) == ["loading this file did not end within 0.05 s"]


def test_the_kernel_says_how_long_a_process_has_waited_for_others() -> None:
    core = min(os.sched_getaffinity(0))
    command = [sys.executable, "-c", f"import os\nos.sched_setaffinity(0, [{core}])\nwhile True: pass"]
    busy = [subprocess.Popen(command) for _ in range(2)]
    try:
        wait_for(lambda: all(rehearsal._waited(each.pid) > 0.1 for each in busy))
    finally:
        for each in busy:
            each.kill()
            each.wait()
    assert rehearsal._waited(busy[0].pid) == 0
