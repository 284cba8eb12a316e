"""Fields, elements and entries of CEL's values: selection, index, membership, the ranges of macros, maps that are made.

Every function here is exact, as those of operators.py are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from webhook.cel.tree.errors import EvaluationError, no_such_key, no_such_overload
from webhook.cel.value.messages import Message
from webhook.cel.value.numbers import INT_MAX, INT_MIN, UInt
from webhook.cel.value.operators import RECEIVERS, alike, type_of
from webhook.cel.value.texts import text
from webhook.cel.value.values import MISSING, NONE, KeyedMap, Optional, entered, find, go_type, without


def select(operand: Any, field: str) -> Any:
    """operand.field. A selection from an optional is an optional."""
    if isinstance(operand, dict):
        if field in operand:
            return operand[field]
        raise no_such_key(field)
    if type(operand) is Optional:
        return optional_select(operand, field)
    if isinstance(operand, list):
        raise EvaluationError("unsupported index type 'string' in list")
    if type(operand) is Message:
        return operand.select(field)
    raise no_such_key(field)


def has(operand: Any, field: str) -> bool:
    """has(operand.field)"""
    if type(operand) is Optional and operand is not NONE:
        operand = operand.value
    if isinstance(operand, dict):
        return field in operand
    if isinstance(operand, list):
        raise EvaluationError("unsupported index type 'string' in list")
    return type(operand) is Message and operand.has(field)


def index(operand: Any, key: Any) -> Any:
    """operand[key]"""
    if type(operand) is Optional:
        return optional_index(operand, key)
    if isinstance(operand, list):
        place = _list_index(key)
        if 0 <= place < len(operand):
            return operand[place]
        raise EvaluationError(f"index out of bounds: {text(key)}")
    if type(operand) is Message and type(key) is not str:
        raise EvaluationError("no such overload")
    _checked_key(key)
    if isinstance(operand, dict) and (found := find(operand, key)) is not MISSING:
        return found
    raise no_such_key(text(key))


def _list_index(key: Any) -> int:
    kind = type(key)
    if kind is int:
        return int(key)
    if kind is UInt or kind is float:
        if math.isfinite(key) and key == int(key) and INT_MIN < key <= INT_MAX:
            return int(key)
        raise EvaluationError(f"unsupported index value {text(key)} in list")
    _checked_key(key)
    raise EvaluationError(f"unsupported index type '{type_of(key)}' in list")


def _checked_key(key: Any) -> None:
    """Raises EvaluationError for a value that cannot be a key of an index."""
    kind = type(key)
    if kind not in _KEYS:
        raise EvaluationError(f"invalid qualifier type: {_GO_TYPES.get(kind) or go_type(key)}")


_KEYS = frozenset({str, int, UInt, float, bool})
_GO_TYPES: dict[type, str] = {  # of what JSON has, as the API server's decoder gives it
    list: "[]interface {}",
    dict: "map[string]interface {}",
    type(None): "<nil>",
}


def optional_select(operand: Any, field: str) -> Optional:
    """operand.?field"""
    if type(operand) is Optional:
        if operand is NONE:
            return NONE
        operand = operand.value
    if isinstance(operand, dict):
        return Optional(operand[field]) if field in operand else NONE
    if isinstance(operand, list):
        raise EvaluationError("unsupported index type 'string' in list")
    return NONE


def optional_index(operand: Any, key: Any) -> Optional:
    """operand[?key]"""
    if type(operand) is Optional:
        if operand is NONE:
            return NONE
        operand = operand.value
    if isinstance(operand, list):
        place = _list_index(key)
        return Optional(operand[place]) if 0 <= place < len(operand) else NONE
    _checked_key(key)
    found = find(operand, key) if isinstance(operand, dict) else MISSING
    return NONE if found is MISSING else Optional(found)


def contains(item: Any, container: Any) -> bool:
    """item in container: an element of a list, a key of a map."""
    if isinstance(container, list):
        if type(item) is str:
            try:
                return item in container
            except EvaluationError:  # an opaque value among them
                pass
        return any(alike(item, element) for element in container)
    if isinstance(container, dict):
        return find(container, item) is not MISSING
    raise no_such_overload()


def elements(container: Any) -> list[Any]:
    """The range of a one-variable macro: the elements of a list, the keys of a map."""
    if isinstance(container, list):
        return container
    if type(container) is KeyedMap:
        return list(container.keys_as_values())
    if isinstance(container, dict):
        return list(container)
    raise EvaluationError(f"got '{go_type(container)}', expected iterable type")


def pairs(container: Any) -> Iterator[tuple[Any, Any]]:
    """The range of a two-variable macro: (index, element) of a list, (key, value) of a map. It is not copied: the loop
    may end in its first round."""
    if isinstance(container, list):
        return enumerate(container)
    if type(container) is KeyedMap:
        return zip(container.keys_as_values(), container.values(), strict=True)
    if isinstance(container, dict):
        return iter(container.items())
    raise EvaluationError(f"unsupported comprehension range type: {go_type(container)}")


def make_map(entries: Iterable[tuple[int, Any, Any]]) -> dict[Any, Any]:
    """The map of a literal, from (whether it is optional, key, value). The last entry of a key wins; an absent optional
    one takes the entry before it away."""
    made: dict[Any, Any] = {}
    for optional, key, value in entries:
        if not optional:
            made = entered(made, key, value)
        elif type(value) is not Optional:
            raise EvaluationError(
                f"cannot initialize optional entry '{text(key)}' from non-optional value {text(value)}"
            )
        elif value is NONE:
            without(made, key)
        else:
            made = entered(made, key, value.value)
    return made


def insert(target: dict[Any, Any], key: Any, value: Any) -> dict[Any, Any]:
    """Add an entry to `target`, the map that a transforming macro is building. Returns `target` or a new map."""
    if find(target, key) is not MISSING:
        raise EvaluationError(f"insert failed: key {text(key)} already exists")
    return entered(target, key, value)


def insert_all(target: dict[Any, Any], entries: Any) -> dict[Any, Any]:
    """Add every entry of another map to `target`. Returns `target` or a new map."""
    if not isinstance(entries, dict):
        raise EvaluationError(f"no such overload: cel.@mapInsert(map, {type_of(entries)})")
    for key, value in pairs(entries):
        target = insert(target, key, value)
    return target


def size(value: Any) -> int:
    """size(value): code points, bytes, elements or entries."""
    if isinstance(value, str | bytes | list | dict):
        return len(value)
    raise EvaluationError("no such overload" if type(value) in RECEIVERS else "no such overload: size")
