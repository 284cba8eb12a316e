"""One expectation of a foreign test: an object, and the verdict that the converted policy must give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from msgspec import Struct, field

from webhook.cel.library import re2
from webhook.convert.model import JSONObject, Outcome
from webhook.documents.reader import Document

Wanted = Literal["pass", "fail", "skip", "pass-or-skip", "admitted", "error", "mutated", "counted"]
"""The verdict that an expectation demands. `admitted`: no policy denies. `counted`: only a number of messages."""

FAILURES: Final = ("deny", "warn", "audit", "error")
"""The verdicts of a case in which the policy finds something."""


class Count(Struct, frozen=True):
    """How many messages must match a regular expression. `most`: None for any number."""

    least: int
    most: int | None
    pattern: str = ""

    @property
    def written(self) -> JSONObject:
        """The count as a PolicyTest writes it: {} for one or more messages of any text."""
        matches = {"matches": self.pattern} if self.pattern else {}
        return matches | ({"count": self.most} if self.most is not None else {})

    def missed(self, texts: Sequence[str]) -> str:
        """The reason why the messages differ from the expected ones; "" if they do not."""
        pattern = re2.compiled(self.pattern)
        found = sum(pattern.search(each) is not None for each in texts)
        if found >= self.least and (self.most is None or found <= self.most):
            return ""
        wanted = f"{self.least} or more" if self.most is None else str(self.most)
        about = f" whose message matches {self.pattern!r}" if self.pattern else ""
        return f"expected {wanted} violations{about}, found {found}"


class Expected(Struct):
    """An expectation. policies: the names of the policies made that must meet it: for `fail` one of them, else each.

    counts: how many messages there must be, of all policies; `counted` wants nothing else. patched: the object
    after mutation. old, operation, user, namespace_labels, cluster: of the request. unrun: why it cannot be run
    here; empty if it can. before, after: mutating policies that the test applies to the object before and after it.
    rule: the foreign rule, "" for all. unmatched: `pass` and `fail` are met too where the policy does not match.
    exceptions: those of the test alone. partial: a part of the object after all mutations. one_of: equal for
    expectations of which one must be met; 0 for one that stands by itself. parts: further objects whose messages count
    with those of this one, with a prefix before each message.
    """

    outcome: Outcome
    policies: list[str]
    name: str
    document: Document
    line: int
    wanted: Wanted
    object: JSONObject | None = None
    old: JSONObject | None = None
    operation: str = ""
    counts: list[Count] = field(default_factory=list)
    patched: JSONObject | None = None
    user: dict[str, Any] = field(default_factory=dict)
    namespace: str = ""
    namespace_labels: dict[str, str] = field(default_factory=dict)
    params: JSONObject | None = None
    cluster: list[JSONObject] = field(default_factory=list)
    unrun: str = ""
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    rule: str = ""
    unmatched: bool = False
    exceptions: list[Document] = field(default_factory=list)
    partial: JSONObject | None = None
    one_of: int = 0
    parts: list[Expected] = field(default_factory=list)
    prefix: str = ""

    @property
    def ignores(self) -> bool:
        """Whether errors of its policies let a request through, as Kyverno's do with failurePolicy: Ignore."""
        made = [each for each in self.outcome.policies if each["metadata"]["name"] in self.policies]
        return any(each["spec"].get("failurePolicy") == "Ignore" for each in made)


def case(expected: Expected, expect: str) -> JSONObject:
    """The case of a PolicyTest."""
    written: JSONObject = {"name": expected.name}
    if expected.operation:
        written["operation"] = expected.operation
    if expected.old is not None:
        written["oldObject"] = expected.old
    if expected.object is not None:
        written["object"] = expected.object
    if expected.user:
        written["user"] = expected.user
    if expected.namespace or expected.namespace_labels:
        name = expected.namespace or (expected.object or expected.old or {}).get("metadata", {}).get(
            "namespace", "default"
        )
        written["namespace"] = {"name": name} | (
            {"labels": expected.namespace_labels} if expected.namespace_labels else {}
        )
    if expected.params is not None:
        written["params"] = expected.params
    if expected.cluster:
        written["cluster"] = expected.cluster
    written["expect"] = expect
    if expect in FAILURES:
        counted = [each.written for each in expected.counts]
        # That there are any is what the verdict says.
        if findings := [each for each in counted if each]:
            written["findings"] = findings
    if expect == "allow" and expected.patched is not None:
        written["expectObject"] = expected.patched
    return written
