"""CustomResourceDefinitions: the kinds that they define, unless the API server refuses them."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from webhook.apiserver.customresources import definitionrefusals
from webhook.apiserver.customresources.definitionspecs import DefinitionSpec, VersionSpec
from webhook.apiserver.customresources.structural import Schema, SchemaError
from webhook.apiserver.fielderrors import OMITTED, FieldError, invalid
from webhook.versions import NEWEST, Version


class Kind(Struct, frozen=True, eq=False):
    """A version of a custom kind, which only equals itself.

    status: it has the status subresource. scale: the paths of its scale subresource, if it has one.
    """

    group: str
    version: str
    kind: str
    namespaced: bool
    schema: Schema
    status: bool
    scale: dict[str, str] | None
    target: Version

    @property
    def api_version(self) -> str:
        """group/version"""
        return f"{self.group}/{self.version}"


class Definition(Struct):
    """A definition as it was read. refused: what the API server refuses of it; it then defines no kinds.

    kinds: by version, those that are served.
    """

    refused: list[FieldError] = field(default_factory=list)
    kinds: dict[str, Kind] = field(default_factory=dict)


def read(value: dict[str, Any], target: Version = NEWEST) -> Definition:
    """Read a CustomResourceDefinition of apiextensions.k8s.io/v1. target: the version of the API server."""
    definition = Definition()
    spec = value.get("spec")
    if not isinstance(spec, dict):
        words = "expected an object, found none" if spec is None else "expected an object"
        definition.refused.append(invalid(("spec",), OMITTED, words))
        return definition
    try:
        written = DefinitionSpec(spec)
    except SchemaError as error:
        definition.refused.append(invalid(error.path, OMITTED, error.message))
        return definition
    definition.refused = definitionrefusals.refusals(value, written, target)
    if not definition.refused:
        definition.kinds = {each.name: _kind(each, written, target) for each in written.versions if each.served}
    return definition


def _kind(version: VersionSpec, written: DefinitionSpec, target: Version) -> Kind:
    subresources = version.holder.get("subresources") or {}
    assert version.schema is not None  # noqa: S101 - a definition without a schema is refused
    return Kind(
        written.group,
        version.name,
        written.names["kind"],
        written.scope == "Namespaced",
        version.schema,
        subresources.get("status") is not None,
        subresources.get("scale"),
        target,
    )
