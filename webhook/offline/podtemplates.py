"""The Pods of workloads, as each workload's controller would create them.

Sources: the controllers of kube-controller-manager (pkg/controller: GetPodFromTemplate, replicaset, statefulset,
daemon, job). Values that only the controller knows, such as the hash of a template, consist of the letter x.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from webhook.paths import Path, lookup

HASH: Final = "x" * 10  # as long as a pod-template-hash
SUFFIX: Final = "x" * 5  # as long as the suffix that the API server appends to a generateName
UID: Final = "00000000-0000-0000-0000-000000000000"

TEMPLATE: Final[Path] = ("spec", "template")
CRON_JOB_TEMPLATE: Final[Path] = ("spec", "jobTemplate", "spec", "template")


@dataclass(frozen=True, slots=True)
class ControlledPod:
    """A Pod that a controller creates. `template`: the path of its template in the workload."""

    object: dict[str, Any]
    template: Path
    controller: str  # the name of the controller's service account in kube-system


@dataclass(frozen=True, slots=True)
class _Workload:
    """How the controller of one kind creates Pods.

    `owner`: apiVersion and kind of the Pod's owner. `owner_suffix`: what the owner's name appends to the workload's.
    `labels`: owner's name → the labels that the controller adds.
    """

    controller: str
    owner: tuple[str, str]
    owner_suffix: str = ""
    template: Path = TEMPLATE
    labels: Callable[[str], dict[str, str]] = lambda _owner: {}


def _job_labels(owner: str) -> dict[str, str]:
    names = {"job-name": owner, "controller-uid": UID}
    return names | {f"batch.kubernetes.io/{key}": value for key, value in names.items()}


_REPLICA_SET = ("apps/v1", "ReplicaSet")
_JOB = ("batch/v1", "Job")

_WORKLOADS: Final[dict[tuple[str, str], _Workload]] = {
    ("apps", "Deployment"): _Workload(
        "replicaset-controller", _REPLICA_SET, f"-{HASH}", labels=lambda _owner: {"pod-template-hash": HASH}
    ),
    ("apps", "ReplicaSet"): _Workload("replicaset-controller", _REPLICA_SET),
    ("apps", "StatefulSet"): _Workload("statefulset-controller", ("apps/v1", "StatefulSet")),
    ("apps", "DaemonSet"): _Workload(
        "daemon-set-controller",
        ("apps/v1", "DaemonSet"),
        labels=lambda _owner: {"controller-revision-hash": HASH, "pod-template-generation": "1"},
    ),
    ("", "ReplicationController"): _Workload("replication-controller", ("v1", "ReplicationController")),
    ("batch", "Job"): _Workload("job-controller", _JOB, labels=_job_labels),
    ("batch", "CronJob"): _Workload("job-controller", _JOB, "-" + "x" * 8, CRON_JOB_TEMPLATE, _job_labels),
}


def template_of(workload: dict[str, Any]) -> dict[str, Any] | None:
    """The Pod template of a workload; None for other kinds, and if there is none."""
    made = _WORKLOADS.get((workload["apiVersion"].rpartition("/")[0], workload["kind"]))
    template = lookup(workload, made.template) if made is not None else None
    return template if isinstance(template, dict) else None


def pod_of(workload: dict[str, Any]) -> ControlledPod | None:
    """The Pod that the controller of `workload` creates; None for other kinds, and if there is no template.

    The Pod is in the workload's namespace.
    """
    group = workload["apiVersion"].rpartition("/")[0]
    made = _WORKLOADS.get((group, workload["kind"]))
    if made is None:
        return None
    template: Any = workload
    for step in made.template:
        template = template.get(step) if isinstance(template, dict) else None
    if not isinstance(template, dict) or not isinstance(template.get("spec"), dict):
        return None

    metadata = workload.get("metadata") or {}
    name = metadata.get("name") or (metadata.get("generateName") or "") + SUFFIX
    owner = name + made.owner_suffix
    template_metadata = template.get("metadata")
    if not isinstance(template_metadata, dict):
        template_metadata = {}
    pod_metadata: dict[str, Any] = {}
    spec = template["spec"]
    if workload["kind"] == "StatefulSet":
        pod_metadata["name"] = pod_name = f"{name}-0"
        controller_labels = {
            "statefulset.kubernetes.io/pod-name": pod_name,
            "apps.kubernetes.io/pod-index": "0",
            "controller-revision-hash": f"{name}-{HASH}",
        }
        spec = _with_claims(spec, workload["spec"], pod_name)
    else:
        pod_metadata["generateName"] = f"{owner}-"
        pod_metadata["name"] = f"{owner}-{SUFFIX}"
        controller_labels = made.labels(owner)
    if "namespace" in metadata:
        pod_metadata["namespace"] = metadata["namespace"]
    labels = template_metadata.get("labels")
    if controller_labels or labels:
        pod_metadata["labels"] = {**(labels if isinstance(labels, dict) else {}), **controller_labels}
    for key in ("annotations", "finalizers"):
        if template_metadata.get(key):
            pod_metadata[key] = template_metadata[key]
    if made.owner == _JOB:
        pod_metadata["finalizers"] = [*(template_metadata.get("finalizers") or []), "batch.kubernetes.io/job-tracking"]
    api_version, kind = made.owner
    pod_metadata["ownerReferences"] = [
        {
            "apiVersion": api_version,
            "kind": kind,
            "name": owner,
            "uid": UID,
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": pod_metadata, "spec": spec}
    return ControlledPod(pod, made.template, made.controller)


def _with_claims(spec: dict[str, Any], workload_spec: dict[str, Any], pod_name: str) -> dict[str, Any]:
    """The Pod's spec with the volumes of the StatefulSet's volumeClaimTemplates, its host name and its subdomain.

    The controller puts the claims' volumes first; here they come last, so that the others keep their index in the file.
    """
    spec = {**spec, "hostname": pod_name}
    if isinstance(workload_spec.get("serviceName"), str):
        spec["subdomain"] = workload_spec["serviceName"]
    claims = workload_spec.get("volumeClaimTemplates")
    names = [
        claim["metadata"]["name"]
        for claim in (claims if isinstance(claims, list) else [])
        if isinstance(claim, dict) and isinstance(claim.get("metadata"), dict) and claim["metadata"].get("name")
    ]
    if not names:
        return spec
    mounted = {
        name: {"name": name, "persistentVolumeClaim": {"claimName": f"{name}-{pod_name}", "readOnly": False}}
        for name in names
    }
    volumes = spec.get("volumes")
    kept = [
        mounted.pop(volume["name"], volume)
        if isinstance(volume, dict) and isinstance(volume.get("name"), str)
        else volume
        for volume in (volumes if isinstance(volumes, list) else [])
    ]
    spec["volumes"] = kept + list(mounted.values())
    return spec
