"""The kinds that Kubernetes serves, by group and version: those of the shipped schemas, and what came before them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from webhook.schema.shipped import index

# Served by Kubernetes 1.36 and no more by the release that the schemas are of.
_EARLIER: Final = (
    ("certificates.k8s.io/v1alpha1", "ClusterTrustBundle", "clustertrustbundles", False),
    ("scheduling.k8s.io/v1alpha2", "PodGroup", "podgroups", True),
    ("scheduling.k8s.io/v1alpha2", "Workload", "workloads", True),
)


def served() -> Iterator[tuple[str, str, str, bool]]:
    """(apiVersion, kind, plural, namespaced) of each kind whose objects are created or listed on their own: Scale,
    Eviction, TokenRequest and the like are subresources of others.
    """
    for api_version, kinds in index()["resources"].items():
        for kind, (plural, namespaced) in kinds.items():
            yield api_version, kind, plural, namespaced
    yield from _EARLIER
