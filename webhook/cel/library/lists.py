"""Kubernetes' list library: isSorted, sum, min, max, indexOf, lastIndexOf; includes since 1.37.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-list-library
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Unpack

from webhook.cel.cost import costs, estimates
from webhook.cel.library.declaring import Facts, Failure, Library, Overload, method, same_element
from webhook.cel.tree.declared import Shape
from webhook.cel.tree.errors import EvaluationError, no_such_overload
from webhook.cel.value.numbers import UInt
from webhook.cel.value.operators import add, alike, comparable, compared, type_of
from webhook.cel.value.times import Duration

_SUMMED = ("int", "uint", "double", "duration")
_COMPARED = (*_SUMMED, "bool", "string", "bytes", "timestamp")
_ZEROS: dict[str, Any] = {"int": 0, "uint": UInt(0), "double": 0.0, "duration": Duration(0)}


def _kind(item: Any) -> str:
    return str(type_of(item)).removeprefix("google.protobuf.").lower()


def _checked(items: list[Any], allowed: tuple[str, ...], name: str) -> list[Any]:
    """The list, if the function accepts the type of its first element."""
    if items and _kind(items[0]) not in allowed:
        raise EvaluationError(f"no such overload: {name}(list)")
    return items


def _sum_from(zero: Any) -> Callable[[list[Any]], Any]:
    def total(items: list[Any]) -> Any:
        if not _checked(items, _SUMMED, "sum"):
            return zero
        result = _ZEROS[_kind(items[0])]
        for item in items:
            result = add(result, item)
        return result

    return total


def _extreme(name: str, replaced: int) -> Callable[[list[Any]], Any]:
    """min or max. The result so far gives way to an item with which it compares as `replaced`; an item without an order
    beside it is passed over."""

    def chosen(items: list[Any]) -> Any:
        if not _checked(items, _COMPARED, name):
            raise EvaluationError(f"{name} called on empty list")
        result = items[0]
        for item in items[1:]:
            if not comparable(item):
                raise no_such_overload()
            if compared(result, item) == replaced:
                result = item
        return result

    return chosen


def _is_sorted(items: list[Any]) -> bool:
    for before, after in pairwise(_checked(items, _COMPARED, "isSorted")):
        if not comparable(after):
            raise no_such_overload()
        if compared(before, after) == 1:
            return False
    return True


def _index_of(items: list[Any], wanted: Any) -> int:
    return next((place for place, item in enumerate(items) if alike(item, wanted)), -1)


def _last_index_of(items: list[Any], wanted: Any) -> int:
    return next((place for place in range(len(items) - 1, -1, -1) if alike(items[place], wanted)), -1)


def _includes(target: Any, wanted: Any) -> bool:
    return any(alike(item, wanted) for item in target) if type(target) is list else alike(target, wanted)


def _each(
    name: str,
    kinds: tuple[str, ...],
    result: str,
    call: Callable[..., Any],
    doc: str,
    example: str,
    error: Failure | None = None,
    **facts: Unpack[Facts],
) -> list[Overload]:
    return [
        _method(name, f"list({kind}) -> {result.replace('T', kind)}", call, doc, example, error, **facts)
        for kind in kinds
    ]


def _method(
    name: str,
    signature: str,
    call: Callable[..., Any],
    doc: str,
    example: str,
    error: Failure | None = None,
    **facts: Unpack[Facts],
) -> Overload:
    """A method that visits the whole list."""
    facts = {"estimate": estimates.visited_or_text, **facts, "cost": costs.traversed, "work": costs.gone_over}
    return method(name, signature, call, doc, example, error, **facts)


LIBRARY = Library(
    "lists",
    (1, 23),
    (
        *_each(
            "isSorted",
            _COMPARED,
            "bool",
            _is_sorted,
            "Whether no element is less than the previous one.",
            "[1, 2, 2].isSorted()",
        ),
        *(
            _method(
                "sum",
                f"list({kind}) -> {kind}",
                _sum_from(_ZEROS[kind]),
                "The sum; 0 for an empty list.",
                "[1, 2].sum() == 3",
            )
            for kind in _SUMMED
        ),
        *_each(
            "min",
            _COMPARED,
            "T",
            _extreme("min", 1),
            "The least element; an error for an empty list.",
            "[2, 1].min() == 1",
            ("[1].filter(e, e > 1).min()", "min called on empty list"),
            shape=Shape.ELEMENT,
            element=same_element,
        ),
        *_each(
            "max",
            _COMPARED,
            "T",
            _extreme("max", -1),
            "The greatest element; an error for an empty list.",
            "[2, 3].max() == 3",
            ("[1].filter(e, e > 1).max()", "max called on empty list"),
            shape=Shape.ELEMENT,
            element=same_element,
        ),
        _method(
            "indexOf",
            "list(T), T -> int",
            _index_of,
            "The index of the first such element, or -1.",
            "[1, 2, 2].indexOf(2) == 1",
        ),
        _method(
            "lastIndexOf",
            "list(T), T -> int",
            _last_index_of,
            "The index of the last such element, or -1.",
            "[1, 2, 2].lastIndexOf(2) == 2",
        ),
        _method(
            "includes",
            "dyn, dyn -> bool",
            _includes,
            "Whether a list has the element. Any other value is compared with it.",
            "['a', 'b'].includes('b') && 'a'.includes('a')",
            estimate=estimates.visited,
            since=(1, 37),
        ),
    ),
)
