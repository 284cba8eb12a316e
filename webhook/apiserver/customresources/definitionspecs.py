"""The spec of a CustomResourceDefinition as it was written, with the defaults of absent fields."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from webhook.apiserver.customresources import structural
from webhook.apiserver.customresources.structural import Schema, SchemaError
from webhook.paths import Path


class VersionSpec(Struct, frozen=True):
    path: Path
    holder: dict[str, Any]
    name: str
    served: bool
    storage: bool
    schema: Schema | None


class DefinitionSpec:
    """A definition's spec, with the defaults of absent fields. Raises SchemaError for fields of wrong types."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        path: Path = ("spec",)
        self.group: str = _get(spec, "group", path, str) or ""
        self.scope: str = _get(spec, "scope", path, str) or ""
        self.preserve: bool = bool(_get(spec, "preserveUnknownFields", path, bool))
        names = _get(spec, "names", path, dict) or {}
        here = (*path, "names")
        self.names: dict[str, str] = {
            name: _get(names, name, here, str) or "" for name in ("plural", "singular", "kind", "listKind")
        }
        self.lists: dict[str, list[Any]] = {
            name: _get(names, name, here, list) or [] for name in ("shortNames", "categories")
        }
        self.names["singular"] = self.names["singular"] or self.names["kind"].lower()
        if not self.names["listKind"] and self.names["kind"]:
            self.names["listKind"] = f"{self.names['kind']}List"
        self.versions = [
            _version(item, (*path, "versions", place))
            for place, item in enumerate(_get(spec, "versions", path, list) or [])
        ]
        self.conversion: dict[str, Any] = _get(spec, "conversion", path, dict) or {"strategy": "None"}


def _get(holder: dict[str, Any], name: str, path: Path, kind: type) -> Any:
    value = holder.get(name)
    if value is None:
        return None
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        words = {str: "a string", bool: "a boolean", dict: "an object", list: "a list"}[kind]
        raise SchemaError((*path, name), f"expected {words}")
    return value


def _version(item: Any, path: Path) -> VersionSpec:
    if not isinstance(item, dict):
        raise SchemaError(path, "expected an object")
    holder = _get(item, "schema", path, dict)
    schema = None
    if holder is not None and holder.get("openAPIV3Schema") is not None:
        schema = structural.read(holder["openAPIV3Schema"], (*path, "schema", "openAPIV3Schema"))
    for name in ("subresources",):
        subresources = _get(item, name, path, dict) or {}
        for each in ("status", "scale"):
            _get(subresources, each, (*path, name), dict)
    for name in ("additionalPrinterColumns", "selectableFields"):
        for place, each in enumerate(_get(item, name, path, list) or []):
            if not isinstance(each, dict):
                raise SchemaError((*path, name, place), "expected an object")
    return VersionSpec(
        path,
        item,
        _get(item, "name", path, str) or "",
        bool(_get(item, "served", path, bool)),
        bool(_get(item, "storage", path, bool)),
        schema,
    )
