"""Values of an update beside the values that they replace, for rules about transitions and for ratcheting.

Ratcheting: what was wrong before the update, and is unchanged, is not refused
(k8s.io/apiserver, pkg/cel/common/equality.go).
"""

from __future__ import annotations

from typing import Any

from webhook.apiserver.customresources.structural import Schema
from webhook.apiserver.goshown import shown
from webhook.apiserver.gotext import quote


def same(a: Any, b: Any) -> bool:
    """Whether two JSON values are equal, with their types: 1 and 1.0 differ."""
    kind = type(a)
    if kind is not type(b):
        return False
    if kind is dict:
        return len(a) == len(b) and all(key in b and same(value, b[key]) for key, value in a.items())
    if kind is list:
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


class OldItems:
    """The elements of the old list, by their keys, if the schema is of a list that is a map."""

    __slots__ = ("_by_key", "_keys")

    def __init__(self, schema: Schema, items: Any) -> None:
        self._keys = schema.map_keys
        self._by_key: dict[Any, Any] = {}
        if schema.type == "array" and schema.list_type == "map" and schema.map_keys and isinstance(items, list):
            for item in items:
                key = self._key(item)
                if key is not None:
                    self._by_key.setdefault(key, item)

    def get(self, item: Any) -> Any:
        """The old element with the keys of this one; None if there is none."""
        if not self._by_key:
            return None
        key = self._key(item)
        return None if key is None else self._by_key.get(key)

    def _key(self, item: Any) -> Any:
        if not isinstance(item, dict):
            return None
        parts: list[Any] = []
        for name in self._keys:
            value = item.get(name)
            if not isinstance(value, bool | int | float | str):
                return None
            parts.append((type(value), value if len(self._keys) == 1 else _shown(value)))
        return tuple(parts)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return quote(value)
    return f"{value:f}" if isinstance(value, float) else shown(value)


class Correlated:
    """A value, the old value that it replaces, and their schema."""

    __slots__ = ("_children", "_equal", "_old_items", "old", "schema", "value")

    def __init__(self, value: Any, old: Any, schema: Schema) -> None:
        self.value = value
        self.old = old
        self.schema = schema
        self._equal: bool | None = None
        self._children: dict[str | int, Correlated] = {}
        self._old_items: OldItems | None = None

    def key(self, name: str) -> Correlated | None:
        """The field of an object; None if it is new, or the schema does not have it."""
        known = self._children.get(name)
        if known is not None:
            return known
        if not isinstance(self.value, dict) or not isinstance(self.old, dict):
            return None
        if name not in self.value or name not in self.old:
            return None
        schema = self.schema.properties.get(name) or self.schema.values
        return None if schema is None else self._child(name, self.old[name], schema)

    def index(self, place: int) -> Correlated | None:
        """The element of a list that is a map; None if it is new. Elements of other lists have no old value."""
        known = self._children.get(place)
        if known is not None:
            return known
        if not isinstance(self.value, list) or not isinstance(self.old, list) or self.schema.items is None:
            return None
        if self.schema.list_type != "map":
            return None
        if self._old_items is None:
            self._old_items = OldItems(self.schema, self.old)
        old = self._old_items.get(self.value[place])
        return None if old is None else self._child(place, old, self.schema.items)

    def unchanged(self) -> bool:
        """Whether the value equals the old one. Lists that are maps are compared by their keys, in any order."""
        if self._equal is None:
            self._equal = self._unchanged()
        return self._equal

    def _child(self, step: str | int, old: Any, schema: Schema) -> Correlated:
        child = self._children[step] = Correlated(self.value[step], old, schema)
        return child

    def _unchanged(self) -> bool:
        value, old = self.value, self.old
        if isinstance(value, dict) and isinstance(old, dict):
            if len(value) != len(old):
                return False
            children = [self.key(name) for name in value]
            return all(child is not None and child.unchanged() for child in children)
        if isinstance(value, list) and isinstance(old, list):
            if len(value) != len(old):
                return False
            for place in range(len(value)):
                child = self.index(place)
                if child is None:
                    # A list without keys is compared as a whole.
                    return same(value, old) if self._old_items is None else False
                if not child.unchanged():
                    return False
            return True
        return same(value, old)


def ratcheted(correlated: Correlated | None) -> bool:
    """Whether there is an old value, and it is the same."""
    return correlated is not None and correlated.unchanged()
