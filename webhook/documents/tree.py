"""The files below a folder that `kubectl apply --recursive` would read, and the folders that other tools render."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from msgspec import Struct, field

from webhook.documents.files import (
    GIT,
    MAX_DEPTH,
    OUT,
    SUFFIXES,
    TOO_DEEP,
    Identity,
    Unreadable,
    leads_out,
    reason,
    repository,
)

KUSTOMIZATIONS: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""The names that kustomize looks for in a folder."""

CHART: Final = "Chart.yaml"


class Excluding(Protocol):
    """What leaves out files and folders, by their path relative to a folder. `source`: its name in reports."""

    @property
    def source(self) -> str: ...

    def excludes(self, path: str, *, folder: bool) -> bool: ...


class Found(Struct, frozen=True):
    """A file below a folder. `chart`: the chart whose templates it is among, "" for none."""

    file: str
    entry: Path | Unreadable
    chart: str = ""


class Excluded(Struct):
    """The files and folders (with a `/` at the end) that were left out on purpose, by what says so."""

    by: dict[str, list[str]] = field(default_factory=dict)


class _Entry(NamedTuple):
    """An entry of a folder. `chart`: the folder of the chart that it is in; `templates`: the chart whose templates it
    is among; "" for none. `depth`: of the folder."""

    entry: os.DirEntry[str]
    path: str
    chart: str
    templates: str
    depth: int


class Tree(Struct):
    """One folder, as its files are found. `charts`: the outermost folders with a Chart.yaml.

    `ignoring`: what leaves files out, each with the folder that their paths are relative to.
    """

    root: str
    ignoring: Sequence[tuple[Path, Excluding]] = ()
    excluded: Excluded = field(default_factory=Excluded)
    charts: list[str] = field(default_factory=list)
    _folders: set[Identity] = field(default_factory=set)  # already visited: symbolic links may form a cycle
    _links: list[_Entry] = field(default_factory=list)  # not followed yet
    _repository: str = ""  # the resolved folder that links may not leave; "" if the tree is in no repository

    def __post_init__(self) -> None:
        self._repository = repository(self.root)

    def files(self, seen: set[Identity]) -> Iterator[Found]:
        """The files, sorted; those that begin with `.` or `_`, too. Skips the files in `seen`, and adds what it finds.

        Links are followed after all else, so that a file has a name that is no link, if it has one in this folder. A
        link that leads out of the git repository is unreadable.

        Besides *.yaml, *.yml and *.json these are kustomizations without a suffix.
        """
        yield from self._walk(self.root, "", "", seen, 0)
        while self._links:
            links, self._links = self._links, []
            for link in links:
                yield from self._found(link, seen)

    def _walk(self, folder: str, chart: str, templates: str, seen: set[Identity], depth: int) -> Iterator[Found]:
        if depth > MAX_DEPTH:
            yield Found(folder, TOO_DEEP)
            return
        try:
            with os.scandir(folder) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
            status = Path(folder).stat()
        except OSError as error:
            yield Found(folder, Unreadable(reason(error)))
            return
        self._folders.add((status.st_dev, status.st_ino))
        is_chart = any(entry.name == CHART for entry in entries)
        if is_chart and not chart:
            self.charts.append(folder)
            chart = folder
        for entry in entries:
            path = entry.path.removeprefix(f"{os.curdir}{os.sep}")
            within = chart if is_chart and entry.name == "templates" else templates
            found = _Entry(entry, path, chart, within, depth)
            if entry.is_symlink():
                self._links.append(found)
            else:
                yield from self._found(found, seen)

    def _found(self, found: _Entry, seen: set[Identity]) -> Iterator[Found]:
        """What is found at an entry of a folder."""
        entry, path, chart, templates, depth = found
        manifest = entry.name.endswith(SUFFIXES) or entry.name in KUSTOMIZATIONS
        try:
            is_folder = entry.is_dir()
            if entry.name == GIT or not (is_folder or manifest) or self.excludes(path, folder=is_folder):
                return
            if self._repository and entry.is_symlink() and leads_out(path, self._repository):
                yield Found(path, Unreadable(OUT))
                return
            status = entry.stat()
            identity = (status.st_dev, status.st_ino)
            if is_folder:
                if identity not in self._folders:
                    yield from self._walk(path, chart, templates, seen, depth + 1)
            elif stat.S_ISREG(status.st_mode) and identity not in seen:  # not a socket or a pipe
                seen.add(identity)
                yield Found(path, Path(path), templates)
        except OSError as error:
            if manifest:
                yield Found(path, Unreadable(reason(error)))

    def excludes(self, path: str, *, folder: bool = False) -> bool:
        """Whether a file or folder is left out on purpose. If so, `excluded` names it from now on."""
        for base, ignoring in self.ignoring:
            relative = os.path.relpath(path, base)
            if relative.startswith(os.pardir + os.sep):
                continue
            if ignoring.excludes(relative.replace(os.sep, "/"), folder=folder):
                self.excluded.by.setdefault(ignoring.source, []).append(path + ("/" if folder else ""))
                return True
        return False
