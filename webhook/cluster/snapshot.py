"""The immutable contents of a cache at one moment. A change makes a new snapshot, which shares the unchanged parts.

An object that does not change stays the same Python object, even after a new list. Callers rely on that: they memoize
by identity what they derive from an object, such as params as a model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Object = dict[str, Any]
Key = tuple[str, str]
"""Namespace ("" for a cluster-scoped object) and name."""


class Snapshot:
    """Objects of one kind, by namespace and name."""

    __slots__ = ("_listed", "_namespaces", "count")

    def __init__(self, namespaces: Mapping[str, Mapping[str, Object]], count: int) -> None:
        self._namespaces = namespaces
        self.count = count
        self._listed: dict[str | None, list[Object]] = {}  # filled by `list`

    def get(self, namespace: str, name: str) -> Object | None:
        """The object; None if there is none."""
        found = self._namespaces.get(namespace)
        return None if found is None else found.get(name)

    def list(self, namespace: str | None) -> list[Object]:
        """The objects of one namespace or (None) of all, sorted by namespace and name."""
        listed = self._listed.get(namespace)
        if listed is None:
            namespaces = sorted(self._namespaces) if namespace is None else [namespace]
            listed = []
            for each in namespaces:
                objects = self._namespaces.get(each, {})
                listed += (objects[name] for name in sorted(objects))
            self._listed[namespace] = listed
        return listed

    def replaced(self, objects: Iterable[Object]) -> Snapshot:
        """A snapshot of exactly these objects. Those that are unchanged keep their identity."""
        namespaces: dict[str, dict[str, Object]] = {}
        for value in objects:
            namespace, name = key_of(value)
            namespaces.setdefault(namespace, {})[name] = self._kept(namespace, name, value)
        return Snapshot(namespaces, sum(map(len, namespaces.values())))

    def changed(self, changes: Mapping[Key, Object | None]) -> Snapshot:
        """The snapshot after `changes`, where None deletes an object. Without an effective change, this snapshot."""
        namespaces: dict[str, Mapping[str, Object]] | None = None
        touched: dict[str, dict[str, Object]] = {}
        for (namespace, name), value in changes.items():
            before = self.get(namespace, name)
            after = None if value is None else self._kept(namespace, name, value)
            if after is before:
                continue
            if namespaces is None:
                namespaces = dict(self._namespaces)
            if namespace not in touched:
                touched[namespace] = namespaces[namespace] = dict(self._namespaces.get(namespace, {}))
            if after is None:
                del touched[namespace][name]
            else:
                touched[namespace][name] = after
        if namespaces is None:
            return self
        for namespace, left in touched.items():
            if not left:
                del namespaces[namespace]
        return Snapshot(namespaces, sum(map(len, namespaces.values())))

    def _kept(self, namespace: str, name: str, value: Object) -> Object:
        """The object of this snapshot if it has the same uid and resourceVersion as `value`, else `value`."""
        known = self.get(namespace, name)
        return known if known is not None and _version(known) == _version(value) else value


EMPTY = Snapshot({}, 0)


def key_of(value: Object) -> Key:
    """The key of an object. Raises KeyError or TypeError if the value is not an object with a name."""
    metadata = value["metadata"]
    return metadata.get("namespace") or "", metadata["name"]


def _version(value: Object) -> tuple[Any, Any]:
    metadata = value["metadata"]
    return metadata.get("uid"), metadata.get("resourceVersion")
