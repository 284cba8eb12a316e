"""The verdicts on planned requests, with each finding located in its file.

Locations come from the engine's record: each finding has the evaluation that gave it, with its trace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace

from webhook.admission.decision import SCHEMA, Finding
from webhook.admission.engine import decide
from webhook.admission.redaction import Redaction, SecretsSeen
from webhook.apiserver.problems import FieldProblem
from webhook.offline.deduplicating import Deduplication
from webhook.offline.explaining import ExplainedPolicy, Explanations, shown_message
from webhook.offline.lines import shown_line
from webhook.offline.mutated import Mutated
from webhook.offline.places import Elements, place_of
from webhook.offline.requests import Identity, PlannedRequest, by_document, pods_after
from webhook.paths import ROOT, Path

if TYPE_CHECKING:
    from webhook.admission.record import Observer, Record
    from webhook.cluster.view import ClusterView
    from webhook.documents.reader import Document
    from webhook.excerpts import Excerpt
    from webhook.policy.evaluation import Validator
    from webhook.policy.exceptions import PolicyException
    from webhook.policy.policyset import Binding, Policy, PolicySet
    from webhook.policy.request import Request, User
    from webhook.policy.reviewing import Recording


class Located(Struct, frozen=True):
    """A finding with its location.

    `path`: the place in the document; None if unknown, and then `line` and `column` are those of the object. `known`:
    whether the place is known; if not, `path` is None or the Pod template. `message`, and `excerpt`, the line of a
    place that is known: without content of Secrets. `operation`, `user`: the request's.
    `explained`: the policy's evaluation, if explanations were requested and the policy is in CEL.
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
    moved: tuple[tuple[Path, Path], ...] = ()  # of a Pod: path in it -> path in its workload, of each part
    operation: str = ""
    user: User | None = None
    excerpt: Excerpt | None = None

    def reads_as(self, other: Located) -> bool:
        """Whether the message and the place are the same as those of another finding on the object."""
        return (self.message, self.path) == (other.message, other.path)


class LocatedExplanation(Struct, frozen=True):
    """The explanation of a finding, and its request. The Paths are those of the request's object."""

    evaluated: ExplainedPolicy
    policy: Policy[Validator]
    planned: PlannedRequest


class Change(Struct, frozen=True):
    """The mutation of a request's object. `template`: the place of the workload's Pod template, () for other objects.

    `redaction`: of the Secrets that policies read. Apply it before you print the objects.
    """

    identity: Identity
    file: str
    line: int
    template: Path
    policies: tuple[str, ...]
    before: dict[str, Any]
    after: dict[str, Any]
    redaction: Redaction


class Verdict(Struct, frozen=True):
    """The verdict on one document: its findings in the order of the file, and the changes that mutation makes.

    `excepted`: the findings that exceptions cover, each with its exception. They are not in `findings`. `used`: the
    names of all exceptions that cover something, those of duplicates on a workload and its Pod too.
    """

    document: Document
    identity: Identity
    findings: tuple[Located, ...]
    changes: tuple[Change, ...]
    excepted: tuple[tuple[Located, PolicyException], ...] = ()
    used: frozenset[str] = frozenset()


class Decided(Struct, frozen=True):
    """The verdict on one request of a document: see Verdict. record: the engine's record, if one was requested.

    refused: whether the API server refuses the object, so that no validating policy sees it. redaction: of the Secrets
    that policies read, if there is something to say or a record. evaluated: the bindings that matched, whose policies
    were evaluated. denied: whether anything denies the request.
    """

    planned: PlannedRequest
    record: Record | None
    findings: tuple[Located, ...]
    changes: tuple[Change, ...]
    excepted: tuple[tuple[Located, PolicyException], ...]
    refused: bool = False
    redaction: Redaction = Redaction()
    evaluated: tuple[Binding, ...] = ()
    denied: bool = False


def verdicts(
    requests: Iterable[PlannedRequest],
    policies: PolicySet,
    cluster: ClusterView,
    *,
    explain: bool = False,
    observer: Observer | None = None,
) -> Iterator[Verdict]:
    """The verdict on each document, in order. The requests of one document must follow each other.

    explain: add explanations to the findings of CEL policies. observer: of all requests.
    """
    watched = SecretsSeen(cluster)
    for group in by_document(requests):
        yield verdict_of(group[0], decided(group, policies, watched, explain=explain, watching=observer))


def verdict_of(first: PlannedRequest, decisions: Iterable[Decided]) -> Verdict:
    """The verdict on a document, of those on its requests. first: its first request."""
    findings, excepted = Deduplication(), Deduplication()
    changes: list[Change] = []
    exceptions: dict[int, PolicyException] = {}  # by id() of the excepted finding
    for each in decisions:
        for located in each.findings:
            findings.add(located)
        for located, exception in each.excepted:
            exceptions[id(located)] = exception
            excepted.add(located)
        changes += each.changes
    pairs = tuple((located, exceptions[id(located)]) for located in excepted.in_order())
    used = frozenset(each.name for each in exceptions.values())
    return Verdict(first.document, first.identity, findings.in_order(), tuple(changes), pairs, used)


def decided(
    group: Sequence[PlannedRequest],
    policies: PolicySet,
    cluster: SecretsSeen,
    *,
    recording: Recording | None = "failures",
    record: Callable[[], Record] | None = None,
    explain: bool = False,
    completions: Completions | None = None,
    locating: bool = True,
    watching: Observer | None = None,
) -> Iterator[Decided]:
    """The verdict on each request of one document. The Pod of a mutated workload is that of the mutated template; a
    workload that the API server refuses has none.

    recording: see webhook.admission.record. record: makes the record of each request. explain: see `verdicts`.
    completions: of an earlier walk over the same requests, and for a later one. locating: False leaves the
    messages and places out; only whether policies deny is reported. watching: the observer of all requests, without
    `record`.
    """
    ahead = list(group)
    while ahead:
        planned = ahead.pop(0)
        cluster.forget()
        if planned.unreadable:
            redaction = Redaction.of(planned.request.object, planned.request.old_object)
            refusals = tuple(_refused(planned, planned.problems, redaction)) if locating else ()
            yield Decided(planned, None, refusals, (), (), refused=True, denied=True)
            continue
        observer = record() if record is not None else None
        completion = _Completion(planned, completions)
        decision = decide(
            planned.request,
            policies,
            cluster,
            recording=recording,
            observer=observer or watching,
            completed=completion.completed if planned.server is not None else None,
            typed=planned.typed,
        )
        problems = completion.problems
        before, after = planned.request.object, decision.mutation.object if decision.mutation is not None else None
        changed = decision.mutation is not None and decision.mutation.changed and before is not None
        findings: tuple[Located, ...] = ()
        excepted: tuple[tuple[Located, PolicyException], ...] = ()
        changes: tuple[Change, ...] = ()
        sent = planned
        if changed and before is not None and after is not None:
            planned = replace(planned, mutated=Mutated(before, after))
        redaction = Redaction()
        said = decision.findings or decision.excepted or changed or problems
        if said or observer is not None:
            redaction = Redaction.of(before, planned.request.old_object, after, *cluster.seen)
        if said:
            if locating:
                locator = _Locator(planned, redaction, explain)
                findings = (*_refused(planned, problems, redaction), *map(locator.located, decision.findings))
                excepted = tuple((locator.located(each.finding), each.exception) for each in decision.excepted)
            if changed and before is not None and after is not None and decision.mutation is not None:
                changes = (_change(planned, decision.mutation.policies, before, after, redaction),)
        evaluated = decision.evaluated
        if decision.mutation is not None and decision.mutation.evaluated and decision.mutation.allowed:
            evaluated = (*decision.mutation.evaluated, *evaluated)
        denied = bool(problems) or not decision.allowed
        refused = completion.refused
        yield Decided(planned, observer, findings, changes, excepted, refused, redaction, evaluated, denied)
        if completion.refused:
            ahead = [each for each in ahead if not each.of_template]
        elif changed and after is not None and not planned.of_template:
            ahead = [each for each in ahead if not each.of_template] + pods_after(sent, after)


class Completions:
    """What the API server makes of requests between mutation and validation, kept for another walk over them."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[PlannedRequest, Request, tuple[Request, Sequence[FieldProblem]]]] = {}

    def of(self, planned: PlannedRequest, request: Request) -> tuple[Request, Sequence[FieldProblem]]:
        """PlannedRequest.completed: the same result for the same planned request with the same object."""
        key = (id(planned), id(request.object))
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = (planned, request, planned.completed(request))  # which keeps the ids in use
        return known[2]


class _Completion:
    """What the API server makes of a request between mutation and validation.

    `problems`: what it refuses of the object, of whichever phase. `refused`: whether it is refused after mutation.
    """

    def __init__(self, planned: PlannedRequest, completions: Completions | None) -> None:
        self._planned = planned
        self._completions = completions
        self.problems = list(planned.problems)
        self.refused = False

    def completed(self, request: Request) -> Request | None:
        """The request that is validated; None if the API server refuses its object.

        Problems of an object that has some already are not added: most of them follow from these.
        """
        if self._completions is not None:
            whole, refused = self._completions.of(self._planned, request)
        else:
            whole, refused = self._planned.completed(request)
        if not refused:
            return whole
        self.refused = True
        if not self.problems:
            self.problems += refused
        return None


def _refused(planned: PlannedRequest, problems: Iterable[FieldProblem], redaction: Redaction) -> Iterator[Located]:
    """What the API server refuses of the object, as findings: MAX_REFUSALS, and one that counts the others."""
    listed = list(problems)
    if len(listed) > MAX_REFUSALS:
        left = len(listed) - MAX_REFUSALS
        more = f"at least {left:,}" if len(listed) >= MAX_COUNTED else f"{left:,}"
        words = f"{more} more refusal{'' if left == 1 else 's'} of this object, not listed"
        listed = [*listed[:MAX_REFUSALS], FieldProblem(ROOT, words, listed[0].reason)]
    for each in listed:
        finding = Finding("", "", "Deny", each.reason, _CODES[each.reason], each.message, each.path, kind=SCHEMA)
        path = planned.place(each.path)
        position = planned.document.position(path)
        yield Located(
            finding=finding,
            identity=planned.identity,
            file=planned.document.file,
            stream=planned.document.stream,
            line=position.line,
            column=position.column,
            path=path,
            message=redaction.applied(each.message) + each.afterword,
            of_template=planned.of_template,
            known=True,
            operation=planned.request.operation,
            user=planned.request.user,
            excerpt=shown_line(planned.document, position, redaction),
        )


MAX_REFUSALS: Final = 100
"""Refusals of an object that are listed."""

MAX_COUNTED: Final = 1000
"""Refusals of an object that are counted: its checks end there."""

_CODES: Final = {"BadRequest": 400, "Forbidden": 403, "NotFound": 404, "Invalid": 422}


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
    """Locates the findings on one request in the file, and redacts their messages."""

    def __init__(self, planned: PlannedRequest, redaction: Redaction, explain: bool) -> None:
        self._planned = planned
        self._redaction = redaction
        self._explain = explain
        self._explanations = Explanations(redaction)
        self._elements = Elements(None)  # of the object that the last finding was about

    def located(self, finding: Finding) -> Located:
        # If there is a Secret, only the explanation shows which parts of a value are computed from it.
        why = self._explanations.of(finding.evaluated) if self._explain or self._redaction else None
        message = self._redaction.applied(shown_message(finding, why))
        place = finding.path or self._place(finding, message, why)
        if place and self._redaction.names(place):
            place = None
        explained = None
        if self._explain and why is not None:
            explained = LocatedExplanation(why, why.evaluated.policy, self._planned)
        return self._in_file(finding, message, place, explained)

    def _place(self, finding: Finding, message: str, why: ExplainedPolicy | None) -> Path | None:
        """The place that the message names, or that decided according to the trace; None if neither is known."""
        evaluated = finding.evaluated
        request = evaluated.request if evaluated is not None else self._planned.request
        decided = why.witnesses(finding) if why is not None else _decided(finding)
        value = request.object or request.old_object
        if self._elements.value is not value:
            self._elements = Elements(value)
        return place_of(message, value, decided, self._elements)

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
        known = bool(place) and not (planned.of_template and path == planned.prefix)
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
            known=known,
            explained=explained,
            moved=(*planned.moved, ((), planned.prefix)) if planned.of_template else (),
            operation=planned.request.operation,
            user=planned.request.user,
            excerpt=shown_line(document, position, self._redaction) if known else None,
        )


def _decided(finding: Finding) -> tuple[Path, ...]:
    """The places in the object that decided the expressions behind a finding, the best first."""
    trace = finding.evaluated.result.trace if finding.evaluated is not None else None
    if trace is None:
        return ()
    if finding.expression is not None:
        return trace.witnesses(finding.expression)
    conditions = trace.below("spec", "matchConditions")
    return tuple(path for each in conditions if each.error for path in each.witnesses())
