"""The report as one JSON object. Its fields are an interface: add, never rename.

{"findings": [{"file", "line", "object": {"apiVersion", "kind", "namespace", "name"}, "kind", "policy", "binding",
               "action",
               "reason", "message", "path", "error": whether the policy failed, so that this is no violation,
               "lookedFor": where no params were found {"apiVersion", "kind", "name" or "selector", "namespace",
               "binding", "file", "line"}, else null, "traceback": with --verbose only, [line],
               "explanation": with --explain only: {"param", "expressions"}, see explainedjson.py, or null}],
 "excepted": [the same, and "exception", "until"],
 "summary": {"files", "objects", "policies", "deny", "warn", "audit", "excepted", "errors"},
 "errors": [{"file", "line", "column", "message"}], "warnings": [the same, which fail nothing], "notes": [text],
 "leftOut": [{"file", "reason": "no object", "patch", "template", "chart", "kustomization" or "excluded",
              "command": what renders a chart or kustomization, or null, "by": what excludes it, or null}],
 "diffs": [{"file", "line", "object", "policies", "diff"}]}    (diffs with --diff only)

`kind` is the kind of the policy, or `schema` for what the API server refuses before any policy: `policy` and `binding`
are empty then. `action` is Deny, Warn or Audit, as a binding's validationActions has them. `line` counts from 1; `path`
is null where it is not known. An object that is cluster-scoped has an empty namespace.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from webhook.cli.report.changes import unified
from webhook.cli.report.outcome import ACTIONS, Outcome
from webhook.documents.reader import Problem
from webhook.offline.background import Background
from webhook.offline.explaining import param_name
from webhook.offline.requests import Identity
from webhook.offline.verdicts import Located
from webhook.paths import render
from webhook.visible import encodable


def report(outcome: Outcome) -> str:
    """The report, with a newline at its end."""
    value: dict[str, Any] = {
        "findings": [_finding(located, outcome) for located in outcome.findings],
        "excepted": [
            {**_finding(located, outcome), "exception": exception.name, "until": exception.until}
            for located, exception in outcome.excepted
        ],
        "summary": {
            "files": outcome.files,
            "objects": outcome.objects,
            "policies": outcome.policies,
            **{action: outcome.count(action) for action in ACTIONS},
            "excepted": len(outcome.excepted),
            "errors": len(outcome.problems),
        },
        "errors": problems(outcome.problems),
        "warnings": problems(outcome.warnings),
        "notes": [*outcome.notes, *_streams(outcome)],
        "leftOut": [
            {
                "file": encodable(each.file),
                "reason": each.reason,
                "command": encodable(each.command) or None,
                "by": encodable(each.by) or None,
            }
            for each in outcome.left_out
        ],
    }
    if outcome.show_changes:
        value["diffs"] = [
            {
                "file": change.file,
                "line": change.line,
                "object": _object(change.identity),
                "policies": list(change.policies),
                "diff": "\n".join(unified(change)),
            }
            for change in outcome.changes
        ]
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n"
    except TypeError:  # half characters, in the name of a file or a policy's message
        return orjson.dumps(encodable(value), option=orjson.OPT_INDENT_2).decode() + "\n"


def problems(found: Iterable[Problem]) -> list[dict[str, Any]]:
    """What is wrong with files, each with its place; line and column are null where they are not known."""
    return [
        {"file": encodable(each.file), "line": each.line, "column": each.column, "message": encodable(each.message)}
        for each in found
    ]


def _finding(located: Located, outcome: Outcome) -> dict[str, Any]:
    return {
        "file": located.file,
        "line": located.line,
        "object": _object(located.identity),
        "kind": located.finding.kind,
        "policy": located.finding.policy,
        "binding": located.finding.binding,
        "action": located.finding.action,
        "reason": located.finding.reason,
        "message": located.message,
        "path": None if located.path is None else render(located.path),
        **beside(located, outcome.background, outcome.verbose),
        **(_why(located) if outcome.explained else {}),
    }


def beside(located: Located, background: Background | None, verbose: bool) -> dict[str, Any]:
    """What is known of a finding besides: `error`, `lookedFor`, and `traceback` where it is asked for."""
    looked_for = background and background.looked_for(located.finding, located.identity.namespace)
    fields: dict[str, Any] = {
        "error": located.finding.error,
        "lookedFor": looked_for
        and {
            "apiVersion": looked_for.api_version,
            "kind": looked_for.kind,
            "name": looked_for.name or None,
            "selector": looked_for.selector or None,
            "namespace": looked_for.namespace,
            "binding": looked_for.binding,
            "file": looked_for.file,
            "line": looked_for.line,
        },
    }
    if verbose:
        fields["traceback"] = list(background.traceback(located.finding)) if background else []
    return fields


def _why(located: Located) -> dict[str, Any]:
    if located.explained is None:
        return {"explanation": None}
    from webhook.cli.report.explainjson import expression  # where it is asked for

    evaluated, planned = located.explained.evaluated, located.explained.planned
    expressions = [expression(each, evaluated.private, planned) for each in evaluated.behind(located.finding)]
    return {"explanation": {"param": param_name(evaluated.param) or None, "expressions": expressions}}


def _streams(outcome: Outcome) -> list[str]:
    """Where lines are not those of the file that is named: of templates that something else rendered."""
    pairs = {(located.file, located.stream): None for located in outcome.findings if located.file != located.stream}
    return [f"{file}: its lines are those of {stream}" for file, stream in pairs]


def _object(identity: Identity) -> dict[str, str]:
    return {
        "apiVersion": identity.api_version,
        "kind": identity.kind,
        "namespace": identity.namespace,
        "name": identity.name,
    }
