"""What an evaluation may take: the API server's cost units, and what it takes of this process: work and memory.

All three are counted, so that a verdict is the same on every machine, however slow or busy it is. Only the deadline of
a review, which the server sets, is time.

Generated code adds to `cost` where it loops or calls a function, and comes to `checkpoint` when `cost` has passed
`limit`, which is every few thousand units. Only there the deadline is looked at, so that small evaluations never read
a clock.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any, Final, NamedTuple

from webhook.cel.cost import costs
from webhook.cel.tree.errors import BudgetExceeded, LimitExceeded

EXPRESSION_COST: Final = 1_000_000
"""Cost units of one evaluation of one expression; the API server's limit."""

MAX_MADE: Final = 4_000_000
"""Elements and, by the eighth, characters that one activation may make of values that are there already: 32 MB."""

RESERVE: Final = 50_000
"""What the plain form of a program leaves free of the budget for the fixed costs that it does not add up."""

SHARE: Final = 0.5
"""How much of the time that a review has left one expression may take."""

STEP: Final = 10_000
"""Units or steps between two checkpoints."""

_LATE = "operation cancelled: the time for the request is over"
_SHARE = "operation cancelled: evaluation took more than half of the time that the request had left"
_WORK = (
    "operation cancelled: evaluation takes more work than is allowed: what the cost limit does not bound, such as "
    "comparing large values, is counted, up to 10,000,000 steps an expression"
)
_MEMORY = "operation cancelled: evaluation would take too much memory"


class Deadline:
    """When a request has to be answered, as time.perf_counter() tells it. All its evaluations share one.

    `step`: the cost units that an evaluation may take before it looks at the clock; none any more once it is late.
    """

    __slots__ = ("at", "step")

    def __init__(self, at: float) -> None:
        self.at = at
        self.step = STEP

    def late(self, now: float) -> bool:
        """Whether it has passed."""
        if now <= self.at:
            return False
        self.step = 0
        return True


class Suspended(NamedTuple):
    """Where an expression stands while another one is evaluated: see _Meter."""

    begun: int
    cost: int
    work: int
    until: float | None
    exact: bool
    made_before: int
    patterns: dict[str, Any]


class _Meter:
    """What is known of an activation that has come to a checkpoint.

    `begun`, `work` and `until` are of one expression: the cost that it began at, its steps up to when `armed` was set,
    and the time until which it may take. `made_before`: what `made` was when the expression began.
    """

    __slots__ = ("armed", "begun", "exact", "made", "made_before", "patterns", "until", "work")

    def __init__(self, armed: int) -> None:
        self.armed = armed  # what the activation's limit was set to: how far it has sunk below is work
        self.begun = -1
        self.exact = False  # what runs now charges exactly
        self.made = self.made_before = 0
        self.patterns: dict[str, Any] = {}  # regular expressions that the expression has compiled
        self.until: float | None = None
        self.work = 0

    def enter(self, begun: int) -> None:
        """What runs from now on is of the expression that began at this cost, unless it is so already."""
        if self.begun != begun:
            self.begun = begun
            self.work = 0
            self.until = None
            self.patterns = {}
            self.made_before = self.made


class Metered(dict[str, Any]):
    """Variables, and what their evaluation has taken so far.

    cost: units taken, exact or a bound on them. begun: what `cost` was when the present expression began. limit: when
    `cost` has passed it, a checkpoint is due.
    """

    __slots__ = ("_deadline", "_meter", "begun", "cost", "limit")

    _deadline: Deadline | None
    _meter: _Meter | None
    begun: int
    cost: int
    limit: int

    def checkpoint(self) -> None:
        """Raises BudgetExceeded if the expression may take no more, LimitExceeded if that is for a limit of ours.

        What is not known exactly, as in the plain form, is only a suspicion: BudgetExceeded whatever the limit is.
        """
        meter = self.meter()
        meter.enter(self.begun)
        meter.work += meter.armed - self.limit
        meter.armed = self.limit
        allowed = self.begun + EXPRESSION_COST - (0 if meter.exact else RESERVE)
        if self.cost > allowed:
            raise BudgetExceeded
        left = costs.MAX_WORK - meter.work
        if left < 0:
            raise LimitExceeded(_WORK) if meter.exact else BudgetExceeded
        if self._deadline is not None:
            self._look_at_the_clock(meter, self._deadline)
        self.limit = meter.armed = min(allowed, self.cost + min(STEP, left))

    def _look_at_the_clock(self, meter: _Meter, deadline: Deadline) -> None:
        now = perf_counter()
        if deadline.late(now):
            raise LimitExceeded(_LATE)
        if meter.until is None:
            meter.until = now + (deadline.at - now) * SHARE
        elif now > meter.until:
            raise LimitExceeded(_SHARE)

    def meter(self) -> _Meter:
        """The meter, made at its first use."""
        if self._meter is None:
            self._meter = _Meter(_step(self._deadline))
        return self._meter

    def begin_exactly(self) -> None:
        """An expression begins, or begins anew, in a form that charges exactly."""
        meter = self.meter()
        self.begun = self.cost
        meter.enter(self.begun)
        meter.work = 0
        meter.patterns = {}
        meter.made = meter.made_before
        meter.exact = True
        self.limit = meter.armed = self.cost + _step(self._deadline)

    def end_exactly(self) -> None:
        """The end of what `begin_exactly` began."""
        self.meter().exact = False

    def suspend(self) -> Suspended:
        """Another expression begins within the present one, which goes on with `resume`."""
        meter = self.meter()
        meter.enter(self.begun)
        work = meter.work + meter.armed - self.limit
        suspended = Suspended(self.begun, self.cost, work, meter.until, meter.exact, meter.made_before, meter.patterns)
        meter.begun = -1
        meter.exact = False
        self.limit = meter.armed = self.cost - 1  # a checkpoint is due
        return suspended

    def resume(self, suspended: Suspended) -> None:
        """The expression goes on. What the other one took is not charged to it."""
        meter = self.meter()
        self.begun = meter.begun = suspended.begun + self.cost - suspended.cost
        meter.work = suspended.work
        meter.until = suspended.until
        meter.exact = suspended.exact
        meter.made_before = suspended.made_before
        meter.patterns = suspended.patterns
        self.limit = meter.armed = self.cost - 1

    def spend(self, units: int) -> None:
        """Charges for units of cost."""
        self.cost += units
        if self.cost > self.limit:
            self.checkpoint()

    def work(self, steps: int) -> None:
        """Notes work that costs nothing: the next checkpoint comes earlier."""
        self.limit -= steps
        if self.cost > self.limit:
            self.checkpoint()

    def make(self, elements: int) -> None:
        """Notes elements of a value that is about to be made at no cost."""
        meter = self.meter()
        meter.enter(self.begun)
        meter.made += elements
        if meter.made > MAX_MADE:
            raise LimitExceeded(_MEMORY) if meter.exact else BudgetExceeded
        self.work(elements // 32)


def _step(deadline: Deadline | None) -> int:
    return STEP if deadline is None else deadline.step
