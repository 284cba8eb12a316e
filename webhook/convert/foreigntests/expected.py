"""One expectation of a foreign test: an object, and what a policy that was converted must make of it."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from webhook.convert.model import JSONObject, Outcome
from webhook.documents.reader import Document

Wanted = Literal["pass", "fail", "skip", "pass-or-skip", "error", "mutated"]


class Expected(Struct):
    """An expectation. policies: the names of the policies made that must meet it: for `fail` one of them, else each.

    patched: the object after mutation. old, operation, user, namespace_labels, cluster: of the request. unrun: why it
    cannot be run here; empty if it can.
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
    message: str = ""
    patched: JSONObject | None = None
    user: dict[str, Any] = field(default_factory=dict)
    namespace: str = ""
    namespace_labels: dict[str, str] = field(default_factory=dict)
    params: JSONObject | None = None
    unrun: str = ""


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
    written["expect"] = expect
    if expect == "allow" and expected.patched is not None:
        written["expectObject"] = expected.patched
    return written
