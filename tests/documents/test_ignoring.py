from __future__ import annotations

import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.timing import within
from webhook.documents.ignoring import Ignoring


def excluded(patterns: str, path: str) -> bool:
    """Whether the patterns leave a file out, itself or one of the folders that it is in."""
    ignoring = Ignoring(patterns.splitlines(), "test")
    steps = path.split("/")
    folders = ("/".join(steps[:count]) for count in range(1, len(steps)))
    return any(ignoring.excludes(folder, folder=True) for folder in folders) or ignoring.excludes(path, folder=False)


@pytest.mark.parametrize(
    ("patterns", "out", "kept"),
    [
        ("*.json", ["a.json", "x/y.json"], ["a.json.yaml"]),
        ("vendor/", ["vendor/a.yaml", "x/vendor/b/c.yaml"], ["vendor", "vendors/a.yaml"]),
        ("/charts", ["charts/a.yaml"], ["x/charts/a.yaml"]),
        ("a/*.yaml", ["a/b.yaml"], ["x/a/b.yaml", "a/b/c.yaml"]),
        ("a/**/z.yaml", ["a/z.yaml", "a/b/c/z.yaml"], ["b/a/z.yaml"]),
        ("**/test/**", ["test/a", "x/test/y/z"], ["tests/a"]),
        ("*.yaml\n!keep.yaml", ["a.yaml"], ["keep.yaml", "x/keep.yaml"]),
        ("x/\n!x/keep.yaml", ["x/keep.yaml"], ["y/keep.yaml"]),
        ("# a comment\n\n\\#a\n\\!b", ["#a", "!b"], ["a", "b"]),
        ("a \nb\\ ", ["a", "b "], ["a ", "b"]),
        ("[a-c]?[!x]", ["a11", "cyy"], ["d11", "a1x", "a/1"]),
        ("[[:digit:]]x", ["1x"], ["ax"]),
        ("[", [], ["["]),
    ],
)
def test_patterns_are_those_of_gitignore(patterns: str, out: list[str], kept: list[str]) -> None:
    assert [path for path in out if not excluded(patterns, path)] == []
    assert [path for path in kept if excluded(patterns, path)] == []


NAMES = ("a", "b", "ab", "a.yaml", ".h", "a b", "x[1]", "A")
PARTS = ("*", "?", "a", "b", "/", "[ab]", "[!a]", "[^b]", "[a-z]", "\\*", ".", "!", "#", " ", "ya", "[[:alpha:]]", "[")


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not here")
def test_git_leaves_out_the_same(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    paths = [f"{one}{two}" for one in NAMES for two in ("", *(f"/{name}" for name in NAMES), "/a/b", "/b/a.yaml")]
    chance = random.Random(7)
    for _ in range(150):
        patterns = [
            "".join(chance.choice(PARTS) for _ in range(chance.randint(1, 4))) for _ in range(chance.randint(1, 3))
        ]
        patterns += chance.choice(([], ["**/a"], ["a/**"], ["/b/**/a"], ["!a.yaml"]))
        (tmp_path / ".gitignore").write_text("\n".join(patterns) + "\n")
        command = ["git", "-C", str(tmp_path), "check-ignore", "--no-index", "-v", "-n", "-z", "--stdin"]
        told = subprocess.run(command, input="\0".join(paths), capture_output=True, text=True, check=False).stdout
        fields = told.split("\0")[:-1]
        by_git = {fields[at + 3]: fields[at + 2] for at in range(0, len(fields), 4)}
        text = "\n".join(patterns)
        for path in paths:
            assert excluded(text, path) == (by_git[path] != "" and not by_git[path].startswith("!")), (patterns, path)


def test_a_hostile_pattern_takes_no_time() -> None:
    with within(5, time.process_time):
        assert not excluded("*a" * 100 + "b", "a" * 200 + "/" + "a" * 255)


def test_patterns_without_bounds_are_refused() -> None:
    with pytest.raises(ValueError, match="line 2: a pattern of more than 4,096 characters"):
        Ignoring(["a", "b" * 5000], "f")
    with pytest.raises(ValueError, match="f: more than 10,000 patterns"):
        Ignoring(["a"] * 10_001, "f")
