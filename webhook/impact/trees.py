"""The two policy trees that are compared: each is read as a whole, and the user's work tree is only read."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from webhook.documents.document import Problem
from webhook.git.arguments import Place, folder_of, place_of
from webhook.git.checkout import laid_out
from webhook.git.repository import GitError, Repository
from webhook.policy.load.loading import PolicyTreeError, load_tree
from webhook.policy.load.treefiles import Packed, Tree, TreeFile, read_tree, wanted_path
from webhook.policy.policyset import PolicySet
from webhook.versions import Version

_SHORT = 12  # digits of a commit in reports
_NOTHING = Tree((), (), (), "")


class Side(Struct, frozen=True):
    """One of the two trees. `name`: what it is called in reports, such as `main` or `the work tree`.

    `absent`: the folders that this revision does not have; what is in them on the other side is new or removed.
    `common`: name of a Python file -> the name that it has on both sides. Messages of errors hold such names.
    """

    name: str
    policies: PolicySet
    tree: Tree
    absent: tuple[str, ...] = ()
    common: Mapping[str, str] = {}


class Trees(Struct, frozen=True):
    """Both sides, as they were read, not loaded. `between`: as text."""

    old: Read
    new: Read

    @property
    def between(self) -> str:
        return f"{self.old.name} and {self.new.name}"


class Read(Struct, frozen=True):
    """A tree that was read: see Side. `elsewhere`: its files as they are named, `REVISION:PATH` -> the path from the
    current folder; empty for files that are where their names say."""

    name: str
    tree: Tree
    absent: tuple[str, ...] = ()
    prefix: str = ""  # of the names of its files, which the other side does not have
    elsewhere: Mapping[str, str] = {}

    def loaded(self, version: Version, progress: Callable[[str], None] = lambda _file: None) -> Side:
        """Load it. A side without any of its folders has no policies. Raises PolicyTreeError."""
        if not self.tree.names:
            return Side(self.name, PolicySet(target=version), self.tree, self.absent)
        names = [file.name for file in self.tree.files if file.name.endswith(".py")]
        common = {name: name.removeprefix(self.prefix) for name in names}
        try:
            return Side(self.name, load_tree(self.tree, version, progress), self.tree, self.absent, common)
        except PolicyTreeError as error:
            problems = [replace(each, file=each.file or self.name) for each in error.problems]
            raise PolicyTreeError(problems) from None


def between_revisions(names: Sequence[str], since: str, until: str, imports: Collection[str] = ()) -> Trees:
    """The trees of these names in a revision, and in another one, or for "" in the work tree.

    Files of a revision are named as git names them, `REVISION:PATH`. Raises GitError.
    """
    repository = Repository.of(folder_of(names))
    place = place_of(repository.top, names)
    old = _of_revision(repository, place, since, imports)
    new = _of_revision(repository, place, until, imports) if until else _of_work_tree(repository, place, imports)
    if nowhere := [name for name in old.absent if name in new.absent]:
        raise GitError(f"no policy tree {nowhere[0]}, neither in {old.name} nor in {new.name}")
    return Trees(old, new)


def of_folders(old: Sequence[str], new: Sequence[str], imports: Collection[str], packed: Mapping[str, Packed]) -> Trees:
    """The trees of these folders, files and bundles; packed: the bundles, by name."""
    sides = [
        Read(", ".join(names), read_tree(*names, imports=imports, packed=packed), prefix=_prefix(names))
        for names in (old, new)
    ]
    return Trees(*sides)


def _prefix(names: Sequence[str]) -> str:
    return f"{names[0].rstrip('/')}/" if len(names) == 1 else ""


def _of_work_tree(repository: Repository, place: Place, imports: Collection[str]) -> Read:
    with contextlib.chdir(repository.top / place.base):
        there = [name for name in place.paths if os.path.lexists(name)]
        tree = read_tree(*there, imports=imports) if there else _NOTHING
    return Read("the work tree", tree, tuple(name for name in place.paths if name not in there))


def _of_revision(repository: Repository, place: Place, revision: str, imports: Collection[str]) -> Read:
    commit = repository.commit(revision)
    below = place.below
    with laid_out(repository, commit, below, lambda path: path in below or _is_wanted(path, below)) as layout:
        folder = layout.folder / place.base
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.chdir(folder):
            there = [name for name in place.paths if os.path.lexists(name)]
            tree = read_tree(*there, imports=imports) if there else _NOTHING
        missing = [
            Problem(path, None, None, reason)
            for path, reason in sorted(layout.missing.items())
            if path in below or _is_wanted(path, below)
        ]
        missing += [
            Problem(path, None, None, "a submodule, whose files are in another repository")
            for path in layout.submodules
            if any(path == root or path.startswith(f"{root}/") or root == "." for root in below)
        ]
    name = f"{revision} ({commit[:_SHORT]})"
    shown = {file.name: _named(revision, place, file.name) for file in tree.files}
    shown |= {each.file: _named(revision, place, each.file) for each in tree.problems}
    problems = [replace(each, file=shown[each.file]) for each in tree.problems]
    problems += [replace(each, file=f"{revision}:{each.file}") for each in missing]
    files = tuple(TreeFile(shown[file.name], file.content) for file in tree.files)
    absent = tuple(each for each in place.paths if each not in there)
    elsewhere = {named: path for path, named in shown.items()}
    elsewhere |= {f"{revision}:{each.file}": os.path.relpath(each.file, place.base) for each in missing}
    return Read(name, replace(tree, files=files, problems=tuple(problems)), absent, f"{revision}:", elsewhere)


def _named(revision: str, place: Place, name: str) -> str:
    return f"{revision}:{os.path.normpath(os.path.join(place.base, name))}"  # noqa: PTH118  # of texts


def _is_wanted(path: str, below: Sequence[str]) -> bool:
    """Whether a file of a commit may contain policies: its path below the folder that was named is that of one."""
    for root in below:
        inside = path if root == "." else path.removeprefix(f"{root}/")
        if (root == "." or inside != path) and wanted_path(inside):
            return True
    return False
