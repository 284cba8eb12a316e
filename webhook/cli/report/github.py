"""The report as workflow commands of GitHub Actions: an annotation for each finding, at its line.

GitHub shows ten errors, ten warnings and ten notices of a step; SARIF has room for all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from webhook.cli.report.model import Report, Severity, merged
from webhook.cli.report.plain import placed, placed_problems, said
from webhook.visible import BRACKETED, encodable, visible

_COMMANDS: Final[dict[Severity, str]] = {"error": "error", "warning": "warning", "note": "notice"}


def text(report: Report) -> Iterator[str]:
    """The report in pieces: the gravest first. What counts for nothing is not in it."""
    found = [each for _, each in merged(report.findings)]
    for level, file, line, column, message in placed_problems(report):
        yield _command(level, {"file": file, "line": line, "col": column}, message)
    for severity, command in _COMMANDS.items():
        for each in found:
            if each.severity != severity:
                continue
            place = each.place
            one_line = place.end_line in (None, place.line)
            file, message = placed(report, place, said(each))
            fields = {
                "file": file,
                "line": place.line,
                "endLine": place.end_line,
                "col": place.column if one_line else None,  # GitHub takes columns within one line only
                "endColumn": place.end_column - 1 if one_line and place.end_column else None,
                "title": f"{visible(each.rule)} ({each.level})",
            }
            yield _command(command, fields, message)


def _command(name: str, fields: dict[str, str | int | None], message: str) -> str:
    written = ",".join(f"{key}={_property(str(value))}" for key, value in fields.items() if value is not None)
    return f"::{name} {written}::{_data(message)}\n"


def _data(message: str) -> str:
    text = encodable(message).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return BRACKETED.sub("#%23", text)  # commands of the older form are looked for anywhere in a line


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")
