"""Bindings of Chainsaw: names with values, which stand in objects as ($name).

Source: the documentation of Chainsaw, "Bindings". Other expressions are not evaluated.
"""

from __future__ import annotations

from typing import Any, Final

from webhook.lazypatterns import lazily

_NAMED: Final = lazily(r"\(\$(?P<name>[A-Za-z_][A-Za-z0-9_]{0,80})\)")


class Unbound(Exception):
    """An expression that has no known value."""


def defined(given: Any, outer: dict[str, Any]) -> dict[str, Any]:
    """The bindings that a list defines. outer: the bindings that its values may refer to. An item without a known value
    defines none."""
    found: dict[str, Any] = {}
    for each in given if isinstance(given, list) else []:
        if isinstance(each, dict) and isinstance(each.get("name"), str):
            found.pop(each["name"], None)
            try:
                found[each["name"]] = bound(each.get("value"), outer | found)
            except Unbound:
                continue
    return found


def bound(value: Any, bindings: dict[str, Any]) -> Any:
    """A value with its bindings replaced by their values. Raises Unbound."""
    if isinstance(value, dict):
        return {key: bound(each, bindings) for key, each in value.items()}
    if isinstance(value, list):
        return [bound(each, bindings) for each in value]
    if not isinstance(value, str) or not (value.startswith("(") and value.endswith(")") and "$" in value):
        return value
    named = _NAMED.fullmatch(value)
    if named is None or named["name"] not in bindings:
        raise Unbound(f"an expression of chainsaw: {value[:80]}")
    return bindings[named["name"]]
