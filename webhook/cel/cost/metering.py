"""The limits of an evaluation: the API server's cost units, and the work and memory that it takes in this process.

All three are counted, so a verdict is the same on every machine, slow or busy. Only the deadline of a review, which the
server sets, is measured in time.

Generated code adds to `cost` in loops and function calls, and calls `checkpoint` once `cost` exceeds `limit`, every few
thousand units. The deadline is checked only there, so small evaluations never read a clock.
"""

from __future__ import annotations

from sys import getsizeof
from time import perf_counter
from typing import Any, Final, NamedTuple

from msgspec import Struct

from webhook.cel.cost import costs
from webhook.cel.tree.errors import BudgetExceeded, LimitExceeded

EXPRESSION_COST: Final = 1_000_000
"""The most cost units of one evaluation of one expression: the API server's limit."""

MAX_MADE: Final = 64 * 1024 * 1024
"""The most bytes of lists and texts that evaluations on one activation may create from existing values. What is no
longer used counts too. Texts of up to SMALL characters are not counted: the cost of making them bounds them."""

SMALL: Final = 64
"""The most characters of a text that is not counted: what it costs to make bounds the number of such texts."""

REFERENCE: Final = 8
"""The bytes of an element of a list, without the value."""

TREE_WORK: Final = 10 * costs.MAX_WORK
"""The most steps of all evaluations on one activation, as the API server's budget of a policy is that of ten
expressions."""

RESERVE: Final = 50_000
"""The part of the budget that the plain form reserves for the fixed costs, which it does not count."""

SHARE: Final = 0.5
"""The share of a review's remaining time that one expression may take."""

STEP: Final = 10_000
"""The cost units or steps between two checkpoints."""

LATE = "operation cancelled: the time for the request is over"
_SHARE = "operation cancelled: evaluation took more than half of the time that the request had left"
_WORK = (
    "operation cancelled: evaluation takes more work than is allowed: what the cost limit does not bound, such as "
    "comparing large values, is counted, up to 10,000,000 steps an expression"
)
_ALL_WORK = (
    "operation cancelled: evaluation of the policy takes more work than is allowed: what the cost limit does not "
    "bound, such as comparing large values, is counted, up to 100,000,000 steps for all expressions of a policy"
)
_MEMORY = (
    "operation cancelled: evaluation would take too much memory: the lists and texts that the expressions of a policy "
    "make may have up to 64 MiB together"
)


class Deadline(Struct, eq=False):
    """The time by which a request must be answered, on the clock of time.perf_counter(), shared by its evaluations.

    `step`: the cost units between two checks of the clock; 0 after the deadline.
    """

    at: float
    step: int = STEP

    def late(self, now: float) -> bool:
        """Whether the deadline has passed at the time `now`."""
        if now <= self.at:
            return False
        self.step = 0
        return True


class Suspended(NamedTuple):
    """The state of an expression while another one is evaluated: see _Meter."""

    begun: int
    cost: int
    work: int
    until: float | None
    exact: bool
    made_before: int
    worked_before: int
    patterns: dict[str, Any]


class _Meter:
    """The state of an activation after its first checkpoint.

    `begun`, `work` and `until` belong to the current expression: the cost at its start, its steps until `armed` was
    set, and the time by which it must end. `made`, `worked`: the bytes and steps of all expressions; `made_before`,
    `worked_before`: their values at the start of the current one.
    """

    __slots__ = (
        *("armed", "begun", "exact", "made", "made_before", "patterns", "until", "work", "worked", "worked_before"),
    )

    def __init__(self, armed: int) -> None:
        self.armed = armed  # the last limit that was set; work lowers the limit, so the difference is work
        self.begun = -1
        self.exact = False  # the current form charges exactly
        self.made = self.made_before = 0
        self.patterns: dict[str, Any] = {}  # regular expressions that the expression has compiled
        self.until: float | None = None
        self.work = 0
        self.worked = self.worked_before = 0

    def enter(self, begun: int) -> None:
        """Begin to meter the expression that started at this cost, unless it is the current one."""
        if self.begun != begun:
            self.begun = begun
            self.work = 0
            self.until = None
            self.patterns = {}
            self.made_before = self.made
            self.worked_before = self.worked


class Metered(dict[str, Any]):
    """The variables of evaluations, with the cost so far.

    cost: in units, exact or an upper bound. begun: the value of `cost` at the start of the current expression. limit:
    the value of `cost` beyond which a checkpoint is due.
    """

    __slots__ = ("_deadline", "_meter", "begun", "cost", "limit")

    _deadline: Deadline | None
    _meter: _Meter | None
    begun: int
    cost: int
    limit: int

    def checkpoint(self) -> None:
        """Check the limits, and set the next checkpoint.

        Raises BudgetExceeded if the cost exceeds the budget, LimitExceeded at a limit that only Gatewright has. The
        plain form counts upper bounds, so it raises BudgetExceeded for the work limit too: the exact form then decides.
        """
        meter = self.meter()
        meter.enter(self.begun)
        steps = meter.armed - self.limit
        meter.work += steps
        meter.worked += steps
        meter.armed = self.limit
        allowed = self.begun + EXPRESSION_COST - (0 if meter.exact else RESERVE)
        if self.cost > allowed:
            raise BudgetExceeded
        left = costs.MAX_WORK - meter.work
        if left < 0:
            raise LimitExceeded(_WORK) if meter.exact else BudgetExceeded
        if meter.worked > TREE_WORK:
            raise LimitExceeded(_ALL_WORK) if meter.exact else BudgetExceeded
        if self._deadline is not None:
            self._look_at_the_clock(meter, self._deadline)
        self.limit = meter.armed = min(allowed, self.cost + min(STEP, left))

    def _look_at_the_clock(self, meter: _Meter, deadline: Deadline) -> None:
        now = perf_counter()
        if deadline.late(now):
            raise LimitExceeded(LATE)
        if meter.until is None:
            meter.until = now + (deadline.at - now) * SHARE
        elif now > meter.until:
            raise LimitExceeded(_SHARE)

    def meter(self) -> _Meter:
        """The meter; it is created on first use."""
        if self._meter is None:
            self._meter = _Meter(_step(self._deadline))
        return self._meter

    def begin_exactly(self) -> None:
        """Start, or restart, an expression in a form that charges exactly."""
        meter = self.meter()
        self.begun = self.cost
        meter.enter(self.begun)
        meter.work = 0
        meter.patterns = {}
        meter.made = meter.made_before
        meter.worked = meter.worked_before
        meter.exact = True
        self.limit = meter.armed = self.cost + _step(self._deadline)

    def end_exactly(self) -> None:
        """End the expression that `begin_exactly` started."""
        self.meter().exact = False

    def suspend(self) -> Suspended:
        """Suspend the current expression to evaluate another one; `resume` continues it."""
        meter = self.meter()
        meter.enter(self.begun)
        work = meter.work + meter.armed - self.limit
        meter.worked += meter.armed - self.limit
        before = meter.made_before, meter.worked_before
        suspended = Suspended(self.begun, self.cost, work, meter.until, meter.exact, *before, meter.patterns)
        meter.begun = -1
        meter.exact = False
        self.limit = meter.armed = self.cost - 1  # a checkpoint is due
        return suspended

    def resume(self, suspended: Suspended) -> None:
        """Continue the suspended expression. The cost of the other one is not charged to it."""
        meter = self.meter()
        self.begun = meter.begun = suspended.begun + self.cost - suspended.cost
        meter.work = suspended.work
        meter.until = suspended.until
        meter.exact = suspended.exact
        meter.made_before = suspended.made_before
        meter.worked_before = suspended.worked_before
        meter.patterns = suspended.patterns
        self.limit = meter.armed = self.cost - 1

    def worked(self) -> int:
        """The steps of all expressions so far."""
        meter = self._meter
        return _step(self._deadline) - self.limit if meter is None else meter.worked + meter.armed - self.limit

    def made(self) -> int:
        """The bytes that all expressions have made so far."""
        return 0 if self._meter is None else self._meter.made

    def spend(self, units: int) -> None:
        """Charge cost units."""
        self.cost += units
        if self.cost > self.limit:
            self.checkpoint()

    def walk(self, values: tuple[Any, ...]) -> None:
        """These values are about to be visited, to find what a call with them costs: that is charged with the call."""

    def work(self, steps: int) -> None:
        """Count work that has no cost. It lowers the limit, so the next checkpoint comes earlier."""
        self.limit -= steps
        if self.cost > self.limit:
            self.checkpoint()

    def hold(self, value: Any) -> Any:
        """The result of a call, after its bytes were counted. The function bounds the size of one result."""
        kind = type(value)
        if kind is str or kind is bytes:
            if len(value) > SMALL:
                self.make(getsizeof(value))
        elif kind is list and value:
            fresh = type(value[-1]) in _FRESH
            self.make(REFERENCE * len(value) + (sum(map(getsizeof, value)) if fresh else 0))
        return value

    def make(self, size: int) -> None:
        """Count the bytes of a value before it is created."""
        meter = self.meter()
        meter.enter(self.begun)
        meter.made += size
        if meter.made > MAX_MADE:
            raise LimitExceeded(_MEMORY) if meter.exact else BudgetExceeded
        self.work(size // 256)

    def make_sums(self, texts: tuple[str, ...], _: int) -> None:
        """Count the bytes of the sums of texts, which are added from left to right, before they are made.

        They have some length together."""
        length, width, size = len(texts[0]), 1 if texts[0].isascii() else 4, 0
        for text in texts[1:]:
            length += len(text)
            if not text.isascii():
                width = 4
            if length > SMALL:
                size += length * width
        self.make(size)


_FRESH: Final = frozenset({str, int})  # elements that may be as new as their list


def _step(deadline: Deadline | None) -> int:
    return STEP if deadline is None else deadline.step
