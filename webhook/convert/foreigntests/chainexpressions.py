"""Expressions of Chainsaw in expectations: whether an operation must fail, and whether an assert has any.

Source: the documentation of Chainsaw, "Operation checks". Only comparisons with `$error` are evaluated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from webhook.convert.foreigntests.chains import holds
from webhook.convert.model import JSONObject


def _texts(value: Any) -> Iterator[tuple[str, bool]]:
    """The keys and texts in a value, each with a flag: whether it is a key."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield str(key), True
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value, False


def has_expressions(partial: Any) -> bool:
    """Whether an assert has expressions, as keys or as values."""
    return any(text.startswith("(") and (key or text.endswith(")")) for text, key in _texts(partial))


def expects_error(expect: Any, value: JSONObject) -> bool | None:
    """Whether an operation expects an error, as `expect: - check: ($error != null): true` says; None if it asks more
    of the error."""
    for each in expect if isinstance(expect, list) else []:
        if not isinstance(each, dict) or (each.get("match") and not holds(value, each["match"])):
            continue
        check = each.get("check")
        for text, wanted in _checks(check):
            if text == "($error!=null)":
                return wanted is True
            if text == "($error==null)":
                return wanted is False
            if text == "$error":
                return bool(wanted)
            if text.startswith("(contains($error,") and wanted is True:
                return True
            if "$error" in text:
                return None
    return False


def _checks(check: Any) -> Iterable[tuple[str, Any]]:
    """The checks of an expectation: an expression without its blanks, and its value."""
    return (("".join(str(key).split()), each) for key, each in check.items()) if isinstance(check, dict) else ()
