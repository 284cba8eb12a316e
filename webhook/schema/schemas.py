"""The schemas of kinds: of built-in kinds from the shipped files, of custom kinds from CustomResourceDefinitions.

A Schema reads its OpenAPI node lazily, one level at a time: definitions are recursive, and callers use few of a kind's
fields. CustomResourceDefinitions are untrusted input: a malformed node, or one deeper than MAX_LEVELS, is a schema
about which nothing is known (`Schema.unknown`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any, Final, Literal

from webhook.schema import shipped
from webhook.schema.crds import served_versions

MAX_LEVELS: Final = 100
"""The levels of fields, items and map values that are read below the root of a CustomResourceDefinition's schema."""

MISSING: Final = object()
"""The `default` of a field without one. (None stands for null, which is a value.)"""

_METADATA: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

ListType = Literal["atomic", "set", "map"]
MapType = Literal["granular", "atomic"]
_TYPES: Final = frozenset({"object", "array", "string", "integer", "number", "boolean"})


class Schema:
    """The immutable schema of one value: an object, a field, or the items of a list.

    Properties are named after the keywords of OpenAPI and of Kubernetes' extensions (x-kubernetes-…).
    """

    def __init__(self, node: Mapping[str, Any], *, builtin: bool = False, levels: int = MAX_LEVELS) -> None:
        """`node`: the OpenAPI form. `builtin`: it is trusted, and its references name shipped definitions.

        `levels`: how many levels below it are read, if it is not `builtin`.
        """
        self._node = node
        self._builtin = builtin
        self._levels = levels

    def __repr__(self) -> str:
        name = self.definition
        return f"Schema({name or self.type or 'unknown'})"

    @cached_property
    def _own(self) -> Mapping[str, Any]:
        """The node that `$ref` names; without a reference, the node itself."""
        node, name = self._node, self.definition
        if not name:
            return node
        found = shipped.definition(name)
        return _NOTHING if found is None else found

    def _keyword(self, keyword: str) -> Any:
        """The value of a keyword in the node itself or else in the definition that it refers to."""
        value = self._node.get(keyword, MISSING)
        return self._own.get(keyword) if value is MISSING else value

    def _flag(self, keyword: str) -> bool:
        return self._keyword(keyword) is True

    def _text(self, keyword: str) -> str:
        value = self._keyword(keyword)
        return value if isinstance(value, str) else ""

    def _child(self, node: Any) -> Schema | None:
        if not isinstance(node, dict):
            return None
        if self._builtin:
            return _of_builtin(node)
        if self._levels <= 0:
            return UNKNOWN
        return Schema(node, levels=self._levels - 1)

    @property
    def definition(self) -> str:
        """The name of the definition that the node refers to (`io.k8s.api.core.v1.Container`); "" if it is inline."""
        reference = self._node.get("$ref") if self._builtin else None
        return reference if isinstance(reference, str) else ""

    @cached_property
    def type(self) -> str:
        """object, array, string, integer, number or boolean; "" if several types or all are allowed."""
        declared = self._keyword("type")
        return declared if isinstance(declared, str) and declared in _TYPES and not self.int_or_string else ""

    @property
    def format(self) -> str:
        """`date-time`, `byte`, `int32`, `int-or-string` and so on; "" for none."""
        return self._text("format")

    @property
    def unknown(self) -> bool:
        """Whether nothing is known about the value: every type is allowed."""
        return not self.type and not self.int_or_string

    @cached_property
    def fields(self) -> Mapping[str, Schema]:
        """The declared fields (OpenAPI: properties) of an object, by name; empty for maps and all other values."""
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
        """The schema of the value under `name`: a declared field or a map's value. None if the name is not allowed.

        UNKNOWN for an undeclared field of an object that preserves unknown fields.
        """
        known = self.fields.get(name)
        if known is not None:
            return known
        if self.values is not None:
            return self.values
        return UNKNOWN if self.open else None

    @property
    def open(self) -> bool:
        """Whether undeclared fields are allowed."""
        return self.unknown or self.preserve_unknown_fields

    @cached_property
    def values(self) -> Schema | None:
        """The values of a map (OpenAPI: additionalProperties); None for an object with named fields only."""
        node = self._own.get("additionalProperties")
        return UNKNOWN if node is True else self._child(node)

    @cached_property
    def items(self) -> Schema | None:
        """The schema of a list's items; None if the value is no list, or if the schema does not describe them."""
        return self._child(self._own.get("items"))

    @property
    def default(self) -> Any:
        """The value that the API server sets if the field is absent; MISSING without a default. Do not modify it."""
        return self._node.get("default", MISSING)

    @property
    def list_type(self) -> ListType:
        """How lists are merged: replaced as a whole (atomic, the default), as a set, or item by item by keys (map)."""
        declared = self._keyword("x-kubernetes-list-type")
        return declared if declared in ("set", "map") else "atomic"

    @property
    def list_map_keys(self) -> tuple[str, ...]:
        """The fields that identify an item, in a list of list_type map."""
        return tuple(_texts(self._keyword("x-kubernetes-list-map-keys")))

    @property
    def map_type(self) -> MapType:
        """Whether objects and maps are merged field by field (granular) or replaced as a whole (atomic)."""
        return "atomic" if self._keyword("x-kubernetes-map-type") == "atomic" else "granular"

    @cached_property
    def int_or_string(self) -> bool:
        """Whether integers and strings are both allowed."""
        return self._flag("x-kubernetes-int-or-string") or self.format == "int-or-string"

    @property
    def preserve_unknown_fields(self) -> bool:
        """Whether the API server keeps undeclared fields."""
        return self._flag("x-kubernetes-preserve-unknown-fields")

    @property
    def embedded_resource(self) -> bool:
        """Whether the value is a complete Kubernetes object, with apiVersion, kind and metadata."""
        return self._flag("x-kubernetes-embedded-resource")


_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
UNKNOWN: Final = Schema(_NOTHING)
"""The schema of a value about which nothing is known."""


class Schemas:
    """An immutable set of schemas by kind. Start from `builtin()`; add custom kinds with `with_crds()`."""

    __slots__ = ("_custom",)

    def __init__(self, custom: Mapping[tuple[str, str], Schema] = MappingProxyType({})) -> None:
        """`custom`: (apiVersion, kind) -> schema, for kinds that are not built in."""
        self._custom = custom

    @classmethod
    def builtin(cls) -> Schemas:
        """The schemas of the built-in kinds."""
        return _BUILTIN

    def with_crds(self, objects: Iterable[dict[str, Any]]) -> Schemas:
        """These schemas and those of the CustomResourceDefinitions among `objects`. Other objects are ignored.

        A custom kind cannot replace a built-in one.
        """
        added = {key: schema for value in objects for key, schema in _defined(value)}
        return Schemas(MappingProxyType({**self._custom, **added})) if added else self

    def of(self, group: str, version: str, kind: str) -> Schema | None:
        """The schema of a kind; the core group is "". None if it is unknown."""
        api_version = f"{group}/{version}" if group else version
        name = shipped.index()["kinds"].get(api_version, {}).get(kind)
        return self._custom.get((api_version, kind)) if name is None else _of_definition(name)


_BUILTIN: Final = Schemas()


@cache
def _of_definition(name: str) -> Schema:
    return Schema({"$ref": name}, builtin=True)


@cache
def _of_defaulted(name: str) -> Schema:
    return Schema({"$ref": name, "default": {}}, builtin=True)


def _of_builtin(node: dict[str, Any]) -> Schema:
    """The schema of a shipped node. Nodes that only refer to the same definition have the same one: a Pod's spec is
    read once, not once for each workload."""
    name = node.get("$ref")
    if isinstance(name, str):
        if len(node) == 1:
            return _of_definition(name)
        if len(node) == 2 and node.get("default") == {}:
            return _of_defaulted(name)
    return Schema(node, builtin=True)


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
            # As in an embedded object, apiVersion, kind and metadata are part of the root without being declared.
            node = {**root, "x-kubernetes-embedded-resource": True}
            if version.preserve_unknown_fields:
                node["x-kubernetes-preserve-unknown-fields"] = True
            yield (version.resource.api_version, version.resource.kind), Schema(node)


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
