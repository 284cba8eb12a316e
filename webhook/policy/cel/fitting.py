"""Whether a stored object fits its schema, which it nearly always does.

A live object is checked whole before a configuration is merged into it, though that may name one field. So it is asked
first by functions that are made once for each type, and know no paths and no texts. What they do not take for fitting
is left to `webhook.policy.cel.structuredmerge.faults`, which says what is wrong, if anything is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from webhook.policy.cel.mergetypes import List, Map, Type
from webhook.schema import MISSING

Fits = Callable[[Any], bool]
"""True of a value that has no fault, where duplicates and undeclared fields are none."""


@lru_cache(maxsize=8192)
def fitting(known: Type) -> Fits:
    """The function that is True of values of this type that certainly fit."""
    shape = known.shape()
    scalar = _SCALARS[shape.scalar] if shape.scalar else None
    if shape.map is None and shape.list is None:
        return scalar or _anything
    in_map = _map(known, shape.map) if shape.map is not None else _nothing
    in_list = _list(shape.list) if shape.list is not None else _nothing

    def fits(value: Any) -> bool:
        kind = value.__class__
        if kind is dict:
            return in_map(value)
        if kind is list:
            return in_list(value)
        return value is None or (scalar is not None and scalar(value))

    return fits


def _map(known: Type, holder: Map) -> Fits:
    fields = holder.fields
    checks: dict[str, Fits] = {}  # of declared fields, made when they are met: types refer to each other
    other: Fits | None = None

    def map_fits(value: Mapping[str, Any]) -> bool:
        nonlocal other
        for name, item in value.items():
            check = checks.get(name)
            if check is None:
                if name in fields:
                    check = checks[name] = fitting(known.below(fields[name]))
                elif holder.other is None:
                    continue  # undeclared
                else:
                    check = other = other or fitting(holder.other)
            if not check(item):
                return False
        return True

    return map_fits


def _list(holder: List) -> Fits:
    keys = () if holder.atomic else holder.keys
    items: Fits | None = None
    allowed = _SET_ITEMS if not holder.atomic and not keys else None
    if keys and _defaults(holder, keys):
        keys = ()
        allowed = _OBJECTS

    def list_fits(value: list[Any]) -> bool:
        nonlocal items
        check = items = items or fitting(holder.items)
        for item in value:
            if keys and (item.__class__ is not dict or item.keys().isdisjoint(keys)):
                return False
            if allowed is not None and item.__class__ not in allowed:
                return False
            if not check(item):
                return False
        return True

    return list_fits


_SET_ITEMS: Final = frozenset((str, bool, int, float))
_OBJECTS: Final = frozenset((dict,))


def _defaults(holder: List, keys: tuple[str, ...]) -> bool:
    """Whether a default is the key of an item that has none of these fields."""
    shape = holder.items.shape()
    fields = shape.map.fields if shape.map is not None else {}
    return any(name in fields and fields[name].default not in (MISSING, None) for name in keys)


def _anything(value: Any) -> bool:
    return True


def _nothing(value: Any) -> bool:
    return False


def _string(value: Any) -> bool:
    return value.__class__ is str or value is None


def _boolean(value: Any) -> bool:
    return value.__class__ is bool or value is None


def _numeric(value: Any) -> bool:
    return value.__class__ is int or value.__class__ is float or value is None


def _untyped(value: Any) -> bool:
    return value.__class__ in _SET_ITEMS or value is None


_SCALARS: Final[dict[str, Fits]] = {"string": _string, "boolean": _boolean, "numeric": _numeric, "untyped": _untyped}
