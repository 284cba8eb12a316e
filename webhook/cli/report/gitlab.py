"""The report as GitLab's Code Quality report: a JSON list. Merge requests show new and resolved entries.

Source: https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

from webhook.cli.report.jsonformat import dumped
from webhook.cli.report.model import Report, Severity, merged
from webhook.cli.report.plain import placed_finding, placed_problems
from webhook.visible import visible

_SEVERITIES: Final[dict[Severity, str]] = {"error": "major", "warning": "minor", "note": "info"}


def text(report: Report) -> Iterator[str]:
    """The report in pieces. What counts for nothing is not in it."""
    nothing = True
    for each in _issues(report):
        yield f"{'[' if nothing else ','}\n{dumped(each)}"
        nothing = False
    yield "[]\n" if nothing else "\n]\n"


def _issues(report: Report) -> Iterator[dict[str, Any]]:
    for _, each in merged(report.findings):
        place = each.place
        lines = {"begin": place.line or 1, "end": place.end_line or place.line or 1}
        severity = _SEVERITIES[each.severity]
        file, message = placed_finding(report, each)
        yield _issue(visible(each.rule), message, each.fingerprint, severity, file, lines)
    for level, file, line, _, message in placed_problems(report):
        mark = sha256(f"{level}\0{file}\0{line}\0{message}".encode()).hexdigest()[:32]
        severity = "blocker" if level == "error" else "minor"
        yield _issue("input", message, mark, severity, file, {"begin": line or 1})


def _issue(
    rule: str, description: str, fingerprint: str, severity: str, file: str, lines: dict[str, int]
) -> dict[str, Any]:
    # Paths are relative to the repository there, without ./ at their beginning.
    location = {"path": os.path.normpath(file), "lines": lines}
    return {
        "type": "issue",
        "categories": ["Bug Risk"],  # GitLab does without, other readers of Code Climate's form do not
        "description": description,
        "check_name": rule,
        "fingerprint": fingerprint,
        "severity": severity,
        "location": location,
    }
