"""Which kinds exist: the resource that each kind of object is served as, and whether it lives in a namespace."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from webhook.schema.builtin import CLUSTER_SCOPED, IRREGULAR_PLURALS, NAMESPACED


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind as the API serves it. The core group is the empty string."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """As manifests write it: "v1", "apps/v1"."""
        return f"{self.group}/{self.version}" if self.group else self.version


class Kinds:
    """The kinds that are known, immutable. Start from `builtin()`, add custom ones with `with_crds()`."""

    __slots__ = ("_by_kind", "_by_resource")

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._by_kind: Mapping[tuple[str, str], Resource] = MappingProxyType(
            {(resource.api_version, resource.kind): resource for resource in resources}
        )
        self._by_resource: Mapping[tuple[str, str, str], Resource] = MappingProxyType(
            {(resource.group, resource.version, resource.plural): resource for resource in self._by_kind.values()}
        )

    @classmethod
    def builtin(cls) -> Kinds:
        """The kinds that every Kubernetes cluster serves."""
        return _builtin()

    def with_crds(self, objects: Iterable[dict[str, Any]]) -> Kinds:
        """These kinds and those that the CustomResourceDefinitions among `objects` define; others are passed over."""
        added = [resource for value in objects for resource in _defined(value)]
        return Kinds([*self._by_kind.values(), *added]) if added else self

    def with_resources(self, added: Iterable[Resource], without: Collection[tuple[str, str]] = ()) -> Kinds:
        """These kinds but those of `without`, each (apiVersion, kind), and the ones of `added`."""
        kept = (resource for key, resource in self._by_kind.items() if key not in without)
        return Kinds([*kept, *added])

    def for_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource of ("apps/v1", "Deployment"), None if the kind is not known."""
        return self._by_kind.get((api_version, kind))

    def for_resource(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource ("apps", "v1", "deployments"), None if it is not known."""
        return self._by_resource.get((group, version, plural))

    def guess(self, api_version: str, kind: str) -> Resource:
        """What an unknown kind most likely is: the regular English plural, in a namespace.

        A known kind of the same group in another version lends its plural and scope.
        """
        group, _, version = api_version.rpartition("/")
        for resource in self._by_kind.values():
            if resource.group == group and resource.kind == kind:
                return Resource(group, version, kind, resource.plural, resource.namespaced)
        return Resource(group, version, kind, plural_of(kind), True)

    def __len__(self) -> int:
        return len(self._by_kind)


def plural_of(kind: str) -> str:
    """The regular English plural, in lower case: networkpolicies, ingresses, gateways, pods."""
    name = kind.lower()
    if name.endswith(("s", "x", "z", "ch", "sh")):
        return name + "es"
    if name.endswith("y") and name[-2:-1] not in ("a", "e", "i", "o", "u"):
        return name[:-1] + "ies"
    return name + "s"


@cache
def _builtin() -> Kinds:
    resources = []
    for table, namespaced in ((NAMESPACED, True), (CLUSTER_SCOPED, False)):
        for api_version, kinds in table.items():
            group, _, version = api_version.rpartition("/")
            for kind in kinds.split():
                plural = IRREGULAR_PLURALS.get(kind) or plural_of(kind)
                resources.append(Resource(group, version, kind, plural, namespaced))
    return Kinds(resources)


def _defined(value: dict[str, Any]) -> list[Resource]:
    """The resources that a CustomResourceDefinition serves; nothing for any other object or one that is malformed."""
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
    return [
        Resource(group, version["name"], kind, plural, spec.get("scope") != "Cluster")
        for version in versions
        if isinstance(version, dict) and isinstance(version.get("name"), str) and version.get("served") is not False
    ]
