"""The coverage of policies in Python by line and branch, as coverage.py measures it.

Only what stands in functions counts. Importing a policy runs the rest, also of a policy that no test tests, and that
says nothing of its tests. Measured is the process that runs the tests, while it runs them.
"""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path as FilePath
from typing import Any, Final

import orjson

from webhook.coverage.model import Covered, Figure, Mark
from webhook.policy.policyset import PolicySet

MISSING: Final = (
    "--coverage: there are policies in Python, and coverage.py, which measures them, is not installed: "
    "pip install 'gatewright[coverage]'"
)


class NotInstalled(Exception):
    """coverage.py is needed, and is not installed."""

    def __init__(self) -> None:
        super().__init__(MISSING)


class Functions:
    """The functions of all files of policies in Python of a set. Raises NotInstalled."""

    def __init__(self, policies: PolicySet) -> None:
        self._files: dict[str, list[str]] = {}
        for policy in policies.policies:
            if policy.language == "python":
                self._files.setdefault(policy.file, []).append(policy.name)
        self._coverage: Any = None
        if self._files:
            self._coverage = _coverage([str(FilePath(file).resolve()) for file in self._files])

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Measure what runs within."""
        if self._coverage is None:
            yield
            return
        self._coverage.start()
        try:
            yield
        finally:
            self._coverage.stop()

    def covered(self, cases: Mapping[str, int]) -> list[Covered]:
        """The coverage of each file. cases: the number of cases by policy."""
        if self._coverage is None:
            return []
        found = self._report()
        return [_of(file, names, found[str(FilePath(file).resolve())], cases) for file, names in self._files.items()]

    def _report(self) -> dict[str, Any]:
        """The report of coverage.py on each file, by its real path: docs of `coverage json`, format 3."""
        files = [str(FilePath(file).resolve()) for file in self._files]
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that no policy ran, if none has tests
            out = FilePath(folder, "coverage.json")
            self._coverage.json_report(morfs=files, outfile=str(out))
            report = orjson.loads(out.read_bytes())
        return {str(FilePath(name).resolve()): found for name, found in report["files"].items()}


def _coverage(files: Sequence[str]) -> Any:
    try:
        from coverage import Coverage
    except ImportError:
        raise NotInstalled from None
    include = list(map(_literally, files))
    return Coverage(data_file=None, config_file=False, branch=True, include=include, messages=False)


def _literally(file: str) -> str:
    """The file's name as a pattern of what coverage.py measures; it has no escapes. Reports take names."""
    return re.sub(r"[\[\]*?]", "?", file)


def _of(file: str, names: Sequence[str], found: Mapping[str, Any], cases: Mapping[str, int]) -> Covered:
    lines = FilePath(file).read_text(errors="replace").split("\n")
    marks: list[Mark] = []
    ran: list[bool] = []
    for name, function in found["functions"].items():
        if name:
            marks += _marks(name, function, lines)
            ran.append(bool(function["executed_lines"]))
    return Covered(
        tuple(sorted(set(names))),
        "python",
        "",
        file,
        1,
        sum(cases.get(name, 0) for name in set(names)),
        tuple(sorted(marks, key=lambda mark: (mark.start, mark.kind == "branch"))),
        Figure(sum(ran), len(ran)),
        Figure(0, 0),
    )


def _marks(name: str, function: Mapping[str, Any], lines: Sequence[str]) -> Iterator[Mark]:
    executed = set(function["executed_lines"])
    for line in sorted([*executed, *function["missing_lines"]]):
        yield _mark(name, line, lines, "line", ("run",), ("run",) if line in executed else (), line in executed)
    sides: dict[int, dict[str, bool]] = {}
    for taken, arcs in ((True, function["executed_branches"]), (False, function["missing_branches"])):
        for line, target in arcs:
            sides.setdefault(line, {})[f"to line {target}" if target > 0 else "out of the function"] = taken
    for line, ways in sorted(sides.items()):
        seen = tuple(way for way, taken in ways.items() if taken)
        yield _mark(name, line, lines, "branch", tuple(ways), seen, line in executed)


def _mark(
    name: str, line: int, lines: Sequence[str], kind: Any, sides: tuple[str, ...], seen: tuple[str, ...], ran: bool
) -> Mark:
    text = lines[line - 1] if line <= len(lines) else ""
    first = len(text) - len(text.lstrip()) + 1
    last = max(len(text.rstrip()), first)
    return Mark((line, first), (line, last), name, text.strip(), kind, kind, sides, seen, ran)
