"""The report of `impact` as one JSON object. Its fields are an interface: add, never rename."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from webhook.cli.report.impactmodel import Finding, Report
    from webhook.documents.document import Problem


def text(report: Report) -> Iterator[str]:
    """The report, in pieces."""
    value = {
        "command": "impact",
        "findings": [_finding(each) for each in report.findings],
        "summary": _summary(report),
        "errors": [_problem(each) for each in report.problems],
        "warnings": [_problem(each) for each in report.warnings],
        "notes": list(report.notes),
    }
    try:
        yield orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    except TypeError:  # half characters, in the name of a file or a policy's message
        import json

        yield json.dumps(value, indent=2)
    yield "\n"


def _finding(finding: Finding) -> dict[str, Any]:
    place, about = finding.place, finding.object
    return {
        "change": finding.change,
        "policy": finding.policy,
        "kind": finding.kind,
        "binding": finding.binding,
        "action": finding.action,
        "error": finding.error,
        "message": finding.message,
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "path": finding.path or None,
        "object": {
            "apiVersion": about.api_version,
            "kind": about.kind,
            "namespace": about.namespace,
            "name": about.name,
        },
        "owner": finding.owner,
        "operation": finding.operation,
        "asides": list(finding.asides),
        "diff": "\n".join(finding.diff) or None,
    }


def _summary(report: Report) -> dict[str, Any]:
    found = report.impact
    if found is None:
        return {"errors": len(report.problems)}
    return {
        "old": found.old,
        "new": found.new,
        "objects": found.objects,
        "differing": found.differing,
        "newlyDenied": found.newly_denied,
        "newlyAllowed": found.newly_allowed,
        "policies": [
            {
                "name": each.name,
                "kind": each.kind,
                "differs": list(each.parts),
                "matched": each.matched,
                "unjudged": each.unjudged or None,
            }
            for each in found.policies
        ],
        "errors": len(report.problems),
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {"file": problem.file, "line": problem.line, "column": problem.column, "message": problem.message}
