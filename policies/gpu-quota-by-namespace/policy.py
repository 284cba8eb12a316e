"""The workloads of a namespace together take no more GPUs and other devices than the namespace may have.

A workload is judged by the devices of its Pods times their number, together with what the namespace has already: so the
person who applies a Deployment gets the message, and not its ReplicaSet, as with a ResourceQuota. Devices are extended
resources (`nvidia.com/gpu`), and those of ResourceClaims, by their class, under the name that Kubernetes' own quota
gives them (`gpu.example.com.deviceclass.resource.k8s.io/devices`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from msgspec import Meta, Struct

from gatewright import Cluster, Request, Violation, validate

ANNOTATIONS = {
    "kubernetes.io/description": "The workloads of a namespace take no more GPUs and devices than its quota, all "
    "replicas counted.",
    "gatewright.dev/title": "A quota of GPUs for each namespace",
    "gatewright.dev/category": "resources",
    "gatewright.dev/severity": "medium",
    "gatewright.dev/rationale": "GPUs are few and dear, and one workload with many replicas takes them all. A "
    "ResourceQuota refuses Pods one by one, where nobody looks, and leaves a workload half started.",
    "gatewright.dev/remediation": "Lower the replicas or the devices of one Pod, end other workloads of the namespace, "
    "or have its limit raised in the ConfigMap gpu-quota-by-namespace.",
    "gatewright.dev/controls": "NIST-800-53 SC-6\n",
}

OF_CLASS = ".deviceclass.resource.k8s.io/devices"
# By this name and that of a class a container asks for its devices without a claim.
IMPLICIT = "deviceclass.resource.kubernetes.io/"

# What makes Pods, with the field of their number. Reads of these are declared below.
WORKLOADS = {
    "Deployment": ("apps/v1", "replicas"),
    "StatefulSet": ("apps/v1", "replicas"),
    "ReplicaSet": ("apps/v1", "replicas"),
    "ReplicationController": ("v1", "replicas"),
    "Job": ("batch/v1", "parallelism"),
    "CronJob": ("batch/v1", "parallelism"),
}

# Which of them make what: other owners are not believed.
OWNERS = {
    "Pod": ("StatefulSet", "ReplicaSet", "ReplicationController", "Job"),
    "ReplicaSet": ("Deployment",),
    "Job": ("CronJob",),
    "ResourceClaim": ("Pod",),
}

# Those who make objects of what is judged and counted already: Pods of workloads, Jobs of CronJobs, claims of Pods.
CONTROLLERS = frozenset({
    "system:kube-controller-manager",
    "system:kube-scheduler",
    "system:serviceaccount:kube-system:cronjob-controller",
    "system:serviceaccount:kube-system:daemon-set-controller",
    "system:serviceaccount:kube-system:deployment-controller",
    "system:serviceaccount:kube-system:job-controller",
    "system:serviceaccount:kube-system:replicaset-controller",
    "system:serviceaccount:kube-system:replication-controller",
    "system:serviceaccount:kube-system:resource-claim-controller",
    "system:serviceaccount:kube-system:statefulset-controller",
})  # fmt: skip

_SUFFIXES = {
    "": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60,
}  # fmt: skip
_QUANTITY = re.compile(r"([0-9]{1,19})(|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)")
_WITH_EXPONENT = re.compile(r"([0-9]{1,19})[eE]\+?([0-9]{1,2})")

# What stands for devices that cannot be counted: a claim for all of a node, a DaemonSet on all nodes.
UNBOUNDED = 10**30

Devices = Counter[str]
Key = tuple[str, str]  # kind and name
JSON = dict[str, Any]


class Params(Struct, frozen=True, forbid_unknown_fields=True):
    """The `data` of the ConfigMap. `limits`: namespace, or `*` for all others → name of a resource → how many."""

    limits: Annotated[dict[str, dict[str, Annotated[int, Meta(ge=0)]]], Meta(min_length=1)]

    def of(self, namespace: str) -> dict[str, int]:
        return self.limits.get(namespace, self.limits.get("*", {}))


@validate(
    resources=[
        "v1/pods",
        "v1/replicationcontrollers",
        "v1/replicationcontrollers/scale",
        "apps/v1/deployments",
        "apps/v1/deployments/scale",
        "apps/v1/replicasets",
        "apps/v1/replicasets/scale",
        "apps/v1/statefulsets",
        "apps/v1/statefulsets/scale",
        "apps/v1/daemonsets",
        "batch/v1/jobs",
        "batch/v1/cronjobs",
        "resource.k8s.io/*/resourceclaims",
    ],
    operations=["CREATE", "UPDATE"],
    param_kind="v1/ConfigMap",
    reads=[
        "v1/Pod",
        "v1/ReplicationController",
        "apps/v1/Deployment",
        "apps/v1/StatefulSet",
        "apps/v1/ReplicaSet",
        "batch/v1/Job",
        "batch/v1/CronJob",
        "resource.k8s.io/v1/ResourceClaim",
        "resource.k8s.io/v1/ResourceClaimTemplate",
    ],
    annotations=ANNOTATIONS,
)
def gpu_quota_by_namespace(request: Request, params: Params) -> Iterator[Violation]:
    """The workloads of a namespace take no more GPUs and devices than its quota, all replicas counted."""
    limits = params.of(request.namespace)
    if not limits or request.user.username in CONTROLLERS:
        return
    namespace = Namespace(request.cluster, request.namespace)
    kind, name = request.kind.kind, request.name
    if kind == "Scale":
        kind = next(each for each in WORKLOADS if f"{each.lower()}s" == request.resource.resource)
        scaled = namespace.find(kind, name)
        after = _scaled(scaled, request.object)
        before = _scaled(scaled, request.old_object)
    else:
        after, before = request.object, request.old_object
    wanted, had = namespace.devices(kind, after), namespace.devices(kind, before)
    # What takes no more than before may stay, even if the namespace is over its quota: an image can be changed.
    more = {resource for resource in limits if wanted[resource] > had[resource]}
    if not more:
        return
    used = namespace.used(kind, name)
    for resource in sorted(more):
        limit = limits[resource]
        if wanted[resource] >= UNBOUNDED:
            message = f"takes {resource} on every node, which no quota bounds; ask for a number of them"
        elif wanted[resource] + used[resource] > limit:
            message = (
                f"takes {wanted[resource]} of {resource}, all its Pods together, and namespace {request.namespace} has "
                f"{used[resource]} besides; its limit is {limit} "
                "(see ConfigMap gatewright-system/gpu-quota-by-namespace)"
            )
        else:
            continue
        yield Violation(f"{kind} {name or '(new)'} {message}", path="spec", reason="Forbidden")


class Namespace:
    """What takes devices in one namespace."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster = cluster
        self._name = name

    def find(self, kind: str, name: str) -> JSON | None:
        return self._cluster.get(WORKLOADS[kind][0], kind, name, self._name).value

    def used(self, kind: str, name: str) -> Devices:
        """The devices of everything but the object of this kind and name, and what it made.

        Of what makes others (a Deployment ReplicaSets, a CronJob Jobs, these Pods, and Pods claims) counts either what
        it asks for itself or what the others take together, whichever is more: an owner is named by whoever writes an
        object, and what only pretends to be made by it counts beside what is.
        """
        objects: dict[Key, JSON] = {
            (each, obj["metadata"]["name"]): obj
            for each, listed in (
                *((each, self._list(WORKLOADS[each][0], each)) for each in WORKLOADS),
                ("Pod", self._list("v1", "Pod")),
                ("ResourceClaim", self._claims()),
            )
            for obj in listed
        }
        made: dict[Key | None, list[Key]] = {}  # None for what nothing made
        for key, obj in objects.items():
            made.setdefault(_owner(key[0], obj, objects), []).append(key)

        def taken(key: Key) -> Devices:
            together: Devices = Counter()
            if key != (kind, name):
                for each in made.get(key, ()):
                    together.update(taken(each))
                together |= self.devices(key[0], objects[key])
            return together

        used: Devices = Counter()
        for key in made.get(None, ()):
            used.update(taken(key))
        return used

    def devices(self, kind: str, obj: JSON | None) -> Devices:
        """The devices of one object, all its Pods together."""
        if obj is None:
            return Counter()
        spec = obj.get("spec") or {}
        if kind == "ResourceClaim":
            return _of_claim(spec)
        if kind == "Pod":
            return Counter() if _ended(obj) else self._of_pod(spec)
        if kind == "CronJob":
            spec = (spec.get("jobTemplate") or {}).get("spec") or {}
        of_one = self._of_pod((spec.get("template") or {}).get("spec") or {})
        if kind == "DaemonSet":
            return Counter({resource: UNBOUNDED for resource, count in of_one.items() if count})
        if kind == "Job" and _finished(obj):
            return Counter()
        number = _default(spec.get(WORKLOADS[kind][1]), 1)
        if kind in ("Job", "CronJob"):
            number = min(number, _default(spec.get("completions"), number))
        return Counter({resource: count * number for resource, count in of_one.items()})

    def _of_pod(self, spec: JSON) -> Devices:
        """The devices of one Pod: of all containers together, or of an init container, whichever is more."""
        running: Devices = Counter()  # sidecars: init containers that go on running beside all that come later
        most: Devices = Counter()
        for container in spec.get("initContainers") or []:
            if container.get("restartPolicy") == "Always":
                running += _of_container(container)
                most |= running
            else:
                most |= running + _of_container(container)
        for container in spec.get("containers") or []:
            running += _of_container(container)
        devices = most | running
        for claim in spec.get("resourceClaims") or []:
            template = claim.get("resourceClaimTemplateName")
            if template:  # a claim that is named is an object of its own, and counted there
                devices = devices + _of_claim(self._template(template))
        return devices

    def _list(self, api_version: str, kind: str) -> Iterable[JSON]:
        return self._cluster.list(api_version, kind, self._name).value

    # A cluster may have no dynamic resources. A Pod that asks for some does not start there.

    def _template(self, name: str) -> JSON:
        try:
            found = self._cluster.get("resource.k8s.io/v1", "ResourceClaimTemplate", name, self._name).value
        except LookupError:  # pragma: no cover - tests know all built-in kinds
            found = None
        return ((found or {}).get("spec") or {}).get("spec") or {}

    def _claims(self) -> Iterable[JSON]:
        try:
            return self._list("resource.k8s.io/v1", "ResourceClaim")
        except LookupError:  # pragma: no cover - tests know all built-in kinds
            return []


def _owner(kind: str, obj: JSON, objects: dict[Key, JSON]) -> Key | None:
    """What made an object: one of the namespace with the uid that the object names, of a kind that makes such."""
    for owner in obj["metadata"].get("ownerReferences") or []:
        key = owner["kind"], owner["name"]
        if (
            owner.get("controller")
            and key[0] in OWNERS.get(kind, ())
            and key in objects
            and objects[key]["metadata"].get("uid") == owner.get("uid")
        ):
            return key
    return None


def _of_container(container: JSON) -> Devices:
    resources = container.get("resources") or {}
    devices: Devices = Counter()
    for field in ("limits", "requests"):
        for resource, quantity in (resources.get(field) or {}).items():
            if "/" in resource:  # an extended resource has a domain
                of_class = resource.removeprefix(IMPLICIT)
                name = resource if of_class == resource else of_class + OF_CLASS
                devices |= Counter({name: _number(quantity)})
    return devices


def _of_claim(spec: JSON) -> Devices:
    devices: Devices = Counter()
    for request in (spec.get("devices") or {}).get("requests") or []:
        of_request: Devices = Counter()  # of alternatives each may be what is taken
        for each in request.get("firstAvailable") or [request.get("exactly") or request]:
            count = UNBOUNDED if each.get("allocationMode") == "All" else _default(each.get("count"), 1)
            of_request |= Counter({f"{each.get('deviceClassName') or ''}{OF_CLASS}": count})
        devices.update(of_request)
    return devices


def _scaled(workload: JSON | None, scale: JSON | None) -> JSON | None:
    if workload is None or scale is None:
        return None
    # The API server writes no replicas into a Scale of 0.
    return {**workload, "spec": {**workload["spec"], "replicas": (scale.get("spec") or {}).get("replicas", 0)}}


def _number(quantity: Any) -> int:
    text = str(quantity)
    if found := _QUANTITY.fullmatch(text):
        return int(found[1]) * _SUFFIXES[found[2]]
    if found := _WITH_EXPONENT.fullmatch(text):
        return int(found[1]) * 10 ** int(found[2])
    raise ValueError(f"{text!r} is no whole number of devices")


def _default(value: int | None, default: int) -> int:
    return default if value is None else value


def _ended(pod: JSON) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _finished(job: JSON) -> bool:
    return any(
        condition.get("type") in ("Complete", "Failed") and condition.get("status") == "True"
        for condition in (job.get("status") or {}).get("conditions") or []
    )
