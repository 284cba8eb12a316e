"""The report of `test` as JSON. Its fields are an interface: add, never rename.

{"cases": [{"file", "line", "policy", "case", "expect", "verdict", "passed", "failures": [text], "texts": [text],
            "exceptedBy": the name of an exception, or null, "excepted": [{"exception", "until", "text"}],
            "matched": whether the policy was evaluated, "unmatched": [{"kind", "binding" or null, "reason"}],
            "refused": [text], (why the API server refuses the object, whatever the policy says)
            "notes": [text]}],
 "summary": {"cases", "passed", "failed", "untested": [policy]},
 "errors": [{"file", "line", "column", "message"}], "warnings": [the same, about the policies]}
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from webhook.cli.report.checkjson import problems
from webhook.cli.report.testtext import beside
from webhook.documents.reader import Problem
from webhook.offline.background import Background
from webhook.offline.caseruns import Result
from webhook.visible import encodable


def report(
    results: Sequence[Result],
    untested: Sequence[str],
    errors: Sequence[Problem],
    warnings: Sequence[Problem],
    background: Background | None = None,
    verbose: bool = False,
) -> str:
    """The cases that ran, in their order; `untested`: the names of policies without tests."""
    cases = [
        {
            "file": encodable(result.planned.file),
            "line": result.planned.line,
            "policy": result.planned.policy,
            "case": result.planned.case.name,
            "expect": result.planned.case.expect,
            "verdict": result.verdict,
            "passed": result.passed,
            "failures": result.failures,
            "texts": result.texts,
            "exceptedBy": result.planned.case.excepted_by or None,
            "excepted": [
                {"exception": each.exception.name, "until": each.exception.until, "text": each.text}
                for each in result.excepted
            ],
            "matched": result.matched,
            "unmatched": [
                {"kind": each.kind, "binding": each.binding or None, "reason": each.why} for each in result.unmatched
            ],
            "refused": result.refused,
            "notes": beside(result, background, verbose) if background else [],
        }
        for result in results
    ]
    failed = sum(not result.passed for result in results)
    summary = {"cases": len(results), "passed": len(results) - failed, "failed": failed, "untested": untested}
    value = {"cases": cases, "summary": summary, "errors": problems(errors), "warnings": problems(warnings)}
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n"
