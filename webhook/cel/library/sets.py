"""CEL's sets extension: lists compared as sets.

https://kubernetes.io/docs/reference/using-api/cel/#cel-sets-library
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from webhook.cel.cost import costs, estimates
from webhook.cel.cost.estimates import Estimate, Sizes
from webhook.cel.library.declaring import Library, function
from webhook.cel.tree.ast import Expr
from webhook.cel.tree.errors import EvaluationError
from webhook.cel.value.aggregates import contains


def _contains(items: list[Any], wanted: list[Any]) -> bool:
    return all(contains(each, items) for each in wanted)


def _equivalent(a: list[Any], b: list[Any]) -> bool:
    return _contains(a, b) and _contains(b, a)


def _intersects(a: list[Any], b: list[Any]) -> bool:
    return any(contains(each, b) for each in a)


# ------------------------------------------------------------------------------------------------- what decided


def _first(items: Any, other: Any, *, within: bool) -> int | None:
    """The index of the first element that the other list has (within), or does not have; else None."""
    if type(items) is not list or type(other) is not list:
        return None
    return next((at for at, item in enumerate(items) if _has(other, item) is within), None)


def _has(items: list[Any], wanted: Any) -> bool:
    try:
        return contains(wanted, items)
    except EvaluationError:  # opaque values
        return False


def _in_common(result: Any, a: Any, b: Any) -> Iterator[tuple[int, int]]:
    if result is True:
        for argument, at in enumerate((_first(a, b, within=True), _first(b, a, within=True))):
            if at is not None:
                yield argument, at


def _not_contained(result: Any, a: Any, b: Any) -> Iterator[tuple[int, int]]:
    if result is False and (at := _first(b, a, within=False)) is not None:
        yield 1, at


def _not_shared(result: Any, a: Any, b: Any) -> Iterator[tuple[int, int]]:
    if result is False and (at := _first(a, b, within=False)) is not None:
        yield 0, at
    yield from _not_contained(result, a, b)


def _each_by_each(sizes: Sizes, a: Expr, b: Expr) -> Estimate:
    return _pairs(sizes, a, b, 1)


def _each_by_each_twice(sizes: Sizes, a: Expr, b: Expr) -> Estimate:
    return _pairs(sizes, a, b, 2)


def _pairs(sizes: Sizes, a: Expr, b: Expr, factor: float) -> Estimate:
    """Scaled even by 1: the API server's product is a double, which rounds large sizes."""
    return Estimate(sizes.size(a).times(sizes.size(b)).scaled(factor).plus(estimates.ONE))


LIBRARY = Library(
    "sets",
    (1, 29),
    (
        function(
            "sets.contains",
            "list(T), list(T) -> bool",
            _contains,
            "Whether the first list has every element of the second.",
            "sets.contains([1, 2, 3], [3, 1])",
            deciding=_not_contained,
            cost=costs.each_by_each,
            estimate=_each_by_each,
            work=costs.each_with_each,
        ),
        function(
            "sets.equivalent",
            "list(T), list(T) -> bool",
            _equivalent,
            "Whether each list has every element of the other.",
            "sets.equivalent([1, 1, 2], [2, 1])",
            deciding=_not_shared,
            cost=costs.each_by_each_twice,
            estimate=_each_by_each_twice,
            work=lambda a, b: 2 * costs.each_with_each(a, b),
        ),
        function(
            "sets.intersects",
            "list(T), list(T) -> bool",
            _intersects,
            "Whether the lists have an element in common.",
            "sets.intersects([1, 2], [2, 3])",
            deciding=_in_common,
            cost=costs.each_by_each,
            estimate=_each_by_each,
            work=costs.each_with_each,
        ),
    ),
)
