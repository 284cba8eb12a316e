"""Resources of well-known custom kinds, without their definitions."""

from __future__ import annotations

import pytest

from webhook.schema import Kinds
from webhook.schema.kinds import plural_of
from webhook.schema.projectkinds import CLUSTER_SCOPED, cluster_scoped, irregular


@pytest.mark.parametrize(
    ("api_version", "kind", "plural", "namespaced"),
    [
        ("cert-manager.io/v1", "ClusterIssuer", "clusterissuers", False),
        ("cert-manager.io/v1", "Issuer", "issuers", True),
        ("security.openshift.io/v1", "SecurityContextConstraints", "securitycontextconstraints", False),
        ("cluster.x-k8s.io/v1beta1", "Cluster", "clusters", True),  # a name says nothing
        ("operators.coreos.com/v1alpha1", "ClusterServiceVersion", "clusterserviceversions", True),
        ("constraints.gatekeeper.sh/v1beta1", "K8sRequiredLabels", "k8srequiredlabels", False),
        ("chaos-mesh.org/v1alpha1", "PodChaos", "podchaos", True),
        ("chaos-mesh.org/v1alpha1", "Schedule", "schedules", True),
        ("karpenter.sh/v1", "NodePool", "nodepools", False),
        ("example.com/v1", "ClusterIssuer", "clusterissuers", True),  # of another group
        ("argoproj.io/v1alpha1", "EventBus", "eventbus", True),
    ],
)
def test_the_resource_is_that_of_the_project(api_version: str, kind: str, plural: str, namespaced: bool) -> None:
    guessed = Kinds.builtin().guess(api_version, kind)
    assert (guessed.plural, guessed.namespaced) == (plural, namespaced)


def test_nothing_stands_here_twice_or_for_nothing() -> None:
    assert list(CLUSTER_SCOPED) == sorted(CLUSTER_SCOPED)
    for group, text in CLUSTER_SCOPED.items():
        kinds = text.split()
        assert kinds == sorted(set(kinds)), group
        assert all(cluster_scoped(group, kind) for kind in kinds)
        assert all(
            Kinds.builtin().for_kind(f"{group}/{version}", kind) is None for kind in kinds for version in ("v1",)
        )
    for group, kind in (("mutations.gatekeeper.sh", "Assign"), ("elbv2.k8s.aws", "IngressClassParams")):
        assert irregular(group, kind) != plural_of(kind)
