"""Runs a conversion: reads the sources, converts the policies, runs their tests, writes the tree."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct, field

from webhook.convert import converting, sources, writing
from webhook.convert.converting import Conversion
from webhook.convert.foreigntests import chainsaw, gator, kyvernotest, running
from webhook.convert.foreigntests.expected import Expected
from webhook.convert.model import Note, Outcome
from webhook.documents.reader import STDIN, Document, Problem
from webhook.versions import NEWEST, Version

_DIALECTS = {"kyverno": kyvernotest.expected, "chainsaw": chainsaw.expected, "gator": gator.expected}


class Converted(Struct):
    """The result of a run. written: the files of the tree. notes: the parts of tests that could not be read. others:
    objects that are not policies, each with its place. beside: files without Kubernetes objects."""

    outcomes: list[Outcome]
    problems: list[Problem]
    notes: list[Note] = field(default_factory=list)
    others: list[Note] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)

    @property
    def any_made(self) -> bool:
        return any(each.status != "not" for each in self.outcomes)


def convert(
    names: Sequence[str], out: Path, *, force: bool = False, target: Version = NEWEST, stdin: BinaryIO | None = None
) -> Converted:
    """Convert the policies in files and folders, and write them to a tree. Raises writing.NotWritten, and OSError."""
    read = sources.read(names, stdin)
    found = converting.convert(_policies(read.documents, list(names)), target)
    result = Converted(found.outcomes, read.problems, beside=read.beside)
    tests = _expected(found, list(names), result.notes)
    running.run(tests, target, found.outcomes, result.notes)
    # Objects beside tests are what these are about.
    result.others = [_other(each) for each in found.others if _standard(each) or not found.tests]
    for each in found.outcomes:
        stale = writing.earlier(out / each.folder) if each.folder and each.status == "not" else None
        if stale is not None:
            words = (
                "an earlier conversion wrote it, and it is unchanged: remove its folder, or correct what is named here"
            )
            each.refused.append(Note(str(stale), 1, words))
    with tempfile.TemporaryDirectory() as staged:
        writing.stage(found.outcomes, Path(staged))
        if any(Path(staged).iterdir()):
            result.written = writing.install(Path(staged), out, force=force)
    return result


def _standard(document: Document) -> bool:
    """Whether an object is a policy of Kubernetes itself, or a binding of one."""
    value = document.value
    return str(value["apiVersion"]).startswith("admissionregistration.k8s.io/") and "AdmissionPolicy" in value["kind"]


def _other(document: Document) -> Note:
    kind, api_version = document.value["kind"], document.value["apiVersion"]
    if _standard(document):
        words = f"a {kind} of Kubernetes itself needs no conversion, and is not written: copy its file into the tree"
    else:
        words = f"{kind} ({api_version}) is not a known kind of policy"
    return Note(document.stream, document.line, words)


def _policies(documents: list[Document], roots: list[str]) -> list[Document]:
    """The documents, except those that Chainsaw tests only compare with policies."""
    tests = [each for each in documents if sources.dialect(each) == "chainsaw"]
    looked_at = chainsaw.looked_at(tests, roots) if tests else set()
    if not looked_at:
        return documents
    streams = {each.stream for each in documents}
    left_out = {each for each in streams if each != STDIN and Path(each).resolve() in looked_at}
    return [each for each in documents if each.stream not in left_out]


def _expected(found: Conversion, roots: list[str], notes: list[Note]) -> list[Expected]:
    """The expectations of all tests. One that is malformed is named, and does not affect the others."""
    expected: list[Expected] = []
    for dialect, test in found.tests:
        try:
            expected += _DIALECTS[dialect](test, found.outcomes, roots, notes)
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
            notes.append(Note(test.stream, test.line, "a malformed test: not run"))
    return expected
