"""The size of a value as a tree, measured within a bound.

Expressions share values: `[a, a]` holds one list twice. Thirty variables, each a list of the one before it twice, take
some kilobytes of memory, and have a billion leaves for whoever visits, compares, writes or copies them. So whatever
visits a value asks for its extent first.
"""

from __future__ import annotations

from typing import Any, Final

from webhook.cel.value.messages import Message, Raw
from webhook.cel.value.values import Key, KeyedMap, Optional

CHARACTERS: Final = 4
"""The characters of a text that count as much as one element."""

_LONG: Final = 80
_LARGE: Final = 1e15  # a double of this size and more is written with many digits
_CONTAINERS: Final = frozenset({list, dict, KeyedMap})
_TEXTS: Final = frozenset({str, bytes})
_FLAT: Final = frozenset({bool, int, type(None)})
_WRAPPERS: Final = frozenset({Optional, Message, Raw, Key})


def nests(value: Any) -> bool:
    """Whether a value may hold others: a list, a map, an optional, a message."""
    kind = type(value)
    return kind in _CONTAINERS or kind in _WRAPPERS or isinstance(value, list | dict)


def extent(value: Any, most: int) -> int:
    """The number of elements in a value, with all lists, maps and texts inside it, each as often as it occurs.

    An element counts 1, an entry of a map 1, four characters of a text 1, a double of 16 digits and more 80. Counting
    ends beyond `most`: the result is exact up to `most`, and a larger value takes no more time than that.
    """
    kind = type(value)
    if kind in _TEXTS:
        return 1 + len(value) // CHARACTERS
    if not nests(value):
        return _double(value) if kind is float else 1
    counted = 0
    waiting = [value]  # as deep as the value, and at most as long as it has elements that were counted
    while waiting:
        each = waiting.pop()
        kind = type(each)
        if kind is Optional or kind is Raw or kind is Key:
            items: Any = (each.value,)
        elif kind is Message:
            items = each.fields.values()
        elif isinstance(each, dict):
            if counted + len(each) > most:
                return counted + len(each)
            counted += sum(len(key) for key in each if type(key) is str) // CHARACTERS
            if kind is KeyedMap:
                waiting.extend(key for key in each if isinstance(key, Key))
            items = each.values()
        elif isinstance(each, list):
            items = each
        else:
            continue  # an opaque value, which counted as an element
        counted += len(items)
        if counted > most:  # before anything visits them one by one
            return counted
        kinds = set(map(type, items))
        if not kinds <= _FLAT:
            if not kinds.isdisjoint(_TEXTS):
                counted += sum(len(item) for item in items if type(item) in _TEXTS) // CHARACTERS
            if float in kinds:
                counted += sum(_LONG for item in items if type(item) is float and not -_LARGE < item < _LARGE)
            if not kinds <= _SCALARS:
                waiting += [item for item in items if type(item) not in _SCALARS and item]
        if counted > most:
            return counted
    return counted


_SCALARS: Final = _FLAT | _TEXTS | {float}


def _double(value: float) -> int:
    return _LONG if not -_LARGE < value < _LARGE else 1
