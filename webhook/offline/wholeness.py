"""Whether the API server would create an object from a file alone, or refuses it because it is a part of one.

A patch that kustomize merges into an object has mostly too little to be created: a Deployment without a selector. One
that has enough is an object, whatever a kustomization says of its file: `kubectl apply -f` would create it.

Source: the validation of each kind (pkg/apis/*/validation); tests/e2e/test_manifest_files.py asks the API server.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from webhook.offline.podtemplates import pods_of, template_of
from webhook.paths import Path, lookup
from webhook.schema.kinds import plural_of

_NEEDED: Final[dict[tuple[str, str], tuple[Path, ...]]] = {
    ("", "PersistentVolume"): (("spec", "capacity"), ("spec", "accessModes")),
    ("", "PersistentVolumeClaim"): (("spec", "accessModes"), ("spec", "resources", "requests", "storage")),
    ("", "Pod"): (("spec", "containers"),),
    ("", "ReplicationController"): (("spec", "template"),),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): (("spec", "group"), ("spec", "names"), ("spec", "versions")),
    ("apps", "DaemonSet"): (("spec", "selector"), ("spec", "template")),
    ("apps", "Deployment"): (("spec", "selector"), ("spec", "template")),
    ("apps", "ReplicaSet"): (("spec", "selector"), ("spec", "template")),
    ("apps", "StatefulSet"): (("spec", "selector"), ("spec", "template")),
    ("autoscaling", "HorizontalPodAutoscaler"): (("spec", "scaleTargetRef"), ("spec", "maxReplicas")),
    ("batch", "CronJob"): (("spec", "schedule"), ("spec", "jobTemplate")),
    ("batch", "Job"): (("spec", "template"),),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): (("roleRef",),),
    ("rbac.authorization.k8s.io", "RoleBinding"): (("roleRef",),),
    ("storage.k8s.io", "StorageClass"): (("provisioner",),),
}


def is_whole(value: dict[str, Any]) -> bool:
    """Whether an object has what the API server demands of its kind. Of kinds that are not known it is taken to."""
    group = value["apiVersion"].rpartition("/")[0]
    kind = value["kind"]
    if any(not _given(value, path) for path in _NEEDED.get((group, kind), ())):
        return False
    check = _CHECKS.get((group, kind))
    if check is not None and not check(value):
        return False
    if (group, kind) == ("", "Pod"):
        return _has_images(value)
    template = template_of(value)
    if template is not None:
        return _has_images(template)
    # The API server takes any custom workload. Of one of whose Pods none can be created, nothing runs.
    pods = pods_of(value, plural_of(kind))
    return not pods or any(_has_images(pod.object) for pod in pods)


def _given(value: Any, path: Path) -> bool:
    try:
        return lookup(value, path) not in (None, "", [], {})
    except (LookupError, TypeError):
        return False


def _has_images(template: dict[str, Any]) -> bool:
    spec = template.get("spec")
    containers = spec.get("containers") if isinstance(spec, dict) else None
    if not isinstance(containers, list):
        return False
    return all(not isinstance(each, dict) or bool(each.get("image")) for each in containers)


def _service(value: dict[str, Any]) -> bool:
    spec = value.get("spec")
    if not isinstance(spec, dict):
        return False
    return bool(spec.get("ports")) or spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None"


def _ingress(value: dict[str, Any]) -> bool:
    spec = value.get("spec")
    return isinstance(spec, dict) and bool(spec.get("rules") or spec.get("defaultBackend"))


_CHECKS: Final[dict[tuple[str, str], Callable[[dict[str, Any]], bool]]] = {
    ("", "Service"): _service,
    ("networking.k8s.io", "Ingress"): _ingress,
}
