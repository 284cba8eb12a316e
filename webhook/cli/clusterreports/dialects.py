"""The kinds of report objects, and the rights that writing them needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

OWNER: Final = "gatewright-reports"
"""The ClusterRole with the rights. If it exists, it owns the reports: deleting it deletes them."""


class Dialect(Struct, frozen=True):
    """A kind of report for objects in namespaces, and one for cluster-scoped objects; both have the same content.

    `sourced`: whether the report names its source, beside each result.
    """

    name: str
    api_version: str
    kind: str
    plural: str
    cluster_kind: str
    cluster_plural: str
    sourced: bool

    @property
    def group(self) -> str:
        return self.api_version.partition("/")[0]


OPENREPORTS: Final = Dialect(
    "openreports", "openreports.io/v1alpha1", "Report", "reports", "ClusterReport", "clusterreports", sourced=True
)
POLICYREPORT: Final = Dialect(
    "policyreport",
    "wgpolicyk8s.io/v1alpha2",
    "PolicyReport",
    "policyreports",
    "ClusterPolicyReport",
    "clusterpolicyreports",
    sourced=False,
)
DIALECTS: Final = (OPENREPORTS, POLICYREPORT)
"""The first is written if the cluster serves both: it is the successor of the other."""


def rules(dialects: Sequence[Dialect] = DIALECTS) -> list[dict[str, Any]]:
    """The rights that writing reports needs, as rules of a ClusterRole."""
    return [
        *(
            {
                "apiGroups": [each.group],
                "resources": [each.plural, each.cluster_plural],
                "verbs": ["list", "create", "patch", "delete"],
            }
            for each in dialects
        ),
        {
            "apiGroups": ["rbac.authorization.k8s.io"],
            "resources": ["clusterroles"],
            "resourceNames": [OWNER],
            "verbs": ["get"],
        },
    ]


def manifests(namespace: str, account: str, dialects: Sequence[Dialect] = DIALECTS) -> list[dict[str, Any]]:
    """The ClusterRole, and its binding to a service account."""
    group = "rbac.authorization.k8s.io"
    return [
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": OWNER},
            "rules": rules(dialects),
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": OWNER},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": OWNER},
            "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": account}],
        },
    ]
