"""Which cases of policy tests run: those of the files that are named, that are called so, and that expect something."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from webhook.offline.cases.policytest import PlannedCase

_DIGITS = 9  # of a line
_NONE = "no tests: there is no object of kind PolicyTest with a case"


class NoTests(Exception):
    """What was named has no tests, or not just one. str() says what. where: the path or option that named it. among:
    the cases that it may be."""

    def __init__(self, where: str, message: str, among: Sequence[PlannedCase] = ()) -> None:
        super().__init__(message)
        self.where = where
        self.among = among


class NotInTree(Exception):
    """A path is not in the policy tree, or does not exist. str() says which."""


def within(planned: Iterable[PlannedCase], paths: Sequence[str], roots: Sequence[str]) -> list[PlannedCase]:
    """The cases in these files and folders, in the order of the tree; all if there are none.

    roots: the policy tree that the cases are of. Raises NoTests for a path without a case, and NotInTree.
    """
    cases = list(planned)
    if not paths:
        if not cases:
            raise NoTests(", ".join(roots), _NONE)
        return cases
    folders = [Path(each).resolve() for each in roots]
    resolved = {each.file: Path(each.file).resolve() for each in cases}
    chosen: set[str] = set()
    for named in paths:
        path = Path(named).resolve()
        if not path.exists():
            raise NotInTree(f"{named}: no such file or folder")
        if not any(path.is_relative_to(each) or each.is_relative_to(path) for each in folders):
            trees = ", ".join(roots)
            raise NotInTree(f"{named}: not in the policy tree {trees}; --policies names the tree that its tests are of")
        found = [file for file, place in resolved.items() if place.is_relative_to(path)]
        if not found:
            raise NoTests(named, _NONE)
        chosen.update(found)
    return [each for each in cases if each.file in chosen]


def named(planned: Iterable[PlannedCase], texts: Sequence[str]) -> list[PlannedCase]:
    """The cases whose name, or whose policy's name, contains one of the texts, in upper or lower case; all if there are
    none. `*` in a text stands for anything. Raises NoTests if nothing is called so."""
    cases = list(planned)
    if not texts:
        return cases
    found = [each for each in cases if any(is_called(each, text) for text in texts)]
    if not found:
        known = ", ".join(sorted({each.policy for each in cases}))
        raise NoTests(
            f"-k {' -k '.join(map(repr, texts))}", f"no such case, and no such policy with tests among {known}"
        )
    return found


def expecting(planned: Iterable[PlannedCase], expected: Sequence[str]) -> list[PlannedCase]:
    """The cases that expect one of these; all if there are none. Raises NoTests if no case does."""
    cases = list(planned)
    found = [each for each in cases if not expected or each.case.expect in expected]
    if cases and not found:
        raise NoTests(f"--only {' --only '.join(expected)}", "no case expects that")
    return found


def one(planned: Iterable[PlannedCase], text: str) -> PlannedCase:
    """The case that a text names: by its name, by FILE:LINE with any of its lines, or by a part of the name that no
    other case has.

    Raises NoTests if there is none, or more than one.
    """
    cases, where = list(planned), f"--test {text!r}"
    found, what = [each for each in cases if each.case.name == text], "are called so"
    if not found:
        file, _, line = text.rpartition(":")
        of_file = _in_file(cases, file) if line.isdecimal() and len(line) <= _DIGITS else []
        found, what = [each for each in of_file if each.line <= int(line) <= each.last_line], "stand in this line"
        if of_file and not found:
            raise NoTests(where, "no case stands in this line; those of the file are", of_file)
    if not found:
        found, what = [each for each in cases if _contains(each.case.name, text)], "have this in their names"
    if not found:
        raise NoTests(where, "no case of a PolicyTest is called so")
    if len(found) > 1:
        by = "name one by its name" if what == "stand in this line" else "name one by FILE:LINE"
        raise NoTests(where, f"{len(found)} cases {what}; {by}", found)
    return found[0]


def _in_file(cases: Sequence[PlannedCase], file: str) -> list[PlannedCase]:
    """The cases in a file, however its path is written."""
    same = [each for each in cases if each.file == file]
    if same or not file:
        return same
    path = Path(file).resolve()
    return [each for each in cases if Path(each.file).resolve() == path]


def is_called(planned: PlannedCase, text: str) -> bool:
    """Whether a text is a part of the name of a case, or of its policy."""
    return _contains(planned.case.name, text) or _contains(planned.policy, text)


def _contains(name: str, text: str) -> bool:
    """Whether the parts of a text, between its `*`, follow each other in a name."""
    name, at = name.casefold(), 0
    for part in text.casefold().split("*"):
        at = name.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True
