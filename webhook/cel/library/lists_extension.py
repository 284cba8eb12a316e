"""CEL's lists extension in version 3: slice, flatten, lists.range, distinct, sort, sortBy, reverse.

https://pkg.go.dev/github.com/google/cel-go/ext#Lists. `sortBy` is a macro: it becomes a call of @sortByAssociatedKeys
with the keys of all elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from webhook.cel.cost import costs
from webhook.cel.cost.estimates import MOST, NEW_LIST, ONE, TEXTS, TRAVERSAL, Estimate, Sizes, Span, fixed, literal
from webhook.cel.library.comprehensions import mapped
from webhook.cel.library.declaring import (
    Library,
    Macro,
    Overload,
    function,
    method,
    same_element,
    unnamed_to_receivers,
    where_fixed,
)
from webhook.cel.tree.ast import Expr
from webhook.cel.tree.declared import Shape
from webhook.cel.tree.errors import EvaluationError
from webhook.cel.tree.parsed import CALL, FOLD, IDENT, LIST, SELECT, UNUSED, Expansion, MacroError, Parsed
from webhook.cel.value.gosort import ambiguous, sorted_places
from webhook.cel.value.numbers import UInt
from webhook.cel.value.operators import alike, type_of
from webhook.cel.value.texts import text
from webhook.cel.value.times import Duration, Timestamp
from webhook.cel.value.values import go_type

_COMPARED = ("int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes")
_ORDERED = (int, UInt, float, bool, Duration, Timestamp, str, bytes)
_EXACT_DOUBLE = 2**53
_TRUE, _FALSE = object(), object()

MAX_RANGE: Final = 1_000_000
"""The most elements of a result of lists.range."""


def _slice(items: list[Any], start: int, end: int) -> list[Any]:
    if start < 0 or end < 0:
        raise EvaluationError(f"cannot slice({start}, {end}), negative indexes not supported")
    if start > end:
        raise EvaluationError(f"cannot slice({start}, {end}), start index must be less than or equal to end index")
    if len(items) < end:
        raise EvaluationError(f"cannot slice({start}, {end}), list is length {len(items)}")
    return items[start:end]


def _flatten(items: list[Any], depth: int = 1) -> list[Any]:
    if depth < 0:
        raise EvaluationError("level must be non-negative")
    flat: list[Any] = []
    for item in items:
        if type(item) is list and depth:
            flat += _flatten(item, depth - 1)
        else:
            flat.append(item)
    return flat


def _range(size: int) -> list[int]:
    if size < 0:
        raise EvaluationError(f"lists.range: size must be non-negative, got {size}")
    if size > MAX_RANGE:
        raise EvaluationError(f"lists.range: size {size} exceeds maximum allowed ({MAX_RANGE})")
    return list(range(size))


def _distinct(items: list[Any]) -> list[Any]:
    found: list[Any] = []
    keys: set[Any] = set()
    others: list[Any] = []
    for item in items:
        kind = type(item)
        if kind is bool:
            key: Any = _TRUE if item else _FALSE
        elif kind is str or kind is bytes or item is None:
            key = item
        elif kind in (int, UInt, float) and -_EXACT_DOUBLE < item < _EXACT_DOUBLE:
            key = float(item)  # numbers of different types are equal
        else:  # inexact numbers, and values without a hash: compared pairwise
            if not any(alike(item, other) for other in others):
                others.append(item)
                found.append(item)
            continue
        if key not in keys:
            keys.add(key)
            found.append(item)
    return found


def _sort(items: list[Any]) -> list[Any]:
    return _sort_by_keys(items, items)


def _sort_by_keys(items: list[Any], keys: list[Any]) -> list[Any]:
    if len(items) != len(keys):
        message = f"got {len(items)} and {len(keys)} elements respectively"
        text = "@sortByAssociatedKeys() expected a list of the same size as the associated keys list, but"
        raise EvaluationError(f"{text} {message}")
    if not items:
        return items
    kind = type(keys[0])
    if kind not in _ORDERED:
        raise EvaluationError("list elements must be comparable")
    if any(type(key) is not kind for key in keys):
        raise EvaluationError("list elements must have the same type")
    places = sorted(range(len(items)), key=keys.__getitem__)
    if ambiguous([keys[place] for place in places]):
        places = sorted_places(keys, lambda a, b: bool(a < b))
    return [items[place] for place in places]


# ------------------------------------------------------------------------------------------------------ cost and work


def _sliced(items: Any, start: Any, end: Any) -> int:
    """11, and 1 for each element that is taken."""
    if type(start) is not int or type(end) is not int:
        return costs.allocating(0)
    return costs.allocating(max(min(end, costs.size(items)) - max(start, 0), 0))


def _ranged(count: Any) -> int:
    """11, and 1 for each number."""
    # A rejected call costs nothing, as its error comes before the charge.
    return costs.allocating(count if type(count) is int and 0 <= count <= MAX_RANGE else 0)


def _flattening(items: Any, depth: Any = 1) -> int:
    """11, and 1 for each element of the outer list, times the levels."""
    depth = depth if type(depth) is int and depth >= 0 else 1
    return costs.allocating(int(costs.size(items) * float(depth)))


def _flattening_work(items: Any, depth: Any = 1) -> int:
    depth = min(depth if type(depth) is int and depth >= 0 else 1, 100)
    made = 0
    while depth and type(items) is list:
        nested = [each for each in items if type(each) is list]
        level = sum(map(len, nested))
        made += len(items) + level
        if made > costs.largest():
            return costs.MAX_WORK + 1
        if not nested:
            break
        items = [each for part in nested for each in part]
        depth -= 1
    return made


def _sorted_by(_: Any, keys: Any) -> int:
    """11, and twice the square of the number of keys (2.1 times it, of texts)."""
    return costs.self_compared(keys)


def _sorted_work(keys: Any) -> int:
    return costs.gone_over(keys) + _COMPARING * costs.size(keys) * costs.size(keys).bit_length()


_COMPARING: Final = 10


def _sorted_by_work(items: Any, keys: Any) -> int:
    return costs.size(items) + _sorted_work(keys)


# -------------------------------------------------------------------------------------------------- where elements are


def _slice_of(place: int, _: Any, items: Any, start: Any, __: Any) -> tuple[int, ...] | None:
    return (place + start,) if type(items) is list and type(start) is int and place + start < len(items) else None


def _reverse_of(place: int, _: Any, items: Any) -> tuple[int, ...] | None:
    return (len(items) - 1 - place,) if type(items) is list and place < len(items) else None


def _flatten_of(place: int, _: Any, items: Any, depth: Any = 1) -> tuple[int, ...] | None:
    if type(items) is not list or type(depth) is not int or depth < 0:
        return None
    for at, item in enumerate(items):
        if type(item) is list and depth:
            size = len(_flatten(item, depth - 1))
            if place < size:
                return at, *(_flatten_of(place, None, item, depth - 1) or ())
            place -= size
        elif place == 0:
            return (at,)
        else:
            place -= 1
    return None


# ---------------------------------------------------------------------------------------------------------- estimates


def _allocating(factor: float, size: Span) -> Estimate:
    return Estimate(size.scaled(factor).plus(ONE).plus(NEW_LIST), size)


def _estimated_slice(sizes: Sizes, items: Expr, start: Expr, end: Expr) -> Estimate:
    taken = literal(end, sizes.size(items).most) - literal(start, 0)
    return _allocating(1, fixed(taken % 2**64))  # it wraps round, as the API server's own


def _estimated_range(_: Sizes, count: Expr) -> Estimate:
    return _allocating(1, fixed(literal(count, MOST)))


def _estimated_reverse(sizes: Sizes, items: Expr) -> Estimate:
    return _allocating(1, sizes.size(items))


def _estimated_flatten(sizes: Sizes, items: Expr, levels: Expr | None = None) -> Estimate:
    depth = 1 if levels is None else literal(levels, MOST)
    return _allocating(float(depth), sizes.size(items))


def _estimated_distinct(sizes: Sizes, items: Expr) -> Estimate:
    size = sizes.size(items)
    return _allocating(2, size.times(size))


def _estimated_sort(sizes: Sizes, items: Expr, keys: Expr | None = None) -> Estimate:
    compared = items if keys is None else keys
    size = sizes.size(compared)
    kinds = [each.name for each in compared.type.params] or ["dyn"]
    return _allocating(2 + TRAVERSAL if kinds[0] in (*TEXTS, "dyn") else 2, size.times(size))


# -------------------------------------------------------------------------------------------------------- refusals


def _no_list(_: str, args: tuple[Any, ...]) -> str:
    """The error text of a function that the API server's own code calls with anything for a list."""
    kind = go_type(args[0])
    method = "Contains" if type(args[0]) in _ADDED else "Add"  # the first one that the type lacks
    return f"internal error: interface conversion: {kind} is not traits.Lister: missing method {method}"


_ADDED: Final = frozenset({int, UInt, float, str, bytes, Duration, Timestamp})


def _no_flatten(_: str, args: tuple[Any, ...]) -> str:
    if len(args) == 2 and type(args[1]) is not int:  # which the API server's own code takes for an int
        return f"internal error: interface conversion: ref.Val is {go_type(args[1])}, not types.Int"
    receiver, *others = (text(type_of(arg)) for arg in args)
    return f"no such overload: {receiver}.flatten({', '.join(others)})"


def _is_sortable(kind: str) -> tuple[Overload, Overload]:
    return (
        method(
            "sort",
            f"list({kind}) -> list({kind})",
            _sort,
            "The elements in ascending order; an error if they have different types.",
            "[3, 1, 2].sort() == [1, 2, 3]",
            error=("[1, 2].map(e, e == 1 ? dyn(e) : dyn('a')).sort()", "list elements must have the same type"),
            cost=where_fixed(costs.self_compared),
            estimate=_estimated_sort,
            work=_sorted_work,
            shape=Shape.ELEMENTS,
            element=same_element,
            missing=unnamed_to_receivers,
        ),
        method(
            "@sortByAssociatedKeys",
            f"list(T), list({kind}) -> list(T)",
            _sort_by_keys,
            "The elements in the order of their keys. The macro sortBy calls it.",
            cost=where_fixed(_sorted_by),
            estimate=_estimated_sort,
            work=_sorted_by_work,
            shape=Shape.ELEMENTS,
            element=same_element,
            missing=unnamed_to_receivers,
        ),
    )


_SORTABLE: Final = (LIST, SELECT, IDENT, FOLD, CALL)
_INPUT: Final = "@__sortBy_input__"


def _sort_by(make: Expansion, target: Parsed, args: Sequence[Parsed]) -> Parsed:
    variable = make.name(_INPUT)
    if target.kind not in _SORTABLE:
        text = "sortBy can only be applied to a list, identifier, comprehension, call or select expression"
        raise MacroError(target, text)
    keys = mapped(make, make.copy(variable), args)
    ordered = make.method("@sortByAssociatedKeys", make.copy(variable), keys)
    return make.fold((UNUSED, "", _INPUT), make.list(), target, make.constant(False), variable, ordered)


LIBRARY = Library(
    "lists extension",
    (1, 34),
    (
        method(
            "slice",
            "list(T), int, int -> list(T)",
            _slice,
            "The elements from the first index up to, but without, the second one.",
            "[1, 2, 3, 4].slice(1, 3) == [2, 3]",
            error=("[1, 2].slice(1, 3)", "cannot slice(1, 3), list is length 2"),
            cost=_sliced,
            estimate=_estimated_slice,
            shape=Shape.ELEMENTS,
            element=_slice_of,
        ),
        function(
            "lists.range",
            "int -> list(int)",
            _range,
            "The integers from 0 up to, but without, the argument; at most 1,000,000.",
            "lists.range(3) == [0, 1, 2]",
            error=("lists.range(-1)", "lists.range: size must be non-negative, got -1"),
            cost=_ranged,
            estimate=_estimated_range,
        ),
        method(
            "distinct",
            "list(T) -> list(T)",
            _distinct,
            "The elements without duplicates; the first of equal elements is kept.",
            "[1, 2, 2, 1].distinct() == [1, 2]",
            cost=costs.self_compared,
            estimate=_estimated_distinct,
            work=costs.with_itself,
            shape=Shape.ELEMENTS,
            element=same_element,
            missing=_no_list,
        ),
        method(
            "reverse",
            "list(T) -> list(T)",
            lambda items: items[::-1],
            "The elements in reverse order.",
            "[1, 2, 3].reverse() == [3, 2, 1]",
            cost=costs.same_length,
            estimate=_estimated_reverse,
            shape=Shape.ELEMENTS,
            element=_reverse_of,
        ),
        *(overload for kind in _COMPARED for overload in _is_sortable(kind)),
        method(
            "flatten",
            "list(list(T)) -> list(T)",
            _flatten,
            "The elements of the inner lists, in one list.",
            "[[1], [2, 3], []].flatten() == [1, 2, 3]",
            cost=_flattening,
            estimate=_estimated_flatten,
            work=_flattening_work,
            shape=Shape.FLATTENED,
            element=_flatten_of,
            missing=_no_flatten,
        ),
        method(
            "flatten",
            "list(dyn), int -> list(dyn)",
            _flatten,
            "The same for a number of levels.",
            "[[[1]], [[2]]].flatten(2) == [1, 2]",
            error=("[[1]].flatten(-1)", "level must be non-negative"),
            cost=_flattening,
            estimate=_estimated_flatten,
            work=_flattening_work,
            shape=Shape.FLATTENED,
            element=_flatten_of,
            missing=_no_flatten,
        ),
    ),
    macros=(
        Macro(
            "sortBy",
            "list(T).sortBy(e, key) -> list(T)",
            "The elements in ascending order of their keys. The keys must have one ordered type.",
            "[{'n': 2}, {'n': 1}].sortBy(e, e.n).map(e, e.n) == [1, 2]",
            _sort_by,
            error=("[{'n': 1}, {'n': 2}].sortBy(e, dyn(e))", "list elements must be comparable"),
        ),
    ),
)
