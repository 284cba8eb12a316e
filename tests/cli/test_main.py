"""The command itself: its help, its subcommands, and what it imports for them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from webhook.cli.main import COMMANDS, subcommand

# What lays out text, models data or evaluates policies; none of it is needed to print the help.
HEAVY = ("rich", "pydantic", "yaml", "webhook.policy", "webhook.cel", "webhook.server", "webhook.offline")
_IMPORTED = """
import sys
sys.argv = ["gatewright", *sys.argv[1:]]
from webhook.cli.main import main
try:
    main()
finally:
    print("\\n".join(sys.modules), file=sys.stderr)
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "80", "TERM": "dumb"}
    return subprocess.run(
        [sys.executable, "-c", _IMPORTED, *arguments], capture_output=True, text=True, check=False, env=environment
    )


@pytest.mark.parametrize("arguments", [("--help",), ("-h",), (), ("--version",)])
def test_help_imports_no_subcommand(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    imported = set(done.stderr.splitlines())
    assert "webhook.cli.main" in imported
    assert not {each for each in imported if each.startswith(HEAVY) or each in {m for m, _ in COMMANDS.values()}}


def test_help_lists_each_subcommand_on_one_line() -> None:
    lines = run("--help").stdout.splitlines()
    for name, (_, summary) in COMMANDS.items():
        assert f"  {name:9}  {summary}" in lines


@pytest.mark.parametrize("name", COMMANDS)
def test_each_subcommand_has_help(name: str) -> None:
    command = subcommand(name)
    assert command.name == name
    assert command.help
    done = run(name, "--help")
    assert done.returncode == 0
    assert f"gatewright {name} [OPTIONS]" in done.stdout


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ("chek", "No such command 'chek'. Did you mean 'check'?"),
        ("xyzzy", "No such command 'xyzzy'."),
        ("x" * 100_000, "No such command"),
        ("--nope", "No such option: --nope"),
    ],
)
def test_unknown_commands_and_options_exit_with_2(given: str, error: str) -> None:
    done = run(given)
    assert done.returncode == 2
    assert error in done.stderr
    assert "Traceback" not in done.stderr
