"""The kinds that CustomResourceDefinitions define.

Definitions are untrusted input: malformed parts are ignored.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Resource(Struct, frozen=True):
    """A kind and the resource that serves it. The core group is "". `plural`: the resource's name in URLs and rules."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """The apiVersion of the kind's objects: "v1", "apps/v1"."""
        return f"{self.group}/{self.version}" if self.group else self.version


class ServedVersion(Struct, frozen=True):
    """One served version of a custom kind. `declared`: its entry in the definition's spec.versions."""

    resource: Resource
    declared: dict[str, Any]
    preserve_unknown_fields: bool


def served_versions(value: dict[str, Any]) -> list[ServedVersion]:
    """The versions that a CustomResourceDefinition serves. Empty for other objects and malformed definitions."""
    if value.get("kind") != "CustomResourceDefinition" or not str(value.get("apiVersion")).startswith(
        "apiextensions.k8s.io/"
    ):
        return []
    spec = value.get("spec")
    names = spec.get("names") if isinstance(spec, dict) else None
    if not isinstance(spec, dict) or not isinstance(names, dict):
        return []
    group, kind, plural = spec.get("group"), names.get("kind"), names.get("plural")
    versions = spec.get("versions")
    if not isinstance(versions, list):
        versions = [{"name": spec.get("version")}]  # as v1beta1 allowed
    if not (isinstance(group, str) and isinstance(kind, str) and isinstance(plural, str)):
        return []
    preserve = spec.get("preserveUnknownFields") is True
    return [
        ServedVersion(Resource(group, version["name"], kind, plural, spec.get("scope") != "Cluster"), version, preserve)
        for version in versions
        if isinstance(version, dict) and isinstance(version.get("name"), str) and version.get("served") is not False
    ]
