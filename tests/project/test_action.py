"""The GitHub action: its steps run here as a runner runs them, with bash, in a repository of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.amounts import ALL
from tests.forge.servers import Forge, serving
from tests.project import scratch
from tests.timing import HANGING

ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
_COMMAND = re.compile(r"\s*::([^ :]+)[^:]*::(.*)|.*##\[([^ \]]+)[^\]]*\](.*)")
_EXPRESSION = re.compile(r"\$\{\{ *([a-z0-9_.-]+) *\}\}")


class Runner:
    """As much of GitHub's runner as the action uses: expressions that are names, conditions, and files of variables."""

    def __init__(
        self,
        repository: Path,
        temporary: Path,
        forge: Forge,
        inputs: dict[str, str],
        base: str = "",
        action: Path = ROOT,
    ) -> None:
        self.temporary = temporary
        temporary.mkdir(exist_ok=True)
        self._repository = repository
        self._summary = temporary / "summary.md"
        self._path = [str(Path(sys.executable).parent), os.environ["PATH"]]
        self._names: dict[str, str] = {
            "github.action_path": str(action),
            "github.token": "t-job",
            "github.event.pull_request.base.sha": base,
            "github.event.pull_request.number": "7" if base else "",
        }
        for name, value in ACTION["inputs"].items():
            self._names[f"inputs.{name}"] = self._filled(str(value["default"]))
        assert not set(inputs) - set(ACTION["inputs"])
        self._names |= {f"inputs.{name}": value for name, value in inputs.items()}
        self._forge = forge
        self.log = ""
        self.commands: list[str] = []
        """The lines that GitHub's runner takes for commands."""
        self.codes: dict[str, int] = {}
        self._variables: dict[str, str] = {}

    def _filled(self, text: str) -> str:
        return _EXPRESSION.sub(lambda found: self._names.get(found[1], ""), text)

    def _holds(self, condition: str, failed: bool) -> bool:
        """The value of a condition, which has names, texts, `==`, `!=`, `&&` and always() alone."""
        terms = [term.strip() for term in condition.split("&&")]
        if "always()" not in terms and failed:
            return False
        for term in terms:
            if term == "always()":
                continue
            left, operator, right = re.fullmatch(r"([\w.-]+)(?: (==|!=) '(.*)')?", term).groups()  # type: ignore[union-attr]
            value = self._names.get(left, "")
            if not (bool(value) if operator is None else (value == right) == (operator == "==")):
                return False
        return True

    def run(self, *, install: bool = False, **variables: str) -> int:
        """Run the steps; the exit code is 1 if one failed. `install`: else the environment of the tests is used.
        variables: that the job has."""
        self._variables = variables
        failed = False
        if not install:
            if not (self.temporary / "gatewright").exists():
                (self.temporary / "gatewright").symlink_to(sys.prefix)
            self._names["steps.install.outcome"] = "success"
        for step in STEPS:
            if "run" not in step or (step.get("id") == "install" and not install):
                continue
            if not self._holds(step.get("if", "always()" if not failed else "failed"), failed):
                continue
            code = self._step(step)
            self.codes[step["name"]] = code
            failed = failed or bool(code)
            if "id" in step:
                self._names[f"steps.{step['id']}.outcome"] = "failure" if code else "success"
        return int(failed)

    def _step(self, step: dict[str, Any]) -> int:
        assert step["shell"] == "bash"
        script, output, path = (self.temporary / name for name in ("step.sh", "output", "path"))
        script.write_text(step["run"])
        output.write_text("")
        path.write_text("")
        environment = scratch.environment(
            self.temporary,
            RUNNER_TEMP=str(self.temporary),
            GITHUB_OUTPUT=str(output),
            GITHUB_PATH=str(path),
            GITHUB_STEP_SUMMARY=str(self._summary),
            GITHUB_API_URL=self._forge.address,
            GITHUB_REPOSITORY="o/r",
            GITHUB_SHA="a" * 40,
            GITHUB_REF="refs/pull/7/merge",
            **{name: value for name, value in os.environ.items() if name.startswith("PIP_")} | self._variables,
        )
        environment["PATH"] = os.pathsep.join(self._path)
        environment |= {name: self._filled(str(value)) for name, value in step.get("env", {}).items()}
        done = subprocess.run(
            # As the runner calls it for `shell: bash`.
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=self._repository,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        self.log += done.stdout + done.stderr
        # The runner reads both streams as they come: what is in stderr may come before commands are stopped.
        self.commands += [line for line in done.stderr.splitlines() if _COMMAND.fullmatch(line)]
        stopped = ""
        for line in done.stdout.splitlines():
            found = _COMMAND.fullmatch(line)
            name, value = (found[1] or found[3], found[2] or found[4]) if found else ("", "")
            if stopped:
                stopped = "" if name == stopped else stopped
            elif name == "stop-commands":
                stopped = value
            elif name:
                self.commands.append(line)
        assert not stopped
        self._path[:0] = path.read_text().split()
        for line in output.read_text().splitlines():
            name, _, value = line.partition("=")
            self._names[f"steps.{step['id']}.outputs.{name}"] = value
        return done.returncode

    @property
    def summary(self) -> str:
        return self._summary.read_text()

    def output(self, name: str) -> str:
        return self._filled(ACTION["outputs"][name]["value"])


@pytest.fixture
def forge() -> Iterator[Forge]:
    with serving() as found:
        yield found


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return scratch.made(tmp_path / "repository")


def test_a_pull_request_gets_one_comment_with_whom_it_hits(repository: Path, tmp_path: Path, forge: Forge) -> None:
    base = scratch.enforced(repository, "bare.yaml")
    runner = Runner(repository, tmp_path / "temp", forge, {"sarif": "true"}, base)
    assert runner.run() == 1
    assert runner.codes == {
        "Make a folder for the reports": 0,
        "Find what the change is compared with": 0,
        **dict.fromkeys(("Test", "Lint", "Check", "Impact", "Report", "Comment", "Upload to code scanning"), 0),
        "Verdict": 1,
    }, runner.log
    assert "gatewright check: exit code 1\n" in runner.log
    assert "::error file=deploy/bare.yaml" in runner.log
    (comment,) = forge.comments
    assert comment["body"].startswith("<!-- gatewright  -->\n### Policy impact: ")
    assert "newly denied" in comment["body"]
    assert "deploy/bare.yaml" in comment["body"]
    for heading in ("Coverage of the policies: 100.0 %", "gatewright test", "gatewright lint", "gatewright check"):
        assert f" {heading}" in comment["body"]
    assert comment["body"].partition("\n")[2] == runner.summary == Path(runner.output("report")).read_text()
    sarif = json.loads(Path(runner.output("sarif")).read_text())
    assert [each["ruleId"] for each in sarif["runs"][0]["results"]] == ["team-label"]
    assert forge.asked[-1] == "POST /repos/o/r/code-scanning/sarifs"

    # The next push updates it.
    (repository / "deploy" / "bare.yaml").write_text(scratch.deployment("bare", "bare:1"))
    scratch.commit(repository, "label it")
    again = Runner(repository, tmp_path / "temp2", forge, {}, base)
    assert again.run() == 0, again.log
    assert len(forge.comments) == 1
    assert "newly denied | " not in forge.comments[0]["body"].partition("\n")[0]
    assert "deploy/bare.yaml" not in forge.comments[0]["body"]


def test_two_uses_in_one_job_do_not_share_reports(repository: Path, tmp_path: Path, forge: Forge) -> None:
    base = scratch.enforced(repository, "bare.yaml")
    first = Runner(repository, tmp_path / "temp", forge, {"comment-id": "one"}, base)
    assert first.run() == 1
    report, sarif = (Path(first.output(name)).read_text() for name in ("report", "sarif"))
    (repository / "deploy" / "bare.yaml").unlink()
    only = {"comment-id": "two", **dict.fromkeys(("test", "lint", "impact"), "false")}
    second = Runner(repository, tmp_path / "temp", forge, only, base)
    assert second.run() == 0, second.log
    assert report == Path(first.output("report")).read_text()
    assert sarif == Path(first.output("sarif")).read_text() != Path(second.output("sarif")).read_text()
    said = Path(second.output("report")).read_text()
    assert "gatewright check" in said
    for heading in ("Policy impact", "Coverage of", "gatewright test", "gatewright lint"):
        assert heading not in said


def test_too_little_coverage_fails(repository: Path, tmp_path: Path, forge: Forge) -> None:
    tests = repository / "policies" / "no-latest" / "tests.yaml"
    tests.write_text(tests.read_text().partition("- name: a version")[0])
    passed = Runner(repository, tmp_path / "temp", forge, {"lint": "false"})
    assert passed.run() == 0, passed.log
    failed = Runner(repository, tmp_path / "temp2", forge, {"lint": "false", "fail-under": "99.9"})
    assert failed.run() == 1
    assert "gatewright test: exit code 1\n" in failed.log


def test_findings_that_a_baseline_has_fail_nothing(repository: Path, tmp_path: Path, forge: Forge) -> None:
    scratch.enforced(repository, "bare.yaml")
    alone = {"lint": "false", "test": "false"}
    assert Runner(repository, tmp_path / "temp", forge, alone).run() == 1
    command = [str(Path(sys.prefix) / "bin" / "gatewright"), "check", "--baseline", "known findings.json"]
    subprocess.run([*command, "--write-baseline"], cwd=repository, check=True, capture_output=True)
    known = Runner(repository, tmp_path / "temp2", forge, alone | {"baseline": "known findings.json"})
    assert known.run() == 0, known.log
    missing = Runner(repository, tmp_path / "temp3", forge, alone | {"baseline": "nowhere.json"})
    assert missing.run() == 1
    assert "--baseline: " in missing.log


def test_a_push_has_no_comment_and_no_impact(repository: Path, tmp_path: Path, forge: Forge) -> None:
    runner = Runner(repository, tmp_path / "temp", forge, {})
    assert runner.run() == 0, runner.log
    assert {"Impact", "Comment", "Upload to code scanning"}.isdisjoint(runner.codes)
    assert forge.asked == []


def test_each_step_can_fail_the_verdict(repository: Path, tmp_path: Path, forge: Forge) -> None:
    base = scratch.enforced(repository, "bare.yaml")
    tests = repository / "policies" / "no-latest" / "tests.yaml"
    tests.write_text(tests.read_text().replace("expect: deny", "expect: warn"))
    policy = repository / "policies" / "no-latest" / "policy.yaml"
    policy.write_text(policy.read_text().replace("[deployments]", "[deployments, Deployment]"))
    inputs = {"impact-fail-on": "newly-denied", "comment": "false", "paths": "deploy/web.yaml\ndeploy/bare.yaml\n"}
    runner = Runner(repository, tmp_path / "temp", forge, inputs, base)
    assert runner.run() == 1
    for name in ("test", "lint", "check", "impact"):
        assert f"gatewright {name}: exit code 1\n" in runner.log
    assert forge.asked == []
    off = dict.fromkeys(("test", "lint", "check", "impact", "comment"), "false")
    quiet = Runner(repository, tmp_path / "temp2", forge, off, base)
    assert quiet.run() == 0, quiet.log


HOSTILE = "$(touch ran) `touch ran` '; touch ran; ' \"; touch ran; \" ${IFS} -o html=ran --write-baseline"


def test_inputs_are_no_code_and_no_options(repository: Path, tmp_path: Path, forge: Forge) -> None:
    """Of all inputs, for a workflow may take one from the name of a branch."""
    base = scratch.enforced(repository, "bare.yaml")
    switches = {"test", "lint", "check", "impact", "comment", "sarif", "python-version", "token", "working-directory"}
    inputs = dict.fromkeys(set(ACTION["inputs"]) - switches, HOSTILE)
    runner = Runner(repository, tmp_path / "temp", forge, inputs | {"sarif": "true"}, base)
    assert runner.run() == 1
    assert not list(tmp_path.rglob("ran"))
    assert runner.codes["Verdict"] == 2
    for since in ("--upload-pack=touch ran", "-x", "a\nb=c"):
        again = Runner(repository, tmp_path / f"temp{len(since)}", forge, {"since": since}, base)
        assert again.run() == 1
        assert again.codes["Find what the change is compared with"] == 2
    assert not list(tmp_path.rglob("ran"))


def test_no_script_has_an_expression_in_it() -> None:
    for step in STEPS:
        if "run" in step:
            assert "${{" not in step["run"]
            assert step["run"].startswith("set -euo pipefail\n")
        else:
            assert re.fullmatch(r"actions/setup-python@[0-9a-f]{40}", step["uses"])
    named = set(re.findall(r"inputs\.([a-z-]+)", (ROOT / "action.yml").read_text()))
    assert named == set(ACTION["inputs"])
    ids = {step["id"] for step in STEPS if "id" in step}
    assert set(re.findall(r"steps\.([a-z]+)\.", (ROOT / "action.yml").read_text())) <= ids


def test_what_a_policy_says_is_no_command_for_the_runner(repository: Path, tmp_path: Path, forge: Forge) -> None:
    policy = repository / "policies" / "no-latest" / "policy.yaml"
    command = "\\n::set-output name=x::y\\n##[error]z"
    policy.write_text(
        policy.read_text().replace("message: images name a version, never latest", f'message: "{command}"')
    )
    (repository / "deploy" / "web.yaml").write_text(scratch.deployment("web", "web:latest"))
    base = scratch.commit(repository, "commands")
    policy.write_text(policy.read_text() + "# \n")
    runner = Runner(repository, tmp_path / "temp", forge, {}, base)
    runner.run()
    assert not re.search(r"^\s*(::set-output|##\[)", runner.log, re.MULTILINE)


PRINTS = """\
import logging

from gatewright import Request, validate

FORGED = "\\n::error file=forged::x\\n::stop-commands::forged\\n##[error]forged\\n"
print(FORGED)
logging.os.write(1, FORGED.encode())
logging.os.write(2, FORGED.encode())
logging.atexit.register(logging.os.write, 1, b"forged, without an end of line")


@validate(resources=["apps/v1/deployments"], operations=["CREATE"])
def prints(request: Request, params: object) -> list[str]:
    print(FORGED)
    return []
"""


def test_what_a_policy_in_python_prints_is_no_command_for_the_runner(
    repository: Path, tmp_path: Path, forge: Forge
) -> None:
    base = scratch.enforced(repository, "bare.yaml")
    (repository / "policies" / "policy.py").write_text(PRINTS)
    runner = Runner(repository, tmp_path / "temp", forge, {}, base)
    runner.run()
    assert {runner.codes[name] for name in ("Test", "Lint", "Check", "Impact")} == {0}
    assert runner.log.count("##[error]forged") > 8 and "forged, without an end of line\n::" in runner.log
    assert not [each for each in runner.commands if "forged" in each]
    assert [each for each in runner.commands if each.startswith("::error file=deploy/bare.yaml")]


def test_a_base_that_a_shallow_clone_lacks_is_fetched(repository: Path, tmp_path: Path, forge: Forge) -> None:
    base = scratch.enforced(repository, "bare.yaml")
    scratch.git(repository, "config", "uploadpack.allowAnySHA1InWant", "true")
    clone = tmp_path / "clone"
    scratch.git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repository}", str(clone))
    with pytest.raises(subprocess.CalledProcessError):
        scratch.git(clone, "cat-file", "-e", base)
    runner = Runner(clone, tmp_path / "temp", forge, {"check": "false"}, base)
    assert runner.run() == 0, runner.log
    assert "newly denied" in forge.comments[0]["body"]

    # One that nobody has is said, and is no success.
    lost = Runner(clone, tmp_path / "temp2", forge, {}, "0123456789" * 4)
    assert lost.run() == 1
    assert "cannot be fetched; set fetch-depth: 0" in lost.log
    assert "gatewright impact: exit code 2" in lost.log


def test_to_install_runs_nothing_of_the_repository(repository: Path, tmp_path: Path, forge: Forge) -> None:
    """pip may ask no index, so that it ends when it begins to install."""
    scratch.shadowing(repository)
    runner = Runner(repository, tmp_path / "temp", forge, {})
    assert runner.run(install=True, PIP_NO_INDEX="1", PIP_FIND_LINKS="", PIP_CONFIG_FILE=os.devnull) == 1
    assert not list(tmp_path.rglob("ran"))
    assert "ERROR: No matching distribution found for " in runner.log
    assert (tmp_path / "temp" / "gatewright" / "bin" / "pip").exists()


IN_PYTHON = """\
from gatewright import Request, validate


@validate(resources=["v1/configmaps"], operations=["CREATE"])
def in_python(request: Request, params: object) -> list[str]:
    return []
"""


@pytest.mark.skipif(not ALL, reason="installs everything anew, for half a minute: make soak")
def test_the_action_installs_what_it_needs(repository: Path, tmp_path: Path, forge: Forge) -> None:
    index = subprocess.run(
        [sys.executable, "-m", "pip", "index", "versions", "six", "--retries", "0", "--timeout", "10"],
        capture_output=True,
        check=False,
        timeout=HANGING,
    )
    if index.returncode:
        pytest.skip("no package index can be reached: the action could install nothing")
    action = tmp_path / "action"  # to build a package leaves files beside it
    for name in ("webhook", "gatewright"):
        shutil.copytree(ROOT / name, action / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "requirements-check.lock", "requirements-dev.lock"):
        shutil.copyfile(ROOT / name, action / name)
    (repository / "policies" / "policy.py").write_text(IN_PYTHON)
    runner = Runner(repository, tmp_path / "temp", forge, {}, scratch.enforced(repository, "bare.yaml"), action)
    assert runner.run(install=True) == 1
    assert runner.codes["Install"] == 0, runner.log
    assert (tmp_path / "temp" / "gatewright" / "bin" / "gatewright").exists()
    assert len(forge.comments) == 1
    assert "| `in-python` |" in forge.comments[0]["body"]  # its coverage is measured
