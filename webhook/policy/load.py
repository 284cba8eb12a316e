"""A policy tree -> PolicySet, or every error at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path as FilePath

from webhook.documents import Document, Problem
from webhook.policy.policyset import PolicySet


class PolicyTreeError(ValueError):
    """A policy tree that cannot be used. `problems`: everything that is wrong with it, in the order of the files."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: (problem.file, problem.line or 0, problem.column or 0))
        super().__init__("\n".join(map(str, self.problems)))


def load(root: str | FilePath) -> PolicySet:
    """The policies of a folder (or a file): YAML, JSON and Python. Raises PolicyTreeError."""
    raise NotImplementedError


def load_documents(documents: Sequence[Document], python_files: Sequence[FilePath] = ()) -> PolicySet:
    """The policies among documents that have been read, and in Python files. Raises PolicyTreeError."""
    raise NotImplementedError
