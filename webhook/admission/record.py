"""The record of a request: what was evaluated, on what, and how it came out; what was passed over, and why.

Every finding carries the evaluation that it came from (`Finding.evaluated`): the policy, the binding, the param object,
the request as the policy saw it, and the result with its failures. Who needs to know more asks the engine for it:

    record = Record()
    decision = engine.decide(request, policies, cluster, recording="everything", observer=record)
    record.evaluations(policy)    # one for each binding and param object, in the order of evaluation
    record.skip(policy, binding)  # what kept it from being evaluated, with the reason; or None
    decision.excepted             # findings that an exception covers, which the observer hears of too

- `recording`: which evaluations of CEL policies bring their trace (webhook.policy.trace) along, as `result.trace`:
  `"failures"`, those that found something, at no cost for those that did not; `"everything"`, all of them, with every
  expression. An expression's values, its explanation and the places that decided it are read from there.
- `observer`: hears of each policy and binding of the set, whether it matches the request or not.

Nobody has to evaluate a policy again to say why it decided as it did, or where: the trace is of the evaluation that the
verdict came from. The server asks for neither, and pays for neither.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from webhook.frozen import maker

if TYPE_CHECKING:
    from webhook.admission.decision import Excepted
    from webhook.policy.evaluation import Evaluation, MutationResult
    from webhook.policy.policyset import Binding, Policy
    from webhook.policy.request import Request


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One policy, evaluated under one binding with one param object (None where there is none).

    request: as the policy saw it; to a validating one it holds the object after mutation. result: an Evaluation, or a
    MutationResult.
    """

    policy: Policy[Any]
    binding: Binding
    param: Any = field(repr=False)  # may be a Secret
    request: Request
    result: Evaluation | MutationResult


evaluated_as = maker(Evaluated)
"""Evaluated(…), for whoever makes them while a request waits."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A policy that was not evaluated on a request, under a binding or (None) at all.

    faulty: it could not be configured: no params, a Namespace that is not known; then failurePolicy decides.
    """

    policy: Policy[Any]
    binding: Binding | None
    faulty: bool
    _why: Callable[[], str] = field(repr=False)

    @property
    def why(self) -> str:
        """The reason, in words; found when it is asked for."""
        return self._why()


class Observer(Protocol):
    """Hears what the engine does with a request, while it does it."""

    def evaluated(self, evaluated: Evaluated, /) -> None:
        """A policy was evaluated. A mutating one that is reinvoked is so twice."""

    def skipped(self, skipped: Skipped, /) -> None:
        """A policy or a binding does not match the request, or is not configured."""

    def excepted(self, excepted: Excepted, /) -> None:
        """An exception covers a finding, or left a mutation out."""


class Record:
    """An observer that keeps what it hears."""

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
        """The evaluations of a policy, under one of its bindings or under any, in order: one for each param object."""
        return tuple(
            each
            for each in self._evaluated
            if _same(each.policy, policy) and (binding is None or each.binding.name == binding.name)
        )

    def skip(self, policy: Policy[Any], binding: Binding | None = None) -> Skipped | None:
        """What kept a policy, or one of its bindings, from being evaluated; None where nothing did."""
        name = binding.name if binding is not None else None
        for each in self._skipped:
            if _same(each.policy, policy) and (each.binding.name if each.binding else None) == name:
                return each
        return None


def _same(one: Policy[Any], other: Policy[Any]) -> bool:
    return (one.kind, one.name) == (other.kind, other.name)
