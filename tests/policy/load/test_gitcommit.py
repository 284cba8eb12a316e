"""The revision of a tree in a git repository is its commit, if the files are certainly those of that commit."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from webhook.policy.load.treefiles import read_tree

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="no git on this system")

ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.com",
}


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **ENVIRONMENT})
    return run.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a policy tree in the folder `policies`."""
    root = tmp_path / "repository"
    (root / "policies" / "sub").mkdir(parents=True)
    git(root, "init", "--quiet", "--initial-branch=main")
    for name in ("a.yaml", "sub/b.py", "kustomization.yaml", "_left.yaml", "notes.md"):
        (root / "policies" / name).write_text(f"# {name}\n")
    (root / "other.yaml").write_text("# not a policy\n")
    return _committed(root)


def _committed(root: Path) -> Path:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=a change")
    return root


def _revision(folder: Path) -> str:
    return read_tree(folder, commit=True).revision


def test_a_clean_checkout_is_its_commit(repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    assert _revision(repository / "policies") == head
    assert _revision(repository) == head
    assert read_tree(repository / "policies", repository / "policies" / "sub", commit=True).revision != head  # twice
    assert len(read_tree(repository / "policies").revision) == 16  # not asked for


@pytest.mark.parametrize(
    "pack",
    [("gc", "--quiet"), ("pack-refs", "--all"), ("repack", "-a", "-d", "--quiet"), ("checkout", "--detach", "-q")],
)
def test_packs_and_detached_heads_are_read(repository: Path, pack: tuple[str, ...]) -> None:
    for number in range(20):
        (repository / "policies" / "a.yaml").write_text(f"# {number}\n")
        _committed(repository)
    git(repository, *pack)
    assert _revision(repository / "policies") == git(repository, "rev-parse", "HEAD")


def test_a_worktree_as_git_sync_makes_it_is_its_commit(repository: Path, tmp_path: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repository}", str(clone))
    worktree = tmp_path / "worktrees" / head
    git(clone, "worktree", "add", "--quiet", "--detach", "--no-checkout", str(worktree), head)
    git(worktree, "reset", "--quiet", "--hard", head)
    link = tmp_path / "current"
    link.symlink_to(worktree)
    assert _revision(link / "policies") == head


def _staged(root: Path) -> None:
    (root / "policies" / "a.yaml").write_text("# staged\n")
    git(root, "add", "--all")


def _staged_elsewhere(root: Path) -> None:
    (root / "other.yaml").write_text("# staged\n")
    git(root, "add", "--all")


def _flagged(root: Path) -> None:
    """What git itself is told to overlook."""
    git(root, "update-index", "--assume-unchanged", "policies/a.yaml")
    (root / "policies" / "a.yaml").write_text("# changed\n")


def _unmounted(root: Path) -> None:
    """A worktree whose repository is not there."""
    shutil.rmtree(root / ".git")
    (root / ".git").write_text("gitdir: /nowhere\n")


def _torn(root: Path) -> None:
    index = root / ".git" / "index"
    content = index.read_bytes()
    index.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "policies" / "a.yaml").write_text("# changed\n"),
        lambda root: (root / "policies" / "new.yaml").write_text("# untracked\n"),
        lambda root: (root / "policies" / "a.yaml").unlink(),
        lambda root: git(root, "update-index", "--index-version=4"),
        lambda root: (root / ".git" / "index").unlink(),
        lambda root: (root / ".git" / "index").write_bytes(b"DIRC\0\0\0\2\xff\xff\xff\xff"),
        lambda root: (root / ".git" / "HEAD").write_text("ref: refs/heads/../../other\n"),
        lambda root: (root / ".git" / "HEAD").write_text("ref: refs/heads/none\n"),
        lambda root: shutil.rmtree(root / ".git" / "objects"),
        _unmounted,
        lambda root: shutil.rmtree(root / ".git"),
        _staged,
        _staged_elsewhere,
        _flagged,
        _torn,
    ],
)
def test_anything_else_is_a_digest(repository: Path, change: Callable[[Path], object]) -> None:
    change(repository)
    assert len(_revision(repository / "policies")) == 16
