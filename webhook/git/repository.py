"""A git repository, as the git program sees it.

git itself is asked: it knows worktrees, packs of every kind, replaced objects, SHA-256, shallow and partial clones.
Only commands that read are run, without hooks, and without the program that a repository's configuration may name as
file system monitor.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from webhook.nearest import nearest

_OPTIONS: Final = ("--no-pager", "--literal-pathspecs", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
_SHOWN: Final = 500  # characters of what git says
_BATCH: Final = 64 << 20  # bytes of files that are read at once
_LINE: Final = 200  # bytes that describe a file in what git prints
_NAMES: Final = 500  # of branches and tags among which a similar one is looked for
_NOT_FOUND: Final = "Needed a single revision"  # git's words
_SUBMODULE: Final = "160000"


class GitError(Exception):
    """A failure of git, in its own words or ours, with a remedy."""


class File(Struct, frozen=True):
    """A file of a commit. `path`: relative to the top, with `/`. `mode`: "100644", "100755" or "120000" (a link)."""

    path: str
    mode: str
    blob: str
    size: int  # bytes

    @property
    def is_link(self) -> bool:
        return self.mode == "120000"


class Tree(Struct, frozen=True):
    """The files of a commit below some paths. `submodules`: paths whose files are in other repositories."""

    files: list[File]
    submodules: list[str]


class Repository(Struct, frozen=True):
    """The repository of a work tree. `top`: its uppermost folder, without symbolic links."""

    top: Path

    @staticmethod
    def of(folder: Path) -> Repository:
        """The repository that a folder is in. Raises GitError."""
        try:
            inside = _git(folder, "rev-parse", "--is-inside-work-tree")
        except GitError as error:
            if "not a git repository" in str(error):
                raise GitError(f"{folder} is not in a git repository") from None
            raise
        if inside.strip() != "true":
            raise GitError(f"{folder} is in a git repository without a work tree")
        return Repository(Path(os.path.realpath(_git(folder, "rev-parse", "--show-toplevel").rstrip("\n"))))

    def commit(self, revision: str) -> str:
        """The commit that a revision names, as its full hash. Raises GitError."""
        if not revision or "\0" in revision:
            raise GitError(f"{revision!r} names no revision")
        try:
            found = _git(self.top, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
        except GitError as error:
            text = str(error).removeprefix("fatal: ")
            why = self._unknown(revision) if text == _NOT_FOUND else f": {text}"
            raise GitError(f"{revision!r} names no commit here{why}{self._advice()}") from None
        return found.strip()

    def tree(self, commit: str, below: Sequence[str] = ()) -> Tree:
        """The files of a commit, of the whole repository or below paths relative to the top. Raises GitError."""
        paths = ["--", *below] if below and "." not in below else []
        listed = _git(self.top, "ls-tree", "-r", "-z", "--long", "--full-tree", commit, *paths)
        files, submodules = [], []
        for line in listed.split("\0")[:-1]:
            described, _, path = line.partition("\t")
            mode, _, blob, size = described.split()
            if mode == _SUBMODULE:
                submodules.append(path)
            else:
                files.append(File(path, mode, blob, int(size)))
        return Tree(files, submodules)

    def contents(self, files: Sequence[File]) -> Iterator[bytes]:
        """The content of each file, in order. Raises GitError for one that is not here, as in a partial clone."""
        for batch in _batches(files):
            wanted = "".join(f"{file.blob}\n" for file in batch)
            output = memoryview(_run(self.top, "cat-file", "--batch", given=wanted.encode()))
            for file in batch:
                content, output = _content(output, file)
                yield content

    def left_out(self) -> tuple[frozenset[str], frozenset[str]]:
        """The parts of the work tree that are not under version control: the paths that git ignores, and the
        submodules.

        Paths are relative to the top; folders end with `/`. Raises GitError.
        """
        listed = _git(self.top, "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory")
        staged = _git(self.top, "ls-files", "-z", "--stage")
        submodules = (each.partition("\t")[2] for each in staged.split("\0") if each.startswith(_SUBMODULE))
        return frozenset(listed.split("\0")[:-1]), frozenset(f"{each}/" for each in submodules)

    def ask(self, *arguments: str) -> str:
        """The output of git, run in the top folder. Raises GitError."""
        return _git(self.top, *arguments)

    def _unknown(self, revision: str) -> str:
        """What is known of a revision that is no commit: what it is instead, or a name like it."""
        try:
            kind = _git(self.top, "cat-file", "-t", "--end-of-options", revision).strip()
        except GitError:
            names = _git(self.top, "for-each-ref", f"--count={_NAMES}", "--format=%(refname:short)")
            close = nearest(revision, names.split("\n")[:-1])
            return f"; did you mean {close}?" if close else "; expected a branch, a tag or a commit that this clone has"
        return f": it is a {kind}"

    def _advice(self) -> str:
        if _git(self.top, "rev-parse", "--is-shallow-repository").strip() == "true":
            return (
                "; this is a shallow clone, which lacks older commits: fetch them with `git fetch --unshallow`, or set "
                "`fetch-depth: 0` for actions/checkout"
            )
        return ""


def _batches(files: Sequence[File]) -> Iterator[list[File]]:
    batch: list[File] = []
    for file in files:
        if batch and sum(each.size for each in batch) + file.size > _BATCH:
            yield batch
            batch = []
        batch.append(file)
    if batch:
        yield batch


def _content(output: memoryview, file: File) -> tuple[bytes, memoryview]:
    """The first content of what `cat-file --batch` prints, and the rest."""
    line = bytes(output[:_LINE]).partition(b"\n")[0]
    described = line.split()
    if len(described) != 3 or described[1] != b"blob":
        raise GitError(f"{file.path}: its content, {file.blob}, is not in this repository; fetch it first")
    begin, end = len(line) + 1, len(line) + 1 + int(described[2])
    return bytes(output[begin:end]), output[end + 1 :]


def _environment() -> dict[str, str]:
    """No prompt for a password, no locks, and git's own words in English."""
    kept = {name: value for name, value in os.environ.items() if name not in ("GIT_DIR", "GIT_WORK_TREE")}
    return {**kept, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"}


def _git(folder: Path, *arguments: str) -> str:
    """The output of git. Raises GitError."""
    return os.fsdecode(_run(folder, *arguments))


def _run(folder: Path, *arguments: str, given: bytes = b"") -> bytes:
    """The output of git. given: its input. Raises GitError."""
    command = ["git", *_OPTIONS, *arguments]
    try:
        done = subprocess.run(  # noqa: S603  # a list, and revisions stand behind --end-of-options
            command, cwd=folder, env=_environment(), input=given, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise GitError("git is not installed" if folder.is_dir() else f"{folder} does not exist") from None
    except OSError as error:
        raise GitError(f"cannot run git in {folder}: {error.strerror}") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise GitError((said[0] if said else f"git {arguments[0]} failed with exit code {done.returncode}")[:_SHOWN])
    return done.stdout
