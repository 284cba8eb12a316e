"""The series of metrics of an audit: what `audit --metrics` writes, and what the server exports of the saved audit that
its page shows. All are gauges.

The number of series is bounded; what is beyond the bound is counted under the namespace `_other`, which no Namespace
can be called: sums stay right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from webhook.cli.auditsaved import Object, Saved, is_count
from webhook.cli.report.model import LEVELS
from webhook.visible import visible

MOST: Final = 5000
"""Series of findings, at most, besides those of OTHER."""

NAMESPACES: Final = 1000
"""Namespaces with series of objects and scores, at most: those with the most judged objects."""

OTHER: Final = "_other"

Labels = tuple[tuple[str, str], ...]

Key = tuple[str, str, str, str]
"""Policy, namespace, severity and result of findings."""

_LONGEST: Final = 253  # characters of a label in a report that anybody may have written


class Series(Struct, frozen=True):
    """The samples of a metric. `name`: without `gatewright_audit_`."""

    name: str
    said: str
    samples: list[tuple[Labels, float]]


def of_findings(counts: Mapping[Key, int], most: int = MOST) -> Series:
    """The numbers of findings; of more than `most` keys, the namespaces of the smallest are OTHER."""
    kept = {key for key, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:most]}
    shown: Counter[Key] = Counter()
    for key, number in counts.items():
        policy, _, severity, result = key
        shown[key if key in kept else (policy, OTHER, severity, result)] += number
    names = ("policy", "namespace", "severity", "result")
    samples: list[tuple[Labels, float]] = [
        (tuple(zip(names, key, strict=True)), number) for key, number in sorted(shown.items())
    ]
    return Series("findings", "Findings, by the result that reports have.", samples)


def of_objects(judged: Mapping[str, int]) -> Series:
    """The numbers of judged objects. judged: by namespace."""
    named = {each for each, _ in Counter(judged).most_common(NAMESPACES)}
    objects: Counter[str] = Counter()
    for namespace, number in judged.items():
        # As it is written, so that two names never make the same series twice: readers would refuse all of it.
        objects[_label(namespace) if namespace in named else OTHER] += number
    samples: list[tuple[Labels, float]] = [((("namespace", each),), number) for each, number in sorted(objects.items())]
    return Series("objects", "Objects that were judged, without those that a controller owns.", samples)


def of_scores(scores: Mapping[str, tuple[int, float | None]]) -> Series:
    """The scores. scores: by namespace, the number of its objects and its score; None if it has none."""
    most_first = sorted(scores.items(), key=lambda each: (-each[1][0], each[0]))[:NAMESPACES]
    worst: dict[str, float] = {}
    for namespace, (_, score) in most_first:
        if score is None:
            continue
        worst[_label(namespace)] = min(score, worst.get(_label(namespace), score))
    samples: list[tuple[Labels, float]] = [((("namespace", name),), value) for name, value in sorted(worst.items())]
    return Series("score", "The score of a namespace, 0 to 100.", samples)


def of_run(complete: bool, ended: float | None, labels: Labels = ()) -> Iterator[Series]:
    """What is about the audit itself. ended: seconds since the epoch; None if that is not known."""
    yield Series("complete", "Whether everything could be read and written.", [(labels, int(complete))])
    if ended is not None:
        yield Series("timestamp_seconds", "When the audit ended.", [(labels, round(ended, 3))])


class _Found(Struct, rename="camel"):
    """As much of a finding as tells it from others and says its series."""

    rule: str
    level: str
    error: bool = False
    file: str = ""
    line: int | None = None
    column: int | None = None
    path: str | None = None
    object: Object | None = None
    operation: str = ""
    kind: str = ""
    binding: str = ""
    message: str = ""
    cluster: str = ""


class _Score(Struct):
    score: float | None
    objects: int
    namespace: str = ""


def of_saved(saved: Saved, left_out: int) -> list[Series]:
    """The series of a saved report. left_out: how many findings its sums count that are not in it.

    Findings are decoded one at a time: raises what msgspec does.
    """
    series = [of_findings(_counts(saved))]
    said = "Findings that the saved report only counts, as it has no room for them."
    series.append(Series("findings_left_out", said, [((), left_out)]))
    if saved.scores is not None:
        decoder = msgspec.json.Decoder(_Score)
        scores = [decoder.decode(raw) for raw in saved.scores.namespaces]
        series.append(of_objects({each.namespace: each.objects for each in scores if is_count(each.objects)}))
        series.append(of_scores({each.namespace: (each.objects, each.score) for each in scores}))
    try:
        ended = datetime.fromisoformat(saved.at).timestamp() if saved.at.endswith("Z") else None
    except (ValueError, OverflowError):
        ended = None
    return [*series, *of_run(not saved.errors, ended)]


def _counts(saved: Saved) -> Counter[Key]:
    severities = {each.id: each.severity or "" for each in saved.rules}
    decoder = msgspec.json.Decoder(_Found)
    # Those that differ in their level only are one, the gravest. What tells them apart is kept as a hash: there may be
    # 200,000 of them.
    gravest: dict[int, tuple[int, Key]] = {}
    for skipped, raws in ((False, saved.findings), (True, [*saved.excepted, *saved.known])):
        for raw in raws:
            each = decoder.decode(raw)
            of = each.object
            about = None if of is None else (of.api_version, of.kind, of.namespace, of.name)
            place = (each.file, each.line, each.column, each.path, about, each.operation, each.cluster)
            one = hash((skipped, *place, each.rule, each.kind, each.binding, each.message))
            grade = LEVELS.index(each.level) if each.level in LEVELS else len(LEVELS)
            if one in gravest and gravest[one][0] <= grade:
                continue
            result = "skip" if skipped else "error" if each.error else "fail" if each.level == "deny" else "warn"
            severity = severities.get(each.rule, "")
            gravest[one] = (grade, (_label(each.rule), _label(of.namespace if of else ""), _label(severity), result))
    return Counter(key for _, key in gravest.values())


def _label(text: str) -> str:
    written = visible(text)
    return written if len(written) <= _LONGEST else f"{written[:_LONGEST]}…"
