"""Formulas: the costs of calls in the API server, and the work that they take in Python.

Costs are the run-time costs of cel-go (interpreter/runtimecost.go, ext/lists.go, ext/sets.go) and of Kubernetes
(k8s.io/apiserver, pkg/cel/library/cost.go). The floating-point products have the same form, so that they round alike. A
function declares its formula (webhook.cel.library); formulas of a single function are next to it.

Work is time or memory that Python needs and the API server does not charge for. It is counted in steps of about 0.1 µs,
before the call.
"""

from __future__ import annotations

from math import ceil
from typing import Any, Final

import orjson

from webhook.cel.value.values import NONE, KeyedMap, Optional

NEW_LIST: Final = 10
NEW_MAP: Final = 30
NEW_MESSAGE: Final = 40
_CALL: Final = 1


def size(value: Any) -> int:
    """The size of a value in the API server: code points, bytes, elements, entries; 1 for all other values."""
    kind = type(value)
    if kind is str or kind is list or kind is dict or kind is bytes or kind is KeyedMap:
        return len(value)
    if kind is int or kind is bool:
        return 1
    if kind is Optional and value is not NONE:
        return size(value.value)
    length = getattr(value, "cel_size", 1)  # of an opaque value
    return length if type(length) is int else 1


def traversal(value: Any) -> int:
    """The cost of visiting a value and everything inside it once."""
    kind = type(value)
    if kind is str:
        return int((len(value) if value.isascii() else len(value.encode(errors="replace"))) * 0.1)
    if kind is bytes:
        return int(len(value) * 0.1)
    if kind is list:
        kinds = set(map(type, value))
        return sum(map(traversal, value)) if kinds & _TRAVERSED else len(value)
    if isinstance(value, dict):
        return sum(map(traversal, value)) + sum(map(traversal, value.values()))
    return 1


_TRAVERSED: Final = frozenset({str, bytes, list, dict, KeyedMap})


# ------------------------------------------------------------------------------------------------- costs of operators


def equality(a: Any, b: Any) -> int:
    """a == b and a != b, and the order of strings and bytes."""
    if hasattr(a, "cel_type"):  # an opaque value
        return 1
    return ceil(min(size(a), size(b)) * 0.1)


def concatenation(a: Any, b: Any) -> int:
    """a + b of strings or bytes."""
    return ceil((size(a) + size(b)) * 0.1)


def membership(_: Any, container: Any) -> int:
    """x in list, where the checker knows the list for one; `in` a map or a dyn costs 1."""
    return size(container)


# ------------------------------------------------------------------------------------------------- costs of functions


def text(value: Any, *_: Any) -> int:
    """A tenth of the size of the first value."""
    return ceil(size(value) * 0.1)


def text_twice(value: Any, *_: Any) -> int:
    """A fifth of the size of the first value."""
    return ceil(size(value) * 2 * 0.1)


def second_text(_: Any, value: Any) -> int:
    """A tenth of the size of the second value."""
    return ceil(size(value) * 0.1)


def traversed(value: Any, *_: Any) -> int:
    """1 for each element of a list, or a tenth of the bytes of a text; what is nested is counted, too."""
    return traversal(value)


def search(value: Any, part: Any) -> int:
    """A tenth of the size of the text times a tenth of that of the part."""
    return ceil(size(value) * 0.1) * ceil(size(part) * 0.1)


def regex(value: Any, pattern: Any, *_: Any) -> int:
    """A tenth of the size of the text times a quarter of that of the pattern."""
    return matched(value, size(pattern))


def matched(value: Any, pattern_length: int) -> int:
    """A text that is matched with a pattern of that length."""
    return ceil((1.0 + size(value)) * 0.1) * ceil(pattern_length * 0.25)


def allocating(elements: int) -> int:
    """A call that makes a list of so many elements."""
    return elements + _CALL + NEW_LIST


def same_length(items: Any) -> int:
    """11, and 1 for each element."""
    return allocating(size(items))


def self_compared(items: Any) -> int:
    """11, and twice the square of the number of elements (2.1 times it, of texts)."""
    if type(items) is not list or not items:
        return allocating(0)
    factor = 2.1 if type(items[0]) in (str, bytes) else 2.0
    return allocating(int(len(items) ** 2 * factor))


def each_by_each(a: Any, b: Any) -> int:
    """1, and the elements of one list times those of the other."""
    return _CALL + size(a) * size(b)


def each_by_each_twice(a: Any, b: Any) -> int:
    """1, and twice the elements of one list times those of the other."""
    return _CALL + size(a) * size(b) * 2


# --------------------------------------------------------------------------------------------------------------- work


MAX_WORK: Final = 10_000_000
"""The most steps of one expression: about a second."""

COMPARED: Final = 1_000
"""The characters that one step compares."""

CHARACTERS: Final = 50
"""The characters that one step copies."""


def weight(value: Any) -> int:
    """The steps that visiting a value takes, computed without a loop in Python."""
    if type(value) not in (list, dict, KeyedMap):
        return 1
    if not value:
        return 1
    try:
        return len(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)) // 4 + 1
    except (TypeError, ValueError, RecursionError):  # a value that is not JSON, which is rare
        return len(value) * 4


def each_with_each(a: Any, b: Any) -> int:
    """The steps to compare each element of one list with each of the other."""
    if type(a) is not list or type(b) is not list or not a or not b:
        return 1
    first, second = {type(a[0]), type(a[-1])}, {type(b[0]), type(b[-1])}
    if first | second <= {str}:
        return len(a) * len(b) // 4
    return len(a) * (weight(b) + 1)


def comparison(left: Any, right: Any) -> int:
    """The steps to compare or add two values that are neither lists nor maps. Opaque values have a method for it:
    `cel_comparing(other)` returns the steps."""
    if type(left) is str or type(left) is bytes:
        return len(left) // COMPARED
    steps = getattr(left, "cel_comparing", None)
    return int(steps(right)) if callable(steps) else 0


def with_itself(items: Any, *_: Any) -> int:
    """The steps to compare the elements of a list with each other."""
    return each_with_each(items, items)


def gone_over(items: Any, *_: Any) -> int:
    """The steps to visit the first argument and compare each element with one value or its neighbour."""
    if type(items) not in (list, dict):
        return 1
    if deep(items):
        return len(items) * 6 + 2 * weight(items)
    texts = sum(len(each) for each in items if type(each) is str or type(each) is bytes)
    return len(items) * 2 + 2 * texts // COMPARED


def deep(value: Any) -> bool:
    """Whether a list or map contains lists or maps, so that its length does not bound the time to visit it."""
    if isinstance(value, dict):
        return True
    return type(value) is list and not {list, dict, KeyedMap}.isdisjoint(map(type, value))


def parsed(value: Any, *_: Any) -> int:
    """A text is read as a whole by a regular expression, and perhaps copied."""
    return len(value) // CHARACTERS if type(value) is str else 0


def read(value: Any, *_: Any) -> int:
    """The steps to read a text character by character."""
    return size(value)
