"""Decides the documents of a corpus under both trees, and evaluates only what may differ.

First the mutating policies of both trees and those validating policies that differ. If both sides' objects are the same
after mutation, the other validating policies say the same of them, and are left out; else all are evaluated on both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

from webhook.admission.decision import MUTATING
from webhook.admission.record import Record
from webhook.admission.redaction import SecretsSeen
from webhook.documents.document import Problem
from webhook.impact.differences import Difference, Names, denies, differing
from webhook.impact.remembering import Memory
from webhook.offline.verdicts import Completions, Decided, decided, verdict_of
from webhook.policy.json_values import differs
from webhook.policy.policyset import Policy, PolicySet
from webhook.policy.request import CREATE, GroupVersionKind, GroupVersionResource, Request
from webhook.recordings.view import NotRecorded

if TYPE_CHECKING:
    from webhook.admission.record import Evaluated
    from webhook.impact.corpus import Corpus, Opened, Pair
    from webhook.impact.sameness import Comparison, Key
    from webhook.impact.trees import Side
    from webhook.offline.requests import PlannedRequest

MAX_LOOKUPS: Final = 20
"""Lookups without a recorded answer that are named."""

_A_POD: Final = Request(
    operation=CREATE, resource=GroupVersionResource("", "v1", "pods"), kind=GroupVersionKind("", "v1", "Pod")
)


class Counted(Struct):
    """What was looked at. `matched`: by policy that differs, the objects that one of its bindings matches on a side.

    `ran`: the policies that differ whose matchConditions were met by an object. `refused`: by policy that differs, the
    objects of its rules that the API server refuses before it. `operations`: of all requests. `left_out`: the objects
    for which no policy that differs is a candidate; `reused`: the results of mutating policies that were computed once
    for both. `unknown`: what policies look up that a recording has no answer to: file and line of the first review that
    is not judged for it, and how many there are; none of them is among `objects`.
    """

    objects: int = 0
    matched: Counter[Key] = field(default_factory=Counter)
    ran: set[Key] = field(default_factory=set)
    refused: Counter[Key] = field(default_factory=Counter)
    operations: set[str] = field(default_factory=set)
    left_out: int = 0
    reused: int = 0
    unknown: dict[str, tuple[str, int, int]] = field(default_factory=dict)

    def not_judged(self) -> list[Problem]:
        """What could not be judged, as recordings lack what policies look up."""
        found = []
        unknown = list(self.unknown.items())
        for lookup, (file, line, number) in unknown[:MAX_LOOKUPS]:
            more = f", and {number - 1:,} more" if number > 1 else ""
            text = f"the review is not judged{more}, as the recording has no answer to what a policy looks up: {lookup}"
            found.append(Problem(file, line, None, text))
        if rest := unknown[MAX_LOOKUPS:]:
            file, line, _ = rest[0][1]
            number = sum(each[2] for _, each in rest)
            found.append(
                Problem(file, line, None, f"{number:,} more reviews are not judged, for {len(rest):,} lookups")
            )
        return found


def impacts(corpus: Corpus, old: Side, new: Side, comparison: Comparison, counted: Counted) -> Iterator[Difference]:
    """What differs on each object of a corpus, in its order; counted: is added to.

    A difference holds the requests and traces of its findings: keep what is shown of it, not itself.
    """
    opened = corpus.opened(old.policies, new.policies, apart=comparison.apart)
    deciding = _Deciding(opened, comparison, counted, {**old.common, **new.common})
    for batch in opened.batches:
        was, view = SecretsSeen(batch.old), SecretsSeen(batch.new)
        for pair in batch.pairs:
            try:
                found = deciding.difference(pair, was, view)
            except NotRecorded as error:
                file, line, count = counted.unknown.get(error.lookup) or (pair.document.file, pair.document.line, 0)
                counted.unknown[error.lookup] = (file, line, count + 1)
                continue
            counted.objects += 1
            counted.operations.update(planned.request.operation for planned in pair.new or pair.old)
            if found is not None:
                yield found
    counted.reused += deciding.memory.reused


class _Sets(Struct, frozen=True):
    """The policies of one side. `whole`: all. `lean`: the mutating ones and the validating ones that differ. `rest`:
    the mutating ones and the validating ones that do not differ. `differing`: only what differs."""

    whole: PolicySet
    lean: PolicySet
    rest: PolicySet
    differing: PolicySet


class _Ran(Record):
    """Hears which policies ran, that is, with all of their matchConditions met."""

    skips = False

    def __init__(self, ran: set[Key]) -> None:
        super().__init__()
        self._ran = ran

    def evaluated(self, evaluated: Evaluated, /) -> None:
        if evaluated.result.ran:
            self._ran.add((evaluated.policy.kind, evaluated.policy.name))


class _Deciding:
    def __init__(self, opened: Opened, comparison: Comparison, counted: Counted, names: Names) -> None:
        self._names = names
        self._comparison = comparison
        self._counted = counted
        self.memory = Memory()
        self._old = self._sets(opened.old)
        self._new = self._sets(opened.new)

    def _sets(self, policies: PolicySet) -> _Sets:
        evaluated = self._comparison.evaluated

        def prepared(policy: Policy[Any]) -> Policy[Any]:
            return policy if evaluated(policy) else self.memory.of(policy)

        whole = PolicySet(
            policies.validating,
            map(prepared, policies.mutating),
            objects=policies.objects,
            revision=policies.revision,
            target=policies.target,
        )
        return _Sets(
            whole,
            whole.where(lambda policy: policy.kind == MUTATING or evaluated(policy)),
            whole.where(lambda policy: policy.kind == MUTATING or not evaluated(policy)),
            policies.where(evaluated),
        )

    def difference(self, pair: Pair, was: SecretsSeen, view: SecretsSeen) -> Difference | None:
        """What differs on a document; None if nothing does."""
        if not self._concerns(pair):
            self._counted.left_out += 1
            return None
        self.memory.forget()
        completions = Completions()
        before = self._decided(pair.old, self._old, was, completions)
        now = self._decided(pair.new, self._new, view, completions)
        self._count((*before, *now))
        self._count_refused(before, now)
        whole = False
        if not _same_objects(before, now):
            before = list(decided(pair.old, self._old.whole, was, completions=completions))
            now = list(decided(pair.new, self._new.whole, view, completions=completions))
            whole = True
        first = (pair.new or pair.old)[0]
        old, new = verdict_of(first, before), verdict_of(first, now)
        found, repatched = differing(old, new, self._names)
        if not found and not repatched:
            return None
        was_denied, is_denied = denies(old.findings), denies(new.findings)
        if not whole and not (was_denied and is_denied):
            rest = decided(pair.new, self._new.rest, view, completions=completions, locating=False, recording=None)
            if any(each.denied for each in rest):
                was_denied = is_denied = True
        request = first.request
        value = request.object if request.object is not None else request.old_object
        return Difference(
            first.document, value, first.identity, request.operation, found, repatched, was_denied, is_denied
        )

    def _concerns(self, pair: Pair) -> bool:
        """Whether a policy that differs may match a request of the document, or of a Pod that mutation adds to it."""
        if self._comparison.apart:
            return True
        old, new = self._old.differing, self._new.differing
        for planned in pair.new:
            if _candidates(old, planned.request) or _candidates(new, planned.request):
                return True
        mutated = pair.new and self._new.whole.mutators_for(pair.new[0].request)
        return bool(mutated) and (_candidates(old, _A_POD) or _candidates(new, _A_POD))

    def _decided(
        self, requests: Sequence[PlannedRequest], sets: _Sets, view: SecretsSeen, completions: Completions
    ) -> list[Decided]:
        ran = self._counted.ran
        unseen = any(
            (candidate.policy.kind, candidate.policy.name) not in ran
            for planned in requests
            for candidates in (
                sets.differing.validators_for(planned.request),
                sets.differing.mutators_for(planned.request),
            )
            for candidate in candidates
        )
        record = (lambda: _Ran(ran)) if unseen else None
        return list(decided(requests, sets.lean, view, record=record, completions=completions))

    def _count(self, decisions: Sequence[Decided]) -> None:
        differing = self._comparison.policies
        matched = {
            key
            for each in decisions
            for binding in each.evaluated
            if (key := (binding.kind.removesuffix("Binding"), binding.policy)) in differing
        }
        self._counted.matched.update(matched)

    def _count_refused(self, old: Sequence[Decided], new: Sequence[Decided]) -> None:
        """Count the object for the policies that did not see it, as the API server refuses it."""
        self._counted.refused.update(
            {
                (candidate.policy.kind, candidate.policy.name)
                for decisions, sets in ((old, self._old), (new, self._new))
                for each in decisions
                if each.refused
                for candidate in sets.differing.validators_for(each.planned.request)
            }
        )


def _candidates(policies: PolicySet, request: Request) -> bool:
    return bool(policies.validators_for(request) or policies.mutators_for(request))


def _same_objects(old: Sequence[Decided], new: Sequence[Decided]) -> bool:
    """Whether validating policies were put to the same objects on both sides."""
    return len(old) == len(new) and all(map(_same_object, old, new))


def _same_object(old: Decided, new: Decided) -> bool:
    if old.refused != new.refused or _denied_by_mutation(old) != _denied_by_mutation(new):
        return False
    one, other = _validated(old), _validated(new)
    return one is other or not differs(one, other)


def _denied_by_mutation(each: Decided) -> bool:
    return any(located.finding.kind == MUTATING for located in each.findings)


def _validated(each: Decided) -> Any:
    return each.changes[0].after if each.changes else each.planned.request.object
