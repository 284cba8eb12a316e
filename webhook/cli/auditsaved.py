"""Reads a JSON report of `gatewright audit`: a file, or a folder with the parts of a sharded audit.

Each shard writes a part of its own (`part_name`), and the reader makes one report of them: nothing has to be merged
when they are written. A file is mapped, and findings are kept as the text that they are: a report of 100 MB takes some
MB of memory. If a file is cut off while it is read, the process ends by a signal.
"""

from __future__ import annotations

import mmap
import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeGuard

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from webhook.cli.report import history
from webhook.cli.report.model import Count, Past
from webhook.documents.undecodable import UNDECODABLE
from webhook.lazypatterns import lazily
from webhook.visible import visible

MOST_READ: Final = 256 << 20
"""Bytes of a report: some 200,000 findings."""

MOST_UNPACKED: Final = 64 << 20
"""Bytes of a compressed report: twice what `audit --configmap` writes."""

REPORT: Final = "audit.json.gz"
"""The report of a whole audit in a folder, or in a ConfigMap: what `audit -o json` writes, as gzip."""

HISTORY: Final = "history.jsonl"
"""The last audits, as `--history` writes them."""

SUMMED: Final = ("objects", "deny", "warn", "audit", "excepted", "known", "hidden")
"""What of the summary is the sum of the parts'."""

COMMON: Final = ("kinds", "policies", "clusters", "shards", "events")
"""What of the summary is about the same in each part; the largest counts."""

_GZIP: Final = b"\x1f\x8b"
_PART: Final = lazily(r"audit-(0|[1-9][0-9]{0,2})-of-([1-9][0-9]{0,3})\.json(\.gz)?")
_MOST_FILES: Final = 2000  # of a folder


class ReportError(ValueError):
    """What cannot be shown; the text says why."""


class Object(Struct, rename="camel"):
    kind: str
    name: str
    api_version: str = ""
    namespace: str = ""


class Graded(Struct):
    """As much of a finding as says how grave it is."""

    rule: str = ""
    level: str = ""


class Found(Struct, rename="camel"):
    rule: str
    level: str
    file: str = ""
    line: Count | None = None
    object: Object | None = None
    owner: str = ""
    operation: str = ""
    policy: str = ""
    binding: str = ""
    message: str = ""
    error: bool = False
    path: str | None = None
    asides: list[str] = []
    why: list[str] = []
    exception: str = ""
    until: str = ""
    because: str = ""


class Veto(Struct):
    name: str
    findings: Count
    policies: list[str]


class Score(Struct):
    score: float | None
    objects: Count
    violating: Count
    errors: Count
    lost: Count = 0
    namespace: str = ""
    least: Count | None = None
    environment: str | None = None
    vetoes: list[Veto] = []


class Scores(Struct):
    cluster: Score
    namespaces: list[Raw]
    gate: str | None = None


class Rule(Struct):
    id: str
    kind: str = ""
    title: str = ""
    severity: str | None = None
    url: str | None = None
    controls: list[str] = []


class Problem(Struct):
    message: str
    file: str = ""
    line: Count | None = None


class Saved(Struct, kw_only=True):
    command: str
    findings: list[Raw]
    summary: dict[str, Any]
    at: str = ""
    excepted: list[Raw] = []
    known: list[Raw] = []
    scores: Scores | None = None
    history: list[Past] = []
    rules: list[Rule] = []
    errors: list[Problem] = []
    warnings: list[Problem] = []
    notes: list[str] = []


def unexpected(error: Exception) -> ReportError:
    """What is said of a report of another shape."""
    return ReportError(f"it is not what `gatewright audit -o json` writes: {visible(str(error))[:200]}")


def part_name(index: int, number: int) -> str:
    """The name of the part of a shard. index: from 0 on."""
    return f"audit-{index}-of-{number}.json.gz"


def part_of(name: str) -> tuple[int, int] | None:
    """The shard whose part a file of this name is, and how many there are; None if it is none."""
    found = _PART.fullmatch(name)
    if found is None:
        return None
    index, number = int(found[1]), int(found[2])
    return (index, number) if index < number else None


def read(path: Path) -> Saved:
    """The report in a file, or in a folder. Raises ReportError."""
    if not path.is_dir():
        return _read(path)
    try:
        names = sorted(each.name for each in path.iterdir())[:_MOST_FILES]
    except OSError as error:
        raise ReportError(f"it cannot be read: {error.strerror}") from None
    parts = {shard: name for name in names if (shard := part_of(name)) is not None}
    if not parts:
        whole = [name for name in (REPORT, REPORT.removesuffix(".gz")) if name in names]
        if not whole:
            raise ReportError(f"no audit has written into this folder yet; expected {REPORT}, or {part_name(0, 4)}")
        return _read(path / whole[0])
    numbers = sorted({number for _, number in parts})
    if len(numbers) > 1:
        several = " and ".join(f"of {each} shards" for each in numbers)
        raise ReportError(f"the folder has parts of several audits: {several}")
    read_ = {index: _part(path / parts[index, numbers[0]]) for index, _ in sorted(parts)}
    return replace(whole_of(read_, numbers[0]), history=_history(path / HISTORY) if HISTORY in names else [])


def parsed(content: bytes) -> Saved:
    """The report in the content of a file, which may be compressed. Raises ReportError."""
    return _decoded(_unpacked(content) if content[:2] == _GZIP else content)


def whole_of(parts: Mapping[int, Saved], number: int) -> Saved:
    """One report of the parts of a sharded audit. parts: by shard, one at least. number: how many there should be.

    Its time is that of the oldest part. What is missing is an error of it.
    """
    found = [parts[index] for index in sorted(parts)]
    missing = [index for index in range(number) if index not in parts]
    errors = [each for part in found for each in part.errors]
    if missing:
        named = ", ".join(map(str, missing[:10])) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
        text = f"not everything is shown: no part of shard {named} of {number}; look at the log of its Pod"
        errors.insert(0, Problem(text, "the audit"))
    times = sorted(part.at for part in found)
    notes = list(dict.fromkeys(note for part in found for note in part.notes))
    if times[0] != times[-1]:
        notes.insert(0, f"{len(found)} shards, written from {times[0]} to {times[-1]}")
    warnings = {(each.file, each.line, each.message): each for part in found for each in part.warnings}
    counts = {key: sum(_counts(found, key)) for key in SUMMED} | {key: max(_counts(found, key)) for key in COMMON}
    given = {key for part in found for key in part.summary}
    return Saved(
        command="audit",
        findings=[each for part in found for each in part.findings],
        summary={key: count for key, count in counts.items() if key in given},
        at=times[0],
        excepted=[each for part in found for each in part.excepted],
        known=[each for part in found for each in part.known],
        scores=_scores([part.scores for part in found]),
        rules=list({rule.id: rule for part in found for rule in part.rules}.values()),
        errors=errors,
        warnings=list(warnings.values()),
        notes=notes,
    )


def past(saved: Saved) -> Past:
    """What is remembered of a report. Raises ReportError if its numbers are none."""
    counts = {key: saved.summary.get(key, 0) for key in ("deny", "warn", "audit", "objects", "policies")}
    if not all(map(is_count, counts.values())):
        raise ReportError("its summary has no numbers")
    score = saved.scores.cluster.score if saved.scores is not None else None
    return Past(at=saved.at, **counts, score=score, complete=not saved.errors)


def is_count(value: Any) -> TypeGuard[int]:
    """Whether it is a number of things."""
    return type(value) is int and 0 <= value < 1 << 53


def _counts(parts: Iterable[Saved], key: str) -> Iterable[int]:
    return [value if is_count(value := part.summary.get(key)) else 0 for part in parts]


def _scores(parts: Sequence[Scores | None]) -> Scores | None:
    """The scores of all; None if a part has none. Exact: as one process that judges everything computes them."""
    given = [each for each in parts if each is not None]
    if len(given) < len(parts):
        return None
    of = msgspec.json.Decoder(Score)
    rows = sorted(((_rank(of.decode(raw)), raw) for each in given for raw in each.namespaces), key=lambda pair: pair[0])
    objects = sum(each.cluster.objects for each in given)
    lost = sum(each.cluster.lost for each in given)
    score = max(0, 10 * (100 * objects - lost) // objects) / 10 if objects else None
    whole = Score(
        score=score,
        objects=objects,
        violating=sum(each.cluster.violating for each in given),
        errors=sum(each.cluster.errors for each in given),
        lost=lost,
    )
    return Scores(cluster=whole, namespaces=[raw for _, raw in rows])


def _rank(score: Score) -> tuple[bool, float, str]:
    """The place in the order: the worst first, what has no score at the end."""
    return score.score is None, score.score or 0.0, score.namespace


def _history(file: Path) -> list[Past]:
    """The last audits in a file; none if it cannot be used."""
    try:
        return list(history.read(file))
    except history.HistoryError:
        return []


def _part(file: Path) -> Saved:
    try:
        return _read(file)
    except ReportError as error:
        raise ReportError(f"{file.name}: {error}") from None


def _read(file: Path) -> Saved:
    try:
        with file.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if not size:
                raise ReportError("it is empty")
            if size > MOST_READ:
                raise ReportError(f"it has more than {MOST_READ >> 20} MiB; show less, such as with --only deny")
            # It stays mapped while this process lives: what has not been decoded yet is part of it.
            content: Any = mmap.mmap(stream.fileno(), size, access=mmap.ACCESS_READ)
    except OSError as error:
        raise ReportError(f"it cannot be read: {error.strerror}") from None
    return parsed(content)


def _decoded(content: Any) -> Saved:
    try:
        saved = msgspec.json.decode(content, type=Saved)
    except UNDECODABLE as error:  # what is of another shape, too
        raise unexpected(error) from None
    if saved.command != "audit":
        raise ReportError(
            f"it is a report of {visible(saved.command[:40])!r}; expected one of `gatewright audit -o json`"
        )
    return saved


def _unpacked(content: Any) -> bytes:
    """What is in a gzip file. Raises ReportError."""
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
