"""The files of a commit, laid out in a temporary folder as a checkout would, and the user's work tree untouched.

No filter, hook or attribute of the repository is obeyed: what is laid out are the bytes of the commit.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from webhook.git.repository import File, GitError, Repository

MAX_FILE: Final = 256 << 20
"""Bytes of one file, as of one that is read from the work tree."""

MAX_BYTES: Final = 1 << 30
"""Bytes of all files that are laid out."""

_LINKS: Final = 40  # that lead to each other are followed, as Linux does
_LEADS_OUT: Final = "a symbolic link that leads out of the repository"


class Layout(Struct, frozen=True):
    """A commit's files below `folder`. `missing`: path -> why the file is not there; `submodules`: their paths."""

    folder: Path
    missing: dict[str, str]
    submodules: list[str]


@contextlib.contextmanager
def laid_out(
    repository: Repository, commit: str, below: Sequence[str], wanted: Callable[[str], bool]
) -> Iterator[Layout]:
    """The files of a commit below some paths that are `wanted` by their path, for the time of the block.

    Raises GitError, also if they have more than MAX_BYTES.
    """
    tree = repository.tree(commit, below)
    missing: dict[str, str] = {}
    files: list[File] = []
    for file in _with_targets(repository, commit, tree.files, wanted):
        if not _is_safe(file.path):
            missing[file.path] = "this name is not one that git would check out"
        elif file.size > MAX_FILE:
            missing[file.path] = f"larger than {MAX_FILE >> 20} MiB"
        else:
            files.append(file)
    if (size := sum(file.size for file in files)) > MAX_BYTES:
        raise GitError(f"the files of {commit[:12]} have {size >> 20:,} MiB; at most {MAX_BYTES >> 20:,} are read")
    with tempfile.TemporaryDirectory(prefix="gatewright-") as name:
        folder = Path(name).resolve() / repository.top.name  # whose name may be that of a release
        folder.mkdir()
        links: list[tuple[Path, File, bytes]] = []
        for file, content in zip(files, repository.contents(files), strict=True):
            path = folder / file.path
            if file.is_link:
                links.append((path, file, content))
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        for path, file, content in links:
            target = os.fsdecode(content)
            if target.startswith("/") or not target or "\0" in target or not _within(folder, path.parent):
                missing[file.path] = _LEADS_OUT
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                with contextlib.suppress(FileExistsError):  # a tree that git would not make
                    path.symlink_to(target)
        for path, file in [(path, file) for path, file, _ in links if not _within(folder, path)]:
            missing[file.path] = _LEADS_OUT
            path.unlink(missing_ok=True)
        yield Layout(folder, missing, tree.submodules)


def _with_targets(
    repository: Repository, commit: str, below: Sequence[File], wanted: Callable[[str], bool]
) -> list[File]:
    """The wanted files, all symbolic links, and what these lead to: wanted files below a folder, and the file that a
    link of a wanted name is."""
    files = {file.path: file for file in below if file.is_link or wanted(file.path)}
    pending = [file for file in files.values() if file.is_link]
    everything = repository.tree(commit).files if pending else []
    for _ in range(_LINKS):
        if not pending:
            break
        targets: dict[str, bool] = {}  # path -> whether a file there is wanted whatever its name
        for link, content in zip(pending, repository.contents(pending), strict=True):
            folder = link.path.rpartition("/")[0]
            target = os.path.normpath(os.path.join(folder, os.fsdecode(content)))  # noqa: PTH118  # of texts
            targets[target] = targets.get(target, False) or wanted(link.path)
        reached = [
            file
            for file in everything
            if file.path not in files
            and (targets.get(file.path) or ((file.is_link or wanted(file.path)) and _is_below(file.path, targets)))
        ]
        files |= {file.path: file for file in reached}
        pending = [file for file in reached if file.is_link]
    return list(files.values())


def _is_below(path: str, folders: Collection[str]) -> bool:
    return "." in folders or any(path[:at] in folders for at in range(len(path)) if path[at] == "/")


def _is_safe(path: str) -> bool:
    return not path.startswith("/") and not any(
        part in ("", ".", "..") or part.lower() == ".git" for part in path.split("/")
    )


def _within(folder: Path, path: Path) -> bool:
    """Whether a path leads to something in the folder, through whatever links there are."""
    return os.path.commonpath([folder, os.path.realpath(path)]) == os.fspath(folder)
