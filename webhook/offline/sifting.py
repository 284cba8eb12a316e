"""What is checked of a file that was read, and what of it is left out and why."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
from msgspec import Struct, field
from msgspec.structs import replace

from webhook.documents import files, tree
from webhook.documents.document import Document, Problem
from webhook.documents.kustomizations import kustomization
from webhook.documents.objects import not_an_object
from webhook.documents.reader import Unread, parsed
from webhook.offline.creatable import creates_something, is_named_by_template, resembles_an_object, why_unread
from webhook.offline.leftout import NOTHING, PATCH, TEMPLATE, LeftOut
from webhook.offline.wholeness import is_whole
from webhook.paths import ROOT

if TYPE_CHECKING:
    from webhook.schema import Kinds

MAX_OBJECT: Final = 3 << 20
"""Bytes of a request's body: the API server refuses larger ones."""

_MEASURED: Final = 1 << 19
"""Characters of a text below which no object in it can be too large."""


class Manifests(Struct):
    """What was read. `warnings`: of keys that stand in a mapping twice. `unread`: why what is left out as text that
    holds no object cannot be read. `kept`: what is checked although a kustomization names it as a patch, as it is an
    object, or although a pattern excludes it, as it is named itself. `rendered`: the folders of the charts and
    kustomizations that were rendered, or should have been."""

    documents: list[Document] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    unread: list[Problem] = field(default_factory=list)
    kept: list[LeftOut] = field(default_factory=list)
    rendered: list[str] = field(default_factory=list)

    def take(self, other: Manifests) -> None:
        """Add what another file came to."""
        self.documents += other.documents
        self.problems += other.problems
        self.warnings += other.warnings
        self.left_out += other.left_out
        self.unread += other.unread
        self.kept += other.kept
        self.rendered += other.rendered


class File(Struct):
    """One file, and its content unless it is `unparsed`: then it is read (again) when it is `loaded`.

    `argument`: the folder that it was found in; None if it was named itself. `size`: bytes; 0 if it is not known.
    `content`: of a file that is unparsed, if it is kept. `looked_up`: whether it may hold what a run needs ahead.
    `sifted`: what it holds are objects to be checked, as a tool rendered them.
    """

    name: str
    documents: Sequence[Document] = ()
    unread: Sequence[Unread] = ()
    warnings: Sequence[Problem] = ()
    argument: str | None = None
    chart: str = ""
    size: int = 0
    unparsed: bool = False
    content: bytes | None = None
    looked_up: bool = False
    sifted: bool = False

    def loaded(self) -> File:
        """The file with its content. Raises OSError if it cannot be read again."""
        if not self.unparsed:
            return self
        content = self.content if self.content is not None else files.content_of(Path(self.name), None)
        read = parsed(content, self.name)
        return replace(
            self, documents=read.documents, unread=read.unread, warnings=read.warnings, unparsed=False, content=None
        )

    @property
    def named_as_kustomization(self) -> bool:
        return os.path.basename(self.name) in tree.KUSTOMIZATIONS  # noqa: PTH119  # as given, perhaps no path


class Sifting(Struct):
    """What decides on files one by one, once it is known of all of them.

    `groups`: the API groups of all `kinds`. `parts`: the real path of each file that a kustomization names as a part,
    and by which. `folders`: those that were walked.
    """

    strict: bool
    kinds: Kinds
    groups: Collection[str]
    parts: Mapping[str, str]
    folders: Sequence[tree.Tree]

    def sifted(self, file: File) -> Manifests:
        """What is checked of a file, with all that is to be said of it."""
        found = Manifests()
        if file.argument is None:
            self._take(file, found)
        else:
            self._sift(file, found)
        return found

    def _take(self, file: File, found: Manifests) -> None:
        """Take a file that was named itself: all of it must be objects."""
        found.problems += [each.problem for each in file.unread]
        found.warnings += file.warnings
        for document in file.documents:
            if kustomization(document.value, named=file.named_as_kustomization) is None:
                accept(document, found)

    def _sift(self, file: File, found: Manifests) -> None:
        """Take the objects of a file in a folder, and note why others are left out."""
        taken: list[Document] = []
        reasons: dict[str, Document | Unread] = {}
        part = self.parts.get(os.path.realpath(file.name)) if self.parts else None
        for document in file.documents:
            if kustomization(document.value, named=file.named_as_kustomization) is not None:
                continue
            whole = document.unpacked()
            reason = self._reason(whole, file, part)
            if reason:
                reasons.setdefault(reason, whole)
            else:
                taken.append(document)
        for unread in file.unread:
            reason = why_unread(unread)
            if reason:
                reasons.setdefault(reason, unread)
                found.unread.append(unread.problem)
            else:
                found.problems.append(unread.problem)
        if taken and part is not None:
            found.kept.append(LeftOut(file.name, PATCH, by=part))
        for reason, first in reasons.items():
            # In a file with objects, a document that is none is more likely a mistake.
            if self.strict or (taken and (reason == NOTHING or (reason == TEMPLATE and not file.chart))):
                _refuse(first, reason, part, found)
            else:
                found.left_out.append(LeftOut(file.name, reason, by=part or "" if reason == PATCH else ""))
        if taken:
            found.warnings += file.warnings
        for document in taken:
            accept(document, found)

    def _reason(self, document: Document, file: File, part: str | None) -> str:
        """Why a document is left out; "" if it is to be checked, or is meant to be an object and is wrong."""
        value = document.value
        if not creates_something(value, self.groups):
            return "" if resembles_an_object(value) and not self._may_be_values(value, file) else NOTHING
        if file.chart and is_named_by_template(value, self.kinds):
            return TEMPLATE
        if part is not None and not_an_object(value) is None and not is_whole(value):
            return PATCH
        return ""

    def _may_be_values(self, value: dict[str, Any], file: File) -> bool:
        """Whether a document without an apiVersion is beside the templates of a chart: its values have any form."""
        within = any(is_below(file.name, chart) for folder in self.folders for chart in folder.charts)
        return within and not file.chart and "apiVersion" not in value


def _refuse(what: Document | Unread, reason: str, part: str | None, found: Manifests) -> None:
    if isinstance(what, Unread):
        found.problems.append(what.problem)
    elif reason == PATCH:
        message = f"a patch of {part}, no whole object; it is checked once it is rendered"
        found.problems.append(what.problem(ROOT, message))
    elif reason == TEMPLATE:
        found.problems.append(what.problem(("metadata",), "a template of a chart; it is checked once rendered"))
    else:
        path, message = not_an_object(what.value) or (("metadata",), "metadata.name is missing")
        found.problems.append(what.problem(path, f"not a Kubernetes object: {message}"))


def accept(document: Document, found: Manifests) -> None:
    """Take a document to be checked, unless it is too large."""
    if document.size > _MEASURED and len(orjson.dumps(document.unpacked().value)) > MAX_OBJECT:
        message = f"larger than {MAX_OBJECT >> 20} MiB as JSON, which the API server refuses (Request entity too large)"
        found.problems.append(document.problem(ROOT, message))
    else:
        found.documents.append(document)


def is_below(name: str, folder: str) -> bool:
    """Whether a path leads to a folder, or to what is in it."""
    return folder in (".", name) or name.startswith(f"{folder}{os.sep}")
