"""Hides the content of Secrets in explanations and diffs. Secrets are checked like other objects.

webhook.admission.redaction hides it in texts.
"""

from __future__ import annotations

from typing import Any, Final

from webhook.admission.redaction import FIELDS, LAST_APPLIED, Redaction, is_secret, length_of
from webhook.cel.value.values import Optional
from webhook.cel.why.privacy import Private

MASK: Final = "***"
CHANGED_MASK: Final = "*** (changed)"


def hidden(value: Any) -> str:
    """The replacement of a hidden value: its type and length. Booleans and null are not hidden."""
    while isinstance(value, Optional):
        value = value.value
    match value:
        case None | True | False:
            return {None: "null", True: "true", False: "false"}[value]
        case str():
            return length_of(value)
        case bytes() | list() | dict():
            one, many = {bytes: ("byte", "bytes"), list: ("item", "items")}.get(type(value), ("entry", "entries"))
            return f"<{len(value):,} {one if len(value) == 1 else many}>"
        case int() | float():
            return "<number>"
        case _:
            return f"<{type(value).__name__.lower()}>"


def private_parts(*values: Any, redaction: Redaction | None = None) -> Private:
    """The private parts of the values: everything below data, stringData and the last-applied annotation of Secrets.

    redaction: of all Secrets that may have been copied into the values. Texts that hold parts of them are private too.

    Parts are identified by id(), so the values must live as long as the result.
    """
    parts: set[int] = set()
    holders: set[int] = set()
    for value in values:
        _find_private(value, parts, holders, redaction or Redaction())
    return Private(frozenset(parts), frozenset(holders), redaction.applied if redaction else None)


def _find_private(value: Any, parts: set[int], holders: set[int], redaction: Redaction) -> bool:
    """Add the private parts of a value, and their holders, to the sets. Returns whether it has private parts."""
    if not isinstance(value, dict | list):
        return False
    holds = False
    if isinstance(value, dict) and is_secret(value):
        for field in FIELDS:
            holds |= _add_private(value.get(field), parts)
        metadata = value.get("metadata")
        annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
        if isinstance(annotations, dict) and _add_private(annotations.get(LAST_APPLIED), parts):
            holders |= {id(annotations), id(metadata)}
            holds = True
    for item in value if isinstance(value, list) else value.values():
        if isinstance(item, dict | list) and id(item) not in parts:
            holds |= _find_private(item, parts, holders, redaction)
        elif redaction and isinstance(item, str) and id(item) not in parts and redaction.holds(item):
            holds |= _add_private(item, parts)
    if holds:
        holders.add(id(value))
    return holds


def _add_private(value: Any, parts: set[int]) -> bool:
    """Add a value and everything below it. Python's singletons, such as small ints, are left out: id() is not unique.

    Returns whether the value is private."""
    if value is None or value is True or value is False:
        return False
    if isinstance(value, dict | list):
        parts.add(id(value))
        for item in value if isinstance(value, list) else value.values():
            _add_private(item, parts)
        return True
    if not (isinstance(value, str) and len(value) < 2) and not (isinstance(value, int) and -6 < value < 257):
        parts.add(id(value))
    return True


def masked(
    before: dict[str, Any], after: dict[str, Any], redaction: Redaction
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both objects with the content of Secrets masked, for a diff.

    A Secret keeps its keys, and CHANGED_MASK marks the values that changed. Values that a policy copied elsewhere, from
    this Secret or from another one that it read, are replaced by their lengths. redaction: of all Secrets that the
    policies read.
    """
    if not (is_secret(before) or is_secret(after)):
        return before, _copies_hidden(after, before, redaction) if redaction else after
    shown_before, shown_after = dict(before), dict(after)
    for field in ("data", "stringData"):
        old, new = before.get(field), after.get(field)
        if field in before:
            shown_before[field] = _masked(old, old)
        if field in after:
            shown_after[field] = _masked(new, old)
    for shown, original in ((shown_before, before), (shown_after, after)):
        metadata = original.get("metadata")
        annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
        if isinstance(metadata, dict) and isinstance(annotations, dict) and LAST_APPLIED in annotations:
            shown["metadata"] = {**metadata, "annotations": {**annotations, LAST_APPLIED: MASK}}
    for field, value in shown_after.items():
        # The values of the data are masked already. This redacts the keys that a policy added.
        shown_after[field] = _copies_hidden(value, shown_before.get(field), redaction)
    return shown_before, shown_after


def _copies_hidden(value: Any, old: Any, redaction: Redaction) -> Any:
    """A value with the content of Secrets redacted. Parts that `old` has too are kept."""
    if value == old:
        return value
    if isinstance(value, str):
        return redaction.applied(value)
    if isinstance(value, list):
        were = old if isinstance(old, list) else []
        return [item if item in were else _copies_hidden(item, None, redaction) for item in value]
    if isinstance(value, dict):
        known = old if isinstance(old, dict) else {}
        return {
            key if key in known else redaction.applied(key): _copies_hidden(item, known.get(key), redaction)
            for key, item in value.items()
        }
    return value


def _masked(values: Any, old: Any) -> Any:
    if not isinstance(values, dict):
        return MASK if values == old else CHANGED_MASK
    known = old if isinstance(old, dict) else {}
    return {key: CHANGED_MASK if key in known and known[key] != value else MASK for key, value in values.items()}
