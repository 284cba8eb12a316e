"""Lists that are sets or maps: their elements, or the keys of these, are unique."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from webhook.apiserver.customresources.structural import Schema
from webhook.apiserver.fielderrors import FieldError, Key, duplicate, invalid
from webhook.apiserver.goshown import json_text
from webhook.paths import Path

_UNSPECIFIED = object()


def duplicates(value: Any, schema: Schema | None, path: Path = ()) -> Iterator[FieldError]:
    """The refusals of elements that are there twice, at any depth."""
    if schema is None:
        return
    if isinstance(value, dict):
        values = schema.values
        for key, item in value.items():
            if values is not None:
                yield from duplicates(item, values, (*path, Key(key)))
            if key in schema.properties:
                yield from duplicates(item, schema.properties[key], (*path, key))
    elif isinstance(value, list):
        if schema.list_type == "set":
            yield from (duplicate((*path, place), value[place]) for place in _repeated(value))
        elif schema.list_type == "map":
            yield from _repeated_keys(value, schema, path)
        if schema.items is not None:
            for place, item in enumerate(value):
                if isinstance(item, _CONTAINERS):
                    yield from duplicates(item, schema.items, (*path, place))


_CONTAINERS = (dict, list)


def _repeated(values: list[Any]) -> list[int]:
    """The places where a value stands for the second time."""
    seen: dict[Any, int] = {}
    found: list[int] = []
    for place, value in enumerate(values):
        identity = (type(value), json_text(value) if isinstance(value, dict | list) else value)
        seen[identity] = seen.get(identity, 0) + 1
        if seen[identity] == 2:
            found.append(place)
    return found


def _repeated_keys(values: list[Any], schema: Schema, path: Path) -> Iterator[FieldError]:
    for place, item in enumerate(values):
        if item is not None and not isinstance(item, dict):
            yield invalid((*path, place), item, "must be an object for an array of list-type map")
            return
    if len(schema.map_keys) == 1:
        name = schema.map_keys[0]
        single = [_UNSPECIFIED if item is None else item.get(name, _UNSPECIFIED) for item in values]
        for place in _repeated(single):
            key = single[place]
            yield duplicate((*path, place), {} if key is _UNSPECIFIED else {name: key})
        return
    keys = [{name: (item or {})[name] for name in schema.map_keys if name in (item or {})} for item in values]
    yield from (duplicate((*path, place), keys[place]) for place in _repeated(keys))
