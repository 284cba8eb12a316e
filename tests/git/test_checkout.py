"""The files of a commit in a folder: sizes, names and links that are not laid out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.git.repositories import Made
from webhook.git import checkout
from webhook.git.checkout import laid_out
from webhook.git.repository import GitError, Repository


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "repository")


def laid(made: Made, commit: str, *below: str) -> tuple[dict[str, bytes], dict[str, str]]:
    """The files that are laid out, links followed, and what is missing."""
    with laid_out(Repository.of(made.folder), commit, below, lambda path: path.endswith(".yaml")) as found:
        files = {
            path.relative_to(found.folder).as_posix(): path.read_bytes()
            for path in sorted(found.folder.rglob("*"))
            if path.is_file()
        }
        kept = found.folder
    assert not kept.exists()
    return files, found.missing


def test_wanted_files_below_the_paths(made: Made) -> None:
    commit = made.commit({"a/x.yaml": "1", "a/x.txt": "2", "b/y.yaml": "3", "z.yaml": "4"})
    assert laid(made, commit) == ({"a/x.yaml": b"1", "b/y.yaml": b"3", "z.yaml": b"4"}, {})
    assert laid(made, commit, "a", "z.yaml")[0].keys() == {"a/x.yaml", "z.yaml"}
    assert laid(made, commit, "absent") == ({}, {})


def test_links_bring_what_they_lead_to(made: Made) -> None:
    files = {"shared/x.txt": "1", "shared/y.yaml": "2", "shared/deep/z.yaml": "3", "shared/more.txt": "4"}
    links = {
        "a/x.yaml": "../shared/x.txt",
        "a/second": "first",
        "a/first": "../shared/deep",
        "a/loop.yaml": "loop.yaml",
    }
    commit = made.commit(files, links)
    found, missing = laid(made, commit, "a")
    assert found["a/x.yaml"] == b"1"
    assert found["shared/deep/z.yaml"] == b"3"
    assert "shared/more.txt" not in found
    assert missing == {}


def test_links_out_of_the_repository(made: Made, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("secret")
    links = {
        "up.yaml": "../secret.yaml",
        "absolute.yaml": str(tmp_path / "secret.yaml"),
        "d/e/there": "../../f",
        "through.yaml": "d/e/there/../../secret.yaml",
    }
    commit = made.commit({"f/x.yaml": "1"}, links)
    found, missing = laid(made, commit)
    found.pop("d/e/there/x.yaml", None)  # rglob enters links from some versions of Python on
    assert found == {"f/x.yaml": b"1"}
    assert missing.keys() == {"up.yaml", "absolute.yaml", "through.yaml"}


def test_sizes_are_bounded(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = made.commit({"a.yaml": "x" * 100, "b.yaml": "y"})
    monkeypatch.setattr(checkout, "MAX_FILE", 99)
    found, missing = laid(made, commit)
    assert (found, set(missing)) == ({"b.yaml": b"y"}, {"a.yaml"})
    monkeypatch.setattr(checkout, "MAX_BYTES", 0)
    with pytest.raises(GitError, match="at most"):
        laid(made, commit)


def test_a_tree_that_git_would_not_make(made: Made) -> None:
    """A link and a folder of one name: nothing is written through the link."""
    commit = made.tree([("120000", "a", "b"), ("tree", "a", {"x.yaml": "1"}), ("tree", "b", {"y.yaml": "2"})])
    found, _ = laid(made, commit)
    assert found == {"a/x.yaml": b"1", "b/y.yaml": b"2"}
