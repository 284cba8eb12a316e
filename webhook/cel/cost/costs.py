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

from webhook.cel.value.extent import extent, nests
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


_BEYOND: Final = 2_000_000  # a cost that no budget of an expression pays


def traversal(value: Any) -> int:
    """The cost of visiting a value and everything inside it once. Counting ends where no budget pays for it."""
    kind = type(value)
    if kind is str or kind is bytes:
        return _read_through(value)
    if kind is not list and not isinstance(value, dict):
        return 1
    total = 0
    waiting = [value]
    while waiting and total <= _BEYOND:
        each = waiting.pop()
        for items in (each,) if type(each) is list else (list(each), list(each.values())):
            kinds = set(map(type, items))
            if kinds.isdisjoint(_TRAVERSED):
                total += len(items)
                continue
            for item in items:
                kind = type(item)
                if kind is str or kind is bytes:
                    total += _read_through(item)
                elif kind in _TRAVERSED:
                    waiting.append(item)
                else:
                    total += 1
    return total


def _read_through(value: str | bytes) -> int:
    ascii_only = type(value) is bytes or value.isascii()
    return int((len(value) if ascii_only else len(value.encode(errors="replace"))) * 0.1)  # type: ignore[union-attr]


_TRAVERSED: Final = frozenset({str, bytes, list, dict, KeyedMap})


# ------------------------------------------------------------------------------------------------- costs of operators


def equality(a: Any, b: Any) -> int:
    """a == b, and the order of strings and bytes."""
    if hasattr(a, "cel_type"):  # an opaque value; the API server asks only for the left side
        return 1
    return ceil(min(size(a), size(b)) * 0.1)


def inequality(a: Any, b: Any) -> int:
    """a != b. Opaque values have no price of their own here: addresses cost by their bytes."""
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
    """The steps that visiting a value takes, with everything inside it; more than MAX_WORK if it has more elements than
    `largest`.

    Values that an expression builds may hold one list many times, so counting ends there too (see
    webhook.cel.value.extent).
    """
    if not nests(value):
        return 1
    counted = extent(value, largest())
    return counted + 1 if counted <= largest() else MAX_WORK + 1


def largest() -> int:
    """The most elements of a value that is visited as a whole: 2,000,000. A request of 3 MiB has fewer."""
    return MAX_WORK // 5


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
    if nests(left):
        return weight(left)
    steps = getattr(left, "cel_comparing", None)
    return int(steps(right)) if callable(steps) else 0


def with_itself(items: Any, *_: Any) -> int:
    """The steps to compare the elements of a list with each other."""
    return each_with_each(items, items)


def gone_over(items: Any, *_: Any) -> int:
    """The steps to visit the first argument and compare each element with one value or its neighbour."""
    if not nests(items):
        return 1
    if type(items) not in (list, dict, KeyedMap):
        return weight(items)
    if deep(items):
        return len(items) * 6 + 2 * weight(items)
    texts = sum(len(each) for each in items if type(each) is str or type(each) is bytes)
    return len(items) * 2 + 2 * texts // COMPARED


def deep(value: Any) -> bool:
    """Whether a value contains lists, maps or optionals, so that its length does not bound the time to visit it."""
    return (type(value) is not list and nests(value)) or (type(value) is list and any(map(nests, value)))


def parsed(value: Any, *_: Any) -> int:
    """A text is read as a whole by a regular expression, and perhaps copied."""
    return len(value) // CHARACTERS if type(value) is str else 0


def second_parsed(_: Any, value: Any, *__: Any) -> int:
    """The same for the second argument."""
    return parsed(value)


def read(value: Any, *_: Any) -> int:
    """The steps to read a text character by character."""
    return size(value)
