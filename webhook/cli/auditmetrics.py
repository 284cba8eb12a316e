"""`audit --metrics`: the findings of an audit as a file of metrics, such as for the textfile collector of
node_exporter.

All are gauges, so that the text is one of Prometheus (0.0.4) and of OpenMetrics. The number of series is bounded; what
is beyond the bound is counted under the namespace `_other`, which no Namespace can be called: sums stay right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec.structs import replace

from webhook.audit.shards import WHOLE, Shard
from webhook.visible import visible

if TYPE_CHECKING:
    from webhook.cli.report.model import Report

MOST: Final = 5000
"""Series of findings, at most, besides those of OTHER."""

NAMESPACES: Final = 1000
"""Namespaces with series of objects and scores, at most: those with the most judged objects."""

OTHER: Final = "_other"

Metrics = Annotated[
    Path | None,
    typer.Option(
        "--metrics",
        metavar="FILE",
        help="Write numbers by policy, namespace and severity to this file, as metrics of Prometheus and OpenMetrics.",
    ),
]

Labels = tuple[tuple[str, str], ...]


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
    if judged is None:
        families = [
            _family("log_findings", "Findings in the log, by the result that reports have.", _findings(report, most)),
            _family("log_complete", "Whether all of the log could be read.", [((), int(not report.problems))]),
            _family("log_timestamp_seconds", "When the log was read.", [((), round(now, 3))]),
        ]
        return "".join(line for family in families for line in family) + "# EOF\n"
    of_run: Labels = (("shard", str(shard)),) if shard.number > 1 else ()
    named = {each for each, _ in Counter(judged).most_common(NAMESPACES)}
    objects: Counter[str] = Counter()
    for namespace, number in judged.items():
        # As it is written, so that two names never make the same series twice: readers would refuse the whole file.
        objects[visible(namespace) if namespace in named else OTHER] += number
    families = [
        _family("findings", "Findings, by the result that reports have.", _findings(report, most)),
        _family(
            "objects",
            "Objects that were judged, without those that a controller owns.",
            (((("namespace", each),), number) for each, number in sorted(objects.items())),
        ),
        _family("complete", "Whether everything could be read and written.", [(of_run, int(not report.problems))]),
        _family("timestamp_seconds", "When the audit ended.", [(of_run, round(now, 3))]),
        _family("duration_seconds", "The duration of the audit.", [(of_run, round(seconds, 3))]),
    ]
    if report.scores is not None:
        most_first = sorted(report.scores.namespaces, key=lambda each: (-each.objects, each.namespace))[:NAMESPACES]
        worst: dict[str, float] = {}
        for each in most_first:
            worst[visible(each.namespace)] = min(each.value, worst.get(visible(each.namespace), each.value))
        values = sorted(((("namespace", name),), value) for name, value in worst.items())
        families.insert(2, _family("score", "The score of a namespace, 0 to 100.", values))
    return "".join(line for family in families for line in family) + "# EOF\n"


def _findings(report: Report, most: int) -> Iterator[tuple[Labels, float]]:
    from webhook.cli.clusterreports.results import outcome
    from webhook.cli.report.model import merged

    counts: Counter[tuple[str, str, str, str]] = Counter()
    for each in (*(found for _, found in merged(report.findings)), *(found for _, found in merged(report.suppressed))):
        rule = report.rules.get(each.rule)
        severity = rule.severity if rule is not None else ""
        namespace = visible(each.object.namespace) if each.object is not None else ""
        counts[visible(each.rule), namespace, visible(severity), outcome(each)] += 1
    kept = {key for key, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:most]}
    shown: Counter[tuple[str, str, str, str]] = Counter()
    for key, number in counts.items():
        policy, _, severity, result = key
        shown[key if key in kept else (policy, OTHER, severity, result)] += number
    for (policy, namespace, severity, result), number in sorted(shown.items()):
        yield (
            (("policy", policy), ("namespace", namespace), ("severity", severity), ("result", result)),
            number,
        )


def _family(name: str, said: str, samples: Iterable[tuple[Labels, float]]) -> Iterator[str]:
    yield f"# HELP gatewright_audit_{name} {said}\n# TYPE gatewright_audit_{name} gauge\n"
    for labels, value in samples:
        inner = ",".join(f'{key}="{_escaped(each)}"' for key, each in labels)
        yield f"gatewright_audit_{name}{f'{{{inner}}}' if inner else ''} {value}\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
