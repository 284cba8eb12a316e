"""The API server's own admission plugins, asked of a real one: what a webhook is sent of Pods, claims, Ingresses.

The cluster has the objects of `AT_HAND`, and so have our plugins.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dryrun import corpus
from tests.dryrun.answers import Answer
from tests.dryrun.comparing import comparable
from tests.e2e.controlplane import started
from tests.e2e.dryrun import sending
from tests.e2e.dryrun.recorder import recording
from webhook.apiserver.conversion import convert
from webhook.apiserver.decoding import decode_builtin
from webhook.apiserver.defaults.defaulting import set_defaults
from webhook.apiserver.encoding import encode_builtin
from webhook.apiserver.plugins.admitting import Plugged, Plugins
from webhook.cluster.manifestsview import ManifestsView
from webhook.schema import Kinds

NAMESPACE = "shop"


def of(api_version: str, kind: str, name: str, namespace: str = "", **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **fields}
    if namespace:
        made["metadata"]["namespace"] = namespace
    return made


def annotated(value: dict[str, Any], **annotations: str) -> dict[str, Any]:
    value["metadata"]["annotations"] = {
        name.replace("__", "/").replace("_", "."): text for name, text in annotations.items()
    }
    return value


ITEMS = [
    {
        "type": "Container",
        "default": {"cpu": "1", "memory": "1Gi"},
        "defaultRequest": {"cpu": "100m"},
        "max": {"cpu": "4", "memory": "8Gi"},
        "min": {"cpu": "10m"},
    },
    {"type": "Pod", "max": {"cpu": "8"}},
]
BOUNDS = [
    {
        "type": "Container",
        "min": {"memory": "16Mi"},
        "max": {"cpu": "1500m"},
        "maxLimitRequestRatio": {"memory": "2"},
        "default": {"cpu": "1", "memory": "64Mi"},
        "defaultRequest": {"cpu": "1", "memory": "64Mi"},
    },
    {"type": "Pod", "max": {"cpu": "2"}, "min": {"example.com/gpu": "1"}},
    {"type": "PersistentVolumeClaim", "max": {"storage": "2Gi"}, "min": {"storage": "1Gi"}},
]
"""A Pod needs a GPU, so that there is a Pod that is within all of these."""
NODE_LABELS = {"topology.kubernetes.io/zone": "z1", "topology.kubernetes.io/region": "r1", "disk": "ssd"}
SCHEDULING = {
    "nodeSelector": {"vm": "yes"},
    "tolerations": [{"key": "vm", "operator": "Exists"}, {"key": "vm", "value": "1", "effect": "NoExecute"}],
}
DEFAULT_STORAGE = {"storageclass_kubernetes_io__is-default-class": "true"}
DEFAULT_INGRESS = {"ingressclass_kubernetes_io__is-default-class": "true"}
AT_HAND = [
    of("v1", "Namespace", "bounded"),
    of("v1", "ServiceAccount", "default", "bounded"),
    of("v1", "ServiceAccount", "silent", NAMESPACE, automountServiceAccountToken=False),
    of("v1", "ServiceAccount", "pulling", NAMESPACE, imagePullSecrets=[{"name": "one"}, {"name": "two"}]),
    of("v1", "LimitRange", "limits", "bounded", spec={"limits": ITEMS}),
    of("v1", "Namespace", "tight"),
    of("v1", "ServiceAccount", "default", "tight"),
    of("v1", "LimitRange", "limits", "tight", spec={"limits": BOUNDS}),
    of("scheduling.k8s.io/v1", "PriorityClass", "high", value=1000, preemptionPolicy="Never"),
    of("scheduling.k8s.io/v1", "PriorityClass", "usual", value=-5, globalDefault=True),
    of("node.k8s.io/v1", "RuntimeClass", "plain", handler="runc"),
    of(
        "node.k8s.io/v1",
        "RuntimeClass",
        "kata",
        handler="kata",
        overhead={"podFixed": {"memory": "64Mi", "cpu": "0.1"}},
    ),
    of("node.k8s.io/v1", "RuntimeClass", "vm", handler="vm", scheduling=SCHEDULING),
    annotated(of("storage.k8s.io/v1", "StorageClass", "fast", provisioner="example.com/p"), **DEFAULT_STORAGE),
    of("storage.k8s.io/v1", "StorageClass", "slow", provisioner="example.com/p"),
    annotated(
        of("networking.k8s.io/v1", "IngressClass", "edge", spec={"controller": "example.com/c"}), **DEFAULT_INGRESS
    ),
    {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "labels": NODE_LABELS}},
]


def pod(namespace: str = NAMESPACE, **spec: Any) -> dict[str, Any]:
    return of("v1", "Pod", "web", namespace, spec={"containers": [{"name": "a", "image": "nginx:1"}], **spec})


TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
FOREVER = {"operator": "Exists"}
BACKEND = {"service": {"name": "a", "port": {"number": 80}}}
RULES = {"defaultBackend": BACKEND}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
VOLUME = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/data"}}

CASES: dict[str, dict[str, Any]] = {
    "a plain Pod": pod(),
    "an account that mounts nothing": pod(serviceAccountName="silent"),
    "the Pod mounts what the account does not": pod(serviceAccountName="silent", automountServiceAccountToken=True),
    "the Pod mounts nothing": pod(automountServiceAccountToken=False),
    "pull secrets of the account": pod(serviceAccountName="pulling"),
    "pull secrets of the Pod": pod(serviceAccountName="pulling", imagePullSecrets=[{"name": "own"}]),
    "a container with a mount at the path": pod(
        containers=[
            {"name": "a", "image": "x", "volumeMounts": [{"name": "v", "mountPath": TOKEN_PATH}]},
            {"name": "b", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/v"}]},
        ],
        volumes=[{"name": "v", "emptyDir": {}}],
        initContainers=[{"name": "i", "image": "x"}],
    ),
    "all containers with a mount at the path": pod(
        containers=[{"name": "a", "image": "x", "volumeMounts": [{"name": "v", "mountPath": TOKEN_PATH}]}],
        volumes=[{"name": "v", "emptyDir": {}}],
    ),
    "a token volume of its own": pod(volumes=[{"name": "kube-api-access-own", "emptyDir": {}}]),
    "a priority class": pod(priorityClassName="high"),
    "a priority class and its values": pod(priorityClassName="high", priority=1000, preemptionPolicy="Never"),
    "a system priority class": pod("kube-system", priorityClassName="system-node-critical"),
    "the other system priority class": pod("kube-system", priorityClassName="system-cluster-critical"),
    "everything is tolerated": pod(tolerations=[FOREVER]),
    "one effect is tolerated": pod(tolerations=[{**FOREVER, "effect": "NoSchedule"}]),
    "one taint is tolerated": pod(
        tolerations=[{"key": "node.kubernetes.io/not-ready", **FOREVER, "effect": "NoExecute", "tolerationSeconds": 5}]
    ),
    "a taint is tolerated without an effect": pod(tolerations=[{"key": "node.kubernetes.io/unreachable", **FOREVER}]),
    "a runtime class": pod(runtimeClassName="plain"),
    "a runtime class with overhead": pod(runtimeClassName="kata"),
    "a runtime class and its overhead": pod(runtimeClassName="kata", overhead={"memory": "65536Ki", "cpu": "100m"}),
    "a runtime class with a node selector": pod(runtimeClassName="vm"),
    "a runtime class over what the Pod says": pod(
        runtimeClassName="vm",
        nodeSelector={"vm": "yes", "disk": "ssd"},
        tolerations=[{"key": "vm", "operator": "Equal", "value": "2"}, {"key": "a", "operator": "Exists"}],
    ),
    "a runtime class beside what is tolerated forever": pod(runtimeClassName="vm", tolerations=[FOREVER]),
    "a Pod on a node": pod(nodeName="n1"),
    "a Pod on an unknown node": pod(nodeName="n2"),
    "limits of the namespace": pod("bounded"),
    "limits of the namespace beside its own": pod(
        "bounded",
        containers=[
            {"name": "a", "image": "x", "resources": {"limits": {"cpu": "2"}}},
            {"name": "b", "image": "x", "resources": {"requests": {"memory": "2Mi", "cpu": "20m"}}},
        ],
        initContainers=[{"name": "i", "image": "x", "resources": {"limits": {"example.com/gpu": "1"}}}],
    ),
    "a claim": of("v1", "PersistentVolumeClaim", "data", NAMESPACE, spec=CLAIM),
    "a claim of a class": of(
        "v1", "PersistentVolumeClaim", "data", NAMESPACE, spec={**CLAIM, "storageClassName": "slow"}
    ),
    "a claim of no class": of("v1", "PersistentVolumeClaim", "data", NAMESPACE, spec={**CLAIM, "storageClassName": ""}),
    "a claim with the old annotation": annotated(
        of("v1", "PersistentVolumeClaim", "data", NAMESPACE, spec=CLAIM),
        volume_beta_kubernetes_io__storage_class="",
    ),
    "a claim with a finalizer": {
        **of("v1", "PersistentVolumeClaim", "data", spec=CLAIM),
        "metadata": {
            "name": "data",
            "namespace": NAMESPACE,
            "finalizers": ["example.com/x", "kubernetes.io/pvc-protection"],
        },
    },
    "a volume": of("v1", "PersistentVolume", "data", spec=VOLUME),
    "a class of volume attributes": of("storage.k8s.io/v1", "VolumeAttributesClass", "gold", driverName="example.com"),
    "an Ingress": of("networking.k8s.io/v1", "Ingress", "web", NAMESPACE, spec=RULES),
    "an Ingress of a class": of(
        "networking.k8s.io/v1", "Ingress", "web", NAMESPACE, spec={**RULES, "ingressClassName": "x"}
    ),
    "an Ingress with the old annotation": annotated(
        of("networking.k8s.io/v1", "Ingress", "web", NAMESPACE, spec=RULES), kubernetes_io__ingress_class="old"
    ),
    "a Node": of("v1", "Node", "n3"),
    "a tainted Node": of(
        "v1", "Node", "n3", spec={"taints": [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]}
    ),
}

FORBIDDEN: dict[str, dict[str, Any]] = {
    "a priority of its own": pod(priority=5),
    "a priority that is not the class's": pod(priorityClassName="high", priority=5),
    "a preemption policy that is not the class's": pod(
        priorityClassName="high", preemptionPolicy="PreemptLowerPriority"
    ),
    "an overhead without a class": pod(overhead={"cpu": "1m"}),
    "an overhead of its own": pod(runtimeClassName="kata", overhead={"cpu": "1m"}),
    "a node selector that is not the class's": pod(runtimeClassName="vm", nodeSelector={"vm": "no"}),
}


def tight(*resources: dict[str, dict[str, str]]) -> dict[str, Any]:
    """A Pod of containers that need these, and a GPU."""
    containers = []
    for index, each in enumerate(resources):
        limits = {"example.com/gpu": "1", **each.get("limits", {})}
        containers.append({"name": f"c{index}", "image": "x", "resources": {**each, "limits": limits}})
    return pod("tight", containers=containers)


def claim(storage: str) -> dict[str, Any]:
    spec = {**CLAIM, "resources": {"requests": {"storage": storage}}}
    return of("v1", "PersistentVolumeClaim", "data", "tight", spec=spec)


WITHIN = {
    "within bounds": tight({}),
    "at the bounds": tight({"limits": {"cpu": "1.5", "memory": "32Mi"}, "requests": {"memory": "16Mi"}}),
    "a claim within bounds": claim("2147483648"),
}
BEYOND = {
    "too little memory": tight({"requests": {"memory": "8Mi"}, "limits": {"memory": "16Mi"}}),
    "too little memory as a limit": tight({"limits": {"memory": "15Mi"}, "requests": {"memory": "15Mi"}}),
    "too much cpu": tight({"limits": {"cpu": "1501m"}}),
    "too wide a range": tight({"limits": {"memory": "65Mi"}, "requests": {"memory": "32Mi"}}),
    "too much together": tight({}, {}, {}),
    "too much of an init container": {
        **tight({}),
        "spec": {
            **tight({})["spec"],
            "initContainers": [{"name": "i", "image": "x", "resources": {"limits": {"cpu": "2"}}}],
        },
    },
    "no GPU": pod("tight"),
    "several of these": tight({"limits": {"cpu": "3", "memory": "8Mi"}, "requests": {"memory": "8Mi"}}),
    "too large a claim": claim("2049Mi"),
    "too small a claim": claim("0.5Gi"),
}


@pytest.fixture(scope="module")
def answered(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Answer]]:
    kinds = Kinds.builtin()
    folder = tmp_path_factory.mktemp("recorder")
    with started(assets, service_accounts=True) as cluster, recording(folder) as recorder:
        client = cluster.client()
        sending._prepare(client, corpus.NAMESPACES)
        for each in AT_HAND:
            made = client.post(_path(each, kinds), each)
            assert made.ok, made.message
        sending._register(client, recorder)
        yield {
            name: sending._answer(client, recorder, name, f"{_path(value, kinds)}?{sending._QUERY}", value)
            for name, value in {**CASES, **FORBIDDEN, **WITHIN, **BEYOND}.items()
        }


def _path(value: dict[str, Any], kinds: Kinds) -> str:
    resource = kinds.for_kind(value["apiVersion"], value["kind"])
    assert resource is not None
    prefix = f"/apis/{value['apiVersion']}" if "/" in value["apiVersion"] else f"/api/{value['apiVersion']}"
    namespace = value["metadata"].get("namespace")
    return f"{prefix}/namespaces/{namespace}/{resource.plural}" if namespace else f"{prefix}/{resource.plural}"


def ours(value: dict[str, Any]) -> tuple[dict[str, Any], Plugged]:
    decoded = decode_builtin(value)
    assert decoded is not None
    assert decoded.problems == ()
    api_version, kind = value["apiVersion"], value["kind"]
    set_defaults(decoded.object, api_version, kind)
    convert(decoded.object, api_version, kind)
    plugins = Plugins(ManifestsView(AT_HAND))
    plugged = plugins.admit(decoded.object, api_version, kind, value["metadata"].get("namespace", ""))
    return comparable(encode_builtin(decoded.object), value), plugged


@pytest.mark.parametrize("name", CASES)
def test_policies_see_what_plugins_made_of_an_object(name: str, answered: dict[str, Answer]) -> None:
    mutation = answered[name].mutation
    assert mutation is not None, answered[name].refusal
    made, plugged = ours(CASES[name])
    assert plugged.problems == ()
    assert made == mutation["object"]


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_plugins_forbid(name: str, answered: dict[str, Answer]) -> None:
    refusal = answered[name].refusal
    assert refusal is not None
    assert refusal.reason == "Forbidden"
    _, plugged = ours(FORBIDDEN[name])
    assert [each.message for each in plugged.problems] == [refusal.message]


def validated(value: dict[str, Any]) -> Plugged:
    """What plugins refuse of an object at validation."""
    made, plugged = ours(value)
    assert plugged.problems == ()
    plugins = Plugins(ManifestsView(AT_HAND))
    return plugins.validate(made, value["apiVersion"], value["kind"], value["metadata"]["namespace"])


@pytest.mark.parametrize("name", WITHIN)
def test_what_is_within_the_bounds_of_a_limit_range(name: str, answered: dict[str, Answer]) -> None:
    assert answered[name].refusal is None
    assert validated(WITHIN[name]).problems == ()


@pytest.mark.parametrize("name", BEYOND)
def test_what_is_beyond_the_bounds_of_a_limit_range(name: str, answered: dict[str, Answer]) -> None:
    refusal = answered[name].refusal
    assert refusal is not None
    assert refusal.reason == "Forbidden"
    texts = [each.message for each in validated(BEYOND[name]).problems]
    assert [_parts(each) for each in texts] == [_parts(refusal.message)]


def _parts(text: str) -> tuple[str, set[str]]:
    """A text, and what it names, which is in no order."""
    before, bracket, listed = text.removesuffix("]").partition("[")
    return before, set(listed.split(", ")) if bracket else set()
