"""What the strategies of the built-in kinds do to an object that is created, before it is validated (PrepareForCreate).

They work on objects as they are written. They are those of the newest Kubernetes version, but for what is said of
earlier ones here. Left out is what is allocated (a Service's addresses and ports).
Services are those of a cluster with IPv4 addresses only.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from webhook.apiserver import conversion, quantities
from webhook.apiserver.apparmor import with_apparmor_profiles
from webhook.apiserver.encoding import written_zero
from webhook.apiserver.gated import without_gated
from webhook.apiserver.gotypes import struct_of
from webhook.apiserver.podresources import with_pod_resources
from webhook.cluster.view import NAME_LABEL
from webhook.versions import OLDEST, Version

if TYPE_CHECKING:
    from webhook.apiserver.completion import Creation
    from webhook.schema import Resource

JSONObject = dict[str, Any]

_GENERATION: Final = frozenset(
    {
        *(
            ("admissionregistration.k8s.io", kind)
            for kind in ("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding")
        ),
        *(("admissionregistration.k8s.io", f"{kind}WebhookConfiguration") for kind in ("Mutating", "Validating")),
        *(("admissionregistration.k8s.io", f"ValidatingAdmissionPolicy{kind}") for kind in ("", "Binding")),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        *(("apps", kind) for kind in ("DaemonSet", "Deployment", "ReplicaSet", "StatefulSet")),
        ("autoscaling", "HorizontalPodAutoscaler"),
        *(("batch", kind) for kind in ("CronJob", "Job")),
        ("discovery.k8s.io", "EndpointSlice"),
        *(("flowcontrol.apiserver.k8s.io", kind) for kind in ("FlowSchema", "PriorityLevelConfiguration")),
        *(("lifecycle.k8s.io", kind) for kind in ("Eviction", "EvictionRequest")),
        *(("networking.k8s.io", kind) for kind in ("Ingress", "IngressClass", "NetworkPolicy")),
        ("policy", "PodDisruptionBudget"),
        *(("resource.k8s.io", kind) for kind in ("DeviceClass", "DeviceTaintRule", "ResourceSlice")),
        ("scheduling.k8s.io", "PriorityClass"),
        *(("", kind) for kind in ("Pod", "PodTemplate", "ReplicationController")),
    }
)
"""Group and kind of objects that are created with metadata.generation 1."""

_STATUS: Final = frozenset(
    {
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("apiregistration.k8s.io", "APIService"),
        *(("apps", kind) for kind in ("DaemonSet", "Deployment", "ReplicaSet", "StatefulSet")),
        ("autoscaling", "HorizontalPodAutoscaler"),
        *(("batch", kind) for kind in ("CronJob", "Job")),
        *(("certificates.k8s.io", kind) for kind in ("CertificateSigningRequest", "PodCertificateRequest")),
        *(("flowcontrol.apiserver.k8s.io", kind) for kind in ("FlowSchema", "PriorityLevelConfiguration")),
        ("internal.apiserver.k8s.io", "StorageVersion"),
        *(("lifecycle.k8s.io", kind) for kind in ("Eviction", "EvictionRequest")),
        *(("networking.k8s.io", kind) for kind in ("Ingress", "ServiceCIDR")),
        ("policy", "PodDisruptionBudget"),
        *(("resource.k8s.io", kind) for kind in ("DeviceTaintRule", "ResourceClaim", "ResourcePoolStatusRequest")),
        *(("scheduling.k8s.io", kind) for kind in ("CompositePodGroup", "PodGroup")),
        *(("storage.k8s.io", kind) for kind in ("CSINode", "VolumeAttachment")),
        ("storagemigration.k8s.io", "StorageVersionMigration"),
        *(
            ("", kind)
            for kind in ("Namespace", "PersistentVolume", "PersistentVolumeClaim", "Pod", "ReplicationController")
        ),
        *(("", kind) for kind in ("ResourceQuota", "Service")),
    }
)
"""Group and kind of what loses the status that the client sent."""

_GENERATION_SINCE: Final[dict[tuple[str, str], Version]] = {
    ("", "Pod"): (1, 33),
    ("autoscaling", "HorizontalPodAutoscaler"): (1, 37),
}
"""The first version in which one of these has a generation, where it is not the first that has the kind."""

_STATUS_SINCE: Final[dict[tuple[str, str], Version]] = {
    ("networking.k8s.io", "ServiceCIDR"): (1, 36),
    ("storage.k8s.io", "CSINode"): (1, 37),
}
"""The same of those that lose their status."""

_APPARMOR_FIELDS: Final = (1, 30)
_POD_AFFINITY_KEYS: Final = (1, 31)
_TOPOLOGY_SPREAD_KEYS: Final = (1, 34)
_POD_RESOURCES: Final = (1, 37)
"""The first version that completes the resources of a Pod here. Since 1.34 they were defaults."""


def prepared(value: JSONObject, resource: Resource, creation: Creation) -> JSONObject:
    """The object as the strategy of its kind makes it. `value` and its metadata may be modified, the rest is not."""
    key = (resource.group, resource.kind)
    value = without_gated(value, *key, creation.target)
    struct = struct_of(resource.api_version, resource.kind, creation.target)
    if struct is None:
        return value
    if key in _GENERATION and creation.target >= _GENERATION_SINCE.get(key, OLDEST):
        value["metadata"]["generation"] = 1
    if key in _STATUS and creation.target >= _STATUS_SINCE.get(key, OLDEST):
        zero = written_zero(struct, "status", creation.target)
        if zero is None:
            value.pop("status", None)
        else:
            value["status"] = zero
    prepare = _STRATEGIES.get(key)
    if prepare is not None:
        prepare(value, creation)
    return value


def _spec(value: JSONObject) -> JSONObject:
    """The spec, as a copy that may be modified."""
    found = value.get("spec")
    spec: JSONObject = dict(found) if isinstance(found, dict) else {}
    value["spec"] = spec
    return spec


def _pod(value: JSONObject, creation: Creation) -> None:
    annotations = value["metadata"].get("annotations") or {}
    spec = _spec(value)
    if creation.target >= _APPARMOR_FIELDS:
        spec = with_apparmor_profiles(spec, annotations)
    if creation.target >= _POD_RESOURCES:
        spec = with_pod_resources(spec)
    value["spec"] = spec
    labels = value["metadata"].get("labels") or {}
    value["status"] |= {"phase": "Pending", "qosClass": quality_of_service(spec)}
    if spec.get("schedulingGates"):
        value["status"]["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "lastProbeTime": None,
                "lastTransitionTime": creation.now,
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            }
        ]
    if labels and isinstance(spec.get("affinity"), dict) and creation.target >= _POD_AFFINITY_KEYS:
        spec["affinity"] = {
            name: _affinity(each, labels) if name != "nodeAffinity" else each for name, each in spec["affinity"].items()
        }
    if labels and spec.get("topologySpreadConstraints") and creation.target >= _TOPOLOGY_SPREAD_KEYS:
        spec["topologySpreadConstraints"] = [
            _selecting(each, {"matchLabelKeys": "In"}, labels) for each in spec["topologySpreadConstraints"]
        ]


def _affinity(affinity: JSONObject, labels: JSONObject) -> JSONObject:
    """A Pod (anti-)affinity, with the labels that its terms name as keys in their selectors."""
    keys = {"matchLabelKeys": "In", "mismatchLabelKeys": "NotIn"}
    made = dict(affinity)
    required, preferred = (f"{each}DuringSchedulingIgnoredDuringExecution" for each in ("required", "preferred"))
    if made.get(required):
        made[required] = [_selecting(term, keys, labels) for term in made[required]]
    if made.get(preferred):
        made[preferred] = [
            {**each, "podAffinityTerm": _selecting(each["podAffinityTerm"], keys, labels)}
            if "podAffinityTerm" in each
            else each
            for each in made[preferred]
        ]
    return made


def _selecting(term: JSONObject, keys: dict[str, str], labels: JSONObject) -> JSONObject:
    selector = term.get("labelSelector")
    if selector is None:
        return term
    added = [
        {"key": key, "operator": operator, "values": [labels[key]]}
        for field, operator in keys.items()
        for key in term.get(field) or ()
        if key in labels
    ]
    if not added:
        return term
    return {**term, "labelSelector": {**selector, "matchExpressions": [*selector.get("matchExpressions", ()), *added]}}


def quality_of_service(spec: JSONObject) -> str:
    """The quality of service of a Pod's spec: Guaranteed, Burstable or BestEffort."""
    whole = spec.get("resources")
    if isinstance(whole, dict) and any(
        name in ("cpu", "memory") or name.startswith("hugepages-")
        for kind in ("requests", "limits")
        for name in whole.get(kind) or ()
    ):
        return _quality(whole)
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    found = {_quality(container.get("resources") or {}) for container in containers}
    return found.pop() if len(found) == 1 else "Burstable" if found else "BestEffort"


def _quality(resources: JSONObject) -> str:
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    of_cpu, of_memory = _amount(requests.get("cpu")), _amount(requests.get("memory"))
    most_cpu, most_memory = _amount(limits.get("cpu")), _amount(limits.get("memory"))
    if not (of_cpu or of_memory or most_cpu or most_memory):
        return "BestEffort"
    whole = most_cpu and most_memory and of_cpu == most_cpu and of_memory == most_memory
    return "Guaranteed" if whole else "Burstable"


@lru_cache(4096)
def _amount(text: str | None) -> int:
    """The amount of a quantity in billionths, of which it has no fractions."""
    if text is None:
        return 0
    found = quantities.parse(text)
    amount: int = found.digits * 10 ** (found.exponent + 9)
    return amount


def _namespace(value: JSONObject, _: Creation) -> None:
    spec = _spec(value)
    if "kubernetes" not in (spec.get("finalizers") or ()):
        spec["finalizers"] = [*(spec.get("finalizers") or ()), "kubernetes"]
    value["status"] = {"phase": "Active"}
    labels = value["metadata"].get("labels") or {}
    value["metadata"]["labels"] = {**labels, NAME_LABEL: value["metadata"].get("name") or ""}


_PHASES_OF_VOLUMES: Final[Version] = (1, 29)


def _persistent_volume(value: JSONObject, creation: Creation) -> None:
    if creation.target >= _PHASES_OF_VOLUMES:
        value["status"] = {"phase": "Pending", "lastPhaseTransitionTime": creation.now}


def _persistent_volume_claim(value: JSONObject, _: Creation) -> None:
    spec = _spec(value)
    if (spec.get("dataSourceRef") or {}).get("namespace"):
        del spec["dataSourceRef"]  # behind the gate CrossNamespaceVolumeDataSource, which is off
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None and reference is None:
        if (source.get("apiGroup") or "", source.get("kind")) not in _CLAIM_SOURCES:
            del spec["dataSource"]
        else:
            spec["dataSourceRef"] = dict(source)
    elif reference is not None and source is None and not reference.get("namespace"):
        spec["dataSource"] = {name: each for name, each in reference.items() if name != "namespace"}


_CLAIM_SOURCES: Final = frozenset({("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot")})


def _service(value: JSONObject, _: Creation) -> None:
    """The families of its addresses, and both forms of the address that it asks for."""
    spec = _spec(value)
    if spec.get("type") == "ExternalName":
        return
    address: str = spec.get("clusterIP") or ""
    if address and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [address]
    addresses: list[str] = spec.get("clusterIPs") or []
    headless = address == "None"
    both = headless and not spec.get("selector")
    policy = spec.setdefault("ipFamilyPolicy", "RequireDualStack" if both else "SingleStack")
    families = list(spec.get("ipFamilies") or ())
    if not headless:
        families += ["IPv6" if ":" in each else "IPv4" for each in addresses[len(families) :]]
    families = families or ["IPv4"]
    if both and len(families) == 1 and policy != "SingleStack":
        families.append("IPv6" if families == ["IPv4"] else "IPv4")
    spec["ipFamilies"] = families


def _service_account(value: JSONObject, _: Creation) -> None:
    if value.get("secrets"):
        value["secrets"] = [{"name": each["name"]} if each.get("name") else {} for each in value["secrets"]]


def _job(value: JSONObject, creation: Creation) -> None:
    spec = _spec(value)
    if creation.target < _UNTRACKED_JOBS:
        annotations = value["metadata"].get("annotations") or {}
        value["metadata"]["annotations"] = {**annotations, "batch.kubernetes.io/job-tracking": ""}
    if spec.get("manualSelector"):
        return
    name, uid = value["metadata"].get("name") or "", value["metadata"]["uid"]
    template = dict(spec.get("template") or {})
    metadata = dict(template.get("metadata") or {})
    own, selected = {"job-name": name, "controller-uid": uid}, "controller-uid"
    if creation.target >= _PREFIXED_LABELS:
        own, selected = {**own, "batch.kubernetes.io/job-name": name, _CONTROLLER_UID: uid}, _CONTROLLER_UID
    given = metadata.get("labels")
    metadata["labels"] = {**own, **(given or {})}
    if given and value["metadata"].get("labels") is given:  # the Job has those of its template by default
        value["metadata"]["labels"] = dict(metadata["labels"])
    selector = dict(spec.get("selector") or {})
    selector["matchLabels"] = {selected: uid, **(selector.get("matchLabels") or {})}
    spec["template"] = {**template, "metadata": metadata}
    spec["selector"] = selector


_PREFIXED_LABELS: Final[Version] = (1, 27)
_UNTRACKED_JOBS: Final[Version] = (1, 28)
"""The first version whose Jobs are not marked as tracked by finalizers: all are."""
_CONTROLLER_UID: Final = "batch.kubernetes.io/controller-uid"


def _daemon_set(value: JSONObject, _: Creation) -> None:
    annotations = value["metadata"].get("annotations") or {}
    generation = max(int(annotations.get(conversion.TEMPLATE_GENERATION, 1)), 1)
    value["metadata"]["annotations"] = {**annotations, conversion.TEMPLATE_GENERATION: str(generation)}


def _autoscaler(value: JSONObject, _: Creation) -> None:
    """Annotations of autoscaling/v1 that hold a status go with it."""
    annotations = value["metadata"].get("annotations") or {}
    left = {name: text for name, text in annotations.items() if name not in conversion.STATUS_ANNOTATIONS}
    if left:
        value["metadata"]["annotations"] = left
    else:
        value["metadata"].pop("annotations", None)


def _signing_request(value: JSONObject, creation: Creation) -> None:
    spec = _spec(value)
    for name in ("username", "uid", "groups", "extra"):
        spec.pop(name, None)
    user = {
        "username": creation.username,
        "uid": creation.uid,
        "groups": list(creation.groups),
        "extra": dict(creation.extra),
    }
    spec |= {name: each for name, each in user.items() if each}


def _definition(value: JSONObject, _: Creation) -> None:
    versions = (value.get("spec") or {}).get("versions") or ()
    stored = [version.get("name", "") for version in versions if version.get("storage")]
    value["status"]["storedVersions"] = stored[:1] or None


def _api_service(value: JSONObject, creation: Creation) -> None:
    if (value.get("spec") or {}).get("service") is None:
        value["status"]["conditions"] = [
            {
                "type": "Available",
                "status": "True",
                "lastTransitionTime": creation.now,
                "reason": "Local",
                "message": "Local APIServices are always available",
            }
        ]


_STRATEGIES: Final[dict[tuple[str, str], Callable[[JSONObject, Any], None]]] = {
    ("", "Namespace"): _namespace,
    ("", "PersistentVolume"): _persistent_volume,
    ("", "PersistentVolumeClaim"): _persistent_volume_claim,
    ("", "Pod"): _pod,
    ("", "Service"): _service,
    ("", "ServiceAccount"): _service_account,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
    ("apiregistration.k8s.io", "APIService"): _api_service,
    ("apps", "DaemonSet"): _daemon_set,
    ("autoscaling", "HorizontalPodAutoscaler"): _autoscaler,
    ("batch", "Job"): _job,
    ("certificates.k8s.io", "CertificateSigningRequest"): _signing_request,
}
