"""The report as one JSON object, of one shape for `check`, `test`, `lint`, `impact` and `audit`. Its fields are an
interface: add, never rename. docs/report.schema.json describes all of them; docs/formats.md says what they mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
import orjson

from webhook.cli.report.model import LEVELS, Case, Diff, Exempted, Finding, Fix, Level, Place, Report, Rule
from webhook.documents.document import Problem
from webhook.impact.summary import Summary
from webhook.offline.background import LookedFor
from webhook.offline.leftout import LeftOut
from webhook.offline.requests import Identity
from webhook.visible import encodable, no_commands_in_json

OF_VERDICTS: Final[tuple[Level, ...]] = LEVELS[:3]
"""The levels that `check`, `impact` and `audit` count in the summary; the other commands count the rest."""


def text(report: Report, sums: Report | None = None) -> Iterator[str]:
    """The report in pieces, with a newline at its end: a finding is written before the next one is made.

    sums: the whole report whose levels the summary counts, if this is a part of it.
    """
    yield "{"
    for index, (key, value) in enumerate(fields(report, sums)):
        yield f"{',' if index else ''}\n  {dumped(key)}: "
        if isinstance(value, list | dict | str):
            yield _indented(dumped(value), "  ")
            continue
        nothing = True
        for each in value:
            yield f"{'[' if nothing else ','}\n    {_indented(dumped(each), '    ')}"
            nothing = False
        yield "[]" if nothing else "\n  ]"
    yield "\n}\n"


def _indented(written: str, indent: str) -> str:
    return written.replace("\n", f"\n{indent}")


def dumped(value: Any) -> str:
    """A value as JSON with two spaces a level, whatever half characters are in it."""
    try:
        return no_commands_in_json(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
    except TypeError:  # half characters, in the name of a file or a policy's message; or nested very deeply
        import json

        return no_commands_in_json(json.dumps(encodable(value), indent=2, ensure_ascii=False))


def fields(report: Report, sums: Report | None = None) -> Iterator[tuple[str, Any]]:
    """The fields of the report's object with their values: JSON values, or iterators over the items of a list.

    sums: see `text`.
    """
    yield "command", report.command
    if report.at:
        yield "at", report.at
    yield "findings", (_finding(each, report) for each in report.findings)
    yield "excepted", (_excepted(each, report) for each in _of(report, "exception"))
    if report.exceptions_used:
        yield "exceptionsUsed", dict(sorted(report.exceptions_used.items()))
    yield "known", (_finding(each, report) for each in _of(report, "baseline"))
    yield "silenced", (_silenced(each, report) for each in _of(report, "comment"))
    if report.mutated is not None:
        from webhook.cli.report import mutantsjson  # where it is asked for

        yield "mutants", mutantsjson.policies(report.mutated, report.verbose)
    elif report.command == "test":
        yield "cases", (_case(each) for each in report.cases)
    yield "summary", {**_summary(sums if sums is not None else report), "hidden": report.hidden}
    if report.impact is not None:
        yield "impact", _impact(report.impact)
    if report.scores is not None:
        from webhook.cli.report import scoreviews  # where it is asked for

        yield "scores", scoreviews.value(report.scores)
    if report.namespaces:
        yield "namespaces", (msgspec.to_builtins(each) for each in report.namespaces)
    if report.history:
        from webhook.cli.report import history

        yield "history", history.values(report.history)
    yield "rules", (_rule(each) for each in report.rules.values())
    yield "errors", problems(report.problems)
    yield "warnings", problems(report.warnings)
    yield "notes", list(report.notes)
    yield "leftOut", (_left_out(each) for each in report.left_out)
    if report.shows_diffs:
        yield "diffs", (_diff(each) for each in report.diffs)


def _of(report: Report, kind: str) -> Iterator[Finding]:
    return (each for each in report.suppressed if each.suppression is not None and each.suppression.kind == kind)


def _summary(report: Report) -> dict[str, Any]:
    of_verdicts = report.command in ("check", "impact", "audit")
    counts: dict[str, Any] = dict(report.scope)
    if report.mutated is not None:
        from webhook.cli.report import mutantsjson

        counts["mutants"] = mutantsjson.summary(report.mutated)
    elif report.command == "test":
        passed, failed = sum(case.passed for case in report.cases), sum(case.fails for case in report.cases)
        counts |= {"cases": len(report.cases), "passed": passed, "failed": failed}
        counts["untested"] = list(report.untested)
    counts |= {level: report.count(level) for level in (OF_VERDICTS if of_verdicts else LEVELS[3:])}
    if of_verdicts:
        counts["evaluationErrors"] = sum(1 for each in report.findings if each.error)
    for name, kind in (("excepted", "exception"), ("known", "baseline"), ("silenced", "comment")):
        counts[name] = sum(1 for _ in _of(report, kind))
    return {**counts, "hidden": report.hidden, "errors": len(report.problems)}


def _impact(found: Summary) -> dict[str, Any]:
    policies = [
        {
            "name": each.name,
            "kind": each.kind,
            "differs": list(each.parts),
            "matched": each.matched,
            "unjudged": each.unjudged or None,
        }
        for each in found.policies
    ]
    return {
        "old": found.old,
        "new": found.new,
        "differing": found.differing,
        "newlyDenied": found.newly_denied,
        "newlyAllowed": found.newly_allowed,
        "policies": policies,
    }


def problems(found: Iterable[Problem]) -> list[dict[str, Any]]:
    """The problems of files, each with its place; line and column are null if unknown."""
    return [{"file": each.file, "line": each.line, "column": each.column, "message": each.message} for each in found]


def _place(place: Place) -> dict[str, Any]:
    return {
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "endLine": place.end_line if place.end_line is not None else place.line if place.end_column else None,
        "endColumn": place.end_column,
    }


def _finding(finding: Finding, report: Report) -> dict[str, Any]:
    made: dict[str, Any] = {
        **_place(finding.place),
        "rendered": None if finding.rendered is None else _place(finding.rendered),
        "object": None if finding.object is None else identity(finding.object),
        "owner": finding.owner,
        "operation": finding.operation,
        "rule": finding.rule,
        "kind": finding.kind,
        "policy": finding.policy,
        "binding": finding.binding,
        "level": finding.level,
        "action": finding.action,
        "reason": finding.reason,
        "message": finding.message,
        "path": finding.path or None,
        "error": finding.error,
        "validation": finding.validation,
        "lookedFor": looked_for(finding.looked_for),
        "asides": list(finding.asides),
        "fingerprint": finding.fingerprint,
    }
    if finding.cluster:
        made["cluster"] = finding.cluster
    if finding.user is not None:
        made["user"] = {"name": finding.user.username, "groups": list(finding.user.groups)}
    if finding.pod_labels:
        made["podLabels"] = dict(finding.pod_labels)
    if finding.generated:
        made["generatedName"] = True
    if finding.change:
        made["change"] = finding.change
    if finding.diff:
        made["diff"] = "\n".join(finding.diff)
    if finding.fix is not None:
        made["fix"] = _fix(finding.fix)
    if report.verbose:
        made["traceback"] = list(finding.traceback)
    if report.shows_why:
        made["explanation"] = _why(finding)
    if finding.why:
        made["why"] = list(finding.why)
    return made


def _excepted(finding: Finding, report: Report) -> dict[str, Any]:
    covered = finding.suppression
    made = _finding(finding, report)
    return {**made, "exception": covered.by, "until": covered.until, "because": covered.reason} if covered else made


def _silenced(finding: Finding, report: Report) -> dict[str, Any]:
    covered = finding.suppression
    return {**_finding(finding, report), "because": covered.reason if covered else ""}


def _fix(fix: Fix) -> dict[str, Any]:
    edits = [{**_place(each.place), "text": each.text} for each in fix.edits]
    return {"description": fix.description, "edits": edits}


def looked_for(found: LookedFor | None) -> Mapping[str, Any] | None:
    """The params that a binding looked for and did not find."""
    if found is None:
        return None
    return {
        "apiVersion": found.api_version,
        "kind": found.kind,
        "name": found.name or None,
        "selector": found.selector or None,
        "namespace": found.namespace,
        "binding": found.binding,
        "file": found.file,
        "line": found.line,
    }


def _why(finding: Finding) -> dict[str, Any] | None:
    located = finding.explained
    if located is None or located.explained is None:
        return None
    from webhook.cli.report.explainjson import expression  # where it is asked for
    from webhook.offline.explaining import param_name

    evaluated, planned = located.explained.evaluated, located.explained.planned
    expressions = [expression(each, evaluated.private, planned) for each in evaluated.behind(located.finding)]
    return {"param": param_name(evaluated.param) or None, "expressions": expressions}


def identity(of: Identity) -> dict[str, str]:
    """An object's apiVersion, kind, namespace ("" if it is cluster-scoped) and name."""
    return {"apiVersion": of.api_version, "kind": of.kind, "namespace": of.namespace, "name": of.name}


def _case(case: Case) -> dict[str, Any]:
    return {
        "file": case.place.file,
        "line": case.place.line,
        "policy": case.policy,
        "case": case.name,
        "expect": case.expect,
        "verdict": case.verdict,
        "passed": case.passed,
        "failures": list(case.failures),
        "texts": list(case.texts),
        "exceptedBy": case.excepted_by or None,
        "excepted": [_exempted(each) for each in case.excepted],
        "matched": not case.unmatched,
        "unmatched": [
            {"kind": each.kind, "binding": each.binding or None, "reason": each.why} for each in case.unmatched
        ],
        "refused": list(case.refused),
        "notes": list(case.notes),
        **({"known": True} if case.known else {}),
    }


def _exempted(each: Exempted) -> dict[str, str]:
    return {"exception": each.exception, "until": each.until, "text": each.text}


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.name or None,
        "kind": rule.kind,
        "title": rule.title,
        "severity": rule.severity or None,
        "category": rule.category or None,
        "controls": list(rule.controls),
        "url": rule.url or None,
        "file": rule.place and rule.place.file,
        "line": rule.place and rule.place.line,
    }


def _left_out(each: LeftOut) -> dict[str, Any]:
    return {"file": each.file, "reason": each.reason, "command": each.command or None, "by": each.by or None}


def _diff(change: Diff) -> dict[str, Any]:
    return {
        "file": change.place.file,
        "line": change.place.line,
        "object": identity(change.object),
        "policies": list(change.policies),
        "diff": "\n".join(change.lines),
    }
