"""The one function of a policy that judges most requests (webhook.cel.code.fusing), and when it does.

It is made when a policy has been evaluated often enough to be worth it, or by `prepare`. Whatever it leaves undone, an
evaluation of the policy's expressions one by one does, which is where the order, the errors and the budgets of a policy
are: webhook.policy.cel.validating.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any, Final, Protocol

from webhook.cel import Activation, EvaluationError, Program
from webhook.cel.code.fusing import Plan, Quick, Run, fuse
from webhook.cel.cost.metering import STEP
from webhook.cel.tree.ast import variables_in
from webhook.cel.tree.errors import BudgetExceeded, LimitExceeded
from webhook.cel.tree.stack import with_levels
from webhook.cel.value.extent import extent

if TYPE_CHECKING:
    from webhook.paths import Path
    from webhook.policy.reviewing import Review

_AFTER: Final = 50
"""The fewest evaluations before the function is made: making it takes as long as it saves in so many."""

_CHARACTERS: Final = 3  # of expressions, for which it takes one evaluation more
_MOST: Final = 100  # expressions of one policy: together they are surely within its budgets
_LEVELS: Final = 500  # of all trees together
_PAUSE: Final = 512  # the most evaluations one by one after one that was given up
_UNITS: Final = 1_000  # that the evaluation of a constant may cost
_EXTENT: Final = 1_000  # elements of a constant


class Fusible(Protocol):
    """What there is such a function of: the expressions of a policy, or the matchConditions of a binding."""

    @property
    def sources(self) -> Sequence[tuple[Path, Program]]:
        """All expressions, with their places."""

    def plan(self) -> Plan | None:
        """What the function is made of; None if there can be none."""

    def known(self, params: Any) -> dict[str, Any] | None:
        """The values of variables that depend on the params alone."""


class Fused:
    """The function of one policy, with what tells whether it pays."""

    __slots__ = ("_left", "_pause", "_run")

    def __init__(self) -> None:
        self._run: Run | None = None
        self._left: float = _AFTER  # evaluations until the function is made, or used again
        self._pause = 0  # the next one after an evaluation that was given up; 0 before the function is made

    def forget(self) -> None:
        """The values that the policy shares with others are not the same any more."""
        self._run = None
        self._left = _AFTER
        self._pause = 0

    def judged(self, policy: Fusible, review: Review, params: Any) -> Any:
        """What the function returns (webhook.cel.code.fusing.Run). None: there is none, or it has given up."""
        if self._left:
            self._left -= 1
            return None
        run = self._run
        if run is None:
            if not self._pause:
                self._pause = 1
                self._left = sum([len(program.source) for _, program in policy.sources]) // _CHARACTERS - _AFTER
                if self._left > 0:
                    return None
            run = self.prepare(policy)
            if run is None:
                return None
        quick = review.quick
        if quick is None:
            request = review.request
            quick = review.quick = Quick(object=request.object, oldObject=request.old_object)
        deadline = review.deadline
        quick.cost = 0
        quick.limit = STEP if deadline is None else deadline.step
        try:
            result = run(quick, review, params, None if params is None else policy.known(params))
        except (Exception, BudgetExceeded, LimitExceeded):  # whatever it was, the evaluation one by one tells
            self._left = self._pause
            self._pause = min(2 * self._pause, _PAUSE)
            return None
        if self._pause != 1:
            self._pause = 1
        return result

    def prepare(self, policy: Fusible) -> Run | None:
        """Make the function, if there is none. A policy of which none can be made is not asked again."""
        self._pause = 1
        if self._run is None:
            self._run = _made(policy)
        self._left = inf if self._run is None else 0
        return self._run


def _made(policy: Fusible) -> Run | None:
    programs = [program for _, program in policy.sources]
    height = sum(program.levels for program in programs)
    if len(programs) > _MOST or height > _LEVELS:
        return None
    plan = policy.plan()
    return None if plan is None else with_levels(height, lambda: fuse(plan))


def of_params(variables: Mapping[str, Program]) -> tuple[frozenset[str], dict[str, Any]]:
    """`known` and `constant` of a Plan: the variables that depend on the params alone, and the values of those that
    depend on nothing."""
    known: set[str] = set()
    constant: dict[str, Any] = {}
    for name, program in variables.items():
        used = variables_in(program.tree)
        if used <= constant.keys():
            activation = Activation(constant)
            with suppress(EvaluationError):
                value = program.evaluate(activation)
                cheap = activation.cost <= _UNITS and activation.worked() <= _UNITS
                if cheap and extent([value], _EXTENT) <= _EXTENT:
                    constant[name] = value
        elif used <= {"params", *known, *constant}:
            known.add(name)
    return frozenset(known), constant
