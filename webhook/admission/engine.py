"""The engine: `mutate`, `validate`, and `decide`, which does both in order. Every verdict comes from here.

The functions are pure and synchronous. They read the cluster through the ClusterView that the caller passes, and look
up the Namespaces and params that policies receive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from webhook.admission import excepting
from webhook.admission.decision import (
    Decision,
    Excepted,
    Finding,
    Mutation,
)
from webhook.admission.findings import LEFT_OUT, Fault, Report, left_out, mutation_fault, mutation_finding
from webhook.admission.params import NONE, ConfigurationError, collect, resource_of
from webhook.admission.record import Evaluated
from webhook.admission.skipping import NO_OBJECT, Skips, skip_other_kinds
from webhook.cel.cost.metering import Deadline
from webhook.cluster.view import NotCached, UnknownKind
from webhook.policy.evaluation import (
    PASSED,
    UNCHANGED,
    MutationFault,
    Mutator,
    Validator,
)
from webhook.policy.json_values import differs
from webhook.policy.matching import ALWAYS, NamespaceNotFound
from webhook.policy.policyset import Binding, Candidate, Evaluator_co, Policy, PolicySet
from webhook.policy.reviewing import Recording, Review, Runs

if TYPE_CHECKING:
    from webhook.admission.confidential import Confidential
    from webhook.admission.record import Observer
    from webhook.cluster.view import ClusterView
    from webhook.policy.evaluation import ParamKind
    from webhook.policy.request import Request
    from webhook.schema import Resource


def decide(
    request: Request,
    policies: PolicySet,
    cluster: ClusterView,
    *,
    deadline: Deadline | None = None,
    recording: Recording | None = None,
    observer: Observer | None = None,
    completed: Callable[[Request], Request | None] | None = None,
    typed: bool = False,
) -> Decision:
    """Mutate, then validate the mutated object. A denied mutation is the verdict; nothing is validated then.

    deadline: the time by which all evaluations must end. recording, observer: see webhook.admission.record. completed:
    makes the request that is validated of the mutated one, as the API server does between the two phases; None for one
    that the API server refuses, of which nothing is validated. typed: the request's object is what decoding and
    defaulting by the tables here made, and not that of a cluster.
    """
    review = Review(request, cluster, partial(namespace_in, cluster), deadline, recording)
    if typed:
        review.typed = request.object
    mutation = _mutate(review, policies.mutators_for(request), policies, observer)
    if not mutation.allowed:
        return Decision(
            allowed=False,
            findings=mutation.findings,
            code=mutation.code,
            reason=mutation.reason,
            message=mutation.message,
            causes=mutation.causes,
            mutation=mutation,
            evaluated=mutation.evaluated,
            excepted=mutation.excepted,
        )
    if mutation.changed:
        review = review.with_object(mutation.object).renewed()
    if completed is not None:
        whole = completed(review.request)
        if whole is None:
            return Decision(allowed=True, mutation=mutation, excepted=mutation.excepted)
        review = review.with_request(whole)
    return _validate(review, policies.validators_for(request), policies, observer, mutation)


def mutate(
    request: Request,
    policies: PolicySet,
    cluster: ClusterView,
    *,
    deadline: Deadline | None = None,
    recording: Recording | None = None,
    observer: Observer | None = None,
    confidential: Confidential | None = None,
    runs: Runs | None = None,
) -> Mutation:
    """Apply the mutating policies, by policy name, then binding name. Each sees the changes of those before it.

    Policies are matched against the object of the request. If the first pass changed the object, the policies that ran
    and have the reinvocationPolicy IfNeeded run once more, in the same order, if they match the changed object. The
    request's own object is never modified. confidential: masks what policies say. runs: see Review.
    """
    candidates = policies.mutators_for(request)
    if not candidates and (observer is None or not observer.skips):
        return Mutation(request.object)
    review = Review(request, cluster, partial(namespace_in, cluster), deadline, recording, runs)
    return _mutate(review, candidates, policies, observer, confidential)


def validate(
    request: Request,
    policies: PolicySet,
    cluster: ClusterView,
    *,
    deadline: Deadline | None = None,
    recording: Recording | None = None,
    observer: Observer | None = None,
    confidential: Confidential | None = None,
    runs: Runs | None = None,
) -> Decision:
    """The verdict of the validating policies on the request's object, without mutation. confidential: masks what
    policies say. runs: see Review."""
    candidates = policies.validators_for(request)
    if not candidates and (observer is None or not observer.skips):
        return Decision(allowed=True)
    return _validate(
        Review(request, cluster, partial(namespace_in, cluster), deadline, recording, runs),
        candidates,
        policies,
        observer,
        None,
        confidential,
    )


def namespace_in(cluster: ClusterView, name: str) -> Any:
    """The Namespace of this name, as policies see it. Raises NamespaceNotFound."""
    try:
        return cluster.namespace(name).value
    except (NotCached, UnknownKind) as error:
        raise NamespaceNotFound(name, str(error)) from None


def _mutate(
    review: Review,
    candidates: Sequence[Candidate[Mutator]],
    policies: PolicySet,
    observer: Observer | None,
    confidential: Confidential | None = None,
) -> Mutation:
    request = review.request
    if observer is not None and observer.skips:
        skip_other_kinds(policies.mutating, candidates, review, observer)
    if not candidates:
        return Mutation(request.object)
    if request.object is None:
        if observer is not None and observer.skips:
            for candidate in candidates:
                Skips(review, observer).because(candidate.policy, None, NO_OBJECT)
        return Mutation(None)
    mutating = _Mutating(review, candidates, observer, confidential)
    mutating.run()
    if mutating.changed and not mutating.findings:
        mutating.run_again()
    return mutating.mutation()


_Invocation = tuple[str, str, str, str]
"""The key of an invocation: the names of policy and binding, and the namespace and name of the param object."""


def _invocation(policy: Policy[Mutator], binding: Binding, param: Any) -> _Invocation:
    metadata = (param or {}).get("metadata") or {}
    return policy.name, binding.name, metadata.get("namespace", ""), metadata.get("name", "")


class _Mutating:
    """Applies the mutating policies to one request."""

    __slots__ = (
        "_again",
        "_candidates",
        "_changed",
        "_confidential",
        "_current",
        "_evaluated",
        "_excepted",
        "_observer",
        "_sent",
        "findings",
    )

    def __init__(
        self,
        review: Review,
        candidates: Iterable[Candidate[Mutator]],
        observer: Observer | None,
        confidential: Confidential | None,
    ) -> None:
        self._confidential = confidential
        self._sent = review.request
        self._candidates = candidates
        self._observer = observer
        self._current = review
        self._changed: list[str] = []
        self._evaluated: dict[tuple[str, str], Binding] = {}
        self._again: set[_Invocation] = set()
        self._excepted: dict[tuple[str, str, str], Excepted] = {}
        self.findings: list[Finding] = []

    @property
    def changed(self) -> bool:
        return bool(self._changed)

    def run(self) -> None:
        """Run every policy that matches."""
        for policy, binding, param in self._matching(self._observer):
            self._evaluated[policy.name, binding.name] = binding
            if self._apply(policy, binding, param) and policy.evaluator.reinvoked:
                self._again.add(_invocation(policy, binding, param))

    def run_again(self) -> None:
        """Run the policies again that ran before and have the reinvocationPolicy IfNeeded."""
        if not self._again:
            return
        self._current = self._current.renewed()
        for policy, binding, param in self._matching(None):
            if _invocation(policy, binding, param) in self._again:
                self._apply(policy, binding, param)

    def _matching(self, observer: Observer | None) -> Iterator[tuple[Policy[Mutator], Binding, Any]]:
        fault = mutation_fault(self.findings, self._confidential)
        for policy, binding, params in _matches(self._candidates, self._current, fault, observer):
            for param in params:
                yield policy, binding, param

    def _apply(self, policy: Policy[Mutator], binding: Binding, param: Any) -> bool:
        """Run one policy. Returns whether its matchConditions matched."""
        result = policy.evaluator.mutate(self._current, param)
        if result is UNCHANGED and self._observer is None:
            return True
        evaluated = Evaluated(policy, binding, param, self._current.request, result)
        if self._observer is not None:
            self._observer.evaluated(evaluated)
        faults = result.faults
        if faults and self._confidential is not None:
            faults = self._confidential.faults(evaluated, faults)
        fault = faults[0] if faults else LEFT_OUT if result.object is not None else None
        if policy.exceptions and fault is not None and self._is_excepted(evaluated, fault):
            return result.ran
        for fault in faults:
            if fault.internal or policy.failure_policy == "Fail":
                self.findings.append(mutation_finding(policy, binding, fault, evaluated=evaluated))
        if result.object is not None:
            self._current = self._current.with_object(result.object)
            if policy.name not in self._changed:
                self._changed.append(policy.name)
        return result.ran

    def _is_excepted(self, evaluated: Evaluated, fault: MutationFault) -> bool:
        """Whether an exception covers the mutation, or its failure. If so, it is added to the excepted ones."""
        policy, binding = evaluated.policy, evaluated.binding
        exception = excepting.in_force(policy, binding.name, self._sent, None)
        if exception is None:
            return False
        key = (policy.name, binding.name, fault.message)
        if key not in self._excepted:
            excepted = self._excepted[key] = Excepted(exception, left_out(binding, fault, evaluated))
            if self._observer is not None:
                self._observer.excepted(excepted)
        return True

    def mutation(self) -> Mutation:
        """The result of all policies that ran."""
        before, after = self._sent.object, self._current.request.object
        evaluated, excepted = tuple(self._evaluated.values()), tuple(self._excepted.values())
        if self.findings:
            return Mutation(before, findings=tuple(self.findings), evaluated=evaluated, excepted=excepted)
        if not self._changed or not differs(before, after):
            return Mutation(before, evaluated=evaluated, excepted=excepted)
        return Mutation(after, True, tuple(self._changed), evaluated=evaluated, excepted=excepted)


def _validate(
    review: Review,
    candidates: Sequence[Candidate[Validator]],
    policies: PolicySet,
    observer: Observer | None,
    mutation: Mutation | None,
    confidential: Confidential | None = None,
) -> Decision:
    request = review.request
    if observer is not None and observer.skips:
        skip_other_kinds(policies.validating, candidates, review, observer)
    if not candidates:
        excepted = mutation.excepted if mutation is not None else ()
        return Decision(allowed=True, mutation=mutation, excepted=excepted)
    report = Report(observer, confidential)
    matched: list[Binding] = []
    for policy, binding, params in _matches(candidates, review, report.fault, observer):
        matched.append(binding)
        for param in params:
            evaluation = policy.evaluator.evaluate(review, param)
            passed = evaluation is PASSED or not evaluation.ran
            if passed and observer is None:
                continue
            evaluated = Evaluated(policy, binding, param, request, evaluation)
            if observer is not None:
                observer.evaluated(evaluated)
                if passed:
                    continue
            report.add(evaluated, evaluation)
    return report.decision(mutation, tuple(matched))


def _matches(
    candidates: Iterable[Candidate[Evaluator_co]], review: Review, fault: Fault, observer: Observer | None
) -> Iterator[tuple[Policy[Evaluator_co], Binding, tuple[Any, ...]]]:
    """The policies and bindings that match, each with the params to evaluate the policy with."""
    request, namespace, cluster = review.request, review.namespace, review.cluster
    if cluster is None:
        raise ValueError("matching needs a ClusterView; pass an empty one if there is no cluster")
    skips = Skips(review, observer) if observer is not None and observer.skips else None
    known: ParamKind | None = None  # most policies of a tree have params of the same kind
    of_known: Resource | None = None
    for policy, residual, bindings in candidates:
        kind = policy.param_kind
        try:
            if residual is not ALWAYS and not residual.matches(request, namespace):
                if skips is not None:
                    skips.policy(policy)
                continue
            resource = of_known
            if kind is not None and kind is not known and kind != known:
                resource = of_known = resource_of(kind, cluster)
                known = kind
        except (NamespaceNotFound, ConfigurationError) as error:
            fault(policy, None, str(error))
            if skips is not None:
                skips.faulty(policy, None, str(error))
            continue
        if skips is not None:
            skips.other_bindings(policy, bindings)
        for binding, bound in bindings:
            try:
                if bound is not ALWAYS and not bound.matches(request, namespace):
                    if skips is not None:
                        skips.binding(policy, binding)
                    continue
                if binding.conditions is not None:
                    unmatched = binding.conditions.unmatched_by(review)
                    if isinstance(unmatched, str):
                        raise ConfigurationError(unmatched)
                    if unmatched is not None:
                        if skips is not None:
                            skips.condition(policy, binding, unmatched.name)
                        continue
                params: tuple[Any, ...] = NONE
                if kind is not None and resource is not None:
                    params = collect(kind, resource, binding, request.namespace, cluster)
            except (NamespaceNotFound, ConfigurationError) as error:
                fault(policy, binding, str(error))
                if skips is not None:
                    skips.faulty(policy, binding, str(error))
                continue
            if not params and skips is not None:
                skips.no_params(policy, binding)
            yield policy, binding, params
