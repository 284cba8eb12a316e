"""Finds and reads the files of a policy tree.

A tree is read once, into memory, and loaded from there. So everything that is loaded belongs to one state of the files,
and several processes can load the same.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from webhook.digests import sha256
from webhook.documents import files, reader
from webhook.documents.reader import Problem
from webhook.policy.load.gitcommit import commit_of

_SUFFIXES = (*reader.SUFFIXES, ".py")
_KUSTOMIZATIONS = frozenset({"kustomization.yaml", "kustomization.yml"})  # they contain lists of files, not policies

VARIANTS: Final = "_binding."
"""The prefix of files with bindings that are kept beside a policy and not loaded."""

MAX_BYTES = 256 << 20
"""The most bytes of all files together. A larger tree is a mistake."""

MAX_ENTRIES = 100_000
"""The most files and folders, with any names. The server checks them every second."""

MAX_DEPTH = 64
"""The greatest depth of nested folders."""

NONE_PACKED: Mapping[str, Packed] = MappingProxyType({})

Stamp = tuple[tuple[object, ...], ...]
"""What the file system says of a tree's files and folders. It differs if any of them was written or replaced."""


class TreeFile(Struct, frozen=True):
    """A file: its name as messages show it, and its content."""

    name: str
    content: bytes


class Packed(Struct, frozen=True):
    """A policy tree that is not on disk, such as that of a bundle. `shown`: the prefix of its files' names in messages.

    files: relative path with "/" -> content, sorted. `revision`: what identifies them.
    """

    shown: str
    files: tuple[tuple[str, bytes], ...]
    revision: str


class Tree(Struct, frozen=True):
    """The content of one or several policy folders or files. `names`: theirs, as given.

    `problems`: what could not be read; such a tree cannot be loaded. `revision`: the git commit of the files, 40
    hexadecimal digits, if they are exactly those of one; else 16 digits of their digest.
    `imports`: modules that its Python policies may import beside webhook.policy.python.allowed.DEFAULT.
    `packed`: those of `names` that are not on disk, each with its files. One alone gives the tree its revision.
    `libraries`: folders with a binding that is not loaded, `_binding.NAME.yaml`: a policy there may wait to be enabled.
    """

    names: tuple[str, ...]
    files: tuple[TreeFile, ...]
    problems: tuple[Problem, ...]
    revision: str
    imports: tuple[str, ...] = ()
    packed: tuple[tuple[str, Packed], ...] = ()
    libraries: frozenset[str] = frozenset()

    def waits(self, file: str) -> bool:
        """Whether this file is beside bindings that are not loaded, so that its policy may be unbound on purpose."""
        return str(FilePath(file).parent) in self.libraries


def read_tree(
    *roots: str | os.PathLike[str],
    commit: bool = False,
    imports: Iterable[str] = (),
    packed: Mapping[str, Packed] = NONE_PACKED,
) -> Tree:
    """Read all files below the folders that may contain policies: *.yaml, *.yml, *.json and *.py.

    Folder entries with a name that starts with `.` or `_` are skipped, and kustomizations. A root may also be a file,
    or a pipe with YAML or JSON. Never raises OSError: what cannot be read is among the problems. `commit`: look for the
    git commit of the files; otherwise the revision is their digest. `packed`: roots that are not on disk.
    """
    names = tuple(map(str, roots))
    read: list[TreeFile] = []
    problems: list[Problem] = []
    parts: list[tuple[int, str, bytes]] = []  # of the digest
    seen: set[files.Identity] = set()
    contents: list[dict[str, bytes]] = [{} for _ in names]
    left = MAX_BYTES
    libraries = set[str]()
    for number, name in enumerate(names):
        if name in packed:
            for relative, text in packed[name].files:
                read.append(TreeFile(f"{packed[name].shown}/{relative}", text))
                parts.append((number, relative, text))
            continue
        root = FilePath(name)
        if not root.exists():
            problems.append(Problem(name, None, None, "no such file or folder; expected a policy tree"))
            continue
        found, special = walk(root)
        problems += special
        folders = {file.parent for file in found}
        libraries.update(str(each) for each in folders if any(each.glob(f"{VARIANTS}*.yaml")))
        for file in found:
            content = _content(file, root, seen)
            if isinstance(content, Problem):
                problems.append(content)
            elif content is not None:
                left -= len(content)
                if left < 0:
                    problems.append(Problem(name, None, None, f"larger than {MAX_BYTES >> 20} MiB"))
                    break
                read.append(TreeFile(str(file), content))
                relative = str(file.relative_to(root))
                contents[number][relative] = content
                parts.append((number, relative, content))
    revision = _digest(parts)[:16]
    if len(names) == 1 and names[0] in packed:
        revision = packed[names[0]].revision
    elif commit and not problems and not packed:
        commits = {commit_of(FilePath(name), found, wanted_path) for name, found in zip(names, contents, strict=True)}
        revision = (commits.pop() if len(commits) == 1 else None) or revision
    return Tree(
        names,
        tuple(read),
        tuple(problems),
        revision,
        tuple(sorted(imports)),
        tuple(packed.items()),
        frozenset(libraries),
    )


def _digest(parts: list[tuple[int, str, bytes]]) -> str:
    """Of the files: the number of the root, the path in it, and the content of each."""
    hashed = sha256(more=sum(len(content) for _, _, content in parts))
    for number, relative, content in parts:
        encoded = relative.encode(errors="surrogateescape")
        hashed.update(b"%d %d %d %s%s" % (number, len(encoded), len(content), encoded, content))
    return hashed.hexdigest()


def stamp(roots: Sequence[str]) -> Stamp:
    """The stamp of a tree: equal stamps mean that no file was written, added, replaced or removed in between.

    Takes a few system calls a file, and reads none.
    """
    return tuple(entry for root in roots for entry in _stamps(FilePath(root)))


def _stamps(root: FilePath) -> Iterator[tuple[object, ...]]:
    yield _status(root)
    if root.is_dir():
        found, problems = walk(root)
        yield from ((str(file), *_status(file)) for file in found)
        yield from ((problem.file, problem.message) for problem in problems)


def _status(path: FilePath) -> tuple[object, ...]:
    try:
        found = path.stat()
    except OSError as error:
        return (error.errno,)
    # The time of a folder is not of interest: other files come and go in it. ctime also changes where a program, such
    # as rsync, sets mtime back.
    times = () if stat.S_ISDIR(found.st_mode) else (found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return found.st_dev, found.st_ino, *times


def walk(root: FilePath) -> tuple[list[FilePath], list[Problem]]:
    """The files below a folder that may contain policies, sorted, and problems. If `root` is a file, only that.

    Entries with a name that starts with `.` or `_` are skipped, and kustomizations. A pipe, socket or device is a
    problem, as reading it might never end. So are a folder that cannot be listed, as it may contain policies, and a
    link to one outside: whoever may write a policy must not make the server list all of its disk, time and again.
    """
    if not root.is_dir():
        return [root], []
    found: list[FilePath] = []
    problems: list[Problem] = []
    seen: set[files.Identity] = set()
    waiting = [(root, 0)]
    entries = 0
    while waiting:
        folder, depth = waiting.pop()
        try:
            status = folder.stat()
            if (identity := (status.st_dev, status.st_ino)) in seen:  # reached before, by a symbolic link
                continue
            seen.add(identity)
            with os.scandir(folder) as listed:
                names = sorted((each.name, _is_folder(each), each.is_symlink()) for each in listed)
        except OSError as error:
            problems.append(Problem(str(error.filename or folder), None, None, files.reason(error)))
            continue
        entries += len(names)
        if entries > MAX_ENTRIES or depth > MAX_DEPTH:
            most = (
                f"{MAX_ENTRIES:,} files and folders" if entries > MAX_ENTRIES else f"{MAX_DEPTH} folders in each other"
            )
            problems.append(Problem(str(root), None, None, f"more than {most}; expected a policy tree"))
            break
        below = list[tuple[FilePath, int]]()
        for name, is_folder, is_link in names:
            entry = folder / name
            if is_folder:
                if not name.startswith((".", "_")):
                    outside = _outside(entry, root) if is_link else None
                    if outside is None:
                        below.append((entry, depth + 1))
                    else:
                        problems.append(outside)
            elif _wanted(name):
                if special := _special(entry):
                    advice = "remove it, or give it a name that begins with _"
                    problems.append(Problem(str(entry), None, None, f"{special}, not a regular file; {advice}"))
                else:
                    found.append(entry)
        waiting += reversed(below)
    return found, problems


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # such as a link to itself, which is reported when it is read
        return False


def _outside(folder: FilePath, root: FilePath) -> Problem | None:
    """The problem if a link to a folder leads out of the tree."""
    try:
        _check_inside(folder, root)
    except (OSError, RuntimeError) as error:
        return Problem(str(folder), None, None, f"cannot be read: {error}")
    return None


def _wanted(name: str) -> bool:
    """Whether a file of this name may contain policies."""
    return name.endswith(_SUFFIXES) and not name.startswith((".", "_")) and name not in _KUSTOMIZATIONS


def wanted_path(path: str) -> bool:
    """Whether a file at this relative path, with "/", may contain policies."""
    *folders, name = path.split("/")
    return _wanted(name) and not any(folder.startswith((".", "_")) for folder in folders)


def _content(file: FilePath, root: FilePath, seen: set[files.Identity]) -> bytes | Problem | None:
    """The content of a file, or why it cannot be read. None if it was read already, under another name."""
    try:
        status = file.stat()
        identity = (status.st_dev, status.st_ino)
        if identity in seen:
            return None
        seen.add(identity)
        if file != root:
            _check_inside(file, root)
        if file.suffix == ".py" and not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may never end
            raise OSError("it is not a regular file")
        return files.content_of(file, None)
    except (OSError, RuntimeError, ValueError) as error:
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Problem(str(file), None, None, f"cannot be read: {text}")


def _check_inside(file: FilePath, root: FilePath) -> None:
    """Raise OSError if a symbolic link leads out of the tree: whoever may write a policy must not make the server read
    its own keys."""
    if not file.resolve(strict=True).is_relative_to(root.resolve(strict=True)):
        raise OSError("it is a link out of the policy tree")


def _special(file: FilePath) -> str | None:
    """The type of an entry that is not a regular file; None for a regular file, and for one that cannot be opened.

    Reading the latter reports the error.
    """
    try:
        mode = file.stat().st_mode
    except OSError:
        return None
    if stat.S_ISREG(mode):
        return None
    return {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}.get(stat.S_IFMT(mode), "a device")
