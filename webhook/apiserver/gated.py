"""The fields that the API server drops of a new object because their feature is off by default, or long gone.

Mutating admission still sees them; validating admission does not. In an earlier version more features are off: of the
groups resource.k8s.io and scheduling.k8s.io the fields are those of the newest Kubernetes version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import islice
from typing import Any, Final, TypeAlias

from webhook.versions import NEWEST, Version

Tree: TypeAlias = "dict[str, Tree | None]"
"""What is dropped below a value: None for a field that is dropped, else what is dropped within it, or within its items.

`*` stands for every value of a map. `|` holds fields of which the API server looks at the first that is there.
"""

_KEYS: Final[Tree] = {"items": {"user": None}}
_PROJECTION: Final[Tree] = {
    "secret": _KEYS,
    "downwardAPI": _KEYS,
    "configMap": _KEYS,
    "serviceAccountToken": {"user": None},
    "clusterTrustBundle": {"user": None},
    "podCertificate": {"user": None},
}
_VOLUME: Final[Tree] = {
    "|": {
        "secret": {"defaultUser": None, **_KEYS},
        "configMap": {"defaultUser": None, **_KEYS},
        "downwardAPI": {"defaultUser": None, **_KEYS},
        "projected": {"defaultUser": None, "sources": {"|": _PROJECTION}},
    },
    "emptyDir": {"mode": None},
}
_HANDLER: Final[Tree] = {"httpGet": {"protocol": None}}
_PROBE: Final[Tree] = {**_HANDLER, "grpc": {"mode": None}}
_CONTAINER: Final[Tree] = {
    "lifecycle": {"stopSignal": None, "postStart": _HANDLER, "preStop": _HANDLER},
    "livenessProbe": _PROBE,
    "readinessProbe": _PROBE,
    "startupProbe": _PROBE,
    "volumeMounts": {"bindMountOptions": None},
}
_POD_SPEC: Final[Tree] = {
    "schedulingGroup": None,
    "evictionResponders": None,
    "containers": _CONTAINER,
    "initContainers": _CONTAINER,
    "ephemeralContainers": _CONTAINER,
    "volumes": _VOLUME,
}
_ANNOTATIONS: Final[Tree] = {
    "annotations": {
        f"pod.{version}.kubernetes.io/init-{of}": None
        for version in ("alpha", "beta")
        for of in ("containers", "container-statuses")
    }
}
_DEVICE: Final[Tree] = {
    "nodeAllocatableResources": None,
    "consumesCounters": {"compatibilityGroups": None},
    "attributes": {"*": {"bools": None, "ints": None, "strings": None, "versions": None}},
}

_GATED: Final[dict[tuple[str, str], Tree]] = {
    ("", "Node"): {
        "spec": {"configSource": None, "podPreemptionPolicy": None},
        "status": {"config": None},
    },
    ("batch", "CronJob"): {"spec": {"jobTemplate": {"spec": {"scheduling": None}}}},
    ("batch", "Job"): {"spec": {"scheduling": None}},
    ("coordination.k8s.io", "Lease"): {"spec": {"preferredHolder": None, "strategy": None}},
    ("discovery.k8s.io", "EndpointSlice"): {"endpoints": {"deprecatedTopology": None}},
    ("resource.k8s.io", "ResourceSlice"): {
        "spec": {
            "partitionTypeAttribute": None,
            "skipNodeOperations": None,
            "devices": {**_DEVICE, "basic": _DEVICE},  # `basic` is v1beta1's
        }
    },
    ("scheduling.k8s.io", "Workload"): {
        "spec": {
            "compositePodGroupTemplates": None,
            "podGroupTemplates": {"preemptionPolicy": None, "resourceClaims": None, "schedulingConstraints": None},
        }
    },
}


POD_TEMPLATES: Final = {
    ("", "Pod"): (),
    ("", "PodTemplate"): ("template",),
    ("", "ReplicationController"): ("spec", "template"),
    ("apps", "DaemonSet"): ("spec", "template"),
    ("apps", "Deployment"): ("spec", "template"),
    ("apps", "ReplicaSet"): ("spec", "template"),
    ("apps", "StatefulSet"): ("spec", "template"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
    ("batch", "Job"): ("spec", "template"),
}
"""Where kinds have a Pod, or a template of one."""


def _of_containers(tree: Tree) -> Tree:
    return {"containers": tree, "initContainers": tree, "ephemeralContainers": tree}


def _of_terms(tree: Tree) -> Tree:
    required, preferred = (f"{each}DuringSchedulingIgnoredDuringExecution" for each in ("required", "preferred"))
    terms: Tree = {required: tree, preferred: {"podAffinityTerm": tree}}
    return {"affinity": {"podAffinity": terms, "podAntiAffinity": terms}}


_SLEEP: Final[Tree] = {"lifecycle": {"postStart": {"sleep": None}, "preStop": {"sleep": None}}}
_RESTARTS: Final[Tree] = {"containers": {"restartPolicy": None}, "ephemeralContainers": {"restartPolicy": None}}

_POD_SPECS_UNTIL: Final[tuple[tuple[Version, Tree], ...]] = (
    ((1, 26), {"schedulingGates": None, "topologySpreadConstraints": {"matchLabelKeys": None, "minDomains": None}}),
    ((1, 28), {"initContainers": {"restartPolicy": None}}),
    ((1, 29), _of_containers(_SLEEP)),
    ((1, 30), _of_containers({"volumeMounts": {"recursiveReadOnly": None}})),
    ((1, 30), _of_terms({"matchLabelKeys": None, "mismatchLabelKeys": None})),
    ((1, 32), {"hostUsers": None, "securityContext": {"seLinuxChangePolicy": None, "supplementalGroupsPolicy": None}}),
    ((1, 32), _of_containers({"resizePolicy": None, "securityContext": {"procMount": None}})),
    ((1, 33), {"resources": None, "resourceClaims": None, **_of_containers({"resources": {"claims": None}})}),
    ((1, 34), {"hostnameOverride": None, "volumes": {"image": None}}),
    ((1, 34), {**_of_containers({"env": {"valueFrom": {"fileKeyRef": None}}})}),
    ((1, 34), _of_containers({"restartPolicyRules": None})),
    ((1, 36), {"workloadRef": None}),
    ((1, 36), {"volumes": {"projected": {"sources": {"clusterTrustBundle": None, "podCertificate": None}}}}),
)
"""What is dropped of the spec of a Pod up to a version, the last in which the feature is off."""

_POD_SPECS_IN: Final[Mapping[Version, Tree]] = {(1, 34): _RESTARTS}
"""What is dropped of the spec of a Pod in one version, and refused in those before."""

_TOLERANCE: Final[Tree] = {"tolerance": None}
_MANAGED: Final[Tree] = {"spec": {"managedBy": None}}
_PER_INDEX: Final[Tree] = {"spec": dict.fromkeys(("backoffLimitPerIndex", "maxFailedIndexes", "podReplacementPolicy"))}
_CLASS: Final[Tree] = {"spec": {"volumeAttributesClassName": None}}

_UNTIL: Final[tuple[tuple[Version, tuple[str, str], Tree], ...]] = (
    ((1, 26), ("", "PersistentVolume"), {"spec": {"csi": {"nodeExpandSecretRef": None}}}),
    ((1, 26), ("apps", "StatefulSet"), {"spec": {"ordinals": None, "persistentVolumeClaimRetentionPolicy": None}}),
    ((1, 26), ("policy", "PodDisruptionBudget"), {"spec": {"unhealthyPodEvictionPolicy": None}}),
    ((1, 27), ("storage.k8s.io", "CSIDriver"), {"spec": {"seLinuxMount": None}}),
    ((1, 28), ("batch", "CronJob"), {"spec": {"jobTemplate": _PER_INDEX}}),
    ((1, 28), ("batch", "Job"), _PER_INDEX),
    ((1, 30), ("", "Service"), {"spec": {"trafficDistribution": None}}),
    ((1, 30), ("batch", "CronJob"), {"spec": {"jobTemplate": {"spec": {"successPolicy": None}}}}),
    ((1, 30), ("batch", "Job"), {"spec": {"successPolicy": None}}),
    ((1, 31), ("batch", "CronJob"), {"spec": {"jobTemplate": _MANAGED}}),
    ((1, 31), ("batch", "Job"), _MANAGED),
    ((1, 33), ("", "PersistentVolume"), _CLASS),
    ((1, 33), ("", "PersistentVolumeClaim"), _CLASS),
    (
        (1, 34),
        ("autoscaling", "HorizontalPodAutoscaler"),
        {"spec": {"behavior": {"scaleDown": _TOLERANCE, "scaleUp": _TOLERANCE}}},
    ),
    ((1, 34), ("storage.k8s.io", "CSIDriver"), {"spec": {"nodeAllocatableUpdatePeriodSeconds": None}}),
    ((1, 36), ("apps", "StatefulSet"), {"spec": {"updateStrategy": {"rollingUpdate": {"maxUnavailable": None}}}}),
    ((1, 36), ("storage.k8s.io", "CSIDriver"), {"spec": {"preventPodSchedulingIfMissing": None}}),
)
"""The same of other kinds."""


def without_gated(value: dict[str, Any], group: str, kind: str, target: Version = NEWEST) -> dict[str, Any]:
    """The object without these fields: the same if it has none, else another. Nothing is modified."""
    tree = _tree(group, kind, target)
    return value if tree is None else _without(value, tree)


@cache
def _tree(group: str, kind: str, target: Version) -> Tree | None:
    """What is dropped of a kind in a Kubernetes version; None if nothing is."""
    trees = [_GATED[group, kind]] if (group, kind) in _GATED else []
    at = POD_TEMPLATES.get((group, kind))
    if at is not None:
        pod: Tree = {"metadata": _ANNOTATIONS, "spec": _POD_SPEC}
        for last, tree in _POD_SPECS_UNTIL:
            pod = _merged(pod, {"spec": tree}) if target <= last else pod
        if target in _POD_SPECS_IN:
            pod = _merged(pod, {"spec": _POD_SPECS_IN[target]})
        for step in reversed(at):
            pod = {step: pod}
        trees.append(pod)
    trees += [tree for last, of, tree in _UNTIL if of == (group, kind) and target <= last]
    found: Tree = {}
    for tree in trees:
        found = _merged(found, tree)
    return found or None


def _merged(one: Tree, other: Tree) -> Tree:
    """What both drop."""
    made = dict(one)
    for field, below in other.items():
        found = made.get(field, {})
        made[field] = None if found is None or below is None else _merged(found, below)
    return made


def _without(value: dict[str, Any], tree: Tree) -> dict[str, Any]:
    made = value
    for field, below in _met(value, tree):
        found = value[field]
        if below is None:
            left = _LEFT.get(field, _GONE)
        elif isinstance(found, list):
            items = [_without(each, below) if isinstance(each, dict) else each for each in found]
            left = items if any(one is not other for one, other in zip(items, found, strict=True)) else found
        else:
            left = _without(found, below) if isinstance(found, dict) else found
        if left is not found:
            made = dict(made) if made is value else made
            if left is _GONE or (left == {} and field in _GONE_WHEN_EMPTY):
                del made[field]
            else:
                made[field] = left
    return made


def _met(value: dict[str, Any], tree: Tree) -> Iterable[tuple[str, Tree | None]]:
    """The fields of a value that are in the tree."""
    if "*" in tree or "|" in tree:
        return _matched(value, tree)
    return [(field, below) for field, below in tree.items() if field in value]


def _matched(value: dict[str, Any], tree: Tree) -> Iterator[tuple[str, Tree | None]]:
    for field, below in tree.items():
        if field in value:
            yield field, below
        elif field == "*":
            yield from ((each, below) for each in value)
        elif field == "|" and below is not None:
            yield from islice(_met(value, below), 1)


_GONE: Final = object()
_GONE_WHEN_EMPTY: Final = frozenset(("lifecycle", "annotations"))
"""Fields that are dropped when nothing is left in them."""
_LEFT: Final[Mapping[str, Any]] = {"schedulingConstraints": None, "procMount": "Default"}
"""Fields that are not dropped but set, and to what."""
