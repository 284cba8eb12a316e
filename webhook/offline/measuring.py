"""What each policy takes on the objects of its author: processor time here, and cost units in the API server.

The engine decides on each request first, as everywhere; what it evaluates is then evaluated again, alone: some times
for the least time that it takes, and once in the form of the code that counts exactly what the API server charges.
Times depend on the machine and on what else it does, costs on nothing but the policy and the object.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial
from time import thread_time_ns
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from webhook.admission import engine
from webhook.admission.record import Evaluated, Record
from webhook.admission.redaction import SecretsSeen
from webhook.cel.program import Activation, Counting, Program
from webhook.offline.renderedfrom import Sources
from webhook.offline.requests import by_document
from webhook.offline.verdicts import decided
from webhook.policy.cel.mutating import CELMutator
from webhook.policy.cel.validating import COST, CELValidator
from webhook.policy.evaluation import Evaluation
from webhook.policy.policyset import Policy
from webhook.policy.request import Request
from webhook.policy.reviewing import Review

if TYPE_CHECKING:
    from webhook.cluster.view import ClusterView
    from webhook.offline.requests import PlannedRequest
    from webhook.policy.policyset import PolicySet
    from webhook.recordings.reading import Recorded

BUDGET: Final = COST
"""The cost units that the API server allows a policy on one request."""


class Place(Struct, frozen=True):
    """An object that a policy was measured on. name: the same in every run: operation, kind, namespace and name.

    file, line: where a person would edit it; of what was rendered its source, whose line is None if it is not known.
    """

    file: str
    line: int | None
    name: str


class Took(Struct, frozen=True):
    """One evaluation. nanoseconds: the least of its runs. cost: in units, None of a policy in Python. share: of the
    API server's budget, of which validations and their messages have one, and audit annotations and each mutation."""

    place: Place
    nanoseconds: int
    cost: int | None
    share: float


class Figures(Struct, frozen=True):
    """All evaluations of a policy, in the order of the objects; none if it matches none of them."""

    policy: Policy[Any]
    took: Sequence[Took]

    def micros(self, share: float) -> float:
        """The time that this share of the evaluations keeps within, in microseconds."""
        times = sorted(each.nanoseconds for each in self.took)
        return times[max(math.ceil(share * len(times)) - 1, 0)] / 1000

    @property
    def slowest(self) -> Took:
        """The evaluation that took longest."""
        return max(self.took, key=lambda each: each.nanoseconds)

    @property
    def dearest(self) -> Took | None:
        """The evaluation that takes most of its budget; None of a policy in Python."""
        return max((each for each in self.took if each.cost is not None), key=lambda each: each.share, default=None)

    @property
    def costs(self) -> dict[str, int]:
        """The cost by the name of the object: of all its evaluations, if there are several bindings or params."""
        found: dict[str, int] = {}
        for each in self.took:
            if each.cost is not None:
                found[each.place.name] = found.get(each.place.name, 0) + each.cost
        return found


class _Heard(Record):
    """A record of the evaluations alone, in order."""

    skips = False

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Evaluated] = []

    def evaluated(self, evaluated: Evaluated, /) -> None:
        """See Observer."""
        self.heard.append(evaluated)


class Measuring:
    """Measures the policies of a set. rounds: how often each evaluation is timed."""

    def __init__(self, policies: PolicySet, rounds: int) -> None:
        self._policies = policies
        self._rounds = rounds
        self._took: dict[tuple[str, str], list[Took]] = {}
        self._sources = Sources()
        self.objects = 0

    def planned(self, requests: Iterable[PlannedRequest], cluster: ClusterView) -> None:
        """Measure on requests that are made of manifests. Those of one document must follow each other."""
        for group in by_document(requests):
            self.objects += 1
            for each in decided(group, self._policies, SecretsSeen(cluster), record=_Heard, locating=False):
                planned = each.planned
                identity, request = planned.identity, planned.request
                name = f"{request.operation} {identity.api_version}/{identity.kind} {_named(identity)}"
                file, line = self._placed(planned)
                place = Place(file, line, f"{name} (its Pod)" if planned.of_template else name)
                for evaluated in each.record.heard if isinstance(each.record, _Heard) else ():
                    self._measure(evaluated, place, cluster)

    def recorded(self, review: Recorded) -> None:
        """Measure on a recorded review, with what was looked up for it."""
        self.objects += 1
        policies, request = self._policies, review.request
        if review.failure_policy is not None:
            policies = policies.only(review.failure_policy)
        view, record = review.view(), _Heard()
        decide = engine.mutate if review.phase == "mutate" else engine.validate
        decide(request, policies, view, observer=record)
        kind = request.kind
        version = f"{kind.group}/{kind.version}" if kind.group else kind.version
        named = f"{request.namespace}/{request.name}" if request.namespace else request.name
        place = Place(review.file, review.line, f"{request.operation} {version}/{kind.kind} {named} {request.uid}")
        for evaluated in record.heard:
            self._measure(evaluated, place, view)

    def figures(self) -> list[Figures]:
        """What was measured, in the order of the policies; those without a binding are left out."""
        return [
            Figures(policy, tuple(self._took.get((policy.kind, policy.name), ())))
            for policy in self._policies.policies
            if policy.bindings
        ]

    def _placed(self, planned: PlannedRequest) -> tuple[str, int | None]:
        document = planned.document
        if document.file == document.stream:
            return document.file, document.position(planned.prefix).line
        source = self._sources.find(document, planned.prefix)
        return source.file, source.position.line if source.position is not None else None

    def _measure(self, evaluated: Evaluated, place: Place, cluster: ClusterView) -> None:
        policy, request, param = evaluated.policy, evaluated.request, evaluated.param
        if not evaluated.result.ran:
            return
        run = policy.evaluator.evaluate if isinstance(evaluated.result, Evaluation) else policy.evaluator.mutate
        least = min(_timed(run, _review(request, cluster), param) for _ in range(self._rounds))
        cost, share = _charged(policy.evaluator, _review(request, cluster), param)
        self._took.setdefault((policy.kind, policy.name), []).append(Took(place, least, cost, share))


def _named(identity: Any) -> str:
    return f"{identity.namespace}/{identity.name}" if identity.namespace else str(identity.name)


def _review(request: Request, cluster: ClusterView) -> Review:
    return Review(request, cluster, partial(engine.namespace_in, cluster))


def _timed(run: Any, review: Review, param: Any) -> int:
    begun = thread_time_ns()
    run(review, param)
    return thread_time_ns() - begun


class _Meter:
    """The form of the code that charges exactly, with the activations that it was evaluated on: one a budget."""

    def __init__(self) -> None:
        self.activations: list[Counting] = []

    def activation(self, *args: Any, **kwargs: Any) -> Counting:
        """See Form."""
        made = Counting(*args, **kwargs)
        self.activations.append(made)
        return made

    def evaluate(self, program: Program, activation: Activation) -> Any:
        """See Form."""
        return program.evaluate_counting(activation)

    def exactly(self) -> _Meter:
        """See Form."""
        return self


def _charged(evaluator: Any, review: Review, param: Any) -> tuple[int | None, float]:
    """The cost of an evaluation, in the API server's units, and the largest share of one of its budgets."""
    meter = _Meter()
    if isinstance(evaluator, CELValidator):
        evaluator.phased(review, param, meter)
        validations, *others = [each.cost for each in meter.activations]
        # the messages are evaluated on an activation of their own, and charged to the budget of the validations
        budgets = [validations + sum(others[:1]), *others[1:]]
    elif isinstance(evaluator, CELMutator):
        evaluator.metered(review, param, meter)
        budgets = [each.cost for each in meter.activations]
    else:
        return None, 0.0
    return sum(budgets), max(budgets, default=0) / BUDGET
