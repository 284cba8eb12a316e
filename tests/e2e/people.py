"""The RBAC of the tests' users: no controller runs that would aggregate ClusterRoles such as `edit`."""

from __future__ import annotations

from typing import Any

from tests.e2e.controlplane import CONTROLLER, DEVELOPER

_RBAC = "rbac.authorization.k8s.io"

_DEVELOPER_RULES = [
    {
        "apiGroups": ["", "apps", "batch", "autoscaling", "policy", "networking.k8s.io"],
        "resources": ["*"],
        "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
    }
]
# A controller's: it finds what it cleans up after, and says so.
_CONTROLLER_RULES = [{"apiGroups": [""], "resources": ["services", "configmaps"], "verbs": ["get", "list", "patch"]}]


def roles() -> list[dict[str, Any]]:
    """ClusterRoles and bindings of the developer and of the controller."""
    return [
        _role("developer", _DEVELOPER_RULES),
        _binding("developer", {"kind": "Group", "name": DEVELOPER.groups[0], "apiGroup": _RBAC}),
        _role("cleanup-controller", _CONTROLLER_RULES),
        _binding("cleanup-controller", {"kind": "User", "name": CONTROLLER.name, "apiGroup": _RBAC}),
    ]


def _role(name: str, rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}


def _binding(name: str, subject: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": name},
        "subjects": [subject],
    }
