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

from tests.amounts import ALL, amount
from tests.forge.servers import Forge, serving
from tests.project import scratch
from tests.timing import HANGING

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
        timeout=HANGING,
    )


@pytest.mark.parametrize("shell", SHELLS[: amount(3, 1)])
def test_a_merge_request_gets_one_note_and_its_reports(shell: str, repository: Path, forge: Forge) -> None:
    variables = {
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": scratch.enforced(repository, "bare app.yaml"),
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


@pytest.mark.parametrize("shell", SHELLS if ALL else SHELLS[-1:])
def test_paths_are_names_and_no_code(shell: str, repository: Path, forge: Forge) -> None:
    scratch.enforced(repository, "bare app.yaml")
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


def test_to_install_runs_nothing_of_the_repository(repository: Path, tmp_path: Path, forge: Forge) -> None:
    """Not even a folder of the package's name and address. Nothing listens there, so that pip ends with an error."""
    package = "gatewright[coverage] @ https://127.0.0.1:1/gatewright-0.1.0-py3-none-any.whl"
    scratch.shadowing(repository, package)
    (tmp_path / "temp").mkdir()
    variables = {"PIP_NO_INDEX": "1", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
    done = run(
        repository, forge, part="before_script", GATEWRIGHT_PACKAGE=package, TMPDIR=str(tmp_path / "temp"), **variables
    )
    assert not list(tmp_path.rglob("ran"))
    assert done.returncode == 1
    assert "host='127.0.0.1', port=1" in done.stderr
    assert list(tmp_path.glob("temp/*/bin/pip"))


def test_reports_of_the_repository_are_not_used(repository: Path, tmp_path: Path, forge: Forge) -> None:
    """A merge request brings the folder of the reports, with links to a file elsewhere, and a file of its own."""
    base = scratch.enforced(repository, "bare app.yaml")
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    reports = repository / "gatewright-reports"
    reports.mkdir()
    (reports / "own.txt").write_text("of the merge request")
    parts = ("impact", "coverage", "test", "lint", "check", "report")
    for name in (*(f"{part}.md" for part in parts), "quality.json", "test.xml", "check.xml", "coverage.xml"):
        (reports / name).symlink_to(secret)
    scratch.commit(repository, "reports")
    # impact ends before it writes.
    variables = {"CI_MERGE_REQUEST_DIFF_BASE_SHA": base, "CI_MERGE_REQUEST_IID": "7", "GATEWRIGHT_TOKEN": "t-ann"}
    done = run(repository, forge, GATEWRIGHT_IMPACT_FAIL_ON="nonsense", **variables)
    assert done.returncode == 2
    assert secret.read_text() == "s3cret"
    (note,) = forge.comments
    assert "s3cret" not in note["body"]
    found = list(reports.iterdir())
    assert not any(each.is_symlink() for each in found)
    names = {"coverage.md", "test.md", "lint.md", "check.md", "report.md"}
    assert {each.name for each in found} == names | {"quality.json", "test.xml", "check.xml", "coverage.xml"}

    # The folder itself is a link.
    (tmp_path / "elsewhere").mkdir()
    shutil.rmtree(reports)
    reports.symlink_to(tmp_path / "elsewhere")
    assert run(repository, forge, **variables).returncode == 1
    assert not list((tmp_path / "elsewhere").iterdir())
    assert (reports / "impact.md").read_text().startswith("### Policy impact: ")


READS = """\
import logging

from gatewright import Request, validate

print("token:", logging.os.environ.get("GATEWRIGHT_TOKEN"))


@validate(resources=["v1/configmaps"], operations=["CREATE"])
def reads(request: Request, params: object) -> list[str]:
    return []
"""


def test_policies_run_without_the_token(repository: Path, forge: Forge) -> None:
    base = scratch.git(repository, "rev-parse", "HEAD")
    (repository / "policies" / "policy.py").write_text(READS)
    variables = {"CI_MERGE_REQUEST_DIFF_BASE_SHA": base, "CI_MERGE_REQUEST_IID": "7", "GATEWRIGHT_TOKEN": "t-ann"}
    done = run(repository, forge, **variables)
    assert done.stderr.count("token: None\n") >= 3
    assert "t-ann" not in done.stdout + done.stderr
    assert len(forge.comments) == 1
