"""The record of a request: the evaluations with their results, and the skipped policies with the reasons.

Every finding has the evaluation that gave it (`Finding.evaluated`): the policy, the binding, the param object, the
request that the policy saw, and the result with its failures. The engine records more on demand:

    record = Record()
    decision = engine.decide(request, policies, cluster, recording="everything", observer=record)
    record.evaluations(policy)    # one for each binding and param object, in the order of evaluation
    record.skip(policy, binding)  # the reason why it was not evaluated; None if it was
    decision.excepted             # findings that an exception covers; the observer receives them too

- `recording`: which evaluations of CEL policies have a trace (webhook.policy.trace) in `result.trace`: `"failures"`
  traces those that found something, at no cost for the others; `"everything"` traces all, with every expression. A
  trace gives the values of an expression, its explanation and its witnesses.
- `observer`: receives an event for each evaluation, and if it asks for them (`skips`) one for each policy and binding
  of the set that was not evaluated.

The trace belongs to the evaluation that gave the verdict, so no policy is evaluated twice to explain it. The server
records nothing. It has an observer, without `skips`, only for reviews that it traces or whose policies it times.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from webhook.frozen import Guarded

if TYPE_CHECKING:
    from webhook.admission.decision import Excepted
    from webhook.policy.evaluation import Evaluation, MutationResult
    from webhook.policy.policyset import Binding, Policy
    from webhook.policy.request import Request


class Evaluated(Guarded, frozen=True):
    """One evaluation of a policy, under one binding with one param object (None if the policy has no params).

    request: the request that the policy saw; for a validating policy it holds the mutated object. result: an Evaluation
    or a MutationResult.
    """

    unshown = frozenset({"param"})  # may be a Secret

    policy: Policy[Any]
    binding: Binding
    param: Any
    request: Request
    result: Evaluation | MutationResult


class Skipped(Guarded, frozen=True):
    """A policy that was not evaluated on a request: under one binding, or under any if `binding` is None.

    faulty: a configuration error, such as missing params or an unknown Namespace; its failurePolicy decides then.
    """

    unshown = frozenset({"_why"})

    policy: Policy[Any]
    binding: Binding | None
    faulty: bool
    _why: Callable[[], str]

    @property
    def why(self) -> str:
        """The reason, as text. It is computed on access."""
        return self._why()


class Observer(Protocol):
    """Receives the engine's events while it decides on a request.

    skips: whether `skipped` is called. It costs time for each policy of the set, also for those of other kinds.
    """

    @property
    def skips(self) -> bool: ...

    def evaluated(self, evaluated: Evaluated, /) -> None:
        """A policy was evaluated. Called twice for a mutating policy that is reinvoked."""

    def skipped(self, skipped: Skipped, /) -> None:
        """A policy or a binding does not match the request, or has a configuration error."""

    def excepted(self, excepted: Excepted, /) -> None:
        """An exception covers a finding, or suppressed a mutation."""


class Record:
    """An observer that keeps all events."""

    skips = True

    def __init__(self) -> None:
        self._evaluated: list[Evaluated] = []
        self._skipped: list[Skipped] = []
        self._excepted: list[Excepted] = []

    def evaluated(self, evaluated: Evaluated, /) -> None:
        """See Observer."""
        self._evaluated.append(evaluated)

    def skipped(self, skipped: Skipped, /) -> None:
        """See Observer."""
        self._skipped.append(skipped)

    def excepted(self, excepted: Excepted, /) -> None:
        """See Observer."""
        self._excepted.append(excepted)

    def evaluations(self, policy: Policy[Any], binding: Binding | None = None) -> tuple[Evaluated, ...]:
        """The evaluations of a policy in order, one a param object: under one binding, or under all if it is None."""
        return tuple(
            each
            for each in self._evaluated
            if _same(each.policy, policy) and (binding is None or each.binding.name == binding.name)
        )

    def skip(self, policy: Policy[Any], binding: Binding | None = None) -> Skipped | None:
        """The event that says why a policy, or one of its bindings, was not evaluated; None if it was."""
        name = binding.name if binding is not None else None
        for each in self._skipped:
            if _same(each.policy, policy) and (each.binding.name if each.binding else None) == name:
                return each
        return None


def _same(one: Policy[Any], other: Policy[Any]) -> bool:
    return (one.kind, one.name) == (other.kind, other.name)
