"""The known kinds: the resource that serves each kind, and whether it is namespaced."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from webhook.schema import builtin
from webhook.schema.crds import Resource, served_versions
from webhook.versions import NEWEST, Version


class Kinds:
    """An immutable set of known kinds. Start from `builtin()`; add custom kinds with `with_crds()`.

    `groups`: the API groups of all. `plurals`: group and plural of each.
    """

    __slots__ = ("_by_kind", "_by_resource", "groups", "plurals")

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._by_kind: Mapping[tuple[str, str], Resource] = MappingProxyType(
            {(resource.api_version, resource.kind): resource for resource in resources}
        )
        self._by_resource: Mapping[tuple[str, str, str], Resource] = MappingProxyType(
            {(resource.group, resource.version, resource.plural): resource for resource in self._by_kind.values()}
        )
        self.groups = frozenset(resource.group for resource in self._by_kind.values())
        self.plurals = frozenset((resource.group, resource.plural) for resource in self._by_kind.values())

    @classmethod
    def builtin(cls, target: Version = NEWEST) -> Kinds:
        """The kinds that clusters of a Kubernetes version can serve."""
        return _builtin(target)

    def with_crds(self, objects: Iterable[dict[str, Any]]) -> Kinds:
        """These kinds and those of the CustomResourceDefinitions among `objects`. Other objects are ignored."""
        added = [version.resource for value in objects for version in served_versions(value)]
        return Kinds([*self._by_kind.values(), *added]) if added else self

    def with_resources(self, added: Iterable[Resource], without: Collection[tuple[str, str]] = ()) -> Kinds:
        """These kinds without those in `without`, each (apiVersion, kind), plus those in `added`."""
        kept = (resource for key, resource in self._by_kind.items() if key not in without)
        return Kinds([*kept, *added])

    def for_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource that serves a kind, such as ("apps/v1", "Deployment"); None if the kind is unknown."""
        return self._by_kind.get((api_version, kind))

    def for_resource(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource by group, version and plural, such as ("apps", "v1", "deployments"); None if it is unknown."""
        return self._by_resource.get((group, version, plural))

    def guess(self, api_version: str, kind: str) -> Resource:
        """The most likely resource of an unknown kind.

        If another version of the kind is known: its plural and scope; else those of well-known projects. Otherwise:
        the regular English plural, namespaced.
        """
        from webhook.schema import projectkinds  # where there is an unknown kind

        group, _, version = api_version.rpartition("/")
        for resource in self._by_kind.values():
            if resource.group == group and resource.kind == kind:
                return Resource(group, version, kind, resource.plural, resource.namespaced)
        plural = projectkinds.irregular(group, kind) or plural_of(kind)
        return Resource(group, version, kind, plural, not projectkinds.cluster_scoped(group, kind))

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._by_kind.values())

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
def _builtin(target: Version) -> Kinds:
    resources = []
    for api_version, kind, plural, namespaced in builtin.served(target):
        group, _, version = api_version.rpartition("/")
        resources.append(Resource(group, version, kind, plural, namespaced))
    return Kinds(resources)
