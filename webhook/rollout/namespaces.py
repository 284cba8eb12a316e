"""The labels of namespaces: from audits of the clusters, else from recorded reviews, else from the Namespaces of the
policy tree. A namespace that none of them has is unknown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from webhook.rollout.rings import Ring

Labels = Mapping[str, Any]

_NAME: Final = "kubernetes.io/metadata.name"  # which the API server sets on each Namespace

MOST: Final = 100_000
"""The most namespaces that are kept of each source."""


class Namespaces:
    """The labels of namespaces by name. A name has several in a fleet: those of each cluster."""

    def __init__(self) -> None:
        self._audited: dict[str, list[Labels]] = {}
        self._recorded: dict[str, list[Labels]] = {}
        self._written: dict[str, list[Labels]] = {}

    def audited(self, name: str, labels: Labels) -> None:
        """A Namespace of an audited cluster."""
        if len(self._audited) < MOST or name in self._audited:
            self._audited.setdefault(name, []).append(labels)

    def recorded(self, name: str, labels: Labels) -> None:
        """A Namespace that a recorded review looked up, or was about; later ones take its place."""
        if len(self._recorded) < MOST or name in self._recorded:
            self._recorded[name] = [labels]

    def written(self, objects: Iterable[Mapping[str, Any]]) -> None:
        """The Namespaces among the objects of the policy tree."""
        for each in objects:
            metadata = each.get("metadata")
            if each.get("kind") != "Namespace" or each.get("apiVersion") != "v1" or not isinstance(metadata, dict):
                continue
            labels = metadata.get("labels")
            name = str(metadata.get("name"))
            self._written[name] = [{**(labels if isinstance(labels, dict) else {}), _NAME: name}]

    def of(self, name: str) -> list[Labels] | None:
        """The labels of a namespace, in each cluster that has it; None if they are not known."""
        for known in (self._audited, self._recorded, self._written):
            if name in known:
                return known[name]
        return None

    def inside(self, ring: Ring) -> set[str]:
        """The known namespaces of the ring."""
        names = {*self._audited, *self._recorded, *self._written}
        return {name for name in names if any(map(ring.has, self.of(name) or ()))}
