"""The results of `audit` besides the list of findings: scores, a gate, reports in the cluster; and the findings of
audit logs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import replace

from webhook.audit.shards import WHOLE, Shard
from webhook.cli.readoptions import NotGiven

if TYPE_CHECKING:
    from webhook.cli.report.model import Report
    from webhook.cli.report.scores import Gate
    from webhook.cluster.connection import Connection


class Reports(StrEnum):
    """Which report objects are written; auto: the first of them that the cluster serves."""

    AUTO = "auto"
    OPENREPORTS = "openreports"
    POLICYREPORT = "policyreport"
    BOTH = "both"


Scored = Annotated[bool, typer.Option("--scores", help="Show a score for each namespace and for all objects.")]

GateFile = Annotated[
    Path | None,
    typer.Option("--gate", metavar="FILE", help="Demands on scores, by environment; exit with 1 if a score fails."),
]

WriteReports = Annotated[
    Reports | None,
    typer.Option(
        "--write-reports",
        help="Write the findings to the cluster as Reports of openreports.io, or PolicyReports of wgpolicyk8s.io.",
    ),
]

MostReports = Annotated[
    int | None,
    typer.Option(
        "--max-reports",
        metavar="N",
        min=1,
        max=20,
        help="With --write-reports: the most report objects in a namespace. [default: 2, and 1 of audit logs]",
    ),
]

History = Annotated[
    Path | None,
    typer.Option(
        "--history",
        metavar="FILE",
        help="Keep the results of the last audits in this file, and show the trend with html and json.",
    ),
]

Logs = Annotated[
    list[str] | None,
    typer.Option(
        "--log",
        metavar="FILE",
        help="Read audit logs of the API server, plain or gzip, instead of a cluster: findings under Audit, "
        "and denials; may be repeated.",
    ),
]


def gate_of(file: Path | None) -> Gate | None:
    """The gate of `--gate`. Raises NotGiven."""
    if file is None:
        return None
    from webhook.cli import gatefile

    gate, problems = gatefile.read(file)
    if problems:
        raise NotGiven("--gate: the file cannot be used", problems=problems)
    return gate


def refuse_vetoes(gate: Gate | None, policies: Collection[str]) -> None:
    """Raises NotGiven if a veto of the gate names none of these policies."""
    if gate is not None and (problems := gate.unknown(policies)):
        raise NotGiven("--gate: the file cannot be used", problems=problems)


def scored(report: Report, judged: Mapping[str, int], gate: Gate | None) -> Report:
    """The report with its scores. judged: namespace -> how many of its objects were judged. What makes the gate say
    nothing is a problem: that nothing was judged, or a veto that names no policy."""
    from webhook.cli.report.scores import scores
    from webhook.documents.document import Problem

    found = scores(report.findings, judged, report.rules, gate)
    wrong = gate.unknown(report.rules) if gate is not None else []
    if found.without_objects:
        text = "--gate: nothing was judged, so there is no score: no object was found that a policy is about"
        wrong.append(Problem(found.gate, None, None, text))
    return replace(report, scores=found, problems=[*report.problems, *wrong])


def history_of(file: Path | None) -> None:
    """Whether the file of `--history` can be used. Raises NotGiven if it cannot."""
    if file is None:
        return
    from webhook.cli.report import history

    try:
        history.read(file)
    except history.HistoryError as error:
        raise NotGiven(f"--history: {error}") from None


def remembered(report: Report, file: Path) -> Report:
    """Add the report to the file of `--history`. Returns it with the last audits, and with a problem if that failed."""
    from webhook.cli.report import history
    from webhook.cli.report.writing import put_into
    from webhook.documents.document import Problem

    try:
        # Read again: another audit may have ended in the meantime.
        audits = (*history.read(file), history.past(report))[-history.MOST :]
        put_into(file, history.text(audits))
    except (history.HistoryError, OSError) as error:
        text = str(error) if isinstance(error, history.HistoryError) else f"cannot be written: {error.strerror}"
        return replace(report, problems=[*report.problems, Problem(str(file), None, None, f"--history: {text}")])
    return replace(report, history=audits)


def reported(
    report: Report,
    wanted: Reports,
    connection: Connection,
    source: str,
    qps: float,
    shard: Shard = WHOLE,
    *,
    most: int | None = None,
    log: bool = False,
) -> Report:
    """Write the reports to the cluster. Returns the report with the result as notes and problems. source: the cluster's
    name in the report. qps: the most requests in a second; 0 for any number. shard: the shard that owns the reports;
    those of other shards are left alone. most: report objects in a namespace; None for the default. log: whether the
    report is of audit logs: then the reports have a name of their own, and leave out denials, because a denied request
    changed no object.
    """
    from webhook.cli.clusterreports import writing
    from webhook.cli.clusterreports.results import DEFAULT, LOG_NAME, NAME, Bounds, contents
    from webhook.cli.report.model import fingerprinted
    from webhook.cluster.connection import APIError, Unreachable
    from webhook.cluster.pacing import Pace
    from webhook.documents.document import Problem

    notes, wrong = list(report.notes), list[str]()
    incomplete = bool(report.problems)
    name, objects = (LOG_NAME, 1) if log else (NAME, DEFAULT.objects)
    found = contents(
        [each for each in fingerprinted(report.findings) if not (log and each.level == "deny")],
        list(fingerprinted(report.suppressed)),
        report.rules,
        scores=report.scores,
        incomplete=incomplete,
        bounds=Bounds(objects=most or objects),
        name=name,
    )
    try:
        for dialect in writing.chosen(connection, wanted.value):
            done = writing.write(
                connection,
                found,
                dialect,
                now=writing.seconds_now(),
                delete=not incomplete,
                mine=shard.has,
                name=name,
                pause=Pace(qps).wait,
            )
            notes += [done.said(), *done.notes]
            wrong += done.failures
    except (writing.ReportsError, APIError, Unreachable) as error:
        wrong.append(f"--write-reports: {error}")
    problems = [*report.problems, *(Problem(source, None, None, text) for text in wrong)]
    return replace(report, notes=notes, problems=problems)


def of_logs(files: Sequence[str], version: str) -> Report:
    """The report of audit logs. Raises NotGiven."""
    from webhook.cli.report import logged
    from webhook.schema import Kinds
    from webhook.versions import parse_version

    return logged.report(files, Kinds.builtin(parse_version(version)))
