"""Evaluates matchConditions: those of a CEL policy, and those of a Python policy's binding.

The order, the cost budget and the error texts are those of k8s.io/apiserver, plugin/webhook/matchconditions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct, field

from webhook.cel import PLAIN, EvaluationError, Form, Program
from webhook.cel.code.fusing import Plan
from webhook.paths import Path
from webhook.policy.cel import authorization
from webhook.policy.cel.fused import Fused
from webhook.policy.reviewing import Review

COST: Final = 2_500_000
"""The cost budget of all conditions of a policy together, in CEL cost units."""


class Condition(Struct, frozen=True):
    """One compiled condition. place: the path of its expression in the policy or binding."""

    name: str
    program: Program
    place: Path


class Conditions(Struct, frozen=True):
    """All conditions of a policy or a binding. authorizing: whether one of them uses the authorizer."""

    conditions: tuple[Condition, ...]
    authorizing: bool = False
    fused: Fused = field(default_factory=Fused)

    def __bool__(self) -> bool:
        return bool(self.conditions)

    @property
    def sources(self) -> list[tuple[Path, Program]]:
        """See Fusible."""
        return [(each.place, each.program) for each in self.conditions]

    def plan(self) -> Plan | None:
        """See Fusible."""
        return None if self.authorizing else Plan([each.program.tree for each in self.conditions], {}, ())

    def known(self, params: Any) -> dict[str, Any] | None:
        """See Fusible: there are no variables."""
        return None

    def prepare(self) -> None:
        """Generate the code of all conditions."""
        for each in self.conditions:
            each.program.prepare()
        self.fused.prepare(self)

    def unmatched_by(self, review: Review) -> Condition | str | None:
        """What `unmatched` returns without params, in most cases by one function for all conditions."""
        judged = self.fused.judged(self, review, None)
        if judged is None:
            return self.unmatched(review)
        return None if judged is True else self.conditions[judged]

    def unmatched(
        self, review: Review, params: Any = None, form: Form = PLAIN, *, exactly: bool = False
    ) -> Condition | str | None:
        """None if the policy matches. Otherwise the first false condition or, if none is false, the text of the errors.

        The API server evaluates all conditions even if one is false, which matters only for the cost budget. So the
        evaluation stops at the first false one, and is repeated `exactly` if the cost exceeds half of the budget.
        """
        request = review.request
        lazy: dict[str, Callable[[], Any]] = {"request": review.cel_in_conditions}
        if self.authorizing:
            lazy |= authorization.bindings(review)
        activation = form.activation(
            {
                "object": request.object,
                "oldObject": request.old_object,
                "params": params,
                "namespaceObject": None,  # as in the API server, which has not looked it up yet
            },
            lazy,
            deadline=review.deadline,
        )
        evaluate, limit = form.evaluate, COST if exactly else COST // 2
        false: Condition | None = None
        errors: list[str] = []
        for condition in self.conditions:
            try:
                if evaluate(condition.program, activation) is False:  # a null matches
                    if not exactly:
                        return condition
                    false = false or condition
            except EvaluationError as error:
                text = error_text(condition.program, error)
                if text not in errors:
                    errors.append(text)
            if activation.cost > limit:
                return OUT_OF_BUDGET if exactly else self.unmatched(review, params, form.exactly(), exactly=True)
        if false is not None or not errors:
            return false
        return errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"


OUT_OF_BUDGET: Final = "validation failed due to running out of cost budget, no further validation rules will be run"


def error_text(program: Program, error: EvaluationError) -> str:
    """The API server's text for an error of an expression."""
    return f"expression '{program.source}' resulted in error: {error}"
