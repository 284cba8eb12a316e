"""The fields of kinds: of Kubernetes' own from the schemas that ship, of custom ones from the CRDs at hand.

A Schema is read from its OpenAPI form where it is asked for, a level at a time: definitions refer to themselves, and
most of what a kind has is never looked at. What a CustomResourceDefinition says is hostile until proven otherwise:
what is malformed in it, and what goes deeper than MAX_LEVELS, is a schema that says nothing (`Schema.unknown`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any, Final, Literal

from webhook.schema import shipped
from webhook.schema.crds import served_versions

MAX_LEVELS: Final = 100
"""Levels of fields, items and values below a CRD's root that are read."""

MISSING: Final = object()
"""The default of a field that has none: null is a value."""

_METADATA: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

ListType = Literal["atomic", "set", "map"]
MapType = Literal["granular", "atomic"]
_TYPES: Final = frozenset({"object", "array", "string", "integer", "number", "boolean"})


class Schema:
    """What is known of one value: of an object, of one of its fields, of a list's items. Immutable.

    The names are those of OpenAPI and of Kubernetes' extensions to it (x-kubernetes-…), in Python's spelling.
    """

    def __init__(self, node: Mapping[str, Any], *, builtin: bool = False, levels: int = MAX_LEVELS) -> None:
        """`node`: the OpenAPI form. `builtin`: its references are to definitions that ship, and it is trusted."""
        self._node = node
        self._builtin = builtin
        self._levels = levels

    def __repr__(self) -> str:
        name = self.definition
        return f"Schema({name or self.type or 'unknown'})"

    @cached_property
    def _own(self) -> Mapping[str, Any]:
        """The node that the reference leads to; without one, the node itself."""
        node, name = self._node, self.definition
        if not name:
            return node
        found = shipped.definition(name)
        return _NOTHING if found is None else found

    def _said(self, keyword: str) -> Any:
        """What stands at the place itself before what stands at the definition that it refers to."""
        value = self._node.get(keyword, MISSING)
        return self._own.get(keyword) if value is MISSING else value

    def _flag(self, keyword: str) -> bool:
        return self._said(keyword) is True

    def _text(self, keyword: str) -> str:
        value = self._said(keyword)
        return value if isinstance(value, str) else ""

    def _child(self, node: Any) -> Schema | None:
        if not isinstance(node, dict):
            return None
        if self._builtin:
            return Schema(node, builtin=True)
        if self._levels <= 0:
            return UNKNOWN
        return Schema(node, levels=self._levels - 1)

    @property
    def definition(self) -> str:
        """The definition that this refers to (`io.k8s.api.core.v1.Container`), "" for a schema of a place's own."""
        reference = self._node.get("$ref") if self._builtin else None
        return reference if isinstance(reference, str) else ""

    @cached_property
    def type(self) -> str:
        """object, array, string, integer, number or boolean; "" where any value may stand, or several types."""
        declared = self._said("type")
        return declared if isinstance(declared, str) and declared in _TYPES and not self.int_or_string else ""

    @property
    def format(self) -> str:
        """`date-time`, `byte`, `int32`, `int-or-string` and so on; "" for none."""
        return self._text("format")

    @property
    def unknown(self) -> bool:
        """Whether nothing is known of the value: any may stand here."""
        return not self.type and not self.int_or_string

    @cached_property
    def fields(self) -> Mapping[str, Schema]:
        """The named fields (OpenAPI: properties) of an object, by name; empty for maps and all other values."""
        properties = self._own.get("properties")
        found: dict[str, Schema] = {}
        if self.embedded_resource and not self._builtin:
            found |= _object_fields()
        if isinstance(properties, dict):
            for name, node in properties.items():
                child = self._child(node)
                if child is not None and name not in found:
                    found[name] = child
        return MappingProxyType(found)

    def field(self, name: str) -> Schema | None:
        """What is known of the value under `name`: a named field, a map's value; None if there can be none.

        Where fields that nobody declared are kept, it is a schema that says nothing.
        """
        known = self.fields.get(name)
        if known is not None:
            return known
        if self.values is not None:
            return self.values
        return UNKNOWN if self.open else None

    @property
    def open(self) -> bool:
        """Whether there may be values under names that are declared nowhere."""
        return self.unknown or self.preserve_unknown_fields

    @cached_property
    def values(self) -> Schema | None:
        """The values of a map (OpenAPI: additionalProperties); None for an object with named fields only."""
        node = self._own.get("additionalProperties")
        return UNKNOWN if node is True else self._child(node)

    @cached_property
    def items(self) -> Schema | None:
        """The items of a list; None for what is none, or where nothing is said of them."""
        return self._child(self._own.get("items"))

    @property
    def default(self) -> Any:
        """The value that the API server puts where there is none; MISSING if it puts none. Not to be changed."""
        return self._node.get("default", MISSING)

    @property
    def list_type(self) -> ListType:
        """How lists are merged: replaced as a whole (atomic, as are those that say nothing), as a set, by keys."""
        declared = self._said("x-kubernetes-list-type")
        return declared if declared in ("set", "map") else "atomic"

    @property
    def list_map_keys(self) -> tuple[str, ...]:
        """The fields that tell the items of a list of list_type map apart."""
        return tuple(_texts(self._said("x-kubernetes-list-map-keys")))

    @property
    def map_type(self) -> MapType:
        """Whether objects and maps are merged field by field (granular) or replaced as a whole (atomic)."""
        return "atomic" if self._said("x-kubernetes-map-type") == "atomic" else "granular"

    @cached_property
    def int_or_string(self) -> bool:
        """Whether an integer or a string may stand here."""
        return self._flag("x-kubernetes-int-or-string") or self.format == "int-or-string"

    @property
    def preserve_unknown_fields(self) -> bool:
        """Whether fields that are not declared are kept."""
        return self._flag("x-kubernetes-preserve-unknown-fields")

    @property
    def embedded_resource(self) -> bool:
        """Whether this is an object of a kind of its own, with apiVersion, kind and metadata."""
        return self._flag("x-kubernetes-embedded-resource")


_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
UNKNOWN: Final = Schema(_NOTHING)
"""The schema of a value of which nothing is known."""


class Schemas:
    """The schemas of known kinds, immutable. Start from `builtin()`, add custom ones with `with_crds()`."""

    __slots__ = ("_custom",)

    def __init__(self, custom: Mapping[tuple[str, str], Schema] = MappingProxyType({})) -> None:
        """`custom`: (apiVersion, kind) -> schema, of kinds that are not Kubernetes' own."""
        self._custom = custom

    @classmethod
    def builtin(cls) -> Schemas:
        """The schemas of Kubernetes' own kinds."""
        return _BUILTIN

    def with_crds(self, objects: Iterable[dict[str, Any]]) -> Schemas:
        """These schemas and those of the CustomResourceDefinitions among `objects`; all else is passed over.

        A custom kind takes no built-in one's place.
        """
        added = {key: schema for value in objects for key, schema in _defined(value)}
        return Schemas(MappingProxyType({**self._custom, **added})) if added else self

    def of(self, group: str, version: str, kind: str) -> Schema | None:
        """The schema of a kind's objects; the core group is "". None if its fields are not known."""
        api_version = f"{group}/{version}" if group else version
        name = shipped.index()["kinds"].get(api_version, {}).get(kind)
        return self._custom.get((api_version, kind)) if name is None else _of_definition(name)


_BUILTIN: Final = Schemas()


@cache
def _of_definition(name: str) -> Schema:
    return Schema({"$ref": name}, builtin=True)


@cache
def _object_fields() -> Mapping[str, Schema]:
    """The fields that every object has."""
    text = Schema({"type": "string"}, builtin=True)
    return {"apiVersion": text, "kind": text, "metadata": _of_definition(_METADATA)}


def _defined(value: dict[str, Any]) -> Iterator[tuple[tuple[str, str], Schema]]:
    for version in served_versions(value):
        declared = version.declared.get("schema")
        root = declared.get("openAPIV3Schema") if isinstance(declared, dict) else None
        if isinstance(root, dict) and root.get("type") == "object":
            # Of the root the API server knows apiVersion, kind and metadata itself, as of an embedded object.
            node = {**root, "x-kubernetes-embedded-resource": True}
            if version.preserve_unknown_fields:
                node["x-kubernetes-preserve-unknown-fields"] = True
            yield (version.resource.api_version, version.resource.kind), Schema(node)


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
