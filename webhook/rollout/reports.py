"""Reads the JSON reports that `check` and `audit` have written (webhook.cli.report.jsonformat)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from webhook.documents.files import reason
from webhook.documents.undecodable import UNDECODABLE

MAX_SIZE: Final = 512 << 20
"""Bytes of a report: some 400,000 findings."""

COMMANDS: Final = ("check", "audit")


class ReportError(ValueError):
    """The file is not a report of these commands; the text says what was expected."""


class Object(Struct, frozen=True, rename="camel"):
    """The object that a finding is about. `namespace`: "" if it is cluster-scoped."""

    api_version: str
    kind: str
    namespace: str
    name: str


class Finding(Struct, frozen=True, rename="camel", kw_only=True):
    """A finding, as far as exceptions and roll-outs need it: see webhook.cli.report.model.Finding."""

    object: Object | None
    owner: str
    operation: str
    kind: str
    policy: str
    binding: str
    level: str
    message: str
    error: bool
    validation: int | None
    pod_labels: dict[str, str] = {}
    generated_name: bool = False


class NamespaceLabels(Struct, frozen=True):
    """A Namespace of an audited cluster."""

    name: str
    labels: dict[str, str] = {}


class _Wrong(Struct, frozen=True):
    message: str


class _Rule(Struct, frozen=True):
    id: str


class Saved(Struct, frozen=True, rename="camel", kw_only=True):
    """A report. `errors`: what the run could not read: with any, the report may be incomplete.

    `known`: findings that a baseline covered. `exceptions_used`: the exceptions of the run, and on how many objects
    each covered something.
    `namespaces`: those of the audited clusters.
    """

    command: str
    findings: list[Finding]
    summary: dict[str, Any]
    errors: list[_Wrong]
    known: list[Finding] = []
    rules: list[_Rule] = []
    exceptions_used: dict[str, int] = {}
    namespaces: list[NamespaceLabels] = []

    @property
    def of_log(self) -> bool:
        """Whether the report is about requests in audit logs instead of objects in a cluster."""
        return "events" in self.summary

    @property
    def policies(self) -> set[str]:
        """The names of the policies that were evaluated."""
        return {each.id for each in self.rules}

    @property
    def shards(self) -> int:
        """Into how many shards the audit was divided, of which this is one; 0 if it is whole."""
        found = self.summary.get("shards")
        return found if isinstance(found, int) else 0

    @property
    def left_out(self) -> str:
        """A text that says what the report leaves out; "" if it is complete."""
        if self.summary.get("hidden"):
            return "findings that --only hides"
        if self.summary.get("shards"):
            return "the namespaces of other shards"
        return ""


def of_run(
    command: str,
    summary: Mapping[str, Any],
    errors: Iterable[str],
    policies: Iterable[str],
    exceptions_used: Mapping[str, int],
) -> Saved:
    """What the report of a run says of exceptions, without its findings. errors: what could not be read. policies: the
    names of those that were evaluated."""
    return Saved(
        command=command,
        findings=[],
        summary=dict(summary),
        errors=[_Wrong(each) for each in errors],
        rules=[_Rule(each) for each in policies],
        exceptions_used=dict(exceptions_used),
    )


def read(file: str) -> Saved:
    """Read the report in a file, or on stdin for `-`. Raises ReportError."""
    shown = "stdin" if file == "-" else file
    try:
        content = _content(file)
    except OSError as error:
        raise ReportError(f"{shown}: {reason(error)}") from None
    if len(content) > MAX_SIZE:
        raise ReportError(f"{shown}: more than {MAX_SIZE >> 20} MiB")
    expected = "expected what `gatewright check -o json` or `gatewright audit -o json` writes"
    try:
        found = msgspec.json.decode(content, type=Saved)
    except msgspec.ValidationError as error:
        raise ReportError(f"{shown}: {expected}: {error}") from None
    except UNDECODABLE as error:
        raise ReportError(f"{shown}: {expected}: not JSON: {error}") from None
    if found.command not in COMMANDS:
        raise ReportError(f"{shown}: {expected}, got a report of {found.command[:40]!r}")
    return found


def _content(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read(MAX_SIZE + 1) if sys.stdin is not None else b""
    with Path(file).open("rb") as stream:
        return stream.read(MAX_SIZE + 1)
