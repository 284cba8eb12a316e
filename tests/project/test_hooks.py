"""The hooks for pre-commit, run by pre-commit in a repository that uses them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.amounts import ALL
from tests.project import scratch
from tests.timing import HANGING

ROOT = Path(__file__).parents[2]
HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
BIN = Path(sys.executable).parent


def pre_commit(repository: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    home = repository.parent / "pre-commit"
    environment = scratch.environment(
        repository.parent, PRE_COMMIT_HOME=str(home), PRE_COMMIT_COLOR="never", **variables
    )
    return subprocess.run(
        [str(BIN / "pre-commit"), *arguments],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


def statuses(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Name of each hook -> Passed, Failed or Skipped."""
    lines = [line for line in done.stdout.splitlines() if line.endswith(("Passed", "Failed", "Skipped"))]
    return {line.partition("..")[0]: line.rpartition(".")[2].rpartition(")")[2] for line in lines}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose hooks are ours, with the command of this environment: pre-commit installs nothing."""
    folder = scratch.made(tmp_path / "repository")
    local = [{**hook, "language": "unsupported", "entry": f"{BIN}/{hook['entry']}"} for hook in HOOKS]
    config = {"repos": [{"repo": "local", "hooks": local}]}
    (folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    scratch.commit(folder, "hooks")
    return folder


NAMES = ("gatewright check", "gatewright check --since HEAD", "gatewright test", "gatewright lint")


def test_a_repository_without_faults_passes(repository: Path) -> None:
    done = pre_commit(repository, "run", "--all-files")
    assert statuses(done) == dict.fromkeys(NAMES, "Passed"), done.stdout


def test_a_commit_with_a_denied_manifest_is_refused(repository: Path) -> None:
    """By git itself, with the variables that it gives to hooks; what is not staged is not judged."""
    assert pre_commit(repository, "install").returncode == 0
    (repository / "deploy" / "new.yaml").write_text(scratch.deployment("new", "new:latest"))
    scratch.git(repository, "add", "deploy/new.yaml")
    (repository / "deploy" / "web.yaml").write_text(scratch.deployment("web", "web:latest"))
    environment = scratch.environment(repository.parent, PRE_COMMIT_HOME=str(repository.parent / "pre-commit"))
    with pytest.raises(subprocess.CalledProcessError) as refused:
        scratch.git(repository, "commit", "--message", "denied", env=environment)
    said = refused.value.stderr + refused.value.stdout
    assert "deny no-latest" in said
    assert "deploy/new.yaml" in said
    assert "deploy/web.yaml" not in said
    assert "1 created, 0 updated, 0 deleted, 1 unchanged" in said
    assert scratch.git(repository, "log", "--format=%s", "-1") == "hooks"

    (repository / "deploy" / "new.yaml").write_text(scratch.deployment("new", "new:2"))
    scratch.git(repository, "add", "deploy/new.yaml")
    scratch.git(repository, "commit", "--message", "allowed", env=environment)
    assert scratch.git(repository, "log", "--format=%s", "-1") == "allowed"
    assert "web:latest" in (repository / "deploy" / "web.yaml").read_text()  # what was not staged is back


def test_each_hook_fails_for_its_own_fault(repository: Path) -> None:
    for file, was, now in (
        ("policies/no-latest/tests.yaml", "expect: deny", "expect: warn"),
        ("policies/no-latest/policy.yaml", "[deployments]", "[deployments, Deployment]"),
        ("deploy/web.yaml", "web:1", "web:latest"),
    ):
        path = repository / file
        path.write_text(path.read_text().replace(was, now))
    scratch.git(repository, "add", "--all")
    done = pre_commit(repository, "run")
    assert statuses(done) == dict.fromkeys(NAMES, "Failed")
    for said in ("deny no-latest", "there is no resource 'Deployment'", "expected warn, got deny", "1 updated"):
        assert said in done.stdout


def test_other_files_run_no_hook(repository: Path) -> None:
    (repository / "notes.txt").write_text("later")
    scratch.git(repository, "add", "--all")
    assert statuses(pre_commit(repository, "run")) == dict.fromkeys(NAMES, "Skipped")


def test_the_hooks_are_ones_that_pre_commit_takes() -> None:
    done = subprocess.run(
        [str(BIN / "pre-commit"), "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml")],
        capture_output=True,
        text=True,
        check=False,
        timeout=HANGING,
    )
    assert done.returncode == 0, done.stdout
    assert {hook["language"] for hook in HOOKS} == {"python"}
    assert {hook["entry"].split()[0] for hook in HOOKS} == {"gatewright"}
    assert not any(hook["pass_filenames"] for hook in HOOKS)


def offline() -> bool:
    """Whether neither PyPI nor the index that pip is configured with answers."""
    try:
        found = subprocess.run(
            [sys.executable, "-m", "pip", "index", "versions", "six", "--retries", "0", "--timeout", "10"],
            capture_output=True,
            check=False,
            timeout=HANGING,
        )
    except subprocess.TimeoutExpired:
        return True
    return found.returncode != 0


@pytest.mark.skipif(not ALL, reason="installs everything anew, for a minute: make soak")
def test_pre_commit_installs_and_runs_them_from_a_commit(tmp_path: Path) -> None:
    """As a user has it: `repo:` and `rev:`, from which pre-commit installs Gatewright and what it needs."""
    if offline():
        pytest.skip("no package index can be reached: pre-commit could install nothing")
    source = tmp_path / "gatewright"
    source.mkdir()
    listed = scratch.git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    for name in listed:
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/")):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    scratch.git(source, "init", "--quiet")
    revision = scratch.commit(source, "as it is now")
    repository = scratch.made(tmp_path / "repository")
    hooks = [{"id": hook["id"]} for hook in HOOKS]
    config = {"repos": [{"repo": str(source), "rev": revision, "hooks": hooks}]}
    (repository / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    (repository / "deploy" / "new.yaml").write_text(scratch.deployment("new", "new:latest"))
    scratch.git(repository, "add", "--all")
    index = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "REQUESTS_"))}
    done = pre_commit(repository, "run", "--all-files", **index)
    expected = ("Failed", "Failed", "Passed", "Passed")
    assert statuses(done) == dict(zip(NAMES, expected, strict=True)), done.stdout + done.stderr
    assert "deny no-latest" in done.stdout
