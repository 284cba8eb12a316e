"""What an evaluation may take: the API server's cost units, and what it takes of this process: time and memory.

Generated code adds to `cost` where it loops or calls a function, and comes to `checkpoint` when `cost` has passed
`limit`, which is every few thousand units. Only there clocks are read, so that small evaluations never read one.
"""

from __future__ import annotations

from math import inf
from time import perf_counter, thread_time
from typing import Any, ClassVar, Final

from webhook.cel.cost import costs
from webhook.cel.tree.errors import BudgetExceeded, LimitExceeded

EXPRESSION_COST: Final = 1_000_000
"""Cost units of one evaluation of one expression; the API server's limit."""

EXPRESSION_SECONDS = 0.08
"""Processor time that one expression may take; it is found out a little later, within 0.1 s in all."""

MAX_MADE: Final = 4_000_000
"""Elements and, by the eighth, characters that one activation may make of values that are there already: 32 MB."""

RESERVE: Final = 50_000
"""What the plain form of a program leaves free of the budget for the fixed costs that it does not add up."""

_STEP: Final = 10_000  # units between two looks at the clock

_TIME = "operation cancelled: evaluation took longer than 100ms"
_LATE = "operation cancelled: the time for the request is over"
_WORK = "operation cancelled: a single function call would take longer than 100ms"
_MEMORY = "operation cancelled: evaluation would take too much memory"


class Deadline:
    """When a request has to be answered, as time.perf_counter() tells it. All its evaluations share one.

    `step`: the cost units that an evaluation may take before it looks at the clock; none any more once it is late.
    """

    __slots__ = ("at", "step")

    def __init__(self, at: float = inf) -> None:
        self.at = at
        self.step = _STEP

    def late(self) -> bool:
        """Whether it has passed."""
        if perf_counter() <= self.at:
            return False
        self.step = 0
        return True


NO_DEADLINE: Final = Deadline()


class _Meter:
    """What is known of an activation that has come to a checkpoint."""

    __slots__ = ("exact", "made", "timed", "until")

    def __init__(self) -> None:
        self.exact = False  # what runs now charges exactly
        self.made = 0
        self.timed = -1  # the expression that `until` is of, by the cost that it began at
        self.until = inf


class Metered(dict[str, Any]):
    """Variables, and what their evaluation has taken so far.

    cost: units taken, exact or a bound on them. begun: what `cost` was when the present expression began. limit: when
    `cost` has passed it, a checkpoint is due.
    """

    __slots__ = ("_deadline", "_meter", "begun", "cost", "limit")

    slowness: ClassVar[int] = 1
    """How many times as long an expression may take here: some forms of the code do more than evaluate."""

    _deadline: Deadline
    _meter: _Meter | None
    begun: int
    cost: int
    limit: int

    def checkpoint(self) -> None:
        """Raises BudgetExceeded if the expression may take no more; LimitExceeded if it has no time left."""
        meter = self.meter()
        cost, begun = self.cost, self.begun
        allowed = begun + EXPRESSION_COST - (0 if meter.exact else RESERVE)
        if cost > allowed:
            raise BudgetExceeded
        now = thread_time()
        if meter.timed != begun:
            meter.timed = begun
            meter.until = now + EXPRESSION_SECONDS * self.slowness
        elif now > meter.until:
            raise LimitExceeded(_TIME)
        if self._deadline.late():
            raise LimitExceeded(_LATE)
        self.limit = min(allowed, cost + _STEP)

    def meter(self) -> _Meter:
        """The meter, made at its first use."""
        if self._meter is None:
            self._meter = _Meter()
        return self._meter

    def spend(self, units: int) -> None:
        """Charges for units of cost."""
        self.cost += units
        if self.cost > self.limit:
            self.checkpoint()

    def work(self, steps: int) -> None:
        """Notes work that costs nothing: the next checkpoint comes earlier."""
        if steps > costs.MAX_WORK:
            raise LimitExceeded(_WORK)
        self.limit -= steps
        if self.cost > self.limit:
            self.checkpoint()

    def make(self, elements: int) -> None:
        """Notes elements of a value that is about to be made at no cost."""
        meter = self.meter()
        meter.made += elements
        if meter.made > MAX_MADE:
            raise LimitExceeded(_MEMORY)
        self.work(elements // 32)
