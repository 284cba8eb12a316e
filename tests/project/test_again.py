from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.again import MOST
from tests.timing import HANGING

UNSTEADY = """
from pathlib import Path

def test_fails_the_first_time():
    seen = Path(__file__).with_suffix(".seen")
    try:
        assert seen.exists()
    finally:
        seen.touch()

def test_passes():
    with Path(__file__).with_suffix(".passed").open("a") as runs:
        runs.write("x")
"""


def again(folder: Path, *options: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "tests.again", f"--rootdir={folder}", "-c/dev/null", *options, str(folder)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, check=False, cwd=root, capture_output=True, text=True, timeout=HANGING)
    return done.returncode, done.stdout


@pytest.mark.parametrize("options", [(), ("--numprocesses=2", "--dist=worksteal")])
def test_what_passes_the_second_time_is_named(tmp_path: Path, options: tuple[str, ...]) -> None:
    (tmp_path / "test_unsteady.py").write_text(UNSTEADY)
    code, text = again(tmp_path, *options)
    assert code == 0
    assert "## PASSED ONLY WHEN RUN AGAIN, alone; to be mended:\n##   test_unsteady.py::test_fails_the" in text
    assert (tmp_path / "test_unsteady.passed").read_text() == "x"
    code, text = again(tmp_path, *options)
    assert (code, "AGAIN" in text) == (0, False)


def test_what_fails_twice_fails(tmp_path: Path) -> None:
    (tmp_path / "test_broken.py").write_text("def test_it():\n    assert False\n")
    code, text = again(tmp_path)
    assert (code, "AGAIN" in text, text.count("1 failed")) == (1, False, 2)


def test_many_failures_are_not_run_again(tmp_path: Path) -> None:
    tests = "".join(f"def test_{number}():\n    assert False\n" for number in range(MOST + 1))
    (tmp_path / "test_broken.py").write_text(tests)
    code, text = again(tmp_path)
    assert (code, text.count(f"{MOST + 1} failed")) == (1, 1)


def test_what_cannot_be_collected_fails(tmp_path: Path) -> None:
    (tmp_path / "test_broken.py").write_text("import nothing_of_this_name\n")
    code, text = again(tmp_path)
    assert (code, "AGAIN" in text) == (2, False)


def test_processes_that_collect_other_tests_fail_at_once(tmp_path: Path) -> None:
    """As where a test's name has the time in it."""
    text = "import os, pytest\n@pytest.mark.parametrize('a', [os.getpid()])\ndef test_it(a):\n    pass\n"
    (tmp_path / "test_named.py").write_text(text)
    code, text = again(tmp_path, "--numprocesses=2")
    assert (code, "Different tests were collected" in text, "AGAIN" in text, "Run again" in text) == (
        1,
        True,
        False,
        False,
    )
