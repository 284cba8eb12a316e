"""The part of an audit that the server's page shows: the JSON report of `gatewright audit -o json`, condensed to a
bounded size.

It runs in a process of its own, which webhook.server.page.lastaudit starts: `python -m webhook.cli.auditpage PATH
SECONDS`, of processor time. It writes lines of JSON: in short, {"at", "score", "found"}, or {"problem": text}; and, if
there is no problem, the series of metrics (webhook.cli.auditseries), and all that is shown, with the fields of the page
of `-o html` (webhook.cli.report.html).

PATH is a file, or the folder that a ConfigMap of `audit --configmap` is mounted at. Findings are decoded one at a time
(webhook.cli.auditsaved).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson
from msgspec import Raw

from webhook.cli import auditsaved
from webhook.cli.auditseries import Series, of_saved
from webhook.cli.report import history, html
from webhook.cli.report.model import LEVELS, Finding, Past, Place, Rule, Suppression, merged
from webhook.cli.report.plain import lines_of
from webhook.cli.report.scores import Score, Scores, Threshold, Vetoed
from webhook.documents.undecodable import UNDECODABLE
from webhook.library.metadata import SEVERITIES
from webhook.offline.requests import Identity
from webhook.server.limiting import limit
from webhook.visible import encodable, visible

MEMORY: Final = 192 << 20
"""Bytes that it may take beside the mapped file."""

LONGEST: Final = 600
"""Seconds in all: at the lowest priority reviews come first."""

MOST_FOUND: Final = 10_000
"""Findings that are shown, the gravest; so many a browser searches in a tenth of a second."""

MOST_BYTES: Final = 8 << 20
"""Bytes of the findings that are shown."""

MOST_EXPLAINED: Final = 4 << 20
"""Bytes of the explanations beside them; findings after that are shown without theirs."""

MOST_SCORES: Final = 1000
"""Namespaces with scores, the worst."""

_MOST_SAID: Final = 100
_MAX_TEXT: Final = 500
_MAX_NAME: Final = 253


def condensed(path: str) -> tuple[dict[str, Any], list[Series], dict[str, Any]]:
    """The summary of the report in a file or a folder, its metrics, and the report as the page shows it. Raises
    ReportError."""
    saved = auditsaved.read(Path(path))
    try:
        brief, whole = _shown(saved)
        return brief, of_saved(saved, _cut(saved, whole["summary"])), whole
    except UNDECODABLE as error:  # findings and scores are decoded one at a time
        raise auditsaved.unexpected(error) from None


def _shown(saved: auditsaved.Saved) -> tuple[dict[str, Any], dict[str, Any]]:
    rules = {each.id: each for each in saved.rules}
    rows, used = list[dict[str, Any]](), set[str]()
    size = explained = 0
    for row in _rows(saved, rules):
        if why := row.pop("why", None):
            explained += len(_dumped(why))
        size += len(_dumped(row))
        if size > MOST_BYTES:
            break
        used.add(row["rule"])
        rows.append({**row, "why": why} if why and explained <= MOST_EXPLAINED else row)
    scores, left_out = _scores(saved.scores)
    found = len(saved.findings) + len(saved.excepted) + len(saved.known)
    summed: dict[str, int] = {
        key: value
        for key in (*auditsaved.SUMMED, *auditsaved.COMMON)
        if auditsaved.is_count(value := saved.summary.get(key))
    }
    cut = _cut(saved, summed)
    brief = {
        "at": _name(saved.at),
        "score": scores.cluster.value if scores is not None else None,
        "found": len(saved.findings) + cut,
    }
    whole = {
        **brief,
        "summary": summed,
        "complete": not saved.errors,
        "left": cut + (max(0, found - len(rows)) if len(rows) == MOST_FOUND or size > MOST_BYTES else 0),
        "scoresLeft": left_out,
        "command": "audit",
        "rules": html.rules_of([_rule(each) for each in saved.rules if visible(each.id) in used]),
        "problems": [_problem(each, "error") for each in saved.errors[:_MOST_SAID]]
        + [_problem(each, "warning") for each in saved.warnings[:_MOST_SAID]],
        "notes": [_text(each) for each in saved.notes[:_MOST_SAID]],
        "diffs": [],
        "history": history.values([_past(each) for each in saved.history[-history.MOST :]]),
        **({"scores": html.score_rows(scores)} if scores is not None else {}),
        "findings": rows,
    }
    return brief, whole


def _cut(saved: auditsaved.Saved, summed: dict[str, int]) -> int:
    """How many findings its levels count that are not in it, as `audit --configmap` leaves the least grave ones out."""
    return max(0, sum(summed.get(level, 0) for level in ("deny", "warn", "audit")) - len(saved.findings))


def _rows(saved: auditsaved.Saved, rules: dict[str, auditsaved.Rule]) -> Iterator[dict[str, Any]]:
    """At most MOST_FOUND rows, the gravest first; what counts for nothing comes last."""
    graded: dict[tuple[int, int], list[Raw]] = {}
    grades = msgspec.json.Decoder(auditsaved.Graded)
    for raw in saved.findings:
        each = grades.decode(raw)
        level = LEVELS.index(each.level) if each.level in LEVELS else len(LEVELS)
        rule = rules.get(each.rule)
        severity = SEVERITIES.index(rule.severity) if rule is not None and rule.severity in SEVERITIES else -1
        graded.setdefault((level, -severity), []).append(raw)
    gravest = [raw for _, those in sorted(graded.items()) for raw in those][:MOST_FOUND]
    full = msgspec.json.Decoder(auditsaved.Found)
    for levels, finding in merged(_finding(full.decode(raw)) for raw in gravest):
        yield html.row(finding, list(levels))
    room = MOST_FOUND - len(gravest)
    for raw in saved.excepted[:room]:
        each_found = full.decode(raw)
        covered = Suppression(
            "exception", _name(each_found.exception), _name(each_found.until), _text(each_found.because)
        )
        yield html.row(_finding(each_found, covered), [_level(each_found)])
    for raw in saved.known[: max(0, room - len(saved.excepted))]:
        each_found = full.decode(raw)
        yield html.row(_finding(each_found, Suppression("baseline", "a baseline")), [_level(each_found)])


def _level(found: auditsaved.Found) -> Any:
    return found.level if found.level in LEVELS else "note"


def _finding(found: auditsaved.Found, suppression: Suppression | None = None) -> Finding:
    about = found.object
    return Finding(
        rule=_name(found.rule),
        level=_level(found),
        message=_text(found.message),
        error=found.error,
        place=Place(_name(found.file), found.line),
        path=_name(found.path or ""),
        object=None
        if about is None
        else Identity(_name(about.api_version), _name(about.kind), _name(about.namespace), _name(about.name)),
        owner=_name(found.owner),
        operation=_name(found.operation),
        policy=_name(found.policy),
        binding=_name(found.binding),
        suppression=suppression,
        asides=tuple(map(_text, found.asides[:5])),
        why=tuple(map(_text, found.why[:_MOST_SAID])),
    )


def _rule(rule: auditsaved.Rule) -> Rule:
    controls = tuple(_name(each) for each in rule.controls[:_MOST_SAID])
    severity = rule.severity if rule.severity in SEVERITIES else ""
    return Rule(
        _name(rule.id),
        _name(rule.kind),
        _text(rule.title),
        url=_text(rule.url or ""),
        severity=severity,
        controls=controls,
    )


def _scores(saved: auditsaved.Scores | None) -> tuple[Scores | None, int]:
    """The scores, those of the whole and of the worst namespaces, and how many of these are left out."""
    if saved is None:
        return None, 0
    of = msgspec.json.Decoder(auditsaved.Score)
    worst = tuple(_score(of.decode(raw)) for raw in saved.namespaces[:MOST_SCORES])
    return Scores(_score(saved.cluster), worst, _name(saved.gate or "")), max(0, len(saved.namespaces) - MOST_SCORES)


def _score(saved: auditsaved.Score) -> Score:
    hit = tuple(
        Vetoed(_name(each.name), each.findings, tuple(map(_name, each.policies[:_MOST_SAID])))
        for each in saved.vetoes[:10]
    )
    limits = Threshold(_name(saved.environment or ""), saved.least)
    tenths = None if saved.score is None else round(10 * min(100.0, max(0.0, saved.score)))
    return Score(_name(saved.namespace), tenths, saved.objects, saved.violating, saved.errors, limits, hit)


def _past(past: Past) -> Past:
    return msgspec.structs.replace(past, at=_name(past.at))


def _problem(problem: auditsaved.Problem, level: str) -> dict[str, str]:
    place = _name(problem.file) + (f":{problem.line}" if problem.line else "")
    return {"level": level, "place": visible(place), "message": lines_of(_text(problem.message).strip())}


def _text(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "…"


def _name(text: str) -> str:
    return text if len(text) <= _MAX_NAME else text[:_MAX_NAME] + "…"


def _dumped(value: Any) -> bytes:
    return orjson.dumps(encodable(value))


def main() -> None:
    limit(MEMORY, LONGEST, int(sys.argv[2]))
    try:
        brief, series, whole = condensed(sys.argv[1])
        lines = [_dumped(brief), msgspec.json.encode(series), _dumped(whole)]
    except auditsaved.ReportError as error:
        lines = [_dumped({"problem": str(error)})]
    sys.stdout.buffer.write(b"".join(line + b"\n" for line in lines))


if __name__ == "__main__":
    main()
