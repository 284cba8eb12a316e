"""Structured merge: applies a configuration to a live object, as server-side apply does.

The kind's schema decides how values merge: objects and maps field by field, lists of type `map` item by item
(identified by their keys), lists of type `set` by value; atomic values are replaced. The code follows
sigs.k8s.io/structured-merge-diff (package typed), and so do the error texts.

Values are JSON, or golang.Opaque for Go values that JSON does not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from webhook.policy.cel import golang
from webhook.policy.cel.fitting import fitting
from webhook.policy.cel.mergetypes import List, Map, Type
from webhook.schema import MISSING, Schema


class MergeError(ValueError):
    """A value that does not fit the schema; str(error) is the API server's text."""


# ----------------------------------------------------------------------------------------------------------- checks

Fault = tuple[str, str]
"""One error in a value: its path (`.spec.containers[name="main"].image`), and the error's text."""


UNDECLARED: Final = "field not declared in schema"


def faults(
    schema: Schema, value: Any, *, allow_duplicates: bool = False, allow_undeclared: bool = False
) -> list[Fault]:
    """The errors in an object of this schema.

    allow_duplicates: two items of a list may have the same key, as in objects that the API server has stored.
    allow_undeclared: undeclared fields are no errors.
    """
    return list(_check(Type(schema), value, (allow_duplicates, allow_undeclared)))


_Leniency = tuple[bool, bool]
"""The options of `faults`: allow_duplicates, allow_undeclared."""


def _check(known: Type, value: Any, lenient: _Leniency) -> Iterator[Fault]:
    shape = known.shape().of(value)
    if shape.map is not None:
        yield from _check_map(known, shape.map, value, lenient)
    elif shape.scalar:
        wrong = _scalar_fault(shape.scalar, value)
        if wrong:
            yield "", wrong
    elif shape.list is not None:
        yield from _check_list(shape.list, value, lenient)


def _scalar_fault(kind: str, value: Any) -> str:
    if value is None:
        return ""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match kind:
        case "numeric":
            return "" if is_number else f"expected numeric (int or float), got {golang.type_name(value)}"
        case "string":
            if isinstance(value, str):
                return ""
            return f"expected string, got &value.valueUnstructured{{Value:{golang.syntax(value)}}}"
        case "boolean":
            return "" if isinstance(value, bool) else f"expected boolean, got &{{{golang.text(value)}}}"
        case _:
            is_scalar = is_number or isinstance(value, bool | str)
            return "" if is_scalar else f"expected any scalar, got &{{{golang.text(value)}}}"


def _check_map(known: Type, holder: Map, value: Any, lenient: _Leniency) -> Iterator[Fault]:
    if value is None:
        return
    if not isinstance(value, dict):
        yield "", f"expected map, got &{{{golang.text(value)}}}"
        return
    for name, item in value.items():
        below = known.field(holder, name)
        if below is not None:
            for where, what in _check(below, item, lenient):
                yield f".{name}{where}", what
        elif not lenient[1]:
            yield f".{name}", UNDECLARED


def _check_list(holder: List, value: Any, lenient: _Leniency) -> Iterator[Fault]:
    if value is None:
        return
    if not isinstance(value, list):
        yield "", f"expected list, got &{{{golang.text(value)}}}"
        return
    seen: set[_Key] = set()
    for index, item in enumerate(value):
        key: _Key | None = None
        if not holder.atomic:
            try:
                key = _key(holder, item)
            except MergeError as error:
                yield "", f"element {index}: {error}"
                return
            if key in seen and not lenient[0]:
                yield "", f"duplicate entries for key {_shown(key)}"
            seen.add(key)
        for where, what in _check(holder.items, item, lenient):
            yield f"[{index}]{where}" if key is None else f"{_shown(key)}{where}", what


_Key = tuple[tuple[str, str, Any], ...]
"""The identity of a list's item: (field, type, value) for each key field; for an item of a set, its value."""


def _key(holder: List, item: Any) -> _Key:
    if not holder.keys:
        if isinstance(item, dict):
            raise MergeError("associative list without keys has an element that's a map type")
        if isinstance(item, list):
            raise MergeError("not supported: associative list with lists as elements")
        if item is None:
            raise MergeError("associative list without keys has an element that's an explicit null")
        return (_part("", item),)
    if item is None:
        raise MergeError("associative list with keys may not have a null element")
    if not isinstance(item, dict):
        raise MergeError("associative list with keys may not have non-map elements")
    parts = []
    for name in holder.keys:
        value = item[name] if name in item else _default(holder, name)
        if value is not MISSING and not (value is None and name not in item):
            parts.append(_part(name, value))
    if not parts:
        names = " ".join(map(golang.quoted, holder.keys))
        raise MergeError(
            f"associative list with keys has an element that omits all key fields [{names}] "
            "(and doesn't have default values for any key fields)"
        )
    return tuple(sorted(parts, key=lambda part: part[0]))


def _default(holder: List, name: str) -> Any:
    shape = holder.items.shape()
    found = shape.map.fields.get(name) if shape.map is not None else None
    return MISSING if found is None else found.default


def _part(name: str, value: Any) -> tuple[str, str, Any]:
    """A part of a key, which compares as in Kubernetes: 1 equals 1.0, but not true."""
    if isinstance(value, bool):
        return name, "bool", value
    if isinstance(value, int | float):
        return name, "number", value
    return (name, "string", value) if isinstance(value, str) else (name, "other", golang.syntax(value))


def _shown(key: _Key) -> str:
    """The key as the API server shows it: `[name="main"]`; for the item "a" of a set, `[="a"]`."""
    return f"[{','.join(f'{name}={_written(kind, value)}' for name, kind, value in key)}]"


def _written(kind: str, value: Any) -> str:
    if kind == "string":
        return golang.quoted(value)
    return "{{undefined}}" if kind == "other" else golang.text(value)


def atomics(schema: Schema, value: Any) -> list[str]:
    """The paths of the atomic lists, maps and objects in a value, such as `.spec.nodeSelector`.

    As in the API server, the search does not descend into the values of maps.
    """
    return list(_atomics(Type(schema), value, ""))


def _atomics(known: Type, value: Any, at: str) -> Iterator[str]:
    shape = known.shape()
    if isinstance(value, dict) and shape.map is not None:
        if shape.map.atomic:
            yield at
        for name, item in value.items():
            found = shape.map.fields.get(name)
            if found is not None:
                yield from _atomics(known.below(found), item, f"{at}.{name}")
    elif isinstance(value, list) and shape.list is not None:
        if shape.list.atomic:
            yield at
        for index, item in enumerate(value):
            yield from _atomics(shape.list.items, item, f"{at}[{index}]")


def fractions(schema: Schema, value: Any) -> list[str]:
    """The formats (int32, int64) of the integer fields that have a fractional value."""
    return list(_fractions(Type(schema), value))


def _fractions(known: Type, value: Any) -> Iterator[str]:
    if isinstance(value, float):
        if known.schema is not None and known.schema.type == "integer" and not value.is_integer():
            yield known.schema.format or "int64"
        return
    shape = known.shape()
    if isinstance(value, dict) and shape.map is not None:
        for name, item in value.items():
            below = known.field(shape.map, name)
            if below is not None:
                yield from _fractions(below, item)
    elif isinstance(value, list) and shape.list is not None:
        for item in value:
            yield from _fractions(shape.list.items, item)


def summary(found: list[Fault]) -> str:
    """All errors in one text, as the API server joins them."""
    texts = [f"{path}: {message}" if path else message for path, message in found]
    return texts[0] if len(texts) == 1 else "\n  ".join(["errors:", *texts])


# ------------------------------------------------------------------------------------------------------------ merge


def apply(schema: Schema, live: dict[str, Any], applied: dict[str, Any]) -> dict[str, Any]:
    """`live` with the fields of `applied` merged into it. `applied` may be partial, but contain nothing atomic.

    Neither is changed; the result shares parts with both. Raises MergeError with the API server's text.
    """
    wrong = faults(schema, applied)
    if wrong:
        raise MergeError(f"failed to convert patch object to typed object: {summary(wrong)}")
    paths = atomics(schema, applied)
    if paths:
        raise MergeError(
            f"invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {', '.join(paths)}"
        )
    if not fitting(Type(schema))(live):
        wrong = faults(schema, live, allow_duplicates=True, allow_undeclared=True)
        if wrong:
            raise MergeError(f"failed to convert original object to typed object: {summary(wrong)}")
    merged: dict[str, Any] = _merge(Type(schema), live, applied)
    return merged


def _merge(known: Type, live: Any, applied: Any) -> Any:
    """The merged value. Both values fit the type; `live` is None if the live object has no such value."""
    shape = known.shape()
    if shape.map is not None and isinstance(live, dict) and (applied is None or isinstance(applied, dict)):
        if shape.map.atomic or not (live or applied):
            return applied
        return _merge_maps(known, shape.map, live, applied or {})
    if shape.list is not None and isinstance(live, list) and (applied is None or isinstance(applied, list)):
        if shape.list.atomic or not (live or applied):
            return applied
        return _merge_lists(shape.list, live, applied or [])
    return applied


def _merge_maps(known: Type, holder: Map, live: dict[str, Any], applied: dict[str, Any]) -> dict[str, Any]:
    merged = dict(live)
    for name, value in applied.items():
        below = known.field(holder, name) if name in live else None
        merged[name] = value if below is None else _merge(below, live[name], value)
    return merged


def _merge_lists(holder: List, live: list[Any], applied: list[Any]) -> list[Any]:
    """The items of both lists. The order of `applied` is kept, and that of `live` as far as it agrees with it."""
    live_keys, applied_keys = [_key(holder, item) for item in live], [_key(holder, item) for item in applied]
    live_items: dict[_Key, Any] = {}
    for key, item in zip(live_keys, live, strict=True):
        live_items[key] = None if key in live_items else item  # duplicates are replaced, not merged
    applied_items = dict(zip(applied_keys, applied, strict=True))
    merged: list[Any] = []
    done: set[_Key] = set()
    in_both = (key for key in applied_keys if key in live_items)
    next_shared = next(in_both, None)  # the key of the next applied item that is live too
    at = 0
    for key in applied_keys:
        # The live items in front of this one come first, except those that are applied at a later position.
        while at < len(live) and live_keys[at] != key:
            here = live_keys[at]
            if here not in applied_items:
                merged.append(live[at])
            elif next_shared is None or next_shared == here:
                at += here in done
                break
            at += 1
        if at < len(live) and live_keys[at] == key:
            at += 1
        merged.append(_merge(holder.items, live_items.get(key), applied_items[key]))
        done.add(key)
        if next_shared == key:
            next_shared = next(in_both, None)
    merged += (item for item, key in zip(live[at:], live_keys[at:], strict=True) if key not in applied_items)
    return merged
