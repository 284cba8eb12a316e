"""The coverage of policies as JSON."""

from __future__ import annotations

from typing import Any

import orjson

from webhook.coverage.model import Coverage, Covered, Figure, Mark
from webhook.visible import no_commands_in_json


def report(coverage: Coverage) -> str:
    """The JSON text, with a line break at its end."""
    value = {
        "total": _figure(coverage.figure),
        "mcdc": _figure(coverage.terms),
        "policies": [_policy(each) for each in coverage.policies],
        "stale": coverage.stale,
    }
    return no_commands_in_json(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())


def _policy(covered: Covered) -> dict[str, Any]:
    return {
        "policies": covered.policies,
        "language": covered.language,
        "kind": covered.kind or None,
        "file": covered.file,
        "line": covered.line,
        "cases": covered.cases,
        **_figure(covered.figure),
        "functions" if covered.language == "python" else "expressions": _figure(covered.expressions),
        "mcdc": _figure(covered.terms),
        "missing": [{**_mark(mark), "missing": mark.missing} for mark in covered.marks if mark.missing],
        "explained": [
            {**_mark(mark), "missing": [side], "reason": reason}
            for mark in covered.marks
            for side, reason in mark.explained
        ],
        "undecided": [{**_mark(mark), "missing": mark.missing} for mark in covered.undecided],
    }


def _figure(figure: Figure) -> dict[str, Any]:
    return {"covered": figure.covered, "total": figure.total, "percent": figure.percent}


def _mark(mark: Mark) -> dict[str, Any]:
    (line, column), (end_line, end_column) = mark.start, mark.end
    return {
        "line": line,
        "column": column,
        "endLine": end_line,
        "endColumn": end_column + 1,
        "within": mark.within,
        "text": mark.text,
        "kind": mark.kind,
        "role": mark.role,
        "evaluated": mark.ran,
    }
