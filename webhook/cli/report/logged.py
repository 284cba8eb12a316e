"""Annotations in an audit log → findings of the report's model (webhook.cli.report.model).

Equal texts about one object are one finding; an aside gives the number of events, the users and the last time. Its
place is the line of the last event.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from msgspec import Struct, field

from webhook.auditlog.notes import Note, Noted, Target, noted
from webhook.auditlog.reading import LogFile
from webhook.cli.report.model import Finding, Place, Report, Rule, Suppression
from webhook.counts import counted
from webhook.offline.requests import Identity
from webhook.schema import Kinds
from webhook.visible import visible

KIND: Final = "ValidatingAdmissionPolicy"
MOST: Final = 100_000
"""Findings that are kept; further ones are counted."""

_USERS: Final = 3

Key = tuple[Target, Note]


class _Said(Struct):
    """The events with one text. `operation`, `file`, `line`, `last`: of the last event."""

    operation: str = ""
    file: str = ""
    line: int = 0
    last: str = ""
    count: int = 0
    users: dict[str, None] = field(default_factory=dict)

    def aside(self) -> str:
        names = ", ".join(list(self.users)[:_USERS])
        more = f" and {len(self.users) - _USERS} more" if len(self.users) > _USERS else ""
        times = "once" if self.count == 1 else f"{self.count:,} times, last"
        return f"said {times} at {self.last or 'an unknown time'} to {names or 'nobody known'}{more}"


def report(files: Iterable[str], kinds: Kinds) -> Report:
    """The report of the files of an audit log, in their order."""
    said: dict[Key, _Said] = {}
    failed_open: Counter[str] = Counter()
    beyond = 0
    logs = [LogFile(file) for file in files]
    events = 0
    for log in logs:
        for line, event in log.events():
            events += 1
            found = noted(event)
            if found is None:
                continue
            failed_open.update(found.failed_open)
            for note in found.notes:
                key = (found.target, note)
                if key not in said and len(said) >= MOST:
                    beyond += 1
                    continue
                _count(said.setdefault(key, _Said()), found, log.file, line)
    findings: list[Finding] = []
    suppressed: list[Finding] = []
    for (target, note), how in sorted(said.items(), key=lambda pair: _order(*pair[0])):
        made = _finding(target, note, how, kinds)
        (findings if made.suppression is None else suppressed).append(made)
    notes = [
        f"the webhook {name} did not answer {counted(count, 'request')}, which passed without it"
        for name, count in sorted(failed_open.items())
    ]
    if beyond:
        notes.append(f"{counted(beyond, 'finding')} beyond the first {MOST:,} not kept")
    names = sorted({note.policy for _, note in said})
    return Report(
        command="audit",
        findings=findings,
        suppressed=suppressed,
        exceptions_used=Counter(each.suppression.by for each in suppressed if each.suppression is not None),
        rules={name: Rule(name, KIND) for name in names},
        problems=[problem for log in logs for problem in log.problems],
        notes=notes,
        scope={"events": events, "files": len(logs), "policies": len(names)},
    )


def _count(how: _Said, found: Noted, file: str, line: int) -> None:
    how.count += 1
    how.operation, how.file, how.line = found.operation, file, line
    how.last = max(how.last, found.time)
    if len(how.users) <= 10 * _USERS:
        how.users[found.user] = None


def _finding(target: Target, note: Note, how: _Said, kinds: Kinds) -> Finding:
    covered = Suppression("exception", note.exception) if note.exception else None
    by = (f"evaluated by the webhook {visible(note.by)}",) if note.by else ()
    return Finding(
        rule=note.policy,
        level=note.level,
        message=note.message,
        place=Place(how.file, how.line),
        object=_identity(target, kinds),
        owner=target.namespace,
        operation=how.operation,
        kind=KIND,
        policy=note.policy,
        binding=note.binding,
        action=note.level.capitalize(),
        suppression=covered,
        asides=(visible(how.aside()), *by),
    )


def _identity(target: Target, kinds: Kinds) -> Identity:
    version = f"{target.group}/{target.version}" if target.group else target.version
    resource = kinds.for_resource(target.group, target.version, target.resource)
    called = resource.kind if resource is not None else target.resource
    kind = f"{called}/{target.subresource}" if target.subresource else called
    return Identity(version, kind, target.namespace, target.name)


def _order(target: Target, note: Note) -> tuple[str, ...]:
    return (
        target.namespace, target.resource, target.name, target.group, target.version, target.subresource,
        note.policy, note.binding, note.level, note.message, note.by, note.exception,
    )  # fmt: skip
