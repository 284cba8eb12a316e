"""The report as workflow commands of GitHub Actions: an annotation for each finding, at its line.

GitHub shows ten errors, ten warnings and ten notices of a step, the first ones. So of more than ten, the first nine
have one of each rule, as far as they go, and the tenth counts the others; those follow, for the log of the step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from webhook.cli.report.model import Finding, Report, Severity, merged
from webhook.cli.report.plain import EVALUATION_ERROR, placed_finding, placed_problems
from webhook.visible import BRACKETED, encodable, visible

SHOWN: Final = 10
"""The most annotations of a level that GitHub shows of a step."""

_NAMED: Final = 5  # rules, and how many of the others each has
_INPUT: Final = "input"
_COMMANDS: Final[dict[Severity, str]] = {"error": "error", "warning": "warning", "note": "notice"}


def text(report: Report) -> Iterator[str]:
    """The report in pieces: the gravest first. What counts for nothing is not in it."""
    problems = [
        (level, {"file": file, "line": line, "col": column}, message)
        for level, file, line, column, message in placed_problems(report)
    ]
    found = [each for _, each in merged(report.findings)]
    for severity, command in _COMMANDS.items():
        own = [(_INPUT, fields, message) for level, fields, message in problems if level == command]
        own += [_annotation(report, each) for each in found if each.severity == severity]
        first, rest = _chosen(own)
        for _, fields, message in first:
            yield _command(command, fields, message)
        if rest:
            yield _command(command, {"title": "gatewright"}, _others(command, rest))
        for _, fields, message in rest:
            yield _command(command, fields, message)


_Annotation = tuple[str, dict[str, str | int | None], str]
"""A rule, the fields of the command, the message."""


def _annotation(report: Report, found: Finding) -> _Annotation:
    place = found.place
    one_line = place.end_line in (None, place.line)
    file, message = placed_finding(report, found)
    error = f", {EVALUATION_ERROR}" if found.error else ""
    fields: dict[str, str | int | None] = {
        "file": file,
        "line": place.line,
        "endLine": place.end_line,
        "col": place.column if one_line else None,  # GitHub takes columns within one line only
        "endColumn": place.end_column - 1 if one_line and place.end_column else None,
        "title": f"{visible(found.rule)} ({found.level}{error})",
    }
    return found.rule, fields, message


def _chosen(annotations: list[_Annotation]) -> tuple[list[_Annotation], list[_Annotation]]:
    """The annotations that GitHub is to show, and the others, which have another annotation to count them; each in
    their order."""
    if len(annotations) <= SHOWN:
        return annotations, []
    most = SHOWN - 1
    rules: dict[str, int] = {}
    for index, (rule, _, _) in enumerate(annotations):
        rules.setdefault(rule, index)
    chosen = set(list(rules.values())[:most])
    for index in range(len(annotations)):
        if len(chosen) == most:
            break
        chosen.add(index)
    shown = [each for index, each in enumerate(annotations) if index in chosen]
    return shown, [each for index, each in enumerate(annotations) if index not in chosen]


def _others(command: str, rest: list[_Annotation]) -> str:
    """The annotation that stands for those which GitHub does not show."""
    counts = Counter(rule for rule, _, _ in rest).most_common()
    named = ", ".join(f"{visible(rule)} {count}" for rule, count in counts[:_NAMED])
    if len(counts) > _NAMED:
        named += f" and {len(counts) - _NAMED} more rules"
    return f"{len(rest)} more {command}{'s' if len(rest) > 1 else ''}, in the log of this step: {named}"


def _command(name: str, fields: dict[str, str | int | None], message: str) -> str:
    written = ",".join(f"{key}={_property(str(value))}" for key, value in fields.items() if value is not None)
    return f"::{name} {written}::{_data(message)}\n"


def _data(message: str) -> str:
    text = encodable(message).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return BRACKETED.sub("#%23", text)  # commands of the older form are looked for anywhere in a line


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")
