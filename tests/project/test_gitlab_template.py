"""The template for GitLab: its script runs here, by sh and by bash, in a repository of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.forge.servers import Forge, serving
from tests.project import scratch

ROOT = Path(__file__).parents[2]
JOB: dict[str, Any] = yaml.safe_load((ROOT / "templates/gatewright.yml").read_text())["gatewright"]
SHELLS = [each for each in ("bash", "dash", "busybox") if shutil.which(each)]


@pytest.fixture
def forge() -> Iterator[Forge]:
    with serving() as found:
        yield found


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return scratch.made(tmp_path / "repository")


def run(
    repository: Path, forge: Forge, shell: str = "bash", *, part: str = "script", **variables: str
) -> subprocess.CompletedProcess[str]:
    """The script as the runner has it: its items, one after another, ended by the first that fails."""
    environment = scratch.environment(repository.parent, CI_API_V4_URL=forge.address, CI_PROJECT_ID="5", **variables)
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    environment |= JOB["variables"]
    script = "set -e\n" + "\n".join(JOB[part])
    command = ["busybox", "sh"] if shell == "busybox" else [shell]
    return subprocess.run(
        [*command, "-c", script],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def changed(repository: Path) -> str:
    """A merge request, which enforces a policy and adds a manifest that does not comply. Returns the base."""
    base = scratch.git(repository, "rev-parse", "HEAD")
    for file, was, now in (("binding.yaml", "[Audit]", "[Deny]"), ("tests.yaml", "&finding audit", "&finding deny")):
        path = repository / "policies" / "team-label" / file
        path.write_text(path.read_text().replace(was, now))
    bare = scratch.deployment("bare", "bare:1").replace(", labels: {team: cart}", "")
    (repository / "deploy" / "bare app.yaml").write_text(bare)
    scratch.commit(repository, "enforce the label")
    return base


@pytest.mark.parametrize("shell", SHELLS)
def test_a_merge_request_gets_one_note_and_its_reports(shell: str, repository: Path, forge: Forge) -> None:
    variables = {
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": changed(repository),
        "CI_MERGE_REQUEST_IID": "7",
        "GATEWRIGHT_TOKEN": "t-ann",
    }
    for _ in range(2):
        done = run(repository, forge, shell, **variables)
        assert done.returncode == 1, done.stdout + done.stderr
    assert "gatewright check: exit code 1\n" in done.stdout
    (note,) = forge.comments
    assert note["body"].startswith("<!-- gatewright -->\n### Policy impact: 1 object newly denied")
    reports = repository / "gatewright-reports"
    assert [each["check_name"] for each in json.loads((reports / "quality.json").read_text())] == ["team-label"]
    for name in ("test.xml", "check.xml"):
        assert ElementTree.parse(reports / name).getroot().tag == "testsuites"
    for heading in ("Coverage of the policies: 100.0 %", "gatewright test", "gatewright lint", "gatewright check"):
        assert f" {heading}" in note["body"]
    listed = JOB["artifacts"]["reports"]
    assert ElementTree.parse(repository / listed["coverage_report"]["path"]).getroot().tag == "coverage"
    for name in (listed["codequality"], *listed["junit"]):
        assert (repository / name).exists()


def test_a_branch_without_faults_succeeds_and_writes_no_note(repository: Path, forge: Forge) -> None:
    done = run(repository, forge)
    assert done.returncode == 0, done.stdout + done.stderr
    assert forge.asked == []
    assert not (repository / "gatewright-reports" / "report.md").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_paths_are_names_and_no_code(shell: str, repository: Path, forge: Forge) -> None:
    changed(repository)
    done = run(repository, forge, shell, GATEWRIGHT_PATHS="deploy/bare app.yaml\ndeploy/web.yaml\n")
    assert "1 denied (2 objects in 2 files, 2 policies)" in done.stdout
    hostile = "$(touch ran) `touch ran` * -o html=ran\n--write-baseline"
    failed = run(repository, forge, shell, GATEWRIGHT_PATHS=hostile, GATEWRIGHT_FAIL_ON="never; touch ran")
    assert failed.returncode == 2
    assert not list(repository.rglob("ran"))


def test_a_note_that_cannot_be_written_is_no_verdict(repository: Path, forge: Forge) -> None:
    base = scratch.git(repository, "rev-parse", "HEAD")
    variables = {"CI_MERGE_REQUEST_DIFF_BASE_SHA": base, "CI_MERGE_REQUEST_IID": "7", "GATEWRIGHT_TOKEN": "wrong"}
    done = run(repository, forge, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gatewright note: GET /user: 401 Bad credentials\n" in done.stderr
    assert "wrong" not in done.stderr + done.stdout
    assert (repository / "gatewright-reports" / "report.md").read_text().startswith("### Policy impact")


def test_the_package_must_be_named(repository: Path, forge: Forge) -> None:
    done = run(repository, forge, part="before_script")
    assert done.returncode == 2
    assert "set the variable GATEWRIGHT_PACKAGE" in done.stderr
