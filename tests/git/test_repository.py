"""What git is asked, and what it answers in repositories of every shape."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from webhook.git.repository import GitError, Repository


def git(folder: Path, *arguments: str, given: bytes | None = None) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, input=given).stdout.decode().strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "ä repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    return folder


def commit(folder: Path, **files: bytes) -> str:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "change")
    return git(folder, "rev-parse", "HEAD")


def test_a_commit_is_found_by_every_name_that_git_has_for_it(folder: Path) -> None:
    first = commit(folder, a=b"1")
    git(folder, "tag", "--annotate", "v1", "--message", "one")
    second = commit(folder, a=b"2")
    repository = Repository.of(folder)
    assert repository.top == folder.resolve()
    names = {"HEAD~1": first, "v1": first, "main": second, second[:10]: second, "HEAD^": first, "main@{0}": second}
    assert {name: repository.commit(name) for name in names} == names


@pytest.mark.parametrize("name", ["", "nope", "--all", "v1:a", "HEAD HEAD", "a\0b", "HEAD:", "-"])
def test_what_names_no_commit(folder: Path, name: str) -> None:
    commit(folder, a=b"1")
    with pytest.raises(GitError, match="names no"):
        Repository.of(folder).commit(name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mian", "'mian' names no commit here; did you mean main?"),
        ("v1.10", "'v1.10' names no commit here; did you mean v1.1.0?"),
        ("0000000", "'0000000' names no commit here; expected a branch, a tag or a commit that this clone has"),
        ("HEAD:", "'HEAD:' names no commit here: it is a tree"),
        ("HEAD:a", "'HEAD:a' names no commit here: it is a blob"),
        ("HEAD~7", "'HEAD~7' names no commit here; expected a branch, a tag or a commit that this clone has"),
    ],
)
def test_what_a_revision_is_that_names_no_commit(folder: Path, name: str, said: str) -> None:
    commit(folder, a=b"1")
    git(folder, "tag", "v1.1.0")
    with pytest.raises(GitError) as caught:
        Repository.of(folder).commit(name)
    assert str(caught.value) == said


def test_files_and_contents_are_those_of_the_commit(folder: Path) -> None:
    contents = {"a": b"\0\xff\n", "b": b"", "c": b"x" * 70_000, "\u00e4 \u4e2d": b"1", 'q"\\': b"2"}
    first = commit(folder, **contents)
    commit(folder, a=b"changed")
    repository = Repository.of(folder)
    files = repository.tree(first).files
    assert dict(zip((each.path for each in files), repository.contents(files), strict=True)) == contents
    assert {each.path: each.size for each in files} == {name: len(content) for name, content in contents.items()}
    assert [each.path for each in repository.tree(first, ["b", "absent"]).files] == ["b"]


def test_contents_are_read_in_batches(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhook.git.repository._BATCH", 10)
    first = commit(folder, **{name: name.encode() * 6 for name in "abcdef"})
    repository = Repository.of(folder)
    assert list(repository.contents(repository.tree(first).files)) == [name.encode() * 6 for name in "abcdef"]
    assert list(repository.contents([])) == []


def test_packed_objects_and_worktrees_are_read(folder: Path, tmp_path: Path) -> None:
    first = commit(folder, a=b"1" * 5000)
    commit(folder, a=b"1" * 5000 + b"2")
    git(folder, "gc", "--quiet", "--aggressive")
    git(folder, "worktree", "add", "--quiet", str(tmp_path / "tree"))
    repository = Repository.of(tmp_path / "tree")
    assert repository.top == (tmp_path / "tree").resolve()
    assert list(repository.contents(repository.tree(first).files)) == [b"1" * 5000]


def test_a_content_that_is_not_here_is_named(folder: Path, tmp_path: Path) -> None:
    first = commit(folder, a=b"1")
    repository = Repository.of(folder)
    (file,) = repository.tree(first).files
    (folder / ".git/objects" / file.blob[:2] / file.blob[2:]).unlink()
    with pytest.raises(GitError, match=r"a: its content, .* is not in this repository"):
        list(repository.contents([file]))


def test_what_is_left_out_of_a_work_tree(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    commit(other, a=b"1")
    commit(folder, **{".gitignore": b"build/\n*.log\n"})
    git(folder, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other), "sub")
    (folder / "build").mkdir()
    (folder / "build/x").write_text("")
    (folder / "x.log").write_text("")
    (folder / "untracked").write_text("")
    assert Repository.of(folder).left_out() == (frozenset({"build/", "x.log"}), frozenset({"sub/"}))
    after = commit(folder)
    assert Repository.of(folder).tree(after).submodules == ["sub"]


def test_no_repository_and_no_work_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "none").mkdir()
    with pytest.raises(GitError, match="none is not in a git repository"):
        Repository.of(tmp_path / "none")
    with pytest.raises(GitError, match="absent does not exist"):
        Repository.of(tmp_path / "absent")
    (tmp_path / "bare").mkdir()
    git(tmp_path / "bare", "init", "--quiet", "--bare")
    with pytest.raises(GitError, match="without a work tree"):
        Repository.of(tmp_path / "bare")
    (tmp_path / "file").write_text("")
    with pytest.raises(GitError, match="cannot run git in"):
        Repository.of(tmp_path / "file")
