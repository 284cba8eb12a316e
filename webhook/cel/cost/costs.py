"""The formulas of what calls cost in the API server, and of how much Python they take here.

Costs are cel-go's at run time (interpreter/runtimecost.go, ext/lists.go, ext/sets.go) and Kubernetes' own
(k8s.io/apiserver, pkg/cel/library/cost.go). The floating-point products are written as there, so that they round as
there. A function names its formula where it is declared (webhook.cel.library), and has it there if it is its own.

Work is what the API server does not charge for but Python takes time or memory for. It is counted in steps of about
0.1 µs, and bounds a call before it is made.
"""

from __future__ import annotations

from math import ceil
from typing import Any, Final

import orjson

from webhook.cel.value.values import NONE, BoolMap, Optional

NEW_LIST: Final = 10
NEW_MAP: Final = 30
_CALL: Final = 1


def size(value: Any) -> int:
    """What the API server takes for a value's size: code points, bytes, elements, entries; 1 of all other values."""
    kind = type(value)
    if kind is str or kind is list or kind is dict or kind is bytes or kind is BoolMap:
        return len(value)
    if kind is int or kind is bool:
        return 1
    if kind is Optional and value is not NONE:
        return size(value.value)
    length = getattr(value, "cel_size", 1)  # of an opaque value
    return length if type(length) is int else 1


def traversal(value: Any) -> int:
    """The cost of going over a value with all that is in it, once."""
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


_TRAVERSED: Final = frozenset({str, bytes, list, dict})


# ------------------------------------------------------------------------------------------------- costs of operators


def equality(a: Any, b: Any) -> int:
    """a == b and a != b, and the order of strings and bytes."""
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
"""Steps that one expression may take: about a second."""

COMPARED: Final = 1_000
"""Characters that are compared in a step."""

CHARACTERS: Final = 50
"""Characters that are copied in a step."""


def weight(value: Any) -> int:
    """Steps that going over a value takes, found without going over it in Python."""
    if type(value) not in (list, dict):
        return 1
    if not value:
        return 1
    try:
        return len(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)) // 4 + 1
    except (TypeError, ValueError, RecursionError):  # values that are no JSON are few
        return len(value) * 4


def each_with_each(a: Any, b: Any) -> int:
    """The elements of one list are compared with those of the other."""
    if type(a) is not list or type(b) is not list or not a or not b:
        return 1
    first, second = {type(a[0]), type(a[-1])}, {type(b[0]), type(b[-1])}
    if first | second <= {str}:
        return len(a) * len(b) // 4
    return len(a) * (weight(b) + 1)


def comparison(left: Any, right: Any) -> int:
    """Two values that are neither lists nor maps are compared, or added. What opaque ones take they say themselves:
    `cel_comparing(other)` gives the steps."""
    if type(left) is str or type(left) is bytes:
        return len(left) // COMPARED
    steps = getattr(left, "cel_comparing", None)
    return int(steps(right)) if callable(steps) else 0


def with_itself(items: Any, *_: Any) -> int:
    """The elements of a list are compared with each other."""
    return each_with_each(items, items)


def gone_over(items: Any, *_: Any) -> int:
    """The first argument is gone over, its elements compared with one value or with their neighbours."""
    if type(items) not in (list, dict):
        return 1
    if deep(items):
        return len(items) * 6 + 2 * weight(items)
    texts = sum(len(each) for each in items if type(each) is str or type(each) is bytes)
    return len(items) * 2 + 2 * texts // COMPARED


def deep(value: Any) -> bool:
    """Whether there are lists or maps in a list or map, so that going over it takes longer than its length tells."""
    if isinstance(value, dict):
        return True
    return type(value) is list and not {list, dict}.isdisjoint(map(type, value))


def parsed(value: Any, *_: Any) -> int:
    """A text is read as a whole by a regular expression, and perhaps copied."""
    return len(value) // CHARACTERS if type(value) is str else 0


def read(value: Any, *_: Any) -> int:
    """A text is read character by character."""
    return size(value)
