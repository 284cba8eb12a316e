"""The plugin ServiceAccount: the account of a Pod, its pull secrets, and the volume with its token."""

from __future__ import annotations

from typing import Any, Final

from webhook.apiserver.plugins.lookups import Run, metadata_of

TOKEN_VOLUME: Final = "kube-api-access-"  # noqa: S105 - the name of a volume
_RANDOM: Final = "xxxxx"
"""Stands for the random end of a name."""
_TOKEN_PATH: Final = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - the path of a mount
_TOKEN_SECONDS: Final = 3607
_MIRROR_POD: Final = "kubernetes.io/config.mirror"


def service_account(pod: dict[str, Any], run: Run) -> None:
    """The account, its pull secrets, and the volume with its token."""
    if _MIRROR_POD in metadata_of(pod, "annotations"):
        return
    spec = pod["spec"]
    name = spec.get("serviceAccountName")
    if not name:
        spec["serviceAccountName"] = spec["serviceAccount"] = name = "default"
    account = run.at_hand.get("v1", "ServiceAccount", name, run.namespace) or {}
    automount = spec.get("automountServiceAccountToken")
    if automount is None:
        automount = account.get("automountServiceAccountToken")
    if automount is None or automount:
        _mount_token(spec)
    if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
        spec["imagePullSecrets"] = [dict(each) for each in account["imagePullSecrets"]]


def _mount_token(spec: dict[str, Any]) -> None:
    volumes = spec.get("volumes", [])
    names = (each.get("name", "") for each in volumes)
    given = next((name for name in names if name.startswith(TOKEN_VOLUME)), None)
    name = given or TOKEN_VOLUME + _RANDOM
    needed = False
    for field in ("initContainers", "containers"):
        for container in spec.get(field, ()):
            mounts = container.get("volumeMounts", [])
            if not any(each.get("mountPath") == _TOKEN_PATH for each in mounts):
                mount = {"name": name, "readOnly": True, "mountPath": _TOKEN_PATH}
                container["volumeMounts"] = [*mounts, mount]
                needed = True
    if needed and given is None:
        spec["volumes"] = [*volumes, {"name": name, "projected": _token_source()}]


def _token_source() -> dict[str, Any]:
    reference = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    authority = {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    return {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": _TOKEN_SECONDS, "path": "token"}},
            {"configMap": authority},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": reference}]}},
        ],
        "defaultMode": 0o644,
    }
