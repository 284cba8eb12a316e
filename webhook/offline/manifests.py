"""The manifests among the files that a command names: what kubectl would create, and what is left out and why.

A file that is named is read whatever it is. A folder is read as a repository that holds more than manifests: what
`kubectl apply --recursive` cannot create is counted, and everything that it can create is checked, whatever its file is
called (docs/decisions/021-files.md).
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from webhook.documents import files, tree
from webhook.documents.document import Document, Problem
from webhook.documents.ignoring import IGNORE_FILE, Ignoring
from webhook.documents.kustomizations import COMPONENT, Kustomization, is_within, kustomization
from webhook.documents.reader import parsed
from webhook.offline.ahead import may_be_structure
from webhook.offline.creatable import is_definition
from webhook.offline.leftout import CHART, EXCLUDED, KUSTOMIZATION, LeftOut
from webhook.offline.sifting import File, Manifests, Sifting, accept, is_below
from webhook.schema import Kinds

if TYPE_CHECKING:
    from webhook.offline.ahead import Ahead
    from webhook.offline.rendering import Rendered

__all__ = ["NOTHING_IS_RENDERED", "Manifests", "Reading", "read"]

NOTHING_IS_RENDERED: Final[Mapping[str, Callable[[str], Rendered]]] = {}

_ROOTS: Final = {CHART: "no Helm chart", KUSTOMIZATION: "no kustomization"}

_KEPT: Final = 1 << 20
"""Bytes of files whose content is kept although they are not parsed yet; others are read a second time."""

_PARSED: Final = 1 << 18
"""Bytes of files that are kept parsed, in some ten times the memory; others are parsed a second time."""


def read(
    paths: Sequence[str],
    stdin: BinaryIO | None = None,
    progress: Callable[[str], None] = lambda _file: None,
    *,
    exclude: Ignoring | None = None,
    strict: bool = False,
    may_be_empty: bool = False,
    crds: Iterable[dict[str, Any]] = (),
    leaving_out: Sequence[tuple[Path, tree.Excluding]] = (),
    renderers: Mapping[str, Callable[[str], Rendered]] = NOTHING_IS_RENDERED,
    packed: bool = False,
) -> Manifests:
    """Read files, folders and, for "-", `stdin`. A file that several paths reach is read once.

    exclude: what is left out of folders on purpose. strict: whatever a folder holds that
    is not checked is a problem. may_be_empty: a folder in which nothing is checked, or rendered, is no problem. crds:
    objects whose CustomResourceDefinitions define kinds. leaving_out: what else leaves files out, named ones too, each
    with the folder that its paths are relative to. renderers: what makes objects of a folder that is a "chart" or a
    "kustomization"; then nothing in such charts, and no file that a kustomization takes in, is checked by itself.
    packed: documents keep their values as bytes (Document.pack), but for CustomResourceDefinitions.
    """
    reading = Reading(stdin, progress, exclude, strict, leaving_out, renderers, packed=packed)
    for name in paths:
        reading.named(name)
    sifting = reading.settled(Kinds.builtin().with_crds(crds))
    for file in reading.files:
        reading.found.take(sifting.sifted(file))
    reading.take_rendered()
    reading.end({each.stream for each in reading.found.documents}, may_be_empty=may_be_empty)
    return reading.found


class Reading:
    """The files of some paths, as they are found: `named` for each path, then `settled`, and at last `end`.

    ahead: what a run has to know of all files. Then others are not parsed, but are when they are `loaded`. `files`:
    those that were found, in their order. `rendered`: the objects of charts and kustomizations.
    """

    def __init__(
        self,
        stdin: BinaryIO | None,
        progress: Callable[[str], None],
        exclude: Ignoring | None,
        strict: bool,
        leaving_out: Sequence[tuple[Path, tree.Excluding]],
        renderers: Mapping[str, Callable[[str], Rendered]],
        *,
        packed: bool = False,
        ahead: Ahead | None = None,
    ) -> None:
        self._packed = packed
        self._ahead = ahead
        self._kept = self._parsed = 0  # bytes
        self._stdin = stdin
        self._progress = progress
        self._exclude = exclude
        self._strict = strict
        self._leaving_out = leaving_out
        self._renderers = renderers
        self._seen: set[files.Identity] = set()
        self.files: list[File] = []
        self.rendered: list[Document] = []
        self._definitions: list[tuple[File, dict[str, Any]]] = []
        self._folders: list[tree.Tree] = []
        self._parts: dict[str, str] = {}  # real path of a file that a kustomization names as a part -> by which
        self._roots: dict[str, tuple[str, Kustomization]] = {}  # real path of a kustomization's folder -> as named
        self.found = Manifests()
        self._named: list[str] = []

    # Reading

    def named(self, name: str) -> None:
        """Read what an argument names."""
        self._named.append(name)
        folder = name != "-" and Path(name).is_dir()
        if name != "-" and (by := _excluded_by(name, self._leaving_out, folder=folder)):
            self.found.left_out.append(LeftOut(name, EXCLUDED, by=by))
            return
        if folder:
            self._folder(name)
            return
        if name != "-":
            self._keep(name, self._excluding(name), folder=False)
        for file, entry in files.named(name, self._seen):
            self._file(file, entry)

    def _folder(self, name: str) -> None:
        ignoring = self._ignoring(name)
        self._keep(name, ignoring, folder=True)
        folder = tree.Tree(name, ignoring)
        self._folders.append(folder)
        extra: list[tuple[str, Path]] = []
        for each in folder.files(self._seen):
            self._file(each.file, each.entry, name, each.chart, extra)
        for file, path in extra:  # that kustomizations name, and that no suffix gives away
            try:
                status = path.stat()
            except OSError:
                continue  # kustomize fails as well
            identity = (status.st_dev, status.st_ino)
            if path.is_file() and identity not in self._seen and not folder.excludes(file):
                self._seen.add(identity)
                self._file(file, path, name)

    def _ignoring(self, name: str) -> list[tuple[Path, tree.Excluding]]:
        """What is left out of a folder: by --exclude, by .gatewrightignore of this folder and of the current one.

        Not by files of that name further down, with which whoever owns a folder could take it out of the check.
        """
        found = self._excluding(name)
        here = Path()
        for base in {os.path.realpath(name): Path(name), os.path.realpath(here): here}.values():
            file = base / IGNORE_FILE
            try:
                lines = files.content_of(file, None).decode(errors="replace").splitlines()
                found.append((base, Ignoring(lines, str(file))))
            except FileNotFoundError:
                continue
            except OSError as error:
                self.found.problems.append(Problem(str(file), None, None, files.reason(error)))
            except ValueError as error:
                self.found.problems.append(Problem(str(file), None, None, str(error)))
        return found

    def _excluding(self, name: str) -> list[tuple[Path, tree.Excluding]]:
        """What options leave out of a path."""
        if self._exclude is None:
            return [*self._leaving_out]
        return [*self._leaving_out, (Path(), self._exclude), (Path(name), self._exclude)]

    def _keep(self, name: str, ignoring: Sequence[tuple[Path, tree.Excluding]], *, folder: bool) -> None:
        """Note that a path is excluded, itself or with a folder above it, and yet read, as it is named."""
        if by := _excluded_by(name, ignoring, folder=folder):
            self.found.kept.append(LeftOut(name, EXCLUDED, by=by))

    def _file(
        self,
        name: str,
        entry: Path | files.Unreadable | None,
        argument: str | None = None,
        chart: str = "",
        extra: list[tuple[str, Path]] | None = None,
    ) -> None:
        if isinstance(entry, files.Unreadable):
            self.found.problems.append(Problem(name, None, None, entry.reason))
            return
        self._progress(name)
        try:
            read = [files.content_of(entry, self._stdin)]
        except OSError as error:
            self.found.problems.append(Problem(name, None, None, files.reason(error)))
            return
        file = File(name, argument=argument, chart=chart, size=len(read[0]))
        self.files.append(file)
        if self._ahead is not None and entry is not None and (argument is not None or entry.is_file()):
            self._deferred(file, read.pop(), self._ahead, extra)
            return
        self._parse(file, read.pop(), extra)  # so that nothing keeps the bytes once they are text
        if self._ahead is not None:
            file.looked_up = any(map(self._ahead.wants, (each.value for each in file.documents)))

    def _parse(self, file: File, content: bytes, extra: list[tuple[str, Path]] | None) -> None:
        contents = parsed(content, file.name)
        file.documents, file.unread, file.warnings = contents.documents, contents.unread, contents.warnings
        for document in contents.documents:
            made = kustomization(document.value, named=file.named_as_kustomization)
            if made is not None:
                self._kustomization(file.name, made, extra)
            elif is_definition(document.value):
                self._definitions.append((file, document.value))
            elif self._packed:
                document.pack()

    def _deferred(self, file: File, content: bytes, ahead: Ahead, extra: list[tuple[str, Path]] | None) -> None:
        """Parse a file only if others depend on it."""
        file.unparsed = True
        if file.named_as_kustomization or may_be_structure(content):
            self._parse(file, content, extra)
            file.looked_up = any(map(ahead.wants, (each.value for each in file.documents)))
            file.unparsed = not self.keeps_parsed(file)
            if not file.unparsed:
                return
            file.documents = file.unread = file.warnings = ()
        else:
            file.looked_up = ahead.may_hold(content)
        if self._kept + file.size <= _KEPT:
            self._kept += file.size
            file.content = content

    def keeps_parsed(self, file: File) -> bool:
        """Whether there is room for one more file that is kept parsed; if so, it is taken."""
        if self._parsed + file.size > _PARSED:
            return False
        self._parsed += file.size
        return True

    def _kustomization(self, name: str, made: Kustomization, extra: list[tuple[str, Path]] | None) -> None:
        folder = os.path.dirname(name)  # noqa: PTH120  # as given, perhaps no path
        self._roots.setdefault(os.path.realpath(folder or "."), (folder or ".", made))
        for part in made.parts:
            if "\0" not in part:
                self._parts.setdefault(os.path.realpath(os.path.join(folder, part)), name)  # noqa: PTH118
        if extra is not None:
            paths = (os.path.join(folder, each) for each in made.resources if is_within(each))  # noqa: PTH118
            extra += [(path, Path(path)) for path in map(os.path.normpath, paths) if not path.endswith(files.SUFFIXES)]

    # Sifting

    def settled(self, kinds: Kinds) -> Sifting:
        """What decides what is checked of each of `files`, now that all were found. kinds: without those of files."""
        self.rendered = self._roots_rendered()
        self.files = [file for file in self.files if not self._is_rendered(file)]
        left = {id(file) for file in self.files}
        defined = [value for file, value in self._definitions if id(file) in left]
        kinds = kinds.with_crds([*defined, *(each.value for each in self.rendered if is_definition(each.value))])
        self._definitions = []
        self._seen = set()
        return Sifting(self._strict, kinds, {resource.group for resource in kinds}, self._parts, self._folders)

    def take_rendered(self) -> None:
        """Take what was rendered, after the files."""
        for document in self.rendered:
            accept(document, self.found)

    def end(self, checked: AbstractSet[str], *, may_be_empty: bool) -> None:
        """Note what is excluded, and folders in which nothing is checked. checked: the streams in which something is,
        of each folder at least one."""
        for folder in self._folders:
            for by, names in folder.excluded.by.items():
                self.found.left_out += [LeftOut(name, EXCLUDED, by=by) for name in names]
        if not may_be_empty:
            self._find_empty(checked)
            self.found.problems += self._why_unrendered()

    # What is left out as a whole

    def _roots_rendered(self) -> list[Document]:
        """The objects of charts and kustomizations that are rendered. The others are noted, with what renders them."""
        made: list[Document] = []
        for walked in self._folders:
            for chart in walked.charts:
                command = f"gatewright check --render helm {shlex.quote(chart)}"
                made += self._root(LeftOut(chart, CHART, command), "a Helm chart, not manifests; render it first")
        used = set(self._included())
        for path, (folder, root) in sorted(self._roots.items(), key=lambda each: each[1][0]):
            if path not in used and root.kind != COMPONENT and not self._in_a_rendered_chart(folder):
                command = f"gatewright check --render kustomize {shlex.quote(folder)}"
                made += self._root(LeftOut(folder, KUSTOMIZATION, command), "a kustomization, no object; render it")
        return made

    def _root(self, root: LeftOut, message: str) -> list[Document]:
        if (render := self._renderers.get(root.reason)) is None:
            self._leave_out(root, message)
            return []
        self._progress(root.file)
        made = render(root.file)
        self.found.rendered.append(root.file)
        self.found.problems += made.problems
        self.found.warnings += made.warnings
        return made.documents

    def _included(self) -> Iterator[str]:
        """The real paths of what kustomizations take in: files, and folders with other kustomizations."""
        for folder, root in self._roots.values():
            for resource in root.resources:
                if "\0" not in resource:
                    yield os.path.realpath(os.path.join(folder, resource))  # noqa: PTH118

    def _is_rendered(self, file: File) -> bool:
        """Whether a file in a folder is only a part of what is rendered."""
        if not self._renderers or file.argument is None:
            return False
        if KUSTOMIZATION in self._renderers:
            path = os.path.realpath(file.name)
            if path in self._parts or path in self._included_files:
                return True
        return self._in_a_rendered_chart(file.name)

    @cached_property
    def _included_files(self) -> frozenset[str]:
        return frozenset(self._included())

    def _in_a_rendered_chart(self, name: str) -> bool:
        charts = [chart for walked in self._folders for chart in walked.charts] if CHART in self._renderers else []
        return any(is_below(name, chart) for chart in charts)

    def _leave_out(self, what: LeftOut, message: str) -> None:
        if self._strict:
            self.found.problems.append(Problem(what.file, None, None, f"{message}: {what.command}"))
        else:
            self.found.left_out.append(what)

    def _find_empty(self, checked: AbstractSet[str]) -> None:
        """A folder with nothing to check is a problem: it is mostly the wrong one, or one that is to be rendered."""
        wrong = {problem.file for problem in self.found.problems}
        for folder in self._folders:
            names = {file.name for file in self.files if file.argument == folder.root}
            roots = {made for made, _ in self._roots.values()} | set(folder.charts)
            if roots & checked or names & checked or wrong & {folder.root, *names, *folder.charts}:
                continue
            self.found.problems.append(Problem(folder.root, None, None, self._why_empty(folder, names)))

    def _why_unrendered(self) -> Iterator[Problem]:
        """Renderers without anything to render are a problem: what was to be checked is somewhere else."""
        if not self._renderers or self.found.rendered:
            return
        wrong = {problem.file for problem in self.found.problems}
        for name in self._named:
            if name not in wrong:
                yield Problem("<stdin>" if name == "-" else name, None, None, nothing_to_render(self._renderers))

    def _why_empty(self, folder: tree.Tree, names: set[str]) -> str:
        within = {folder.root, *names, *folder.charts, *(os.path.dirname(name) or "." for name in names)}  # noqa: PTH120
        commands = [each.command for each in self.found.left_out if each.command and each.file in within]
        if commands:
            what = (
                "a Helm chart" if folder.charts == [folder.root] else "nothing in this folder can be checked as it is"
            )
            return f"{what}; render it first: {commands[0]}"
        if folder.excluded.by:
            return f"everything in this folder is excluded, by {' and '.join(folder.excluded.by)}"
        if names:
            return "no Kubernetes objects in this folder"
        return "no *.yaml, *.yml or *.json files in this folder"


def nothing_to_render(kinds: Collection[str]) -> str:
    """What is wrong with paths below which there is neither of these: "chart", "kustomization"."""
    what = " and ".join(name for kind, name in _ROOTS.items() if kind in kinds)
    return f"there is {what} in it, so --render renders nothing; name the folder of one, or leave --render out"


def _excluded_by(name: str, ignoring: Sequence[tuple[Path, tree.Excluding]], *, folder: bool) -> str:
    """What excludes a path, or a folder above it; "" for nothing."""
    for base, each in ignoring:
        parts = Path(os.path.relpath(name, base)).parts
        if os.pardir in parts:
            continue
        for depth in range(1, len(parts) + 1):
            if each.excludes("/".join(parts[:depth]), folder=folder or depth < len(parts)):
                return each.source
    return ""
