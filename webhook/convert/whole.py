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
from webhook.documents.reader import Problem
from webhook.versions import NEWEST, Version

_DIALECTS = {"kyverno": kyvernotest.expected, "chainsaw": chainsaw.expected, "gator": gator.expected}


class Converted(Struct):
    """The result of a run. written: the files of the tree. notes: the parts of tests that could not be read. others:
    objects that are not policies, each with its place."""

    outcomes: list[Outcome]
    problems: list[Problem]
    notes: list[Note] = field(default_factory=list)
    others: list[Note] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)

    @property
    def any_made(self) -> bool:
        return any(each.status != "not" for each in self.outcomes)


def convert(
    names: Sequence[str], out: Path, *, force: bool = False, target: Version = NEWEST, stdin: BinaryIO | None = None
) -> Converted:
    """Convert the policies in files and folders, and write them to a tree. Raises writing.NotWritten, and OSError."""
    read = sources.read(names, stdin)
    found = converting.convert(read.documents, target)
    result = Converted(found.outcomes, read.problems)
    try:
        tests = _expected(found, list(names), result.notes)
    except (AttributeError, TypeError, ValueError):  # a test file that is malformed
        result.notes.append(
            Note(found.tests[0][1].stream, found.tests[0][1].line, "a test file is malformed; no test is run")
        )
        tests = []
    running.run(tests, target, found.outcomes)
    # Objects beside tests are what these are about.
    if not found.tests:
        result.others = [
            Note(
                each.stream, each.line, f"{each.value['kind']} ({each.value['apiVersion']}) is no policy that is known"
            )
            for each in found.others
        ]
    for each in found.outcomes:
        stale = writing.earlier(out / each.folder) if each.folder and each.status == "not" else None
        if stale is not None:
            words = (
                "an earlier conversion wrote it, and it stays as it is: remove its folder, or mend what is named here"
            )
            each.refused.append(Note(str(stale), 1, words))
    with tempfile.TemporaryDirectory() as staged:
        writing.stage(found.outcomes, Path(staged))
        if any(Path(staged).iterdir()):
            result.written = writing.install(Path(staged), out, force=force)
    return result


def _expected(found: Conversion, roots: list[str], notes: list[Note]) -> list[Expected]:
    return [each for dialect, test in found.tests for each in _DIALECTS[dialect](test, found.outcomes, roots, notes)]
