"""Defaults of RoleBindings and ClusterRoleBindings (rbac.authorization.k8s.io/v1): API groups that are left out."""

from __future__ import annotations

from typing import Any, Final

from webhook.apiserver.defaults.absent import struct
from webhook.apiserver.defaults.defaulting import Function

_GROUP: Final = "rbac.authorization.k8s.io"


def binding(value: dict[str, Any]) -> None:
    struct(value, "roleRef").setdefault("apiGroup", _GROUP)


def subject(value: dict[str, Any]) -> None:
    if "apiGroup" not in value and value.get("kind") in ("User", "Group"):
        value["apiGroup"] = _GROUP


FUNCTIONS: Final[dict[str, Function]] = {
    "v1.ClusterRoleBinding": binding,
    "v1.RoleBinding": binding,
    "v1.Subject": subject,
}
