"""Texts for formats that other programs read: the name and the place of a finding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from webhook.cli.report.model import Finding, Place, Report, Suppression
from webhook.cli.report.naming import object_name
from webhook.visible import visible

EVALUATION_ERROR: Final = "evaluation error"
"""How formats call a finding that says that the policy could not be evaluated: it is no violation."""


def lines_of(text: str) -> str:
    """The text with its line breaks, and with what is not printable escaped."""
    return "\n".join(map(visible, text.splitlines()))


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows of a table as lines: columns two blanks apart, and as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def about(finding: Finding) -> str:
    """The object and the field that a finding is about: `Deployment shop/web: spec.replicas`; "" for neither."""
    parts = [object_name(finding.object)] if finding.object is not None else []
    return ": ".join([*parts, *([visible(finding.path)] if finding.path else [])])


def said(finding: Finding) -> str:
    """A finding as one text: its subject and its message; for `impact` also the change, for `audit` a request that is
    not like most. It says of an evaluation error that it is one."""
    change = f"{visible(finding.change)}: " if finding.change else ""
    if finding.error:
        change += f"{EVALUATION_ERROR}: "
    where, message = about(finding), lines_of(finding.message.strip())
    if finding.path and message.startswith(visible(finding.path)) and finding.object is not None:
        where = object_name(finding.object)  # not twice
    text = f"{where}: {message}" if where and message else where or message or visible(finding.rule)
    return f"{change}{text}{requested(finding)}"


def requested(finding: Finding) -> str:
    """What follows a message about the request; "" if it is like most of the run."""
    return f" ({visible(finding.request)})" if finding.request else ""


def placed(report: Report, place: Place, text: str) -> tuple[str, str]:
    """The file of a place as it is found from the current folder, and the text about it.

    Of a file of another revision the text begins with its full name and line: what stands at that line now is
    something else, or nothing.
    """
    path = report.elsewhere.get(place.file)
    if path is None:
        return visible(place.file), text
    return visible(path), f"in {visible(str(Place(place.file, place.line)))}: {text}"


def placed_finding(report: Report, finding: Finding) -> tuple[str, str]:
    """The file of a finding as `placed` has it, and its text; with the line of the output where none is known of the
    source."""
    file, text = placed(report, finding.place, said(finding))
    if finding.rendered is None or finding.place.line is not None:
        return file, text
    return file, f"{text} ({rendered_in(finding.rendered)})"


def why_suppressed(covered: Suppression) -> str:
    """The reason why a finding is suppressed, as text."""
    reason = f": {visible(covered.reason)}" if covered.reason else ""
    if covered.kind == "exception":
        return f"excepted by {visible(covered.by)} until {visible(covered.until)}{reason}"
    return f"known, as {visible(covered.by)} says" if covered.kind == "baseline" else f"silenced{reason}"


def place_of(finding: Finding) -> str:
    """FILE:LINE:COLUMN; of what was rendered the source, and where its line is unknown, the line of the output."""
    if finding.place.line is not None or finding.rendered is None:
        return visible(str(finding.place))
    return f"{visible(str(finding.place))} ({rendered_in(finding.rendered)})"


def rendered_in(place: Place) -> str:
    """Where a finding is in what was rendered, as text."""
    return f"rendered, in line {place.line} of {visible(place.file)}"


def placed_problems(report: Report) -> Iterator[tuple[str, str, int | None, int | None, str]]:
    """As `problems_of`, with each file as it is found from the current folder: see `placed`."""
    for level, file, line, column, message in _problems_of(report):
        path, said_of = placed(report, Place(file, line), message)
        yield level, path, line, column, said_of


def problems_of(report: Report) -> Iterator[tuple[str, str, int | None, int | None, str]]:
    """The problems ("error") and warnings ("warning") about inputs: level, file, line, column, message."""
    for level, file, line, column, message in _problems_of(report):
        yield level, visible(file), line, column, message


def _problems_of(report: Report) -> Iterator[tuple[str, str, int | None, int | None, str]]:
    for level, found in (("error", report.problems), ("warning", report.warnings)):
        for each in found:
            yield level, each.file, each.line, each.column, lines_of(each.message)
