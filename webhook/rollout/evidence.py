"""Collects the evidence on bindings: the objects that a binding hit in requests (audit logs), that it would have hit
(recorded reviews), and that it hits in the cluster (reports of audits)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

from msgspec import Struct, field

from webhook.auditlog.notes import noted
from webhook.auditlog.reading import LogFile
from webhook.documents.document import Problem
from webhook.rollout.namespaces import Namespaces
from webhook.rollout.recorded import Said, SeenNamespace, Undecided, kind_of
from webhook.rollout.reports import Finding, Saved

MOST: Final = 100_000
"""The most hits that are kept. Further ones are only counted, by binding."""

Key = tuple[str, str]
"""The names of a policy and of its binding."""


class Hit(Struct):
    """An object that a binding hits. `owner`: whose it is, else its namespace. `requests`: about it in the period, of
    which `last` is the time of the last one; 0 and "" if an audit found it. `message`: the last that was said. `found`:
    the findings of the audit on it, as its report has them."""

    kind: str
    namespace: str
    name: str
    owner: str
    message: str
    requests: int = 0
    last: str = ""
    found: list[Finding] = field(default_factory=list)

    @property
    def of_namespace(self) -> str:
        """The namespace of the object; "" if it is cluster-scoped. A log puts a Namespace into itself; it is "" too."""
        return "" if self.kind in ("Namespace", "namespaces") or self.kind.startswith("namespaces/") else self.namespace


class Evidence(Struct):
    """The evidence that was read. `audited`: the policies by which each audit judged; None without a report. `days`:
    those of which the logs have events.

    `last`: when the last event was received, as the log has it. `hits`: by binding. `beyond`: hits that are not kept.
    `unjudged`: requests that passed because a webhook did not answer. `problems`: what of the logs could not be read;
    `unread`: what of the recordings. `undecided`: recorded reviews that could not be decided, of which the first lacks
    `lookup`. `namespaces`: their labels, by audits and recordings.
    """

    audited: set[str] | None = None
    days: set[str] = field(default_factory=set)
    last: str = ""
    hits: dict[Key, list[Hit]] = field(default_factory=dict)
    beyond: dict[Key, int] = field(default_factory=dict)
    unjudged: int = 0
    problems: list[Problem] = field(default_factory=list)
    unread: list[Problem] = field(default_factory=list)
    undecided: int = 0
    lookup: str = ""
    namespaces: Namespaces = field(default_factory=Namespaces)

    def missing_days(self, until: date, days: int) -> list[str]:
        """The days before `until` without an event in the logs."""
        wanted = [(until - timedelta(days=back)).isoformat() for back in range(days, 0, -1)]
        return [each for each in wanted if each not in self.days]


def evidence(
    reports: Sequence[Saved],
    logs: Iterable[str],
    since: datetime,
    recorded: Iterable[Said] = (),
) -> Evidence:
    """The evidence in reports, files of audit logs and recorded reviews; from logs, the events received from `since`
    on.

    recorded: see webhook.rollout.recorded. They speak against a step only: nobody knows whether they are all.
    """
    found = Evidence(audited=set.intersection(*(each.policies for each in reports)) if reports else None)
    hits: dict[tuple[Key, str, str, str, str], Hit] = {}
    for report in reports:
        for namespace in report.namespaces:
            found.namespaces.audited(namespace.name, namespace.labels)
        for each in (*report.findings, *report.known):
            of = each.object
            if of is None or not each.policy:
                continue
            key = (each.policy, each.binding)
            # An object in two reports, as of two clusters, is two objects.
            hit = Hit(of.kind, of.namespace, of.name, each.owner or of.namespace, each.message)
            kept = _keep(found, hits, key, ("report", f"{id(report)} {of.kind}", of.namespace, of.name), hit)
            if kept is not None:
                kept.found.append(each)
    for file in logs:
        log = LogFile(file)
        _read(log, since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S"), found, hits)
        found.problems += log.problems
    for said in recorded:
        _take(said, found, hits)
    return found


def _take(each: Said, found: Evidence, hits: dict[tuple[Key, str, str, str, str], Hit]) -> None:
    if isinstance(each, Problem):
        found.unread.append(each)
    elif isinstance(each, SeenNamespace):
        found.namespaces.recorded(each.name, each.labels)
    elif isinstance(each, Undecided):
        found.undecided += 1
        found.lookup = found.lookup or each.lookup
    else:
        key, of = (each.policy, each.binding), (each.kind, each.namespace, each.name)
        if (key, "log", *of) in hits:  # these are the same requests
            return
        hit = Hit(each.kind, each.namespace, each.name, each.namespace, each.message)
        _count(_keep(found, hits, key, ("recording", *of), hit), each.time, each.message)


def _count(kept: Hit | None, time: str, message: str) -> None:
    """Add a request about an object that was hit."""
    if kept is not None:
        kept.requests += 1
        if time >= kept.last:
            kept.last, kept.message = time, message


def _read(log: LogFile, since: str, found: Evidence, hits: dict[tuple[Key, str, str, str, str], Hit]) -> None:
    timeless = False
    for line, event in log.events():
        time = event.get("requestReceivedTimestamp")
        if not isinstance(time, str) or not time.endswith("Z"):  # as the API server writes it: then texts are in order
            if not timeless:
                found.problems.append(Problem(log.file, line, None, "an event without a time in UTC"))
            timeless = True
            continue
        found.days.add(time[:10])
        found.last = max(found.last, time)
        if time < since or (said := noted(event)) is None:
            continue
        found.unjudged += bool(said.failed_open)
        target = said.target
        kind = kind_of(target.group, target.resource, target.subresource)
        for note in said.notes:
            if note.exception:
                continue
            hit = Hit(kind, target.namespace, target.name, target.namespace, note.message)
            kept = _keep(found, hits, (note.policy, note.binding), ("log", kind, target.namespace, target.name), hit)
            _count(kept, time, note.message)


def _keep(
    found: Evidence,
    hits: dict[tuple[Key, str, str, str, str], Hit],
    key: Key,
    of: tuple[str, str, str, str],
    hit: Hit,
) -> Hit | None:
    """The kept hit on this object, a new one if needed; None if the limit is reached."""
    known = hits.get((key, *of))
    if known is not None:
        return known
    if len(hits) >= MOST:
        found.beyond[key] = found.beyond.get(key, 0) + 1
        return None
    hits[(key, *of)] = hit
    found.hits.setdefault(key, []).append(hit)
    return hit
