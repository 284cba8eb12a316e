"""The manifests among the files that a command names: what kubectl would create, and what is left out and why.

A file that is named is read whatever it is. A folder is read as a repository that holds more than manifests: what
`kubectl apply --recursive` cannot create is counted, and everything that it can create is checked, whatever its file is
called (docs/decisions/021-files.md).
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import orjson
from msgspec import Struct, field

from webhook.documents import files, tree
from webhook.documents.document import Document, Problem
from webhook.documents.ignoring import IGNORE_FILE, Ignoring
from webhook.documents.kustomizations import COMPONENT, Kustomization, is_within, kustomization
from webhook.documents.objects import not_an_object
from webhook.documents.reader import Unread, parsed
from webhook.offline.creatable import (
    creates_something,
    is_definition,
    is_named_by_template,
    resembles_an_object,
    why_unread,
)
from webhook.offline.leftout import CHART, EXCLUDED, KUSTOMIZATION, NOTHING, PATCH, TEMPLATE, LeftOut
from webhook.offline.wholeness import is_whole
from webhook.paths import ROOT
from webhook.schema import Kinds

if TYPE_CHECKING:
    from webhook.offline.rendering import Rendered

MAX_OBJECT: Final = 3 << 20
"""Bytes of a request's body: the API server refuses larger ones."""

NOTHING_IS_RENDERED: Final[Mapping[str, Callable[[str], Rendered]]] = {}

_MEASURED: Final = 1 << 19
"""Characters of a text below which no object in it can be too large."""


class Manifests(Struct):
    """What was read. `warnings`: of keys that stand in a mapping twice. `unread`: why what is left out as text that
    holds no object cannot be read. `kept`: what is checked although a kustomization names it as a patch, as it is an
    object, or although a pattern excludes it, as it is named itself."""

    documents: list[Document] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    unread: list[Problem] = field(default_factory=list)
    kept: list[LeftOut] = field(default_factory=list)


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
    is not checked is a problem. may_be_empty: a folder in which nothing is checked is no problem. crds: objects whose
    CustomResourceDefinitions define kinds. leaving_out: what else leaves files out, named ones too, each with the
    folder that its paths are relative to. renderers: what makes objects of a folder that is a "chart" or a
    "kustomization"; then nothing in such charts, and no file that a kustomization takes in, is checked by itself.
    packed: documents keep their values as bytes (Document.pack), but for CustomResourceDefinitions.
    """
    reading = _Reading(stdin, progress, exclude, strict, leaving_out, renderers, packed)
    for name in paths:
        reading.named(name)
    found = reading.finished(Kinds.builtin().with_crds(crds))
    if not may_be_empty:
        reading.find_empty()
    return found


class _File(Struct):
    """The content of one file. `argument`: the folder that it was found in; None if it was named itself."""

    name: str
    documents: list[Document]
    unread: list[Unread]
    warnings: list[Problem]
    argument: str | None = None
    chart: str = ""

    @property
    def named_as_kustomization(self) -> bool:
        return os.path.basename(self.name) in tree.KUSTOMIZATIONS  # noqa: PTH119  # as given, perhaps no path


class _Reading:
    def __init__(
        self,
        stdin: BinaryIO | None,
        progress: Callable[[str], None],
        exclude: Ignoring | None,
        strict: bool,
        leaving_out: Sequence[tuple[Path, tree.Excluding]],
        renderers: Mapping[str, Callable[[str], Rendered]],
        packed: bool,
    ) -> None:
        self._packed = packed
        self._stdin = stdin
        self._progress = progress
        self._exclude = exclude
        self._strict = strict
        self._leaving_out = leaving_out
        self._renderers = renderers
        self._seen: set[files.Identity] = set()
        self._files: list[_File] = []
        self._folders: list[tree.Tree] = []
        self._parts: dict[str, str] = {}  # real path of a file that a kustomization names as a part -> by which
        self._roots: dict[str, tuple[str, Kustomization]] = {}  # real path of a kustomization's folder -> as named
        self._kinds = Kinds.builtin()
        self.found = Manifests()

    # Reading

    def named(self, name: str) -> None:
        """Read what an argument names."""
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
        contents = parsed(read.pop(), name)  # so that nothing keeps the bytes once they are text
        file = _File(name, contents.documents, contents.unread, contents.warnings, argument, chart)
        self._files.append(file)
        for document in contents.documents:
            made = kustomization(document.value, named=file.named_as_kustomization)
            if made is not None:
                self._kustomization(name, made, extra)
            elif self._packed and not is_definition(document.value):
                document.pack()

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

    def finished(self, kinds: Kinds) -> Manifests:
        """Decide what is checked of all that was read."""
        rendered = self._roots_rendered()
        self._files = [file for file in self._files if not self._is_rendered(file)]
        kinds = kinds.with_crds(
            document.value
            for document in (*(document for file in self._files for document in file.documents), *rendered)
            if is_definition(document.value)
        )
        self._kinds, groups = kinds, {resource.group for resource in kinds}
        for file in self._files:
            if file.argument is None:
                self._take(file)
            else:
                self._sift(file, groups)
        for document in rendered:
            self._accept(document)
        self._excluded()
        return self.found

    def _take(self, file: _File) -> None:
        """Take a file that was named itself: all of it must be objects."""
        self.found.problems += [each.problem for each in file.unread]
        self.found.warnings += file.warnings
        for document in file.documents:
            if kustomization(document.value, named=file.named_as_kustomization) is None:
                self._accept(document)

    def _sift(self, file: _File, groups: set[str]) -> None:
        """Take the objects of a file in a folder, and note why others are left out."""
        taken: list[Document] = []
        reasons: dict[str, Document | Unread] = {}
        part = self._parts.get(os.path.realpath(file.name))
        for document in file.documents:
            if kustomization(document.value, named=file.named_as_kustomization) is not None:
                continue
            whole = document.unpacked()
            reason = self._reason(whole, file, part, groups)
            if reason:
                reasons.setdefault(reason, whole)
            else:
                taken.append(document)
        for unread in file.unread:
            reason = why_unread(unread)
            if reason:
                reasons.setdefault(reason, unread)
                self.found.unread.append(unread.problem)
            else:
                self.found.problems.append(unread.problem)
        if taken and part is not None:
            self.found.kept.append(LeftOut(file.name, PATCH, by=part))
        for reason, first in reasons.items():
            # In a file with objects, a document that is none is more likely a mistake.
            if self._strict or (taken and (reason == NOTHING or (reason == TEMPLATE and not file.chart))):
                self._refuse(first, reason, part)
            else:
                self.found.left_out.append(LeftOut(file.name, reason, by=part or "" if reason == PATCH else ""))
        if taken:
            self.found.warnings += file.warnings
        for document in taken:
            self._accept(document)

    def _reason(self, document: Document, file: _File, part: str | None, groups: set[str]) -> str:
        """Why a document is left out; "" if it is to be checked, or is meant to be an object and is wrong."""
        value = document.value
        if not creates_something(value, groups):
            return "" if resembles_an_object(value) and not self._may_be_values(value, file) else NOTHING
        if file.chart and is_named_by_template(value, self._kinds):
            return TEMPLATE
        if part is not None and not_an_object(value) is None and not is_whole(value):
            return PATCH
        return ""

    def _may_be_values(self, value: dict[str, Any], file: _File) -> bool:
        """Whether a document without an apiVersion is beside the templates of a chart: its values have any form."""
        within = any(_is_below(file.name, chart) for folder in self._folders for chart in folder.charts)
        return within and not file.chart and "apiVersion" not in value

    def _refuse(self, what: Document | Unread, reason: str, part: str | None) -> None:
        if isinstance(what, Unread):
            self.found.problems.append(what.problem)
        elif reason == PATCH:
            message = f"a patch of {part}, no whole object; it is checked once it is rendered"
            self.found.problems.append(what.problem(ROOT, message))
        elif reason == TEMPLATE:
            self.found.problems.append(
                what.problem(("metadata",), "a template of a chart; it is checked once rendered")
            )
        else:
            path, message = not_an_object(what.value) or (("metadata",), "metadata.name is missing")
            self.found.problems.append(what.problem(path, f"not a Kubernetes object: {message}"))

    def _accept(self, document: Document) -> None:
        if document.size > _MEASURED and len(orjson.dumps(document.unpacked().value)) > MAX_OBJECT:
            message = (
                f"larger than {MAX_OBJECT >> 20} MiB as JSON, which the API server refuses (Request entity too large)"
            )
            self.found.problems.append(document.problem(ROOT, message))
        else:
            self.found.documents.append(document)

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
        self.found.problems += made.problems
        self.found.warnings += made.warnings
        return made.documents

    def _included(self) -> Iterator[str]:
        """The real paths of what kustomizations take in: files, and folders with other kustomizations."""
        for folder, root in self._roots.values():
            for resource in root.resources:
                if "\0" not in resource:
                    yield os.path.realpath(os.path.join(folder, resource))  # noqa: PTH118

    def _is_rendered(self, file: _File) -> bool:
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
        return any(_is_below(name, chart) for chart in charts)

    def _leave_out(self, what: LeftOut, message: str) -> None:
        if self._strict:
            self.found.problems.append(Problem(what.file, None, None, f"{message}: {what.command}"))
        else:
            self.found.left_out.append(what)

    def _excluded(self) -> None:
        for folder in self._folders:
            for by, names in folder.excluded.by.items():
                self.found.left_out += [LeftOut(name, EXCLUDED, by=by) for name in names]

    def find_empty(self) -> None:
        """A folder with nothing to check is a problem: it is mostly the wrong one, or one that is to be rendered."""
        checked = {document.stream for document in self.found.documents}
        wrong = {problem.file for problem in self.found.problems}
        for folder in self._folders:
            names = {file.name for file in self._files if file.argument == folder.root}
            roots = {made for made, _ in self._roots.values()} | set(folder.charts)
            if roots & checked or names & checked or wrong & {folder.root, *names, *folder.charts}:
                continue
            self.found.problems.append(Problem(folder.root, None, None, self._why_empty(folder, names)))

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


def _is_below(name: str, folder: str) -> bool:
    return folder in (".", name) or name.startswith(f"{folder}{os.sep}")


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
