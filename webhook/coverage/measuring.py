"""Measures what tests run of policies: the face of this room.

measured = Measured(policies)
with measured.running() as recording:
    results = list(runs.run(planned, policies, recording))
coverage = measured.coverage(roots, planned)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path as FilePath
from typing import Protocol

from webhook.coverage.expressions import Expressions
from webhook.coverage.model import Coverage
from webhook.coverage.python import Functions
from webhook.coverage.unreachable import Explanation, explained
from webhook.documents import reader
from webhook.policy.policyset import PolicySet
from webhook.policy.reviewing import Recorders


class Tested(Protocol):
    """A case: what is asked of webhook.offline.cases.policytest.PlannedCase."""

    @property
    def policy(self) -> str: ...

    @property
    def uncovered(self) -> Sequence[tuple[str, str, str]]:
        """What its PolicyTest explains: the text of a span, the side that no test can show, the reason."""


class Measured:
    """The policies of a set, of which the coverage is measured. Raises webhook.coverage.python.NotInstalled."""

    def __init__(self, policies: PolicySet) -> None:
        self._expressions = Expressions(policies)
        self._functions = Functions(policies)

    @contextmanager
    def running(self) -> Iterator[Recorders]:
        """Run tests within, with the recording that this gives."""
        with self._functions.measuring():
            yield self._expressions.seen

    def coverage(self, roots: Sequence[str], cases: Iterable[Tested], *, tested_only: bool = False) -> Coverage:
        """What has been seen. roots: the trees that the policies were loaded from. cases: those that were run.
        tested_only: leave out the policies of which no case was run."""
        read, _ = reader.read(root for root in roots if not root.endswith(".py"))
        documents = {(document.stream, document.line): document for document in read}
        tested = list(cases)
        counted = Counter(case.policy for case in tested)
        given: dict[str, dict[Explanation, None]] = {}
        for case in tested:
            given.setdefault(case.policy, {}).update((Explanation(*each), None) for each in case.uncovered)
        in_cel, unused = explained(self._expressions.covered(documents, counted), given)
        found = [*in_cel, *self._functions.covered(counted)]
        if tested_only:
            found = [each for each in found if each.cases]
        found.sort(key=lambda each: (each.file, each.line, each.name))
        files = sorted({each.file for each in found})
        sources = {file: tuple(FilePath(file).read_text(errors="replace").split("\n")) for file in files}
        stale = tuple(f"{name}: `{each.span}` never {each.never}" for name, each in unused)
        return Coverage(tuple(found), sources, stale)
