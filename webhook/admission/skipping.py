"""What an observer hears of policies and bindings that are not evaluated: see webhook.admission.record.Skipped.

Nothing here runs without an observer. The reasons are put into words only when somebody asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from webhook.admission.record import Observer, Skipped
from webhook.policy.matching import RequestKey
from webhook.policy.policyset import Binding, Candidate, Policy, is_exempt
from webhook.policy.unmatched import why_not

if TYPE_CHECKING:
    from webhook.policy.reviewing import Review

EXEMPT: Final = "requests of this kind are subject to no policy, or nobody could mend one"
UNBOUND: Final = "no binding names the policy: it never runs"
NO_OBJECT: Final = "there is no object to change: it is being removed"
NO_PARAMS: Final = "no param object is there, and its parameterNotFoundAction is Allow"


def configuration_text(binding: Binding | None, text: str) -> str:
    """How the API server words a configuration error, of a binding or of the policy."""
    return f"failed to configure {'policy' if binding is None else 'binding'}: {text}"


def skip_other_kinds(
    policies: Iterable[Policy[Any]], candidates: Collection[Candidate[Any]], review: Review, observer: Observer
) -> None:
    """Reports the policies that are not among the candidates for requests of this kind."""
    skips = Skips(review, observer)
    known = {id(candidate.policy) for candidate in candidates}
    key, sent = RequestKey.of(review.request), RequestKey.sent(review.request)
    for policy in policies:
        if id(policy) in known:
            continue
        if policy.match.narrow(key, sent) is None:
            skips.policy(policy)
        elif is_exempt(review.request.resource):
            skips.because(policy, None, EXEMPT)
        elif not policy.bindings:
            skips.because(policy, None, UNBOUND)
        else:
            skips.other_bindings(policy, ())


class Skips:
    """Reports to an observer what is not evaluated on a request."""

    def __init__(self, review: Review, observer: Observer) -> None:
        self._review = review
        self._observer = observer

    def policy(self, policy: Policy[Any]) -> None:
        """Its matchConstraints leave the request out."""
        review = self._review
        why = partial(why_not, policy.match, review.request, review.namespace, "matchConstraints")
        self._skipped(policy, None, lambda: why() or "")

    def binding(self, policy: Policy[Any], binding: Binding) -> None:
        """Its matchResources leave the request out."""
        review, match = self._review, binding.match
        if match is None:
            return
        why = partial(why_not, match, review.request, review.namespace, "matchResources", of_binding=True)
        self._skipped(policy, binding, lambda: why() or "")

    def other_bindings(self, policy: Policy[Any], candidates: Iterable[tuple[Binding, Any]]) -> None:
        """The bindings that are not among the candidates for requests of this kind."""
        known = {id(binding) for binding, _ in candidates}
        for binding in policy.bindings:
            if id(binding) not in known:
                self.binding(policy, binding)

    def condition(self, policy: Policy[Any], binding: Binding, name: str) -> None:
        """One of the binding's own matchConditions is false."""
        self.because(policy, binding, f"its match condition {name} is false")

    def no_params(self, policy: Policy[Any], binding: Binding) -> None:
        """There is no param object to evaluate the policy for."""
        self.because(policy, binding, NO_PARAMS)

    def faulty(self, policy: Policy[Any], binding: Binding | None, text: str) -> None:
        """The policy or the binding cannot work as it is configured."""
        self._skipped(policy, binding, lambda: configuration_text(binding, text), faulty=True)

    def because(self, policy: Policy[Any], binding: Binding | None, why: str) -> None:
        """For a reason that is known."""
        self._skipped(policy, binding, lambda: why)

    def _skipped(
        self, policy: Policy[Any], binding: Binding | None, why: Callable[[], str], *, faulty: bool = False
    ) -> None:
        self._observer.skipped(Skipped(policy, binding, faulty, why))
