"""What the API server's own admission plugins change. tests/e2e/test_plugins.py asks a real one."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.apiserver.decoding import decode_builtin
from webhook.apiserver.defaults.defaulting import set_defaults
from webhook.apiserver.plugins.admitting import Plugged, Plugins
from webhook.cluster.manifestsview import ManifestsView


def named(api_version: str, kind: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **fields}


def admitted(value: dict[str, Any], *at_hand: dict[str, Any], **options: Any) -> tuple[dict[str, Any], Plugged]:
    plugins = Plugins(ManifestsView(at_hand))
    decoded = decode_builtin(value)
    assert decoded is not None
    assert decoded.problems == ()
    set_defaults(decoded.object, value["apiVersion"], value["kind"])
    plugged = plugins.admit(decoded.object, value["apiVersion"], value["kind"], "default", **options)
    return decoded.object, plugged


def pod(**spec: Any) -> dict[str, Any]:
    return named("v1", "Pod", "web", spec={"containers": [{"name": "a", "image": "nginx:1"}], **spec})


def spec_of(value: dict[str, Any], *at_hand: dict[str, Any]) -> dict[str, Any]:
    made, plugged = admitted(value, *at_hand)
    assert plugged == Plugged()
    found: dict[str, Any] = made["spec"]
    return found


TOKEN = {
    "name": "kube-api-access-xxxxx",
    "readOnly": True,
    "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
}


def test_a_pod_has_an_account_and_its_token() -> None:
    spec = spec_of(pod(initContainers=[{"name": "i"}]))
    assert (spec["serviceAccountName"], spec["serviceAccount"]) == ("default", "default")
    assert spec["initContainers"][0]["volumeMounts"] == spec["containers"][0]["volumeMounts"] == [TOKEN]
    (volume,) = spec["volumes"]
    assert volume["name"] == TOKEN["name"]
    assert volume["projected"]["defaultMode"] == 420
    assert volume["projected"]["sources"][0] == {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}


def test_no_token_is_mounted_twice() -> None:
    mounted = {"name": "a", "volumeMounts": [{"name": "own", "mountPath": TOKEN["mountPath"]}]}
    spec = spec_of(pod(containers=[mounted]))
    assert len(spec["containers"][0]["volumeMounts"]) == 1
    assert "volumes" not in spec
    spec = spec_of(pod(volumes=[{"name": "kube-api-access-own", "emptyDir": {}}]))
    assert [each["name"] for each in spec["volumes"]] == ["kube-api-access-own"]
    assert spec["containers"][0]["volumeMounts"][0]["name"] == "kube-api-access-own"


@pytest.mark.parametrize(
    ("on_pod", "on_account", "mounts"),
    [(None, None, True), (None, False, False), (False, True, False), (True, False, True)],
)
def test_a_pod_and_its_account_say_whether_a_token_is_mounted(
    on_pod: bool | None, on_account: bool | None, mounts: bool
) -> None:
    account = named("v1", "ServiceAccount", "robot", automountServiceAccountToken=on_account)
    spec = spec_of(pod(serviceAccountName="robot", automountServiceAccountToken=on_pod), account)
    assert ("volumes" in spec) == mounts


def test_an_account_has_pull_secrets() -> None:
    account = named("v1", "ServiceAccount", "default", imagePullSecrets=[{"name": "registry"}])
    assert spec_of(pod(), account)["imagePullSecrets"] == [{"name": "registry"}]
    assert spec_of(pod(imagePullSecrets=[{"name": "own"}]), account)["imagePullSecrets"] == [{"name": "own"}]
    other = {**account, "metadata": {"name": "default", "namespace": "other"}}
    assert "imagePullSecrets" not in spec_of(pod(), other)


def test_a_mirror_pod_has_no_account() -> None:
    value = pod()
    value["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    assert "serviceAccountName" not in spec_of(value)


def test_a_pod_has_the_default_priority_and_tolerations() -> None:
    spec = spec_of(pod())
    assert (spec["priority"], spec["preemptionPolicy"]) == (0, "PreemptLowerPriority")
    assert "priorityClassName" not in spec
    assert [(each["key"], each["tolerationSeconds"]) for each in spec["tolerations"]] == [
        ("node.kubernetes.io/not-ready", 300),
        ("node.kubernetes.io/unreachable", 300),
    ]


@pytest.mark.parametrize(
    ("given", "added"),
    [
        ([{"operator": "Exists"}], []),
        ([{"operator": "Exists", "effect": "NoSchedule"}], ["not-ready", "unreachable"]),
        ([{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}], ["unreachable"]),
        ([{"key": "node.kubernetes.io/unreachable", "operator": "Exists"}], ["not-ready"]),
    ],
)
def test_what_is_tolerated_already_is_not_added(given: list[dict[str, Any]], added: list[str]) -> None:
    spec = spec_of(pod(tolerations=given))
    assert spec["tolerations"][: len(given)] == given
    assert [each["key"].rpartition("/")[2] for each in spec["tolerations"][len(given) :]] == added


def test_priority_classes() -> None:
    assert spec_of(pod(priorityClassName="system-node-critical"))["priority"] == 2_000_001_000
    high = named("scheduling.k8s.io/v1", "PriorityClass", "high", value=1000, preemptionPolicy="Never")
    spec = spec_of(pod(priorityClassName="high"), high)
    assert (spec["priority"], spec["preemptionPolicy"]) == (1000, "Never")
    spec = spec_of(pod(), {**high, "globalDefault": True}, {**high, "globalDefault": True, "value": 2000})
    assert (spec["priorityClassName"], spec["priority"]) == ("high", 2000), "the later of one name wins"
    low = named("scheduling.k8s.io/v1", "PriorityClass", "low", value=-5, globalDefault=True)
    assert spec_of(pod(), {**high, "globalDefault": True}, low)["priorityClassName"] == "low"


def test_a_priority_that_is_not_the_class_s_is_forbidden() -> None:
    _, plugged = admitted(pod(priority=5))
    assert [(each.path, each.reason, each.message) for each in plugged.problems] == [
        (
            ("spec", "priority"),
            "Forbidden",
            'pods "web" is forbidden: the integer value of priority (5) must not be provided in pod spec; priority '
            "admission controller computed 0 from the given PriorityClass name",
        )
    ]
    _, plugged = admitted(pod(preemptionPolicy="Never"))
    assert [each.path for each in plugged.problems] == [("spec", "preemptionPolicy")]
    assert spec_of(pod(priority=0))["priority"] == 0


def test_a_class_that_is_not_among_the_inputs_is_noted() -> None:
    made, plugged = admitted(pod(priorityClassName='ab"c', runtimeClassName="kata"))
    assert "priority" not in made["spec"]
    assert [each.split(" is not among")[0] for each in plugged.notes] == [
        'PriorityClass "ab\\"c"',
        'RuntimeClass "kata"',
    ]


def test_limit_ranges_of_the_namespace() -> None:
    item = {"type": "Container", "default": {"cpu": "1", "memory": "1Gi"}, "defaultRequest": {"cpu": "100m"}}
    limits = named("v1", "LimitRange", "limits", spec={"limits": [item]})
    made, _ = admitted(pod(initContainers=[{"name": "i", "resources": {"limits": {"cpu": "2"}}}]), limits)
    assert made["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "100m", "memory": "1Gi"},
        "limits": {"cpu": "1", "memory": "1Gi"},
    }
    assert made["spec"]["initContainers"][0]["resources"] == {
        "requests": {"cpu": "2", "memory": "1Gi"},
        "limits": {"cpu": "2", "memory": "1Gi"},
    }
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: cpu, memory request for container a; cpu, memory limit for container a; "
        "memory request for init container i; memory limit for init container i"
    )
    elsewhere = {**limits, "metadata": {"name": "limits", "namespace": "other"}}
    made, _ = admitted(pod(), elsewhere)
    assert "resources" not in made["spec"]["containers"][0]


def test_runtime_classes() -> None:
    scheduling = {"nodeSelector": {"vm": "yes"}, "tolerations": [{"key": "vm", "operator": "Exists"}]}
    kata = named(
        *("node.k8s.io/v1", "RuntimeClass", "kata"),
        handler="kata",
        overhead={"podFixed": {"memory": "64Mi"}},
        scheduling=scheduling,
    )
    spec = spec_of(
        pod(runtimeClassName="kata", nodeSelector={"a": "b"}, tolerations=[{"key": "vm", "value": "1"}]), kata
    )
    assert spec["overhead"] == {"memory": "64Mi"}
    assert spec["nodeSelector"] == {"a": "b", "vm": "yes"}
    assert [each["key"] for each in spec["tolerations"]] == [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
        "vm",
    ], "the toleration of one value is covered by the one of all"
    _, plugged = admitted(pod(runtimeClassName="kata", nodeSelector={"vm": "no"}), kata)
    assert [each.message for each in plugged.problems] == [
        'pods "web" is forbidden: conflict: runtimeClass.scheduling.nodeSelector[vm] = yes; '
        "pod.spec.nodeSelector[vm] = no"
    ]
    _, plugged = admitted(pod(runtimeClassName="kata", overhead={"memory": "1Mi"}), kata)
    assert [each.path for each in plugged.problems] == [("spec", "overhead")]
    _, plugged = admitted(pod(overhead={"memory": "1Mi"}))
    assert [each.message for each in plugged.problems] == [
        'pods "web" is forbidden: pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead'
    ]


def test_a_pod_on_a_node_has_the_labels_of_its_zone() -> None:
    labels = {"topology.kubernetes.io/zone": "a", "other": "b"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": labels}}
    made, _ = admitted(pod(nodeName="n"), node)
    assert made["metadata"]["labels"] == {"topology.kubernetes.io/zone": "a"}
    made, _ = admitted(pod(nodeName="other"), node)
    assert "labels" not in made["metadata"]


def test_pod_security_is_noted() -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "labels": labels}}
    _, plugged = admitted(pod(), namespace)
    assert plugged.notes == (
        'Namespace default enforces the Pod Security Standard "restricted", which only policies check here',
    )
    labels["pod-security.kubernetes.io/enforce"] = "privileged"
    assert admitted(pod(), namespace)[1] == Plugged()


def test_default_classes() -> None:
    def of(api_version: str, kind: str, name: str, annotation: str) -> dict[str, Any]:
        metadata = {"name": name, "annotations": {annotation: "true"}}
        return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "provisioner": "p"}

    storage = of("storage.k8s.io/v1", "StorageClass", "fast", "storageclass.kubernetes.io/is-default-class")
    claim = named("v1", "PersistentVolumeClaim", "data", spec={})
    assert spec_of(claim, storage)["storageClassName"] == "fast"
    assert spec_of({**claim, "spec": {"storageClassName": ""}}, storage)["storageClassName"] == ""
    assert "storageClassName" not in spec_of(claim)
    ingress = of("networking.k8s.io/v1", "IngressClass", "b", "ingressclass.kubernetes.io/is-default-class")
    first = of("networking.k8s.io/v1", "IngressClass", "a", "ingressclass.kubernetes.io/is-default-class")
    del ingress["provisioner"], first["provisioner"]
    web = named("networking.k8s.io/v1", "Ingress", "web", spec={})
    assert spec_of(web, ingress, first)["ingressClassName"] == "a"
    web["metadata"]["annotations"] = {"kubernetes.io/ingress.class": "old"}
    assert "ingressClassName" not in spec_of(web, ingress, first)


@pytest.mark.parametrize(
    ("api_version", "kind", "finalizer"),
    [
        ("v1", "PersistentVolume", "kubernetes.io/pv-protection"),
        ("v1", "PersistentVolumeClaim", "kubernetes.io/pvc-protection"),
        ("storage.k8s.io/v1", "VolumeAttributesClass", "kubernetes.io/vac-protection"),
    ],
)
def test_storage_in_use_is_protected(api_version: str, kind: str, finalizer: str) -> None:
    made, _ = admitted(named(api_version, kind, "a"))
    assert made["metadata"]["finalizers"] == [finalizer]
    made, _ = admitted({**named(api_version, kind, "a"), "metadata": {"name": "a", "finalizers": ["x", finalizer]}})
    assert made["metadata"]["finalizers"] == ["x", finalizer]


def test_a_new_node_is_not_ready() -> None:
    assert spec_of(named("v1", "Node", "n"))["taints"] == [
        {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    ]


def test_an_update_keeps_the_priority_and_changes_no_more_than_tolerations() -> None:
    before = pod(priority=7, preemptionPolicy="Never")
    made, plugged = admitted(pod(), operation="UPDATE", old=before)
    assert plugged == Plugged()
    assert (made["spec"]["priority"], made["spec"]["preemptionPolicy"]) == (7, "Never")
    assert len(made["spec"]["tolerations"]) == 2
    assert "volumes" not in made["spec"]
    claim = named("v1", "PersistentVolumeClaim", "data")
    made, _ = admitted(claim, operation="UPDATE", old=claim)
    assert "finalizers" not in made["metadata"]


def test_an_object_at_hand_that_is_invalid_is_not_there() -> None:
    broken = named("scheduling.k8s.io/v1", "PriorityClass", "high", value="many")
    _, plugged = admitted(pod(priorityClassName="high"), broken)
    assert [each.split(" is not")[0] for each in plugged.notes] == ['PriorityClass "high"']


BOUNDS = {
    "type": "Container",
    "max": {"cpu": "2"},
    "min": {"memory": "16Mi"},
    "maxLimitRequestRatio": {"memory": "2"},
}


@pytest.mark.parametrize(
    ("resources", "text"),
    [
        ({"limits": {"cpu": "2", "memory": "32Mi"}, "requests": {"memory": "16Mi"}}, None),
        ({"limits": {"cpu": "2001m", "memory": "16Mi"}}, "maximum cpu usage per Container is 2, but limit is 2001m"),
        ({"limits": {"cpu": "1", "memory": "8Mi"}}, "minimum memory usage per Container is 16Mi, but request is 8Mi"),
        (
            {"limits": {"cpu": "1", "memory": "50Mi"}, "requests": {"memory": "20Mi"}},
            "memory max limit to request ratio per Container is 2, but provided ratio is 2.500000",
        ),
        (
            {"limits": {"cpu": "1"}},
            "[minimum memory usage per Container is 16Mi.  No request is specified, "
            "memory max limit to request ratio per Container is 2, but no request is specified or request is 0]",
        ),
    ],
)
def test_limit_ranges_bound_containers(resources: dict[str, Any], text: str | None) -> None:
    limits = named("v1", "LimitRange", "limits", spec={"limits": [BOUNDS]})
    value = pod(containers=[{"name": "a", "image": "x", "resources": resources}])
    decoded = decode_builtin(value)
    assert decoded is not None
    set_defaults(decoded.object, "v1", "Pod")
    found = Plugins(ManifestsView([limits])).validate(decoded.object, "v1", "Pod", "default").problems
    assert [each.message for each in found] == ([f'pods "web" is forbidden: {text}'] if text else [])
    assert all(each.reason == "Forbidden" for each in found)


def test_limit_ranges_bound_pods_and_claims() -> None:
    bounds = [{"type": "Pod", "max": {"cpu": "1"}}, {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}}]
    plugins = Plugins(ManifestsView([named("v1", "LimitRange", "limits", spec={"limits": bounds})]))
    half = {"limits": {"cpu": "600m"}, "requests": {"cpu": "600m"}}
    value = pod(containers=[{"name": name, "image": "x", "resources": half} for name in "ab"])
    (found,) = plugins.validate(value, "v1", "Pod", "default").problems
    assert found.path == ("spec",)
    assert found.message == 'pods "web" is forbidden: maximum cpu usage per Pod is 1, but limit is 1200m'
    claim = named("v1", "PersistentVolumeClaim", "data", spec={"resources": {"requests": {"storage": "500Mi"}}})
    (found,) = plugins.validate(claim, "v1", "PersistentVolumeClaim", "default").problems
    assert found.message == (
        'persistentvolumeclaims "data" is forbidden: minimum storage usage per PersistentVolumeClaim is 1Gi, '
        "but request is 500Mi"
    )
    assert plugins.validate(value, "v1", "Pod", "other") == Plugged()
