"""The report as Checkstyle's XML, which many tools read: findings by file. https://checkstyle.org"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from webhook.cli.report.model import Report, Severity, merged
from webhook.cli.report.plain import placed_finding, placed_problems
from webhook.cli.report.xmltext import attribute

_SEVERITIES: Final[dict[Severity, str]] = {"error": "error", "warning": "warning", "note": "info"}


def text(report: Report) -> Iterator[str]:
    """The report in pieces. What counts for nothing is not in it, as Checkstyle leaves it out too."""
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<checkstyle version="10.0">\n'
    by_file: dict[str, list[str]] = {}
    for _, each in merged(report.findings):
        place, severity = each.place, _SEVERITIES[each.severity]
        file, message = placed_finding(report, each)
        by_file.setdefault(file, []).append(
            _error(place.line, place.column, severity, message, f"gatewright.{each.rule}")
        )
    problems: dict[str, list[str]] = {}
    for level, file, line, column, message in placed_problems(report):
        problems.setdefault(file, []).append(_error(line, column, level, message, "gatewright.input"))
    for file in (*by_file, *(file for file in problems if file not in by_file)):
        yield f"  <file name={attribute(file)}>\n"
        yield from by_file.get(file, ())
        yield from problems.get(file, ())
        yield "  </file>\n"
    yield "</checkstyle>\n"


def _error(line: int | None, column: int | None, severity: str, message: str, source: str) -> str:
    at = f' line="{line or 1}"' + (f' column="{column}"' if line and column else "")
    return f'    <error{at} severity="{severity}" message={attribute(message)} source={attribute(source)}/>\n'
