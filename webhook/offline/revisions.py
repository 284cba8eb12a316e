"""The manifests of two revisions of a git repository: what a commit has, and what the work tree or another commit has.

Both sides are read in the same way, from a folder that is laid out as the repository is, so that names, exclusions and
the rules for folders (webhook.offline.manifests) mean the same on both.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from webhook.documents.document import Document, Problem
from webhook.documents.files import SUFFIXES
from webhook.documents.ignoring import IGNORE_FILE, Ignoring
from webhook.documents.kustomizations import is_within, kustomization
from webhook.documents.reader import parsed
from webhook.documents.tree import KUSTOMIZATIONS
from webhook.git.arguments import Place, folder_of, place_of
from webhook.git.checkout import Layout, laid_out
from webhook.git.repository import Repository
from webhook.offline import manifests
from webhook.offline.manifests import Manifests
from webhook.offline.rendering import Rendering, renderers

_LARGE: Final = 1 << 20  # bytes of a kustomization that is not looked into for names of files
_SHORT: Final = 12  # digits of a commit in reports


class Reading(Struct, frozen=True):
    """How both sides are read; see `manifests.read`."""

    exclude: Ignoring | None = None
    strict: bool = False
    crds: Sequence[dict[str, Any]] = ()
    rendering: Rendering = Rendering()
    progress: Callable[[str], None] = lambda _file: None


class Sides(Struct, frozen=True):
    """The manifests of both revisions. Files of the old one are named as git names them, `REVISION:PATH`.

    `warnings`: what could not be read of the old side. `between`: both sides, as text.
    """

    new: Manifests
    old: Manifests
    warnings: list[Problem]
    between: str
    _names: dict[str, str]  # the shown name of a file of the old side -> that of the new one

    @property
    def elsewhere(self) -> dict[str, str]:
        """The files of the old side: the name that is shown -> the path from the current folder."""
        return self._names

    def file(self, document: Document) -> str:
        """The file of a document, by the same name on both sides."""
        return self._names.get(document.stream, document.stream)


class _Excluded:
    """Paths that are left out, each as git lists it: relative to the top, folders with a `/` at the end."""

    def __init__(self, paths: frozenset[str], source: str) -> None:
        self.source = source
        self._paths = paths

    def excludes(self, path: str, *, folder: bool) -> bool:
        return (f"{path}/" if folder else path) in self._paths


def read(paths: Sequence[str], since: str, until: str, how: Reading) -> Sides:
    """Read what `since` has, and what `until` has, or for "" the work tree, its untracked files included.

    Files that git ignores, and those of submodules, are on neither side. Raises GitError.
    """
    repository = Repository.of(folder_of(paths))
    commit = repository.commit(since)
    place = place_of(repository.top, paths)
    how = replace(how, rendering=replace(how.rendering, values=_values(repository.top, how.rendering.values)))
    if until:
        upto = repository.commit(until)
        new, there = _revision(repository, upto, place, how)
    else:
        upto = ""
        new, there = _work_tree(repository, place, how)
    old, was_there = _revision(repository, commit, place, how)
    new.problems += [
        Problem(name, None, None, f"no such file or folder, neither now nor in {since}")
        for name in place.paths
        if name not in there | was_there
    ]
    if how.rendering.tools and not (new.rendered or old.rendered):
        wrong = {each.file for each in new.problems}
        message = manifests.nothing_to_render(renderers(how.rendering))
        new.problems += [Problem(name, None, None, message) for name in place.paths if name not in wrong]
    files = {name for each in old.documents for name in (each.stream, each.file)} | {each.file for each in old.problems}
    named = {name: f"{since}:{os.path.normpath(os.path.join(place.base, name))}" for name in files}  # noqa: PTH118
    shown = {path: name for name, path in named.items()}
    warnings = [replace(each, file=named[each.file], message=f"{each.message}; {_AS_NEW}") for each in old.problems]
    held = {each.stream for each in old.documents}
    new.problems += [each for each in new.unread if each.file in held]
    # What cannot be read, and what is rendered first now, may still be there: it is not taken to be deleted.
    unknown = {each.file for each in new.problems} | {each.file for each in new.left_out if each.reason in _RENDERED}
    documents = [_renamed(each, named) for each in old.documents if each.stream not in unknown]
    between = f"{since} ({commit[:_SHORT]}) and {f'{until} ({upto[:_SHORT]})' if until else 'the work tree'}"
    return Sides(new, Manifests(documents), warnings, between, shown)


_RENDERED: Final = ("patch", "template")
_AS_NEW: Final = "what is in this file now is taken to be new"


def _values(top: Path, files: Sequence[str]) -> tuple[str, ...]:
    """Files with values: those of the repository as each side has them, others as they are."""
    return tuple(
        name
        if os.path.realpath(name).startswith(f"{top}{os.sep}") and not Path(name).is_absolute()
        else os.path.abspath(name)  # noqa: PTH100
        for name in files
    )


def _work_tree(repository: Repository, place: Place, how: Reading) -> tuple[Manifests, set[str]]:
    ignored, submodules = repository.left_out()
    leaving_out = [
        (repository.top, _Excluded(ignored, "git")),
        (repository.top, _Excluded(submodules, "git, as a submodule")),
    ]
    with contextlib.chdir(repository.top / place.base):
        return _read(place.paths, how, leaving_out)


def _revision(repository: Repository, commit: str, place: Place, how: Reading) -> tuple[Manifests, set[str]]:
    """The manifests of a commit, and which of the paths it has."""
    below = [] if how.rendering.tools else _tree_paths(place)
    named = {*place.below, *_resources(repository, commit, below)}
    rendered = bool(how.rendering.tools)  # of any file whatever, in and beside the paths
    with laid_out(repository, commit, below, lambda path: rendered or _is_manifest(path) or path in named) as layout:
        folder = layout.folder / place.base
        folder.mkdir(parents=True, exist_ok=True)
        submodules = _Excluded(frozenset(f"{each}/" for each in layout.submodules), "git, as a submodule")
        with contextlib.chdir(folder):
            found, there = _read(place.paths, how, [(layout.folder, submodules)])
        found.problems += [each for each in _missing(layout, place) if _is_manifest(each.file)]
    return found, there


def _resources(repository: Repository, commit: str, below: Sequence[str]) -> Iterator[str]:
    """The files that kustomizations of a commit name as resources, and that their suffix does not give away."""
    files = repository.tree(commit, below).files
    found = [each for each in files if os.path.basename(each.path) in KUSTOMIZATIONS and each.size < _LARGE]  # noqa: PTH119
    for file, content in zip(found, repository.contents(found), strict=True):
        for document in parsed(content, file.path).documents:
            made = kustomization(document.value, named=True)
            for resource in made.resources if made is not None else ():
                if is_within(resource) and not resource.endswith(SUFFIXES):
                    yield os.path.normpath(os.path.join(os.path.dirname(file.path), resource))  # noqa: PTH118, PTH120


def _tree_paths(place: Place) -> list[str]:
    """What is laid out of a commit: the paths, and what stands at the top and in the current folder (exclusions)."""
    return [*place.below, IGNORE_FILE, os.path.normpath(os.path.join(place.base, IGNORE_FILE))]  # noqa: PTH118


def _read(
    paths: Sequence[str], how: Reading, leaving_out: Sequence[tuple[Path, _Excluded]]
) -> tuple[Manifests, set[str]]:
    """What is in the current folder of the paths, and which of them there are."""
    there = [name for name in paths if os.path.lexists(name)]
    found = manifests.read(
        there,
        None,
        how.progress,
        exclude=how.exclude,
        strict=how.strict,
        may_be_empty=True,
        crds=how.crds,
        leaving_out=leaving_out,
        renderers=renderers(how.rendering),
    )
    return found, set(there)


def _missing(layout: Layout, place: Place) -> list[Problem]:
    return [
        Problem(os.path.relpath(path, place.base), None, None, reason)
        for path, reason in sorted(layout.missing.items())
    ]


def _is_manifest(path: str) -> bool:
    """Whether a file of this name is read where it is found in a folder, or says what is read."""
    name = path.rpartition("/")[2]
    return name.endswith(SUFFIXES) or name in (*KUSTOMIZATIONS, IGNORE_FILE)


def _renamed(document: Document, names: dict[str, str]) -> Document:
    return replace(document, stream=names[document.stream], file=names[document.file])
