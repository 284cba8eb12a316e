"""The Pods of workloads, as each workload's controller would create them.

Sources: the controllers of kube-controller-manager (pkg/controller: GetPodFromTemplate, replicaset, statefulset,
daemon, job). Values that only the controller knows, such as the hash of a template, consist of the letter x.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from webhook.apiserver.completion import SUFFIX, UID
from webhook.offline import argoworkflows
from webhook.offline.customworkloads import NO_MORE, CustomWorkload, CustomWorkloads, places
from webhook.paths import ROOT, Path, lookup

HASH: Final = "x" * 10  # as long as a pod-template-hash

TEMPLATE: Final[Path] = ("spec", "template")
CRON_JOB_TEMPLATE: Final[Path] = ("spec", "jobTemplate", "spec", "template")


class ControlledPod(Struct, frozen=True):
    """A Pod that a controller creates. `template`: the path of its template in the workload.

    `moved`: where parts of the Pod stand in the workload, the longest paths first, if it has no Pod template.
    """

    object: dict[str, Any]
    template: Path
    controller: str  # the name of the controller's service account
    controller_namespace: str = "kube-system"
    moved: tuple[tuple[Path, Path], ...] = ()


class _Workload(Struct, frozen=True):
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
    """The Pod template of a built-in workload; None for other kinds, and if there is none."""
    made = _WORKLOADS.get((workload["apiVersion"].rpartition("/")[0], workload["kind"]))
    template = lookup(workload, made.template) if made is not None else None
    return template if isinstance(template, dict) else None


def pods_of(workload: dict[str, Any], plural: str = "", custom: CustomWorkloads = NO_MORE) -> list[ControlledPod]:
    """The Pods that the controller of `workload` creates; none for other kinds, and if there is no template.

    plural: of the workload's resource, by which custom workloads are known. The Pods are in the workload's namespace.
    """
    group, kind = workload["apiVersion"].rpartition("/")[0], workload["kind"]
    made = _WORKLOADS.get((group, kind))
    if made is not None:
        template = lookup(workload, made.template)
        return [_pod(workload, made, template)] if _is_template(template) else []
    if group == argoworkflows.GROUP and kind in argoworkflows.KINDS:
        return _of_workflow(workload)
    found = custom.of(plural, group)
    return _of_custom(workload, found) if found is not None else []


def _is_template(template: Any) -> bool:
    if not isinstance(template, dict) or not isinstance(template.get("spec"), dict):
        return False
    # The API server writes an empty template with `containers: null`, and refuses it.
    return template["spec"].get("containers", ()) is not None


def _of_custom(workload: dict[str, Any], found: CustomWorkload) -> list[ControlledPod]:
    kind = workload["kind"]
    namespace, controller = found.controller or ("kube-system", f"{kind.lower()}-controller")
    owner, suffix = (workload["apiVersion"], kind), ""
    if controller == "replicaset-controller":
        owner, suffix = _REPLICA_SET, f"-{HASH}"
    pods = []
    for place in found.places:
        for path in places(workload, place):
            template = lookup(workload, path)
            if not _is_template(template):
                continue
            if path == ROOT:
                template = _of_object(workload)
            pod = _pod(workload, _Workload(controller, owner, suffix, path), template)
            pods.append(replace(pod, controller_namespace=namespace))
    return pods


_NO_PODSPEC: Final = (  # of a Knative Revision
    *("containerConcurrency", "timeoutSeconds", "responseStartTimeoutSeconds", "idleTimeoutSeconds"),
)
_PODSPEC: Final = ("containers", "initContainers", "volumes", "imagePullSecrets")  # of a SidecarSet


def _of_object(workload: dict[str, Any]) -> dict[str, Any]:
    """The template that an object is itself: a Knative Revision, or the sidecars of an OpenKruise SidecarSet."""
    spec = workload["spec"]
    if workload["kind"] != "SidecarSet":
        return {"metadata": workload.get("metadata"), "spec": {k: v for k, v in spec.items() if k not in _NO_PODSPEC}}
    labels = lookup(spec, ("selector", "matchLabels"))
    return {"metadata": {"labels": labels}, "spec": {key: spec[key] for key in _PODSPEC if key in spec}}


def _of_workflow(workload: dict[str, Any]) -> list[ControlledPod]:
    pods = []
    for step in argoworkflows.step_pods(workload):
        made = _Workload("argo", (workload["apiVersion"], "Workflow"), template=step.template)
        pod = _pod(workload, made, {"metadata": step.metadata, "spec": step.spec})
        pods.append(replace(pod, controller_namespace="argo", moved=step.moved))
    return pods


def _pod(workload: dict[str, Any], made: _Workload, template: dict[str, Any]) -> ControlledPod:
    metadata = workload.get("metadata") or {}
    name = metadata.get("name") or (metadata.get("generateName") or "") + SUFFIX
    owner = name + made.owner_suffix
    template_metadata = template.get("metadata")
    if not isinstance(template_metadata, dict):
        template_metadata = {}
    pod_metadata: dict[str, Any] = {}
    spec = template["spec"]
    if made.owner == ("apps/v1", "StatefulSet"):
        pod_metadata["name"] = pod_name = f"{name}-0"
        controller_labels = {
            "statefulset.kubernetes.io/pod-name": pod_name,
            "apps.kubernetes.io/pod-index": "0",
            "controller-revision-hash": f"{name}-{HASH}",
        }
        spec = _with_claims(spec, workload["spec"], pod_name)
    else:
        pod_metadata["generateName"] = f"{owner}-"
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
