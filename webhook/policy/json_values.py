"""Copies, compares and checks JSON values. Comparisons are strict about types: True does not equal 1."""

from __future__ import annotations

import math
from marshal import dumps
from typing import Any

from webhook.paths import ROOT, Path, render
from webhook.policy.readonly import ReadOnlyDict, ReadOnlyList

MAX_DEPTH = 500


class NotJSON(TypeError):
    """A value that JSON cannot represent; the text names it and its path."""


def copy_json(value: Any) -> Any:
    """A deep copy of a JSON value."""
    if type(value) is dict:
        return {key: copy_json(item) if type(item) in (dict, list) else item for key, item in value.items()}
    if type(value) is list:
        return [copy_json(item) if type(item) in (dict, list) else item for item in value]
    return value


def differs(left: Any, right: Any) -> bool:
    """Whether two JSON values differ. Values of different types always do: 1, 1.0 and True all differ."""
    # Python's own comparison finds most differences, and a hundred times as fast. Only what it takes for equal may
    # still differ in types, and mostly it does not: then it has the same form as bytes.
    if left != right:
        return True
    try:
        if dumps(left, _FORM) == dumps(right, _FORM):
            return False
    except ValueError:  # too deep, or of types that JSON does not have
        pass
    return _types_differ(left, right)


_FORM = 2
"""The newest form of marshal in which bytes depend on the value alone, not on what is shared within it."""


def _types_differ(left: Any, right: Any) -> bool:
    if type(left) is not type(right):
        return True
    if type(left) is dict:
        return left.keys() != right.keys() or any(_types_differ(item, right[key]) for key, item in left.items())
    if type(left) is list:
        return len(left) != len(right) or any(map(_types_differ, left, right))
    return bool(left != right)


def require_json(value: Any, at: Path = ROOT) -> None:
    """Raise NotJSON unless `value` consists of dict (with str keys), list, str, int, float, bool and None only.

    Read-only views (webhook.policy.readonly) count as the dict or list that they show.
    """
    if type(value) is dict or isinstance(value, ReadOnlyDict):
        _require_depth(at)
        for key, item in value.items():
            if type(key) is not str:
                raise NotJSON(f"{render(at) or 'the object'} has a key of type {type(key).__name__}; keys are text")
            require_json(item, (*at, key))
    elif type(value) is list or isinstance(value, ReadOnlyList):
        _require_depth(at)
        for index, item in enumerate(value):
            require_json(item, (*at, index))
    elif type(value) is float:
        if not math.isfinite(value):
            raise NotJSON(f"{render(at)} is {value}, which JSON does not have")
    elif type(value) is int:
        if not -(2**63) <= value < 2**64:
            raise NotJSON(f"{render(at)} does not fit into 64 bits")
    elif value is not None and type(value) not in (str, bool):
        raise NotJSON(f"{render(at)} is of type {type(value).__name__}, which JSON does not have")


def _require_depth(at: Path) -> None:
    if len(at) > MAX_DEPTH:
        raise NotJSON(f"nested more than {MAX_DEPTH} levels deep")
