"""Reports policies and bindings that are not evaluated to an observer: see webhook.admission.record.Skipped.

Nothing here runs without an observer. The text of a reason is built when `Skipped.why` is read.
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

EXEMPT: Final = "requests for this resource are exempt from every policy"
UNBOUND: Final = "no binding names the policy: it never runs"
NO_OBJECT: Final = "a DELETE request has no object to change"
NO_PARAMS: Final = "the binding selects no param object, and its parameterNotFoundAction is Allow"


def configuration_text(binding: Binding | None, text: str) -> str:
    """The API server's text for a configuration error of a binding, or of the policy if `binding` is None."""
    return f"failed to configure {'policy' if binding is None else 'binding'}: {text}"


def skip_other_kinds(
    policies: Iterable[Policy[Any]], candidates: Collection[Candidate[Any]], review: Review, observer: Observer
) -> None:
    """Report the policies that are not among the candidates for requests of this kind."""
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
    """Reports to an observer the policies and bindings that are not evaluated on a request."""

    def __init__(self, review: Review, observer: Observer) -> None:
        self._review = review
        self._observer = observer

    def policy(self, policy: Policy[Any]) -> None:
        """Report that the policy's matchConstraints do not match the request."""
        review = self._review
        why = partial(why_not, policy.match, review.request, review.namespace, "matchConstraints")
        self._skipped(policy, None, lambda: why() or "")

    def binding(self, policy: Policy[Any], binding: Binding) -> None:
        """Report that the binding's matchResources do not match the request."""
        review, match = self._review, binding.match
        if match is None:
            return
        why = partial(why_not, match, review.request, review.namespace, "matchResources", of_binding=True)
        self._skipped(policy, binding, lambda: why() or "")

    def other_bindings(self, policy: Policy[Any], candidates: Iterable[tuple[Binding, Any]]) -> None:
        """Report the bindings that are not among the candidates for requests of this kind."""
        known = {id(binding) for binding, _ in candidates}
        for binding in policy.bindings:
            if id(binding) not in known:
                self.binding(policy, binding)

    def condition(self, policy: Policy[Any], binding: Binding, name: str) -> None:
        """Report that a matchCondition of the binding is false."""
        self.because(policy, binding, f"its match condition {name} is false")

    def no_params(self, policy: Policy[Any], binding: Binding) -> None:
        """Report that the binding selects no param object."""
        self.because(policy, binding, NO_PARAMS)

    def faulty(self, policy: Policy[Any], binding: Binding | None, text: str) -> None:
        """Report a configuration error of the policy, or of the binding."""
        self._skipped(policy, binding, lambda: configuration_text(binding, text), faulty=True)

    def because(self, policy: Policy[Any], binding: Binding | None, why: str) -> None:
        """Report a reason given as text."""
        self._skipped(policy, binding, lambda: why)

    def _skipped(
        self, policy: Policy[Any], binding: Binding | None, why: Callable[[], str], *, faulty: bool = False
    ) -> None:
        self._observer.skipped(Skipped(policy, binding, faulty, why))
