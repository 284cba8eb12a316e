"""CEL's sets extension: lists compared as sets.

https://kubernetes.io/docs/reference/using-api/cel/#cel-sets-library
"""

from __future__ import annotations

from typing import Any

from webhook.cel.cost import costs
from webhook.cel.library.declaring import Library, function
from webhook.cel.value.operators import contains


def _contains(items: list[Any], wanted: list[Any]) -> bool:
    return all(contains(each, items) for each in wanted)


def _equivalent(a: list[Any], b: list[Any]) -> bool:
    return _contains(a, b) and _contains(b, a)


def _intersects(a: list[Any], b: list[Any]) -> bool:
    return any(contains(each, b) for each in a)


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
            cost=costs.each_by_each,
            work=costs.each_with_each,
        ),
        function(
            "sets.equivalent",
            "list(T), list(T) -> bool",
            _equivalent,
            "Whether each has every element of the other.",
            "sets.equivalent([1, 1, 2], [2, 1])",
            cost=costs.each_by_each_twice,
            work=lambda a, b: 2 * costs.each_with_each(a, b),
        ),
        function(
            "sets.intersects",
            "list(T), list(T) -> bool",
            _intersects,
            "Whether they have an element in common.",
            "sets.intersects([1, 2], [2, 3])",
            cost=costs.each_by_each,
            work=costs.each_with_each,
        ),
    ),
)
