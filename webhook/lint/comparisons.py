"""Whether comparisons of one value with constants can all be true: `x > 5 && x < 3` cannot."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal

from msgspec import Struct

Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in"]

OPPOSITE: Final[dict[Operator, Operator]] = {
    "==": "!=",
    "!=": "==",
    "<": ">=",
    ">=": "<",
    "<=": ">",
    ">": "<=",
    "in": "not in",
    "not in": "in",
}
"""The operator of the negated comparison, for values that can be compared."""

MIRRORED: Final[dict[Operator, Operator]] = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}
"""The same comparison with its sides exchanged."""


class Comparison(Struct, frozen=True):
    """A comparison with a constant. `subject`: the number of the compared expression; equal expressions have equal
    numbers.

    `value`: None, bool, int, float, str or bytes; of `in` and `not in` a tuple of these. `whole`: the subject is a
    whole number. `least`: the smallest value that the subject can have; None if unknown.
    """

    subject: int
    operator: Operator
    value: Any
    whole: bool = False
    least: int | None = None

    def opposite(self) -> Comparison:
        return Comparison(self.subject, OPPOSITE[self.operator], self.value, self.whole, self.least)


def contradict(comparisons: Iterable[Comparison]) -> bool:
    """Whether some subject has no value that meets all comparisons of it."""
    by_subject: dict[int, list[Comparison]] = {}
    for each in comparisons:
        by_subject.setdefault(each.subject, []).append(each)
    return any(map(_impossible, by_subject.values()))


def alike(value: Any) -> Any:
    """A key for a constant. Two keys are equal if CEL compares the constants as equal: 1 and 1.0 are, 1 and true are
    not."""
    if value is None or isinstance(value, bool | str | bytes):
        return type(value).__name__, value
    return "number", value


def _impossible(comparisons: list[Comparison]) -> bool:
    allowed: set[Any] | None = None
    excluded: set[Any] = set()
    for each in comparisons:
        if each.operator in ("==", "in"):
            values = {alike(value) for value in (each.value if each.operator == "in" else (each.value,))}
            allowed = values if allowed is None else allowed & values
        elif each.operator in ("!=", "not in"):
            excluded |= {alike(value) for value in (each.value if each.operator == "not in" else (each.value,))}
    if allowed is not None:
        return not any(value not in excluded and _within(value, comparisons) for value in allowed)
    if excluded >= {("bool", True), ("bool", False)} and all(kind == "bool" for kind, _ in excluded):
        return True
    return _empty(comparisons)


def _within(value: Any, comparisons: list[Comparison]) -> bool:
    """Whether a value meets the comparisons with <, <=, > and >=."""
    kind, number = value
    if any(each.least is not None and (kind != "number" or number < each.least) for each in comparisons):
        return False
    for each in comparisons:
        if each.operator not in ("<", "<=", ">", ">="):
            continue
        bound_kind, bound = alike(each.value)
        if kind != bound_kind:
            return False  # it cannot be evaluated
        met = {
            "<": lambda a, b: a < b,
            "<=": lambda a, b: a <= b,
            ">": lambda a, b: a > b,
            ">=": lambda a, b: a >= b,
        }[each.operator](number, bound)
        if not met:
            return False
    return True


def _empty(comparisons: list[Comparison]) -> bool:
    """Whether no number lies between the bounds."""
    low: tuple[float, bool] = (float("-inf"), False)  # the bound, and whether it is excluded
    high: tuple[float, bool] = (float("inf"), False)
    for each in comparisons:
        if each.least is not None:
            low = max(low, (each.least, False))
        if each.operator not in ("<", "<=", ">", ">=") or isinstance(each.value, bool | str | bytes | None):
            continue
        strict = each.operator in ("<", ">")
        bound = each.value
        if each.whole and strict and isinstance(bound, int):
            bound, strict = (bound - 1, False) if each.operator == "<" else (bound + 1, False)
        if each.operator in (">", ">="):
            low = max(low, (bound, strict))
        else:
            high = min(high, (bound, strict), key=lambda given: (given[0], not given[1]))
    return low[0] > high[0] or (low[0] == high[0] and (low[1] or high[1]))
