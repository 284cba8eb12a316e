"""The files for GitHub, pre-commit and the release agree with the Makefile, .ci/run and pyproject.toml."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("[0-9]*.yml"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TARGETS = re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def steps_of(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


CHECKS = read(ROOT / ".github/workflows/checks.yml")["jobs"]["checks"]


def test_the_workflow_runs_the_steps_of_ci_run() -> None:
    lines = [line.strip() for line in (ROOT / ".ci/run").read_text().splitlines()]
    assert steps_of(CHECKS) == [line for line in lines if re.match(r"(make|\.venv/bin/\S+) ", line)]


def test_the_workflow_runs_on_all_pythons_from_the_oldest_that_is_supported() -> None:
    oldest = re.fullmatch(r">=3\.(\d+)", PYPROJECT["project"]["requires-python"])
    assert oldest is not None
    versions = [tuple(map(int, version.split("."))) for version in CHECKS["strategy"]["matrix"]["python"]]
    assert versions == [(3, minor) for minor in range(int(oldest[1]), versions[-1][1] + 1)]
    assert versions[-1] >= (3, 14)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_one_and_has_few_rights(path: Path) -> None:
    workflow = read(path)
    # YAML 1.1 reads the key `on` as true.
    assert set(workflow) == {"name", True, "permissions", "concurrency", "jobs"}
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            if "uses" in step:
                assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", step["uses"]), step["uses"]
    for line in path.read_text().splitlines():
        assert "uses:" not in line or re.search(r"  # v\d+\.\d+\.\d+$", line), f"no version beside the commit: {line}"


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_an_issue_form_has_what_github_asks_for(path: Path) -> None:
    form = read(path)
    assert {"name", "description", "body"} <= set(form)
    fields = [element for element in form["body"] if element["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields) > 0
    for element in form["body"]:
        assert element["type"] in {"markdown", "textarea", "input", "dropdown", "checkboxes"}
        assert element["attributes"]["value" if element["type"] == "markdown" else "label"]


def test_dependabot_looks_at_each_kind_of_dependency() -> None:
    config = read(ROOT / ".github/dependabot.yml")
    found: dict[str, set[str]] = {}
    for update in config["updates"]:
        assert update["schedule"]["interval"] in {"weekly", "monthly"}
        found[update["package-ecosystem"]] = set(update.get("directories") or [update["directory"]])
    modules = {"/" + path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("go.mod")}
    assert found == {"pip": {"/"}, "github-actions": {"/"}, "docker": {"/"}, "gomod": modules}


def test_pre_commit_takes_its_configuration_and_its_tools_are_those_of_the_lock() -> None:
    command = [sys.executable, "-m", "pre_commit", "validate-config", ".pre-commit-config.yaml"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    (repository,) = read(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    locked = re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements-dev.lock").read_text(), re.MULTILINE)
    for hook in repository["hooks"]:
        program, *arguments = shlex.split(hook["entry"])
        if program == "make":
            assert arguments[0] in TARGETS
        elif hook["language"] != "pygrep":
            assert program.removeprefix(".venv/bin/") in locked


EXTRAS = {
    "requirements-check.lock": (),
    "requirements.lock": ("server", "cluster"),
    "requirements-otel.lock": ("server", "cluster", "otel"),
    "requirements-dev.lock": ("server", "cluster", "otel", "coverage"),
}
"""The extras of which each lock has the packages."""


@pytest.mark.parametrize("lock", EXTRAS)
def test_the_lock_files_have_what_pyproject_asks_for(lock: str) -> None:
    wanted = list(PYPROJECT["project"]["dependencies"])
    extras = PYPROJECT["project"]["optional-dependencies"]
    for extra in EXTRAS[lock]:
        wanted += extras[extra]
    if lock == "requirements-dev.lock":
        wanted += PYPROJECT["dependency-groups"]["dev"]
    text = (ROOT / lock).read_text()
    locked: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;]+)", text, re.MULTILINE):
        locked.setdefault(canonicalize_name(name), set()).add(version)
    for requirement in map(Requirement, wanted):
        versions = locked.get(canonicalize_name(requirement.name), set())
        assert versions, f"{requirement} is not in {lock}: run `make lock`"
        assert all(version in requirement.specifier for version in versions), f"{lock} is stale: run `make lock`"
    assert "://" not in text, "a lock names no registry"
    left_out = {
        canonicalize_name(Requirement(each).name) for name in extras.keys() - {*EXTRAS[lock]} for each in extras[name]
    }
    assert not left_out & locked.keys()
    if lock == "requirements-check.lock":
        lines = {line for line in text.splitlines() if line[:1].isalnum()}
        assert lines <= {*(ROOT / "requirements.lock").read_text().splitlines()}, "the same versions as the server's"


def test_each_place_of_the_release_has_the_version() -> None:
    version = PYPROJECT["project"]["version"]
    for file, place in {
        "Dockerfile": f"ARG VERSION={version}\n",
        "manifests/overlays/enforcing/kustomization.yaml": f"newTag: {version}\n",
        "docs/operations/install.md": f"/gatewright:{version}",
        "manifests/chart/Chart.yaml": f"\nversion: {version}\nappVersion: {version}\n",
    }.items():
        assert place in (ROOT / file).read_text(), f"{file} has another version than pyproject.toml: {version}"
        assert f"`{file}`" in (ROOT / "CONTRIBUTING.md").read_text()
