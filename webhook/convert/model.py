"""The result of converting a foreign policy: the new objects, the differences, and what could not be converted."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from webhook.documents.document import Document
from webhook.paths import ROOT, Path

JSONObject = dict[str, Any]

Status = Literal["whole", "differences", "part", "unfinished", "not"]
"""whole: converted without differences. differences: converted, with the differences that are named. part: some rules
were not converted. unfinished: policies in Python deny until someone finishes them. not: nothing was converted."""


class Unsupported(Exception):
    """A feature without an equivalent: str(error) names it. path: its place in the policy, if known."""

    def __init__(self, feature: str, path: Path = ROOT) -> None:
        super().__init__(feature)
        self.path = path


class Unfinished(Unsupported):
    """A feature for which a policy in Python is written that denies until someone finishes it."""


class Note(Struct, frozen=True):
    """A difference, or a feature that is not converted: the text, and its place."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class Outcome(Struct):
    """A foreign policy and the result of its conversion.

    folder: the name of its folder in the tree, and the prefix of the names of the new objects. rules: the name of a
    rule -> the names of the policies made of it; "" for all of a policy without rules. cases: the name of a policy
    made -> cases of its PolicyTest. python: the text of policy.py.
    """

    kind: str
    name: str
    document: Document
    folder: str
    policies: list[JSONObject] = field(default_factory=list)
    bindings: list[JSONObject] = field(default_factory=list)
    params: list[JSONObject] = field(default_factory=list)
    python: str = ""
    rules: dict[str, list[str]] = field(default_factory=dict)
    differences: list[Note] = field(default_factory=list)
    refused: list[Note] = field(default_factory=list)
    unfinished: list[Note] = field(default_factory=list)
    cases: dict[str, list[JSONObject]] = field(default_factory=dict)
    absorbed: bool = False  # whether it became a part of other policies: an exception, a template
    library: str = ""  # the folder of the library's policy that does the same
    tests: list[TestResult] = field(default_factory=list)

    @property
    def status(self) -> Status:
        made = bool(self.policies or self.python or self.absorbed or self.library)
        if not made:
            return "not"
        if self.refused:
            return "part"
        if self.unfinished:
            return "unfinished"
        return "differences" if self.differences else "whole"

    @property
    def made(self) -> list[str]:
        """The names of the policies that it was converted into, in order."""
        return list(dict.fromkeys(name for names in self.rules.values() for name in names))

    @property
    def namespace(self) -> str:
        """The namespace of the foreign policy; "" without one."""
        metadata = self.document.value.get("metadata")
        namespace = metadata.get("namespace") if isinstance(metadata, dict) else None
        return namespace if isinstance(namespace, str) else ""

    def clear(self) -> None:
        """Discard the new objects, and keep the notes."""
        for made in (self.policies, self.bindings, self.params, self.unfinished):
            made.clear()
        self.python, self.absorbed = "", False
        self.rules.clear()

    def differs(self, path: Path, message: str) -> None:
        """Note a difference, once."""
        note = self.note(path, message)
        if note not in self.differences:
            self.differences.append(note)

    def refuse(self, path: Path, message: str) -> None:
        """Note a feature that is not converted, once."""
        note = self.note(path, message)
        if note not in self.refused:
            self.refused.append(note)

    def note(self, path: Path, message: str) -> Note:
        return Note(self.document.stream, self.document.position(path).line, message)


class TestResult(Struct, frozen=True):
    """One expectation of a foreign test, and its result for the converted policy. passed: whether the policy meets it.
    run: whether it was run. reason: why it was not met or not run.
    """

    __test__ = False  # no class of tests for pytest

    file: str
    line: int
    name: str
    passed: bool
    run: bool = True
    reason: str = ""


def mapping(value: Any, what: str, path: Path = ROOT) -> JSONObject:
    """The value if it is a mapping, {} for None. Raises Unsupported."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unsupported(f"{what} must be a mapping", path)
    return value


def listing(value: Any, what: str, path: Path = ROOT) -> list[Any]:
    """The value if it is a list, [] for None. Raises Unsupported."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise Unsupported(f"{what} must be a list", path)
    return value


def texts(value: Any, what: str, path: Path = ROOT) -> list[str]:
    """The value if it is a list of texts, [] for None. Raises Unsupported."""
    items = listing(value, what, path)
    if not all(isinstance(each, str) for each in items):
        raise Unsupported(f"{what} must be a list of texts", path)
    return items
