"""The fields that the API server drops of a new object because their feature is off by default, or long gone.

Mutating admission still sees them; validating admission does not. They are those of the newest Kubernetes version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final, TypeAlias

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
_POD: Final[Tree] = {"metadata": _ANNOTATIONS, "spec": _POD_SPEC}
_WORKLOAD: Final[Tree] = {"spec": {"template": _POD}}
_JOB: Final[Tree] = {"spec": {"template": _POD, "scheduling": None}}
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
    ("", "Pod"): _POD,
    ("", "PodTemplate"): {"template": _POD},
    ("", "ReplicationController"): _WORKLOAD,
    ("apps", "DaemonSet"): _WORKLOAD,
    ("apps", "Deployment"): _WORKLOAD,
    ("apps", "ReplicaSet"): _WORKLOAD,
    ("apps", "StatefulSet"): _WORKLOAD,
    ("batch", "CronJob"): {"spec": {"jobTemplate": _JOB}},
    ("batch", "Job"): _JOB,
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


def without_gated(value: dict[str, Any], group: str, kind: str) -> dict[str, Any]:
    """The object without these fields: the same if it has none, else another. Nothing is modified."""
    tree = _GATED.get((group, kind))
    return value if tree is None else _without(value, tree)


def _without(value: dict[str, Any], tree: Tree) -> dict[str, Any]:
    made = value
    for field, below in _met(value, tree):
        found = value[field]
        if below is None:
            left = None if field in _NULL else _GONE
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
_NULL: Final = frozenset(("schedulingConstraints",))
"""Fields that are written though they are not there."""
