"""Counts the findings of bindings in the period, from scrapes of the servers' /metrics.

A counter is 0 when its process starts, and the scrape has the time of the start (process_start_time_seconds). So each
process is counted separately: from its start or, if it started before the period, from its last scrape before the
period. A counter that falls was reset. Counters prove that somebody was hit, but never that nobody was: what a process
counted after its last scrape is unknown.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

from webhook.documents.files import reason

if TYPE_CHECKING:
    from prometheus_client.samples import Sample

MAX_SIZE: Final = 64 << 20
"""Bytes of a file: those of some hundred servers."""

MAX_LINE: Final = 16 << 10
"""Characters of a line: the parser reads one in quadratic time. Those of servers have some hundred."""

_SHOWN: Final = 200  # characters that an error says of what is in a file
_FINDINGS: Final = "gatewright_policy_findings_total"
_START: Final = "process_start_time_seconds"
_SERVER: Final = "gatewright_policies"  # which every server has, without labels of its own
_OF_FINDINGS: Final = frozenset({"phase", "policy", "binding", "result"})
_END: Final = "# EOF"  # of the format of OpenMetrics
_LATEST: Final = 253402300799.0  # the last second of the year 9999

Key = tuple[str, str]
"""The names of a policy and of its binding."""

Target = frozenset[tuple[str, str]]
"""The labels that the scraper added to all metrics of a server, such as `instance`; none in the server's own answer."""


class ScrapeError(ValueError):
    """The file is not a scrape of /metrics; the text says what was expected."""


Of = tuple[str, str, str]
"""Policy, binding, and result: deny, warn, audit, or error."""


class Scrape(Struct):
    """The counters of a process at a time, in seconds since the epoch. `counts`: findings."""

    at: float
    started: float = -1.0
    counts: dict[Of, float] = field(default_factory=dict)


class Counted(Struct):
    """The findings of a binding. `older`: some may be from before the period, as no earlier scrape exists."""

    results: dict[str, int] = field(default_factory=dict)
    older: bool = False

    @property
    def findings(self) -> int:
        return sum(self.results.values())


class Scraped(Struct):
    """The sums of all scrapes. `processes`: the number of processes that were scraped in the period. `covered`: the
    part of the period that the counters of at least one process cover."""

    counted: dict[Key, Counted] = field(default_factory=dict)
    processes: int = 0
    covered: timedelta = timedelta()


def scraped(files: Iterable[str], since: datetime, now: datetime) -> Scraped:
    """The counts from `since` to `now`. files: of one scrape or, with timestamps, of several; `-` for stdin. The time
    of a scrape without timestamps is that of its file. Raises ScrapeError."""
    by_process: dict[tuple[Target, float], list[Scrape]] = {}
    for file in files:
        for target, scrape in _read(file, now.timestamp()):
            by_process.setdefault((target, scrape.started), []).append(scrape)
    found = Scraped()
    spans = []
    for (_, started), scrapes in by_process.items():
        scrapes.sort(key=lambda each: each.at)
        before = [each for each in scrapes if each.at <= since.timestamp()]
        within = scrapes[len(before) :]
        if not within:
            continue
        found.processes += 1
        spans.append((max(started, since.timestamp()), min(within[-1].at, now.timestamp())))
        older = not before and started < since.timestamp()
        _count(before[-1].counts if before else {}, within, found, older=older)
    found.covered = timedelta(seconds=_together(spans))
    return found


def _count(before: Mapping[Of, float], scrapes: Iterable[Scrape], found: Scraped, *, older: bool) -> None:
    """Add what a process has counted since `before`."""
    last = dict(before)
    for scrape in scrapes:
        for of, value in scrape.counts.items():
            known = last.get(of, 0.0)
            more = value - known if value >= known else value
            last[of] = value
            if more > 0:
                policy, binding, result = of
                counted = found.counted.setdefault((policy, binding), Counted())
                counted.results[result] = counted.results.get(result, 0) + math.ceil(more)
                counted.older |= older


def _together(spans: Iterable[tuple[float, float]]) -> float:
    """The length of the union of the spans."""
    seconds, until = 0.0, -math.inf
    for first, last in sorted(spans):
        seconds += max(0.0, last - max(first, until))
        until = max(until, last)
    return seconds


def _read(file: str, now: float) -> Iterator[tuple[Target, Scrape]]:
    shown = "stdin" if file == "-" else file
    try:
        content, written = _content(file, now)
        text = content.decode()
    except OSError as error:
        raise ScrapeError(f"{shown}: {reason(error)}") from None
    except UnicodeDecodeError as error:
        raise ScrapeError(f"{shown}: not UTF-8 at byte {error.start}") from None
    if len(content) > MAX_SIZE:
        raise ScrapeError(f"{shown}: more than {MAX_SIZE >> 20} MiB")
    made: dict[tuple[Target, float], Scrape] = {}
    servers = set[tuple[Target, float]]()
    for sample in _samples(text, shown):
        at = written if sample.timestamp is None else float(sample.timestamp)
        if not 0 <= at <= _LATEST:
            raise ScrapeError(f"{shown}: {sample.name} has a timestamp that is no time: {sample.timestamp}")
        own = _OF_FINDINGS if sample.name == _FINDINGS else frozenset()
        target = frozenset((key, value) for key, value in sample.labels.items() if key not in own)
        if sample.name == _SERVER:
            servers.add((target, at))
        else:
            _add(made.setdefault((target, at), Scrape(at)), sample, shown)
    for target, at in sorted({*servers, *(key for key, each in made.items() if each.counts)}, key=repr):
        scrape = made.get((target, at))
        lacking = _SERVER if (target, at) not in servers else _START if scrape is None or scrape.started < 0 else ""
        if lacking or scrape is None:
            of = ",".join(f"{key}={value}" for key, value in sorted(target))[:_SHOWN] or "the server"
            raise ScrapeError(f"{shown}: {lacking} of {of} is missing; expected all of /metrics of gatewright serve")
        yield target, scrape
    if not servers:
        raise ScrapeError(f"{shown}: expected /metrics of gatewright serve, in Prometheus' text format")


def _add(scrape: Scrape, sample: Sample, shown: str) -> None:
    """Add a sample to the scrape of its process. Raises ScrapeError."""
    value = float(sample.value)
    if not 0 <= value <= _LATEST:
        raise ScrapeError(f"{shown}: {sample.name} is {value:g}; expected a number of 0 or more")
    if sample.name == _START:
        if scrape.started >= 0:
            raise ScrapeError(f"{shown}: {_START} is there twice; give each scrape in a file of its own")
        scrape.started = value
    elif sample.labels.get("phase") == "validate":
        of = (sample.labels.get("policy", ""), sample.labels.get("binding", ""), sample.labels.get("result", ""))
        if of in scrape.counts:
            raise ScrapeError(
                f"{shown}: {_FINDINGS} is there twice for {of[1][:_SHOWN]}; give each scrape in a file of its own"
            )
        scrape.counts[of] = value


def _samples(text: str, shown: str) -> Iterator[Sample]:
    """The samples that this module needs. Raises ScrapeError."""
    try:
        from prometheus_client import parser
        from prometheus_client.openmetrics import parser as openmetrics
    except ImportError as error:
        text = f"needs {error.name}, which is not installed: pip install 'gatewright[server]'"
        raise ScrapeError(text) from None
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > MAX_LINE:
            raise ScrapeError(
                f"{shown}:{number}: expected Prometheus' text format, and no line of {len(line):,} characters"
            )
    parse: Any = parser.text_string_to_metric_families
    if text.rstrip().endswith(_END):
        parse = openmetrics.text_string_to_metric_families
    try:
        for family in parse(text):
            yield from (each for each in family.samples if each.name in (_FINDINGS, _START, _SERVER))
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise ScrapeError(f"{shown}: expected metrics in Prometheus' text format: {str(error)[:_SHOWN]}") from None


def _content(file: str, now: float) -> tuple[bytes, float]:
    """The content of a file, at most one byte more than MAX_SIZE, and the time of its last change."""
    if file == "-":
        return (sys.stdin.buffer.read(MAX_SIZE + 1) if sys.stdin is not None else b""), now
    with Path(file).open("rb") as stream:
        return stream.read(MAX_SIZE + 1), Path(file).stat().st_mtime
