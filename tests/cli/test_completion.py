"""Completion in a shell: what --completion prints, used as bash uses it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import gatewright
from tests.timing import HANGING

BIN = str(Path(sys.executable).parent)


def completed(words: str, cwd: Path) -> set[str]:
    """What bash offers for the last of the words."""
    script = f"""
source <(gatewright --completion bash)
COMP_WORDS=({words})
COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
$(complete -p gatewright | sed 's/.*-F \\([^ ]*\\).*/\\1/') gatewright
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    environment = {**os.environ, "PATH": os.pathsep.join([BIN, os.environ["PATH"]]), "HOME": str(cwd)}
    command = ["bash", "--noprofile", "--norc", "-c", script]
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=True, timeout=HANGING
    )
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("gatewright che", {"check"}),
        ("gatewright check --unt", {"--until"}),
        ("gatewright check --fail-on ''", {"deny", "warn", "never"}),
        ("gatewright lint --fi", {"--fix"}),
    ],
)
def test_bash_completes(words: str, offered: set[str], tmp_path: Path) -> None:
    # Settings that are wrong are for the run to say.
    (tmp_path / ".gatewright.toml").write_text("wrong = 1\n")
    assert completed(words, tmp_path) == offered


@pytest.mark.parametrize(("shell", "said"), [("zsh", "#compdef gatewright"), ("fish", "complete --command gatewright")])
def test_other_shells_get_theirs(shell: str, said: str, tmp_path: Path) -> None:
    done = gatewright("--completion", shell, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert said in done.stdout


def test_a_shell_that_is_not_known_is_wrong_usage(tmp_path: Path) -> None:
    assert gatewright("--completion", "tcsh", cwd=tmp_path).returncode == 2
