"""Explanations as JSON. The fields are an interface: add, never rename.

{"policies": [{"policy", "kind", "language", "file", "line", "objects": [
   {"file", "line", "object": {"apiVersion", "kind", "namespace", "name"}, "operation",
    "template": PATH or null, "matched", "reason": why it is not matched or null, "denied",
    "refused": [{"message", "file", "line", "column", "path"}],  (what the API server refuses of the object)
    "findings": [{"binding", "action", "message", "file", "line", "column", "path", "error", "lookedFor",
                  "traceback": with --verbose only}],  (the last three as in jsonformat.py)
    "excepted": [the same, and "exception", "until"],
    "bindings": [{"binding", "actions", "applies", "reason", "evaluations": [EVALUATION]}]}]}],
 "notes": [text], "errors": [{"file", "line", "column", "message"}]}

EVALUATION: {"param", "matchConditions": [EXPRESSION], "validations": [EXPRESSION], "auditAnnotations": [EXPRESSION]}
EXPRESSION: {"field", "index" or "key", "name", "source", "outcome", "tree": STEP,
             "witnesses": [{"path", "line", "column"}]}
STEP: {"text", "start", "end", "name", "outcome": "value", "error" or "skipped", "value", "type", "hidden", "error",
       "decides", "path", "source": of a variable's own expression, "variable": STEP, "children": [STEP],
       "rounds": [{"place", "items": [{"name", "value"}], "path", "decides", "children"}], "total"}

A witness may be a missing field: its line and column are then those of the innermost parent that exists.
`value` is text in the form of a CEL literal, cut to 200 characters; what comes from a Secret is its type and length,
and `hidden` is true then. `start` and `end` are offsets, in code points, in the `source` that the step stands in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson

from webhook.cel.why.explanation import Round, Step
from webhook.cel.why.privacy import CLEAN, PRIVATE, Private
from webhook.cli.report.celvalues import cut, shown, type_name
from webhook.cli.report.changes import unified
from webhook.cli.report.explaintext import Report
from webhook.cli.report.jsonformat import identity, looked_for, problems
from webhook.documents.reader import Problem
from webhook.offline.explaining import Explained, ExplainedPolicy, error_of, param_name
from webhook.offline.policyexplained import RequestExplained
from webhook.offline.requests import PlannedRequest
from webhook.offline.verdicts import Located
from webhook.paths import render
from webhook.visible import encodable, no_commands_in_json

MAX_VALUE: Final = 200
MAX_STEPS: Final = 5_000
"""The most steps of one expression; where there are more, the tree ends in steps with `"more": true`."""

MAX_DEPTH: Final = 50
"""The most levels, likewise: readers of JSON have limits."""


def report(reports: Sequence[Report], notes: Sequence[str], found: Sequence[Problem]) -> str:
    """The report, with a newline at its end."""
    value = {
        "policies": [
            {
                "policy": each.policy.name,
                "kind": each.policy.kind,
                "language": each.policy.language,
                "file": each.policy.file,
                "line": each.policy.line,
                "objects": [_request(request, each) for request in each.requests],
            }
            for each in reports
        ],
        "notes": list(notes),
        "errors": problems(found),
    }
    return dumped(value)


def dumped(value: Any) -> str:
    """JSON text with a newline at its end, whatever half characters are in it."""
    try:
        return no_commands_in_json(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()) + "\n"
    except TypeError:  # half characters, in the name of a file or a policy's message; or nested very deeply
        import json

        return no_commands_in_json(json.dumps(encodable(value), indent=2, ensure_ascii=False)) + "\n"


def evaluation(evaluated: ExplainedPolicy, planned: PlannedRequest) -> dict[str, Any]:
    """One evaluation of a policy: see EVALUATION above."""
    made: dict[str, Any] = {"param": param_name(evaluated.param) or None}
    for field, found in (
        ("matchConditions", evaluated.conditions),
        ("validations", evaluated.validations),
        ("auditAnnotations", evaluated.annotations),
    ):
        made[field] = [expression(each, evaluated.private, planned) for each in found]
    return made


def expression(each: Explained, private: Private, planned: PlannedRequest) -> dict[str, Any]:
    """One expression: see EXPRESSION above."""
    explanation = each.explanation
    field, index = each.place[1], each.place[2]
    witnesses = []
    for path in explanation.witnesses:
        place = planned.place(path)
        position = planned.document.position(place)
        witnesses.append({"path": private.text(render(place)), "line": position.line, "column": position.column})
    return {
        "field": field,
        **({"key": each.name} if field == "auditAnnotations" else {"index": index}),
        "name": each.name or None,
        "source": explanation.source,
        "outcome": explanation.root.outcome,
        "witnesses": witnesses,
        "tree": _Steps(private, planned).step(explanation.root),
    }


class _Steps:
    def __init__(self, private: Private, planned: PlannedRequest) -> None:
        self._private = private
        self._planned = planned
        self._left = MAX_STEPS
        self._depth = 0

    def step(self, step: Step) -> dict[str, Any]:
        self._left -= 1
        made: dict[str, Any] = {
            "text": cut(step.text, MAX_VALUE),
            "start": step.start,
            "end": step.end,
            "name": step.name,
            "outcome": step.outcome,
            "decides": step.decides,
        }
        if step.outcome == "value":
            made["value"] = shown(step.value, step.level, self._private, MAX_VALUE)
            made["type"] = type_name(step.value)
            made["hidden"] = step.level == PRIVATE and not isinstance(step.value, bool)
        elif step.outcome == "error":
            made["error"] = self._private.text(error_of(step))
            made["hidden"] = step.error_level != CLEAN
        if step.path is not None:
            made["path"] = self._private.text(render(self._planned.place(step.path)))
        if step.variable is not None:
            made["source"] = step.variable.source
            made["variable"] = next(iter(self.some([step.variable], self.step, made)), None)
        children = self.some(step.children, self.step, made)
        if children:
            made["children"] = children
        if step.rounds:
            made["rounds"] = self.some(step.rounds, self.round, made)
            made["total"] = step.total
        return made

    def round(self, each: Round) -> dict[str, Any]:
        items = [
            {"name": name, "value": shown(value, level, self._private, MAX_VALUE)} for name, value, level in each.items
        ]
        path = None if each.path is None else self._private.text(render(self._planned.place(each.path)))
        made: dict[str, Any] = {"place": each.place, "items": items, "path": path, "decides": each.decides}
        made["children"] = self.some(each.children, self.step, made)
        return made

    def some(self, parts: Sequence[Any], write: Callable[[Any], dict[str, Any]], made: dict[str, Any]) -> list[Any]:
        """The parts, as many as there may be yet."""
        self._depth += 1
        written = [write(part) for part in parts if self._left > 0 and self._depth <= MAX_DEPTH]
        self._depth -= 1
        if len(written) < len(parts):
            made["more"] = True
        return written


def _request(request: RequestExplained, report: Report) -> dict[str, Any]:
    planned = request.planned
    prefix = planned.prefix
    made: dict[str, Any] = {
        "file": planned.document.stream,
        "line": planned.document.position(prefix).line,
        "object": identity(planned.identity),
        "operation": planned.request.operation,
        "template": render(prefix) if planned.of_template else None,
        "matched": request.matched,
        "reason": request.unmatched,
        "denied": request.denied,
        "refused": [_place(located) for located in request.refused],
        "findings": [_finding(located, report) for located in request.findings],
        "excepted": [
            {**_finding(located, report), "exception": exception.name, "until": exception.until}
            for located, exception in request.excepted
        ],
        "bindings": [
            {
                "binding": bound.binding.name,
                "actions": list(bound.binding.actions),
                "applies": bound.unmatched is None,
                "reason": bound.unmatched,
                "evaluations": [evaluation(each, planned) for each in bound.evaluated],
            }
            for bound in request.bindings
        ],
    }
    if report.policy.kind == "MutatingAdmissionPolicy":
        made["diffs"] = ["\n".join(unified(change)) for change in request.changes]
    return made


def _beside(located: Located, report: Report) -> dict[str, Any]:
    """What is known of a finding besides: `error`, `lookedFor`, and `traceback` where it is asked for."""
    background, finding = report.background, located.finding
    found = background.looked_for(finding, located.identity.namespace) if background else None
    fields: dict[str, Any] = {"error": finding.error, "lookedFor": looked_for(found)}
    if report.verbose:
        fields["traceback"] = list(background.traceback(finding)) if background else []
    return fields


def _finding(located: Located, report: Report) -> dict[str, Any]:
    return {
        **_beside(located, report),
        "binding": located.finding.binding,
        "action": located.finding.action,
        **_place(located),
    }


def _place(located: Located) -> dict[str, Any]:
    return {
        "message": located.message,
        "file": located.stream,
        "line": located.line,
        "column": located.column,
        "path": None if located.path is None else render(located.path),
    }
