"""The timer stops what is tame; Ctrl-C ends commands whatever a policy does."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server.running import wait_for
from tests.timing import HANGING
from webhook.policy.python.stopping import TICK, Stopped, Timer


@pytest.fixture
def timer() -> Iterator[Timer]:
    before = signal.getsignal(signal.SIGALRM)
    made = Timer()
    yield made
    made.close()
    signal.signal(signal.SIGALRM, before)


def _spin() -> None:
    while True:
        pass


def test_loops_and_patterns_are_stopped(timer: Timer) -> None:
    endless: Callable[[], object]
    for endless in (_spin, lambda: re.fullmatch("(a+)+b", "a" * 60), lambda: time.sleep(1000)):
        timer.begin()
        with pytest.raises(Stopped):
            endless()
        timer.end()


def test_nothing_is_stopped_after_the_end(timer: Timer) -> None:
    timer.begin()
    timer.end()
    until = time.thread_time() + 0.1
    while time.thread_time() < until:
        pass
    signal.raise_signal(signal.SIGALRM)


def test_many_policies_that_take_little_time_are_not_stopped(timer: Timer) -> None:
    until = time.thread_time() + 0.2
    while time.thread_time() < until:
        timer.begin()
        sum(range(2000))
        timer.end()


def test_signals_come_while_policies_begin_and_end_after_that(timer: Timer) -> None:
    """Setting a timer takes a system call, so it is not set for each policy; and an idle server is not woken."""
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    for _ in range(2):  # it begins again
        timer.begin()
        timer.end()
        assert signal.getitimer(signal.ITIMER_REAL)[1] == TICK
        wait_for(lambda: signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0), 10)


@pytest.mark.parametrize(
    "body", ["sum(range(10**12))", "while True:\n        try: 1 / 0\n        except BaseException: pass"]
)
def test_ctrl_c_ends_a_command(tmp_path: Path, body: str) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "p.py").write_text(
        "from gatewright import validate\n\n@validate(resources=['v1/pods'])\ndef p(request):\n"
        f"    print('here', flush=True)\n    {body}\n"
    )
    (tmp_path / "policies" / "p.yaml").write_text(
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\nmetadata: {name: p}\n"
        "spec: {policyName: p, validationActions: [Deny]}\n"
    )
    (tmp_path / "pod.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i}]}\n"
    )
    # As in a terminal: a shell that starts the tests in the background lets its programs ignore SIGINT.
    program = (
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from webhook.cli.main import main\nmain()"
    )
    command = [sys.executable, "-c", program, "check", "pod.yaml"]
    log = tmp_path / "stderr"
    with log.open("wb") as stderr, subprocess.Popen(command, cwd=tmp_path, stderr=stderr) as process:
        try:
            wait_for(lambda: b"here" in log.read_bytes(), 60)
            process.send_signal(signal.SIGINT)
            assert process.wait(HANGING) in (-signal.SIGINT, 130)
        finally:
            process.kill()
