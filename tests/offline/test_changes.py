"""The requests between two revisions of a generated repository, against those that its history asks for.

The history is generated together with what each commit means: which objects are where, with which content. The
requests between two commits follow from that by comparing two dictionaries, without files, git or YAML.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.amounts import amount
from tests.offline.states import State, expected, manifest, sent

COMMITS: Final = 80
PAIRS: Final = amount(1000, 20)
KINDS: Final = ("ConfigMap", "Secret", "Service", "Deployment", "ClusterRole")


class History:
    """A repository of 80 commits: objects are added, edited, deleted, moved, files renamed, comments changed."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self._random = random.Random(seed)
        self._state: State = {}
        self.states: list[State] = []
        folder.mkdir()
        self.git("init", "--quiet")
        commits = []
        for number in range(COMMITS):
            for _ in range(self._random.randint(1, 5)):
                self._change()
            commits.append(self._commit(number))
        self.git("fast-import", "--quiet", f"--export-marks={folder / '.git' / 'marks'}", given="".join(commits))
        marks = dict(line.split() for line in (folder / ".git" / "marks").read_text().splitlines())
        self.hashes = [marks[f":{number + 1}"] for number in range(COMMITS)]
        self.git("reset", "--quiet", "--hard", "main")

    def git(self, *arguments: str, given: str = "") -> None:
        subprocess.run(["git", *arguments], cwd=self.folder, check=True, capture_output=True, input=given.encode())

    def _file(self) -> str:
        chance = self._random
        return f"{chance.choice(('deploy', 'deploy/base', 'clusters/ö'))}/{chance.choice('abcdef')}.yaml"

    def _change(self) -> None:
        chance, state = self._random, self._state
        known = sorted(state)
        what = chance.choice(("add", "add", "edit", "edit", "delete", "move", "rename", "move and edit"))
        if what == "add" or not known:
            kind = chance.choice(KINDS)
            identity = (
                kind,
                "" if kind == "ClusterRole" else chance.choice(("default", "shop")),
                f"o{chance.randrange(30)}",
            )
            state.setdefault(identity, (self._file(), chance.randrange(5)))
            return
        identity = chance.choice(known)
        file, content = state[identity]
        if what == "edit":
            state[identity] = file, chance.randrange(5)
        elif what == "delete":
            del state[identity]
        elif what == "move":
            state[identity] = self._file(), content
        elif what == "move and edit":
            state[identity] = self._file(), chance.randrange(5)
        else:
            other = self._file()
            for each, (held, number) in list(state.items()):
                if held == file:
                    state[each] = other, number

    def _commit(self, number: int) -> str:
        """The state as a commit, in the language of `git fast-import`."""
        by_file: dict[str, list[str]] = {}
        for identity, (file, content) in self._state.items():
            by_file.setdefault(file, []).append(manifest(identity, content, self._random.randrange(100)))
        made = [f"commit refs/heads/main\nmark :{number + 1}\ncommitter a <a@example.com> {number} +0000\ndata 0\n"]
        made.append("deleteall\n")
        for file, texts in by_file.items():
            self._random.shuffle(texts)
            text = "---\n".join(texts)
            made.append(f'M 100644 inline "{file}"\ndata {len(text)}\n{text}\n')
        self.states.append(dict(self._state))
        return "".join(made)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    return History(tmp_path_factory.mktemp("history") / "repository", seed=12)


@pytest.fixture
def inside(history: History, monkeypatch: pytest.MonkeyPatch) -> Iterator[History]:
    monkeypatch.chdir(history.folder)
    yield history


def test_between_two_commits_every_request_is_sent_and_no_other(inside: History) -> None:
    chance = random.Random(7)
    seen: set[str] = set()
    for _ in range(PAIRS):
        old, new = sorted(chance.sample(range(COMMITS), 2), reverse=chance.random() < 0.2)
        got = sent(inside.hashes[old], inside.hashes[new], ["."])
        assert len(got) == len(set(got)), (old, new)
        assert set(got) == expected(inside.states[old], inside.states[new]), (old, new)
        seen |= {operation for operation, *_ in got}
    assert seen == {"CREATE", "UPDATE", "DELETE"}


def test_the_work_tree_is_the_new_side_with_what_is_not_committed(inside: History) -> None:
    last = inside.states[-1]
    assert set(sent(inside.hashes[0], "", ["."])) == expected(inside.states[0], last)
    added = ("ConfigMap", "default", "added")
    path = inside.folder / "deploy" / "added.yaml"
    path.write_text(manifest(added, 1, 1))
    try:
        assert sent("HEAD", "", ["."]) == [("CREATE", added, None, 1)]
    finally:
        path.unlink()


def test_a_path_is_compared_by_itself(inside: History) -> None:
    """What moves out of the paths is deleted from them."""

    def within(state: State) -> State:
        return {each: held for each, held in state.items() if held[0].startswith("clusters/")}

    for old, new in ((10, 70), (30, 31), (79, 0)):
        wanted = expected(within(inside.states[old]), within(inside.states[new]))
        assert set(sent(inside.hashes[old], inside.hashes[new], ["clusters"])) == wanted
