"""A run of the command that was forked: its streams, its folder and variables, its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forking
from tests.cli.running import gatewright
from tests.server.running import wait_for
from tests.timing import HANGING

ROOT = Path(__file__).parents[1]
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i}]}\n"
# Starts a server, waits until it serves, and ends without ending it.
LEAVES = """
import os
from tests import forking
server = forking.start("serve", "--port", "0", "--plain-port", "0", "--policies", "policies", env=os.environ)
assert server.stdout.readline()
print(server.pid)
"""


def test_folder_variables_and_streams_are_its_own(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "p.py").write_text("import os, sys\n")
    run = gatewright("check", "-", cwd=tmp_path, stdin=POD, env={"GATEWRIGHT_NOPE": "1", "PATH": "/nowhere"})
    assert run.returncode == 2
    assert "policies/p.py:1" in run.stderr
    assert run.stdout == ""
    assert Path.cwd() != tmp_path
    assert "GATEWRIGHT_NOPE" not in os.environ


def test_two_run_at_once_and_each_has_its_exit_code(tmp_path: Path) -> None:
    first = forking.start("serve", "--policies", str(ROOT / "policies"), "--port", "0", "--plain-port", "0", env={})
    assert first.stdout is not None
    assert first.stderr is not None
    with first.stdout, first.stderr:
        assert any(b'"serving"' in line for line in iter(first.stdout.readline, b""))
        second = gatewright("check", "absent.yaml", cwd=tmp_path)
        assert second.returncode == 2
        assert first.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            first.wait(0)
        first.kill()
        assert first.wait(HANGING) == first.poll() == -signal.SIGKILL
        first.send_signal(signal.SIGTERM)  # its number may be another's now


def test_what_runs_ends_with_the_process_of_tests_that_started_it() -> None:
    done = subprocess.run([sys.executable, "-c", LEAVES], cwd=ROOT, capture_output=True, text=True, check=True)
    pid = int(done.stdout)
    wait_for(lambda: not Path(f"/proc/{pid}").exists())
