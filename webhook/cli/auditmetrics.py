"""`audit --metrics`: the findings of an audit as a file of metrics, such as for the textfile collector of
node_exporter.

All are gauges, so that the text is one of Prometheus (0.0.4) and of OpenMetrics. webhook.cli.auditseries bounds their
number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import replace

from webhook.audit.shards import WHOLE, Shard
from webhook.cli.auditseries import MOST, Key, Labels, Series, of_findings, of_objects, of_run, of_scores
from webhook.visible import visible

if TYPE_CHECKING:
    from webhook.cli.report.model import Report

Metrics = Annotated[
    Path | None,
    typer.Option(
        "--metrics",
        metavar="FILE",
        help="Write numbers by policy, namespace and severity to this file, as metrics of Prometheus and OpenMetrics.",
    ),
]


def measured(
    report: Report, file: Path, judged: Mapping[str, int] | None, *, now: float, seconds: float, shard: Shard = WHOLE
) -> Report:
    """Write the metrics to a file, completely or not at all. Returns the report, with a problem if writing fails. The
    parameters are those of `text`."""
    from webhook.cli.report.writing import put_into
    from webhook.documents.document import Problem

    try:
        put_into(file, [text(report, judged, now=now, seconds=seconds, shard=shard)])
    except OSError as error:
        problem = Problem(str(file), None, None, f"--metrics: cannot be written: {error.strerror}")
        return replace(report, problems=[*report.problems, problem])
    return report


def text(
    report: Report,
    judged: Mapping[str, int] | None,
    *,
    now: float,
    seconds: float,
    shard: Shard = WHOLE,
    most: int = MOST,
) -> str:
    """The metrics of a run. judged: namespace -> how many of its objects were judged; None of audit logs, whose metrics
    have names of their own. now: seconds since the epoch. seconds: the duration of the run. shard: its label,
    if it is not everything. most: series of findings."""
    findings = of_findings(_counts(report), most)
    if judged is None:
        series = [
            Series("log_findings", "Findings in the log, by the result that reports have.", findings.samples),
            Series("log_complete", "Whether all of the log could be read.", [((), int(not report.problems))]),
            Series("log_timestamp_seconds", "When the log was read.", [((), round(now, 3))]),
        ]
        return "".join(line for each in series for line in _written(each)) + "# EOF\n"
    label: Labels = (("shard", str(shard)),) if shard.number > 1 else ()
    series = [findings, of_objects(judged)]
    if report.scores is not None:
        shown = {each.namespace: (each.objects, each.value) for each in report.scores.namespaces}
        series.append(of_scores(shown))
    series += of_run(not report.problems, now, label)
    series.append(Series("duration_seconds", "The duration of the audit.", [(label, round(seconds, 3))]))
    return "".join(line for each in series for line in _written(each)) + "# EOF\n"


def _counts(report: Report) -> Counter[Key]:
    from webhook.cli.clusterreports.results import outcome
    from webhook.cli.report.model import merged

    counts: Counter[Key] = Counter()
    for each in (*(found for _, found in merged(report.findings)), *(found for _, found in merged(report.suppressed))):
        rule = report.rules.get(each.rule)
        severity = rule.severity if rule is not None else ""
        namespace = visible(each.object.namespace) if each.object is not None else ""
        counts[visible(each.rule), namespace, visible(severity), outcome(each)] += 1
    return counts


def _written(series: Series) -> Iterator[str]:
    name = f"gatewright_audit_{series.name}"
    yield f"# HELP {name} {series.said}\n# TYPE {name} gauge\n"
    for labels, value in series.samples:
        inner = ",".join(f'{key}="{_escaped(each)}"' for key, each in labels)
        yield f"{name}{f'{{{inner}}}' if inner else ''} {value}\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
