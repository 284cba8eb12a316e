"""The built-in kinds of Kubernetes: those of the shipped schemas, and those that only an earlier release served."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from webhook.schema.shipped import index

# Served by Kubernetes 1.36, but no longer by the release of the shipped schemas.
_EARLIER: Final = (
    ("certificates.k8s.io/v1alpha1", "ClusterTrustBundle", "clustertrustbundles", False),
    ("scheduling.k8s.io/v1alpha2", "PodGroup", "podgroups", True),
    ("scheduling.k8s.io/v1alpha2", "Workload", "workloads", True),
)


def served() -> Iterator[tuple[str, str, str, bool]]:
    """(apiVersion, kind, plural, namespaced) of each kind that can be created or listed.

    Kinds that exist only as subresources (Scale, Eviction, TokenRequest) are not among them.
    """
    for api_version, kinds in index()["resources"].items():
        for kind, (plural, namespaced) in kinds.items():
            yield api_version, kind, plural, namespaced
    yield from _EARLIER
