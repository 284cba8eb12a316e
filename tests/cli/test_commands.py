"""The command itself: its help, its subcommands, and what it imports for them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import gatewright
from webhook.cli.commands import COMMANDS, subcommand

ROOT = Path(__file__).parents[2]
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


_STARTED = "import sys; print(*sys.modules)"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "80", "TERM": "dumb"}
    return subprocess.run(
        [sys.executable, "-c", _IMPORTED, *arguments], capture_output=True, text=True, check=False, env=environment
    )


def forked(*arguments: str) -> subprocess.CompletedProcess[str]:
    return gatewright(*arguments, cwd=ROOT, env={**os.environ, "COLUMNS": "80", "TERM": "dumb"})


@pytest.mark.parametrize("arguments", [("--help",), ("-h",), (), ("--version",)])
def test_help_imports_no_subcommand(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    imported = set(done.stderr.splitlines())
    assert "webhook.cli.main" in imported
    assert not {each for each in imported if each.startswith(HEAVY) or each in {m for m, _ in COMMANDS.values()}}


POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-latest}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  validations:
  - expression: object.spec.containers.all(c, !c.image.endsWith(':latest'))
    message: the tag latest …
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-latest}
spec: {policyName: no-latest, validationActions: [Deny]}
"""
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i}]}\n"
# What typer needs; reading YAML and JSON; records; regular expressions.
NEEDED = {"annotated_doc", "shellingham", "typer", "yaml", "orjson", "msgspec", "re2"}
OF_MODELS = {"annotated_types", "gatewright", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection"}
PYDANTIC = """
from pydantic import BaseModel
from gatewright import Request, validate

class Params(BaseModel):
    minimum: int = 1

@validate(resources=["v1/pods"], param_kind="v1/ConfigMap")
def p(request: Request, params: Params | None) -> None: ...
"""
NEVER = ("_hashlib", "asyncio", "concurrent", "http", "multiprocessing", "sqlite3", "ssl", "tomllib", "unittest", "xml")
ASKED_FOR = ("webhook.cel.why.explainer", "webhook.cel.why.witness", "webhook.registration", "webhook.server")


@pytest.mark.parametrize(
    ("tree", "packages"),
    [
        ("policies/no-host-path", NEEDED),
        ("policies/protocol-whitelist", NEEDED | {"gatewright"}),
        ("pydantic", NEEDED | OF_MODELS),
    ],
)
def test_check_imports_what_it_runs(tree: str, packages: set[str], tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(POD)
    if tree == "pydantic":
        policies = tmp_path / "policies"
        policies.mkdir()
        (policies / "policy.py").write_text(PYDANTIC)
    else:
        policies = ROOT / tree
    done = run("check", str(tmp_path / "pod.yaml"), "--policies", str(policies))
    assert done.stdout.startswith("nothing denied (1 object in 1 file, ")
    imported = {
        each for each in done.stderr.splitlines() if re.fullmatch(r"(?!gatewright_policy_)[a-zA-Z][\w.]*", each)
    }
    # What Python itself imports at its start depends on how the environment was made, and on coverage.
    started = subprocess.run([sys.executable, "-c", _STARTED], capture_output=True, text=True, check=True)
    imported -= set(started.stdout.split())
    foreign = {each.partition(".")[0] for each in imported} - sys.stdlib_module_names
    assert foreign - {"webhook", "cython_runtime"} == packages
    assert not {each for each in imported if each.startswith(ASKED_FOR) or each.partition(".")[0] in NEVER}
    assert "webhook.policy.load.loading" in imported
    if tree != "pydantic":
        assert not imported & {"importlib.abc", "importlib.resources", "random", "tempfile"}
    if tree == "policies/no-host-path":  # policies in Python are kept from all files but those of time zones and others
        assert "zoneinfo" not in imported


def test_the_installed_command_reports_and_exits(tmp_path: Path) -> None:
    """Other tests fork the command (tests/forking.py)."""
    (tmp_path / "pod.yaml").write_text(POD.replace("image: i", "image: 'i:latest'"))
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "p.yaml").write_text(POLICY)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [str(Path(sys.executable).parent / "gatewright"), "check", "pod.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (1, "")
    assert "the tag latest \\u2026" in done.stdout


def test_help_lists_each_subcommand_on_one_line() -> None:
    lines = forked("--help").stdout.splitlines()
    width = max(map(len, COMMANDS))
    for name, (_, summary) in COMMANDS.items():
        assert f"  {name:{width}}  {summary}" in lines


@pytest.mark.parametrize("name", COMMANDS)
def test_each_subcommand_has_help(name: str) -> None:
    command = subcommand(name)
    assert command.name == name
    assert command.help
    done = forked(name, "--help")
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
    done = forked(given)
    assert done.returncode == 2
    assert error in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["check", "--no-settings", "deploy"], "gatewright --no-settings check …"),
        (["test", "--version"], "gatewright --version test …"),
        (["lint", "--completion=zsh"], "gatewright --completion=zsh lint …"),
    ],
)
def test_an_option_of_the_command_behind_a_subcommand_is_said_to_stand_before_it(given: list[str], meant: str) -> None:
    done = forked(*given)
    assert done.returncode == 2
    assert meant in done.stderr
