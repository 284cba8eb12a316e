"""The report of `lint` as JSON. Its fields are an interface: add, never rename.

{"alarms": [{"rule": "GW101", "name", "severity": error, warning or note, "message", "file", "line", "column",
             "endColumn", "path": the field, or "", "kind", "object": its name, "fix": what --fix would do, or null,
             "page"}],
 "silenced": [the same, with "reason"],
 "fixed": {"alarms": number, "files": [file]},
 "summary": {"errors", "warnings", "notes", "silenced", "policies", "files", "loads"}}
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson

from webhook.lint.alarms import Alarm
from webhook.lint.linting import Linted
from webhook.lint.table import RULES, page_of
from webhook.visible import encodable


def report(found: Linted, mended: tuple[int, list[str]]) -> str:
    """The alarms, sorted by file and line. mended: how many alarms `--fix` mended, and in which files."""
    counts = Counter(RULES[alarm.rule].severity for alarm in found.alarms)
    value = {
        "alarms": [_alarm(each) for each in found.alarms],
        "silenced": [{**_alarm(each), "reason": each.reason} for each in found.silenced],
        "fixed": {"alarms": mended[0], "files": mended[1]},
        "summary": {
            "errors": counts["error"],
            "warnings": counts["warning"],
            "notes": counts["note"],
            "silenced": len(found.silenced),
            "policies": found.policies,
            "files": found.files,
            "loads": found.loads,
        },
    }
    return orjson.dumps(encodable(value), option=orjson.OPT_INDENT_2).decode() + "\n"


def _alarm(alarm: Alarm) -> dict[str, Any]:
    rule = RULES[alarm.rule]
    return {
        "rule": rule.id,
        "name": rule.name,
        "severity": rule.severity,
        "message": alarm.message,
        "file": alarm.file,
        "line": alarm.line,
        "column": alarm.column,
        "endColumn": alarm.end,
        "path": alarm.path,
        "kind": alarm.kind,
        "object": alarm.name,
        "fix": alarm.remedy if alarm.edits else None,
        "page": page_of(rule.id),
    }
