"""Whose an object is: the value of a label or annotation, or its namespace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct


class Owners(Struct, frozen=True):
    """Who owns objects.

    `label`: the key of a label or annotation that names an owner; "" if namespaces stand for their owners.
    `namespaces`: the owner that a Namespace names in this way, by its name.
    """

    label: str = ""
    namespaces: Mapping[str, str] = {}

    def of(self, value: Any, namespace: str) -> str:
        """The owner of an object: what its own label says, else its annotation, else its Namespace, else the name of
        its namespace; "" if it is cluster-scoped and names none."""
        return (self.label and named(value, self.label)) or self.namespaces.get(namespace) or namespace


def owners(label: str, objects: Iterable[Mapping[str, Any]]) -> Owners:
    """Who owns objects, by a key of labels and annotations (or "" for none), with the Namespaces among the objects."""
    if not label:
        return Owners()
    of = {
        each["metadata"]["name"]: owner
        for each in objects
        if each.get("kind") == "Namespace" and each.get("apiVersion") == "v1" and (owner := named(each, label))
    }
    return Owners(label, of)


def named(value: Any, key: str) -> str:
    """The owner that an object itself names, by the key of a label or an annotation; "" if it names none."""
    metadata = value.get("metadata") if isinstance(value, dict) else None
    for field in ("labels", "annotations"):
        texts = metadata.get(field) if isinstance(metadata, dict) else None
        owner = texts.get(key) if isinstance(texts, dict) else None
        if isinstance(owner, str) and owner:
            return owner
    return ""
