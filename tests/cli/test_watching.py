"""--watch: a run at once, and after each change, in a process of its own; Ctrl-C ends it."""

from __future__ import annotations

import os
import pty
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import forking
from tests.cli.running import gatewright
from tests.timing import HANGING
from webhook.cli import watching

POLICY = """\
from collections.abc import Iterator

from gatewright import Request, validate

WORD = "one"


@validate(resources=["v1/configmaps"], operations=["CREATE"])
def named(request: Request, params: object) -> Iterator[str]:
    if request.name != WORD:
        yield f"the name is not {WORD}"
"""
BINDING = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: named}
spec: {policyName: named, validationActions: [Deny]}
"""
TESTS = """\
apiVersion: gatewright.dev/v1
kind: PolicyTest
metadata: {name: named}
policy: named
cases:
- {name: its name, object: {apiVersion: v1, kind: ConfigMap, metadata: {name: one}}, expect: allow}
"""
OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "policy.py").write_text(POLICY)
    (tmp_path / "policies" / "binding.yaml").write_text(BINDING)
    (tmp_path / "policies" / "tests.yaml").write_text(TESTS)
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "one.yaml").write_text(OBJECT)
    return tmp_path


class Watching:
    """A run of the command with --watch, and what it has written so far."""

    def __init__(self, process: forking.Process, text: bytearray) -> None:
        self.process = process
        self._text = text

    def until(self, holds: Callable[[str], bool]) -> str:
        end = time.monotonic() + HANGING
        while not holds(text := self._text.decode(errors="replace")):
            assert time.monotonic() < end, text
            time.sleep(0.05)
        return text

    def runs(self, number: int) -> str:
        """What is written once so many runs have ended."""
        return self.until(lambda text: text.count("waiting for changes") >= number)


@contextmanager
def watched(*arguments: str, cwd: Path, terminal: bool = False) -> Iterator[Watching]:
    reading, writing = pty.openpty() if terminal else os.pipe()
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
    process = forking.start(*arguments, cwd=cwd, env=environment, stdout=writing, stderr=writing)
    os.close(writing)
    text = bytearray()

    def read() -> None:
        try:
            while found := os.read(reading, 65536):
                text.extend(found)
        except OSError:  # EIO: the terminal is closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield Watching(process, text)
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(HANGING)
        reader.join(HANGING)
        os.close(reading)
    assert code == 130


def test_check_runs_again_after_each_change(tree: Path) -> None:
    with watched("check", "deploy", "--watch", cwd=tree) as run:
        assert "nothing denied (1 object in 1 file, 1 policy)\n" in run.runs(1)
        (tree / "deploy" / "two.yaml").write_text(OBJECT.replace("one", "two"))
        second = run.runs(2)
        assert "note: changed: deploy/two.yaml\n" in second
        assert "the name is not one" in second
        assert "note: exit code 1; waiting" in second
        # A module of a policy is imported anew.
        (tree / "policies" / "policy.py").write_text(POLICY.replace('"one"', '"two"'))
        assert "the name is not two" in run.runs(3)
        (tree / "deploy" / "one.yaml").unlink()
        fourth = run.runs(4)
        assert fourth.count("nothing denied (1 object in 1 file, 1 policy)\n") == 2
        # A tree that does not load is an error of that run alone.
        (tree / "policies" / "binding.yaml").write_text("kind: [\n")
        assert "note: exit code 2; waiting" in run.runs(5)
        (tree / "policies" / "binding.yaml").write_text(BINDING)
        assert run.runs(6).count("nothing denied") == 3


def test_test_runs_again_and_clears_the_terminal(tree: Path) -> None:
    with watched("test", "--watch", cwd=tree, terminal=True) as run:
        assert "1 case: 1 passed, 0 failed" in run.runs(1)
        (tree / "policies" / "policy.py").write_text(POLICY.replace('"one"', '"two"'))
        text = run.runs(2)
        assert "\x1b[2J" in text
        assert "1 failed" in text


def test_a_run_that_crashes_ends_alone(tree: Path) -> None:
    (tree / "policies" / "policy.py").write_text(
        POLICY.replace("if request", "while True:\n        pass\n    if request")
    )
    with watched("check", "deploy", "--watch", cwd=tree) as run:
        children = Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children")
        run.until(lambda _: bool(children.read_text().split()))
        os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
        assert "note: exit code 137; waiting" in run.runs(1)
        (tree / "policies" / "policy.py").write_text(POLICY)
        assert "nothing denied" in run.runs(2)


def test_a_change_during_a_run_makes_another_run_follow(tree: Path) -> None:
    (tree / "policies" / "policy.py").write_text(
        POLICY.replace("if request", "while True:\n        pass\n    if request")
    )
    with watched("check", "deploy", "--watch", cwd=tree) as run:
        children = Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children")
        run.until(lambda _: bool(children.read_text().split()))
        (tree / "policies" / "policy.py").write_text(POLICY)  # nothing is written after the run
        (tree / "deploy" / "two.yaml").write_text(OBJECT.replace("one", "two"))
        os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
        text = run.runs(2)
        assert "note: exit code 137; waiting" in text
        assert "note: changed: " in text
        assert "the name is not one" in text


def test_what_does_not_change_cannot_be_watched(tree: Path) -> None:
    done = gatewright("check", "--watch", "-", cwd=tree)
    assert (done.returncode, done.stderr) == (2, "error: --watch: stdin does not change; name files and folders\n")


def test_every_write_changes_the_stamp_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "a" / "file.txt"
    file.parent.mkdir()
    file.write_text("1")
    (tmp_path / "a" / "round").symlink_to(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "index").write_text("1")
    roots = [str(tmp_path), str(tmp_path / "missing")]
    first = watching.stamps(roots)
    assert list(first) == [str(file)]
    assert watching.stamps(roots) == first
    times = file.stat()
    file.write_text("2")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))  # as rsync does
    second = watching.stamps(roots)
    assert second != first
    replaced = tmp_path / "new"
    replaced.write_text("2")
    replaced.rename(file)
    assert watching.stamps(roots) != second
    file.unlink()
    assert watching.stamps(roots) == {}
