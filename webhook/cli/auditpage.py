"""The part of an audit that the server's page shows: the JSON report of `gatewright audit -o json`, condensed to a
bounded size.

It runs in a process of its own, which webhook.server.page.lastaudit starts: `python -m webhook.cli.auditpage FILE
SECONDS`, of processor time. It writes two lines of JSON: in short, {"at", "score", "found"}, or {"problem": text}; and,
if there is no problem, all that is shown, with the fields of the page of `-o html` (webhook.cli.report.html).

The file is mapped, and findings are decoded one at a time: a report of 100 MB takes some MB of memory. If it is cut off
while it is read, the process ends by a signal.
"""

from __future__ import annotations

import mmap
import os
import sys
import zlib
from collections.abc import Iterator
from typing import Any, Final, TypeGuard

import msgspec
import orjson
from msgspec import Raw, Struct

from webhook.cli.report import history, html
from webhook.cli.report.model import LEVELS, Count, Finding, Past, Place, Rule, Suppression, merged
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

MOST_READ: Final = 256 << 20
"""Bytes of a report: some 200,000 findings."""

MOST_UNPACKED: Final = 64 << 20
"""Bytes of a compressed report: twice what `audit --configmap` writes."""

MOST_FOUND: Final = 10_000
"""Findings that are shown, the gravest; so many a browser searches in a tenth of a second."""

MOST_BYTES: Final = 8 << 20
"""Bytes of the findings that are shown."""

MOST_EXPLAINED: Final = 4 << 20
"""Bytes of the explanations beside them; findings after that are shown without theirs."""

MOST_SCORES: Final = 1000
"""Namespaces with scores, the worst."""

_MOST_SAID: Final = 100
_GZIP: Final = b"\x1f\x8b"
_MAX_TEXT: Final = 500
_MAX_NAME: Final = 253
_SUMMED: Final = ("objects", "kinds", "policies", "clusters", "shards", "events", "deny", "warn", "audit", "excepted",
                  "known", "hidden")  # fmt: skip


class ReportError(ValueError):
    """A report that cannot be shown. str(error): the reason."""


class _Object(Struct, rename="camel"):
    kind: str
    name: str
    api_version: str = ""
    namespace: str = ""


class _Graded(Struct):
    """The fields of a finding that say how grave it is."""

    rule: str = ""
    level: str = ""


class _Found(Struct, rename="camel"):
    rule: str
    level: str
    file: str = ""
    line: Count | None = None
    object: _Object | None = None
    owner: str = ""
    operation: str = ""
    policy: str = ""
    binding: str = ""
    message: str = ""
    path: str | None = None
    asides: list[str] = []
    why: list[str] = []
    exception: str = ""
    until: str = ""
    because: str = ""


class _Veto(Struct):
    name: str
    findings: Count
    policies: list[str]


class _Score(Struct):
    score: float
    objects: Count
    violating: Count
    errors: Count
    namespace: str = ""
    least: Count | None = None
    environment: str | None = None
    vetoes: list[_Veto] = []


class _Scores(Struct):
    cluster: _Score
    namespaces: list[Raw]
    gate: str | None = None


class _Rule(Struct):
    id: str
    kind: str = ""
    title: str = ""
    severity: str | None = None
    url: str | None = None
    controls: list[str] = []


class _Problem(Struct):
    message: str
    file: str = ""
    line: Count | None = None


class _Saved(Struct, kw_only=True):
    command: str
    findings: list[Raw]
    summary: dict[str, Any]
    at: str = ""
    excepted: list[Raw] = []
    known: list[Raw] = []
    scores: _Scores | None = None
    history: list[Past] = []
    rules: list[_Rule] = []
    errors: list[_Problem] = []
    warnings: list[_Problem] = []
    notes: list[str] = []


def condensed(file: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The report in a file: its summary, and the part that is shown. Raises ReportError."""
    try:
        with open(file, "rb") as stream:  # noqa: PTH123  # as short as the rest
            size = os.fstat(stream.fileno()).st_size
            if not size:
                raise ReportError("it is empty")
            if size > MOST_READ:
                raise ReportError(f"it has more than {MOST_READ >> 20} MiB; show less, such as with --only deny")
            # It stays mapped while this process lives: what has not been decoded yet is part of it.
            content: Any = mmap.mmap(stream.fileno(), size, access=mmap.ACCESS_READ)
            if content[:2] == _GZIP:
                content = _unpacked(content)
    except OSError as error:
        raise ReportError(f"it cannot be read: {error.strerror}") from None
    try:
        return _shown(msgspec.json.decode(content, type=_Saved))
    except UNDECODABLE as error:  # what is of another shape, too
        raise ReportError(f"it is not what `gatewright audit -o json` writes: {visible(str(error))[:200]}") from None


def _unpacked(content: mmap.mmap) -> bytes:
    """The content of a gzip file. Raises ReportError."""
    unpacking = zlib.decompressobj(wbits=31)
    try:
        text = unpacking.decompress(content, MOST_UNPACKED + 1)
    except zlib.error as error:
        raise ReportError(f"it is no gzip file: {error}") from None
    if len(text) > MOST_UNPACKED:
        raise ReportError(f"it unpacks to more than {MOST_UNPACKED >> 20} MiB")
    if not unpacking.eof:
        raise ReportError("it is a gzip file that was cut off")
    return text


def _shown(saved: _Saved) -> tuple[dict[str, Any], dict[str, Any]]:
    if saved.command != "audit":
        raise ReportError(
            f"it is a report of {visible(saved.command[:40])!r}; expected one of `gatewright audit -o json`"
        )
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
    summed: dict[str, int] = {key: value for key in _SUMMED if _is_count(value := saved.summary.get(key))}
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


def _cut(saved: _Saved, summed: dict[str, int]) -> int:
    """The number of findings that its sums count and that it lacks: `audit --configmap` leaves the least grave ones
    out."""
    return max(0, sum(summed.get(level, 0) for level in ("deny", "warn", "audit")) - len(saved.findings))


def _rows(saved: _Saved, rules: dict[str, _Rule]) -> Iterator[dict[str, Any]]:
    """At most MOST_FOUND rows, the gravest first; suppressed findings come last."""
    graded: dict[tuple[int, int], list[Raw]] = {}
    grades = msgspec.json.Decoder(_Graded)
    for raw in saved.findings:
        each = grades.decode(raw)
        level = LEVELS.index(each.level) if each.level in LEVELS else len(LEVELS)
        rule = rules.get(each.rule)
        severity = SEVERITIES.index(rule.severity) if rule is not None and rule.severity in SEVERITIES else -1
        graded.setdefault((level, -severity), []).append(raw)
    gravest = [raw for _, those in sorted(graded.items()) for raw in those][:MOST_FOUND]
    full = msgspec.json.Decoder(_Found)
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


def _level(found: _Found) -> Any:
    return found.level if found.level in LEVELS else "note"


def _finding(found: _Found, suppression: Suppression | None = None) -> Finding:
    about = found.object
    return Finding(
        rule=_name(found.rule),
        level=_level(found),
        message=_text(found.message),
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


def _rule(rule: _Rule) -> Rule:
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


def _scores(saved: _Scores | None) -> tuple[Scores | None, int]:
    """The scores, those of the whole and of the worst namespaces, and how many of these are left out."""
    if saved is None:
        return None, 0
    of = msgspec.json.Decoder(_Score)
    worst = tuple(_score(of.decode(raw)) for raw in saved.namespaces[:MOST_SCORES])
    return Scores(_score(saved.cluster), worst, _name(saved.gate or "")), max(0, len(saved.namespaces) - MOST_SCORES)


def _score(saved: _Score) -> Score:
    hit = tuple(
        Vetoed(_name(each.name), each.findings, tuple(map(_name, each.policies[:_MOST_SAID])))
        for each in saved.vetoes[:10]
    )
    limits = Threshold(_name(saved.environment or ""), saved.least)
    tenths = round(10 * min(100.0, max(0.0, saved.score)))
    return Score(_name(saved.namespace), tenths, saved.objects, saved.violating, saved.errors, limits, hit)


def _past(past: Past) -> Past:
    return msgspec.structs.replace(past, at=_name(past.at))


def _problem(problem: _Problem, level: str) -> dict[str, str]:
    place = _name(problem.file) + (f":{problem.line}" if problem.line else "")
    return {"level": level, "place": visible(place), "message": lines_of(_text(problem.message).strip())}


def _is_count(value: Any) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < 1 << 53


def _text(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "…"


def _name(text: str) -> str:
    return text if len(text) <= _MAX_NAME else text[:_MAX_NAME] + "…"


def _dumped(value: Any) -> bytes:
    return orjson.dumps(encodable(value))


def main() -> None:
    limit(MEMORY, LONGEST, int(sys.argv[2]))
    try:
        brief, whole = condensed(sys.argv[1])
        lines = [_dumped(brief), _dumped(whole)]
    except ReportError as error:
        lines = [_dumped({"problem": str(error)})]
    sys.stdout.buffer.write(b"".join(line + b"\n" for line in lines))


if __name__ == "__main__":
    main()
