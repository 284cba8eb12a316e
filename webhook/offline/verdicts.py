"""The verdicts on planned requests, with the places in the files that they come from.

Read from the record of the engine: each finding has the evaluation that it comes from, and its trace.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from webhook.admission.engine import decide
from webhook.frozen import maker
from webhook.offline.explaining import ExplainedPolicy, explained, shown_message
from webhook.offline.places import place_of
from webhook.offline.requests import Identity, PlannedRequest, by_document, pod_after
from webhook.offline.secrets import Redaction, SecretsSeen
from webhook.paths import ROOT, Path

if TYPE_CHECKING:
    from webhook.admission.decision import Finding
    from webhook.admission.record import Evaluated, Record
    from webhook.cluster.view import ClusterView
    from webhook.documents.reader import Document
    from webhook.policy.evaluation import Validator
    from webhook.policy.exceptions import PolicyException
    from webhook.policy.policyset import Policy, PolicySet
    from webhook.policy.reviewing import Recording


@dataclass(frozen=True, slots=True)
class Located:
    """A finding and where it belongs. `path` is in the file, None if not known; line and column are then the object's.

    `message` is fit to be shown: it holds nothing of a Secret. `known`: whether it is known where; else `path` is
    at most the Pod template that the finding is about. `explained`: the policy's evaluation, where that was asked for
    and the policy is in CEL.
    """

    finding: Finding
    identity: Identity
    file: str
    stream: str
    line: int
    column: int
    path: Path | None
    message: str
    of_template: bool
    known: bool
    explained: LocatedExplanation | None = None

    def reads_as(self, other: Located) -> bool:
        """Whether it tells a reader the same as another finding on the object: in the same words, at the same place."""
        return (self.message, self.path) == (other.message, other.path)


@dataclass(frozen=True, slots=True)
class LocatedExplanation:
    """Why a finding came about, and the request that it is about: its Paths are those of the request's object."""

    evaluated: ExplainedPolicy
    policy: Policy[Validator]
    planned: PlannedRequest


@dataclass(frozen=True, slots=True)
class Change:
    """What mutation made of a request's object. `template` is the place of a workload's Pod template, else ().

    `redaction`: of the Secrets that policies saw, for whoever shows the objects.
    """

    identity: Identity
    file: str
    line: int
    template: Path
    policies: tuple[str, ...]
    before: dict[str, Any]
    after: dict[str, Any]
    redaction: Redaction


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one document: its findings in the order of the file, and what mutation would change.

    `excepted`: what exceptions cover of it, which is no finding.
    """

    document: Document
    identity: Identity
    findings: tuple[Located, ...]
    changes: tuple[Change, ...]
    excepted: tuple[tuple[Located, PolicyException], ...] = ()


@dataclass(frozen=True, slots=True)
class Decided:
    """What came of one of a document's requests: see Verdict. record: what the engine did, where that was asked for."""

    planned: PlannedRequest
    record: Record | None
    findings: tuple[Located, ...]
    changes: tuple[Change, ...]
    excepted: tuple[tuple[Located, PolicyException], ...]


_made = maker(Decided)


def verdicts(
    requests: Iterable[PlannedRequest], policies: PolicySet, cluster: ClusterView, *, explain: bool = False
) -> Iterator[Verdict]:
    """The verdict on each document, in order. The requests of one document must follow each other.

    explain: findings of CEL policies bring their explanation along.
    """
    watched = SecretsSeen(cluster)
    for group in by_document(requests):
        findings, excepted = _Once(), _Once()
        changes: list[Change] = []
        exceptions: dict[int, PolicyException] = {}  # by id() of what is excepted
        for each in decided(group, policies, watched, explain=explain):
            for located in each.findings:
                findings.add(located)
            for located, exception in each.excepted:
                exceptions[id(located)] = exception
                excepted.add(located)
            changes += each.changes
        pairs = tuple((located, exceptions[id(located)]) for located in excepted.in_order())
        yield Verdict(group[0].document, group[0].identity, findings.in_order(), tuple(changes), pairs)


def decided(
    group: Sequence[PlannedRequest],
    policies: PolicySet,
    cluster: SecretsSeen,
    *,
    recording: Recording = "failures",
    record: Callable[[], Record] | None = None,
    explain: bool = False,
) -> Iterator[Decided]:
    """What came of each request of one document. The Pod of a workload is that of the workload as mutation left it.

    recording, record: see webhook.admission.record; there is a record for each request. explain: see `verdicts`.
    """
    ahead = list(group)
    while ahead:
        planned = ahead.pop(0)
        cluster.forget()
        observer = record() if record is not None else None
        decision = decide(planned.request, policies, cluster, recording=recording, observer=observer)
        before, after = planned.request.object, decision.mutation.object if decision.mutation is not None else None
        changed = decision.mutation is not None and decision.mutation.changed and before is not None
        findings: tuple[Located, ...] = ()
        excepted: tuple[tuple[Located, PolicyException], ...] = ()
        changes: tuple[Change, ...] = ()
        if decision.findings or decision.excepted or changed:
            redaction = Redaction.of(before, planned.request.old_object, after, *cluster.seen)
            locator = _Locator(planned, redaction, explain)
            findings = tuple(map(locator.located, decision.findings))
            excepted = tuple((locator.located(each.finding), each.exception) for each in decision.excepted)
            if changed and before is not None and after is not None and decision.mutation is not None:
                changes = (_change(planned, decision.mutation.policies, before, after, redaction),)
        yield _made(planned, observer, findings, changes, excepted)
        if changed and after is not None and not planned.of_template:
            pod = pod_after(planned, after)
            ahead = [each for each in ahead if not each.of_template] + ([pod] if pod is not None else [])


def _change(
    planned: PlannedRequest,
    policies: tuple[str, ...],
    before: dict[str, Any],
    after: dict[str, Any],
    redaction: Redaction,
) -> Change:
    prefix = planned.prefix if planned.of_template else ROOT
    line = planned.document.position(prefix).line
    return Change(planned.identity, planned.document.file, line, prefix, policies, before, after, redaction)


class _Locator:
    """Puts the findings on one request at their places in the file, with messages that hold nothing of a Secret."""

    def __init__(self, planned: PlannedRequest, redaction: Redaction, explain: bool) -> None:
        self._planned = planned
        self._redaction = redaction
        self._explain = explain
        self._explained: dict[int, ExplainedPolicy | None] = {}  # by id() of the evaluation

    def located(self, finding: Finding) -> Located:
        # Where there is a Secret, only the explanation says which parts of a value are made from it.
        why = self._why(finding.evaluated) if self._explain or self._redaction else None
        message = self._redaction.applied(shown_message(finding, why))
        place = finding.path or self._place(finding, message, why)
        if place and self._redaction.names(place):
            place = None
        explained = None
        if self._explain and why is not None:
            explained = LocatedExplanation(why, why.evaluated.policy, self._planned)
        return self._in_file(finding, message, place, explained)

    def _why(self, evaluated: Evaluated | None) -> ExplainedPolicy | None:
        """The explanation of an evaluation, made once whatever its findings."""
        if evaluated is None:
            return None
        if id(evaluated) not in self._explained:
            self._explained[id(evaluated)] = explained(evaluated)
        return self._explained[id(evaluated)]

    def _place(self, finding: Finding, message: str, why: ExplainedPolicy | None) -> Path | None:
        """What the message names, or what decided, where the trace shows it."""
        evaluated = finding.evaluated
        request = evaluated.request if evaluated is not None else self._planned.request
        decided = why.witnesses(finding) if why is not None else _decided(finding)
        return place_of(message, request.object or request.old_object, decided)

    def _in_file(
        self, finding: Finding, message: str, place: Path | None, explained: LocatedExplanation | None
    ) -> Located:
        planned, document = self._planned, self._planned.document
        path = None
        if place:
            path = planned.place(place)
        elif planned.of_template:
            path = planned.prefix
        position = document.position(path or ROOT)
        return Located(
            finding=finding,
            identity=planned.identity,
            file=document.file,
            stream=document.stream,
            line=position.line,
            column=position.column,
            path=path,
            message=message,
            of_template=planned.of_template,
            known=bool(place) and not (planned.of_template and path == planned.prefix),
            explained=explained,
        )


def _decided(finding: Finding) -> tuple[Path, ...]:
    """The places in the object that the expressions behind a finding turned on, the best first."""
    trace = finding.evaluated.result.trace if finding.evaluated is not None else None
    if trace is None:
        return ()
    if finding.expression is not None:
        traced = trace.at(finding.expression)
        return traced.witnesses() if traced is not None else ()
    conditions = trace.below("spec", "matchConditions")
    return tuple(path for each in conditions if each.error for path in each.witnesses())


# ------------------------------------------------------------------------------------------- what is reported once


class _Once:
    """The findings on a document, each once: one that holds for a workload and for the Pod of its template is one."""

    def __init__(self) -> None:
        self._found: list[Located] = []
        self._params: list[list[Any]] = []  # of each, the param objects that it was found with

    def add(self, located: Located) -> None:
        """Adds a finding; of two that are one, that is kept which says better where it is."""
        param = _param(located.finding)
        for index, (earlier, params) in enumerate(zip(self._found, self._params, strict=True)):
            if located.of_template == earlier.of_template:
                one = _is_of_one_binding(located, earlier) and located.reads_as(earlier)
            else:
                one = any(param is each for each in params) and _is_of_both(located, earlier)
            if one:
                params.append(param)
                if (_is_placed(located), len(located.path or ())) > (_is_placed(earlier), len(earlier.path or ())):
                    self._found[index] = located
                return
        self._found.append(located)
        self._params.append([param])

    def in_order(self) -> tuple[Located, ...]:
        """All of them, in the order of the file."""
        return tuple(sorted(self._found, key=lambda located: (located.line, located.column)))


def _is_of_one_binding(one: Located, other: Located) -> bool:
    """Whether two findings are of one policy, binding and action."""
    a, b = one.finding, other.finding
    return (a.policy, a.binding, a.action, a.kind) == (b.policy, b.binding, b.action, b.kind)


def _is_of_both(later: Located, earlier: Located) -> bool:
    """Whether a finding on a workload and one on the Pod of its template, with the same param, are one."""
    one, other = later.finding, earlier.finding
    if not _is_of_one_binding(later, earlier) or one.error != other.error:
        return False
    if _is_placed(later) and _is_placed(earlier):
        if later.path == earlier.path:
            return True
        if not _within(later.path or (), earlier.path or ()):
            return False
    if _without_template(later.message) == _without_template(earlier.message):
        return True
    if one.expression is not None or other.expression is not None:
        return one.expression == other.expression
    # Of a policy in Python or a budget that is used up: the same of its findings, where no place tells them apart.
    return not (_is_placed(later) and _is_placed(earlier)) and one.index == other.index


def _is_placed(located: Located) -> bool:
    """Whether the place says which part of the object a finding is about; its kind does not."""
    return located.known and located.path not in (("kind",), ("apiVersion",))


def _param(finding: Finding) -> Any:
    return finding.evaluated.param if finding.evaluated is not None else None


def _within(one: Path, other: Path) -> bool:
    """Whether one of two places is within the other."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


_TEMPLATE = re.compile(r"\b(?:spec\.jobTemplate\.)?spec\.template\.(?=spec\b|metadata\b)")


def _without_template(message: str) -> str:
    """A message on a workload in the words of one on its Pod."""
    return _TEMPLATE.sub("", message)
