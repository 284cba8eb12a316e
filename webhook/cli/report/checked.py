"""Verdicts of `check` → findings of the report's model (webhook.cli.report.model)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from msgspec import Struct, field
from msgspec.structs import replace

from webhook.admission.decision import SCHEMA, VALIDATING
from webhook.cli.report.changes import unified
from webhook.cli.report.model import Diff, Finding, Level, Place, Rule, Suppression, anchored
from webhook.library import metadata
from webhook.offline import podlabels
from webhook.offline.kustomizedfrom import root_file
from webhook.offline.renderedfrom import Sources
from webhook.owners import Owners
from webhook.paths import ROOT, Path, render

if TYPE_CHECKING:
    from webhook.admission.decision import Finding as Failed
    from webhook.documents.document import Document, Problem
    from webhook.offline.background import Background
    from webhook.offline.verdicts import Change, Located, Verdict
    from webhook.policy.exceptions import PolicyException
    from webhook.policy.policyset import PolicySet


class Judged(Struct, frozen=True):
    """The result for a document, reduced to what reports show of findings and mutations. `used`: the exceptions that
    covered something."""

    file: str
    findings: tuple[Finding, ...]
    suppressed: tuple[Finding, ...]
    diffs: tuple[Diff, ...]
    used: frozenset[str] = frozenset()


class _About(Struct, frozen=True):
    """The fields that all findings on an object share: see Finding."""

    owner: str
    pod_labels: Mapping[str, str]
    generated: bool


class _Abouts:
    """Keeps the shared fields of the findings on the last object, so that findings that follow each other share one
    value."""

    def __init__(self) -> None:
        self._of: tuple[Document, str] | None = None
        self._about = _About("", {}, False)

    def of(self, document: Document, namespace: str, owners: Owners) -> _About:
        if self._of is None or self._of[0] is not document or self._of[1] != namespace:
            value = document.value
            self._about = _About(owners.of(value, namespace), podlabels.of_workload(value), _is_generated(value))
            self._of = (document, namespace)
        return self._about


class Checked(Struct, frozen=True):
    """Makes findings of verdicts. `background`: looks up the details of findings; None for none. `owners`: finds the
    owners of objects. `verbose`: with tracebacks of policies in Python. `sources`: finds the sources of rendered
    objects.
    """

    background: Background | None = None
    owners: Owners = Owners()
    verbose: bool = False
    sources: Sources = field(default_factory=Sources)
    abouts: _Abouts = field(default_factory=_Abouts)

    def judged(self, verdict: Verdict, diffs: bool = False) -> Judged:
        """The verdict on a document. diffs: with what mutation changes."""
        changed = tuple(map(diff, verdict.changes)) if diffs else ()
        return Judged(
            verdict.document.file, tuple(self.findings(verdict)), tuple(self.suppressed(verdict)), changed, verdict.used
        )

    def findings(self, verdict: Verdict) -> Iterator[Finding]:
        """The findings that count, in the order of the file."""
        return (self.finding(located, verdict.document) for located in verdict.findings)

    def suppressed(self, verdict: Verdict) -> Iterator[Finding]:
        """The findings that exceptions cover, in the order of the file."""
        return (self.finding(located, verdict.document, exception) for located, exception in verdict.excepted)

    def finding(self, located: Located, document: Document, exception: PolicyException | None = None) -> Finding:
        """One finding. exception: the exception that covers it."""
        found, about = located.finding, self.abouts.of(document, located.identity.namespace, self.owners)
        end = located.excerpt.end if located.excerpt is not None else None
        # Of a long line, the excerpt is a part; its columns are others.
        length = end - located.excerpt.column if end is not None and located.excerpt is not None else None
        stop = located.column + length if length is not None else None
        place = Place(located.stream, located.line, located.column, None, stop)
        place, rendered = self._sourced(place, document, located.path or ROOT)
        looked_for, traceback = None, tuple[str, ...]()
        if self.background is not None:
            looked_for = self.background.looked_for(found, located.identity.namespace)
            traceback = self.background.traceback(found) if self.verbose else ()
        suppression = None
        if exception is not None:
            suppression = Suppression("exception", exception.name, exception.until, exception.reason)
        return Finding(
            rule=found.policy or found.kind,
            level=cast("Level", found.action.lower()),
            message=located.message,
            place=place,
            rendered=rendered,
            excerpt=located.excerpt,
            path="" if located.path is None else render(located.path),
            object=located.identity,
            owner=about.owner,
            operation=located.operation,
            kind=found.kind,
            policy=found.policy,
            binding=found.binding,
            action=found.action,
            reason=found.reason,
            error=found.error,
            suppression=suppression,
            anchor=anchored(located.path or ROOT, document.value),
            looked_for=looked_for,
            traceback=traceback,
            explained=located if located.explained is not None else None,
            validation=_validation(found),
            pod_labels=about.pod_labels if found.policy else {},
            generated=about.generated,
        )

    def places(self, document: Document, path: Path) -> tuple[Place, Place | None]:
        """The place of a value in the file that a person would edit, and its place in rendered output; None for the
        latter without rendering."""
        at = document.position(path)
        return self._sourced(Place(document.stream, at.line, at.column), document, path)

    def _sourced(self, place: Place, document: Document, path: Path) -> tuple[Place, Place | None]:
        if document.file == document.stream:
            return place, None
        source = self.sources.find(document, path)
        at = source.position
        return (Place(source.file, at.line, at.column) if at is not None else Place(source.file)), place


def _validation(found: Failed) -> int | None:
    """The number of the validation that failed, as an exception names it."""
    numbered = found.kind == VALIDATING and found.evaluated is not None and not found.error
    return found.index if numbered and found.expression is not None else None


def _is_generated(value: Any) -> bool:
    metadata = value.get("metadata") if isinstance(value, dict) else None
    return isinstance(metadata, dict) and not metadata.get("name") and bool(metadata.get("generateName"))


def diff(change: Change) -> Diff:
    """The change that mutation makes to an object."""
    return Diff(Place(change.file, change.line), change.identity, change.policies, tuple(unified(change)))


def rules(policies: PolicySet) -> Mapping[str, Rule]:
    """The policies as rules, and what the API server demands of objects, by id.

    A validating and a mutating policy of one name are one rule, that of the validating one.
    """
    found = {SCHEMA: Rule(SCHEMA, SCHEMA, "Refusals of the API server before any policy is evaluated")}
    for each in sorted(policies.policies, key=lambda policy: (policy.name, policy.kind != "ValidatingAdmissionPolicy")):
        text = each.description.strip()
        title = " ".join(text.partition("\n\n")[0].split())
        about, _ = metadata.stated(dict(each.annotations))
        place = Place(each.file, each.line)
        rule = Rule(
            each.name,
            each.kind,
            title,
            text,
            about.url,
            place,
            severity=about.severity,
            category=about.category,
            controls=tuple(map(str, about.controls)),
        )
        found.setdefault(each.name, rule)
    return found


def of_rendered(problem: Problem, elsewhere: Mapping[str, str]) -> Problem:
    """A problem of what was rendered, whose lines are those of a folder's output, at the folder's own file.

    elsewhere: see Report.
    """
    folder = elsewhere.get(problem.file, problem.file)
    if problem.line is None or not os.path.isdir(folder):  # noqa: PTH112  # of any text
        return problem
    file = problem.file.removesuffix(folder) + root_file(folder)
    return replace(
        problem,
        file=file,
        line=None,
        column=None,
        message=f"in line {problem.line} of what is rendered: {problem.message}",
    )


def streams(findings: Iterable[Finding]) -> list[str]:
    """Notes on findings without a known place in the source: the stream that their lines refer to."""
    pairs = {(each.place.file, each.rendered.file): None for each in findings if each.rendered and not each.place.line}
    return [f"{file}: its lines are those of {stream}" for file, stream in pairs]
