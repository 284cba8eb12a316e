"""Ways round the shipped policies, tried on a real API server: each was thought of as a tenant who wants to get past.

What the policies do not see stands in policies/*/README.md.
"""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.controlplane import DEVELOPER, ControlPlane
from tests.e2e.objects import namespace, pod, service
from tests.e2e.people import roles
from tests.e2e.ways import KINDS, TEMPLATE, Way, is_refused, send, workload
from tests.e2e.webhooks import POLICIES, Gatewright, register, rendered

Object = dict[str, Any]

_numbers = itertools.count()


@pytest.fixture(scope="module")
def enforced(cluster: ControlPlane, gatewright: Gatewright, tmp_path_factory: pytest.TempPathFactory) -> ControlPlane:
    """The cluster with the shipped policies in force, and without cert-manager."""
    ignored = shutil.ignore_patterns("params.yaml")
    tree = Path(shutil.copytree(POLICIES, tmp_path_factory.mktemp("tree") / "policies", ignore=ignored))
    cluster.apply(namespace("gatewright-system"), *roles())
    for params in POLICIES.glob("*/params.yaml"):
        cluster.kubectl("apply", "--filename", str(params))
    gatewright.look_up_in(cluster)
    gatewright.start(tree)
    register(cluster, gatewright, "base")
    return cluster


@pytest.fixture
def shop(enforced: ControlPlane) -> Iterator[str]:
    """A Namespace of the test's own."""
    name = f"shop-{next(_numbers)}"
    enforced.apply(namespace(name))
    yield name


def scale(replicas: int) -> Object:
    return {"spec": {"replicas": replicas}}


OWNER = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x", "uid": "11111111-2222-3333-4444-555555555555"}


def owned(replicas: int) -> Object:
    value = workload("ReplicaSet", replicas=replicas)
    value["metadata"]["ownerReferences"] = [{**OWNER, "controller": True}]
    return value


def autoscaler(version: str, **spec: Any) -> Object:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}
    head = {"apiVersion": f"autoscaling/{version}", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "x"}}
    return {**head, "spec": {"scaleTargetRef": target, **spec}}


def without_name(value: Object) -> Object:
    return {**value, "metadata": {**value["metadata"], "name": None, "generateName": "x-"}}


def surge(value: int | str) -> Object:
    return {"strategy": {"rollingUpdate": {"maxSurge": value}}}


AT_500 = "spec.replicas is 500; set it from 1 to 10"
SCALERS = "autoscaling/horizontalpodautoscalers"
REPLICAS = [
    Way("an invented owner", AT_500, ("POST", "apps/replicasets", owned(500))),
    Way(
        "an invented owner that goes",
        "spec.replicas is 0; set it from 1 to 10",
        ("MERGE", "apps/replicasets/x", {"metadata": {"ownerReferences": None}}),
        (("POST", "apps/replicasets", owned(0)),),
    ),
    Way(
        "an invented owner that controls no more",
        "spec.replicas is 0",
        ("JSON", "apps/replicasets/x", [{"op": "remove", "path": "/metadata/ownerReferences/0/controller"}]),
        (("POST", "apps/replicasets", owned(0)),),
    ),
    Way(
        "an owned ReplicaSet is scaled",
        AT_500,
        ("MERGE", "apps/replicasets/x/scale", scale(500)),
        (("POST", "apps/replicasets", owned(1)),),
    ),
    Way(
        "a Job",
        "spec.parallelism is 500; set it to at most 10",
        ("POST", "batch/jobs", workload("Job", parallelism=500)),
    ),
    Way(
        "a Job that grows",
        "spec.parallelism is 500",
        ("MERGE", "batch/jobs/x", {"spec": {"parallelism": 500}}),
        (("POST", "batch/jobs", workload("Job", parallelism=2)),),
    ),
    Way(
        "a Job that is suspended first",
        "spec.parallelism is 500",
        ("POST", "batch/jobs", workload("Job", parallelism=500, suspend=True)),
    ),
    Way(
        "a CronJob",
        "spec.jobTemplate.spec.parallelism is 500",
        ("POST", "batch/cronjobs", workload("CronJob", parallelism=500)),
    ),
    Way(
        "a surge in percent",
        "maxSurge is 50000%; set it to at most 100%, or 10",
        ("POST", "apps/deployments", workload("Deployment", replicas=1, **surge("50000%"))),
    ),
    Way(
        "a surge in Pods",
        "maxSurge is 500;",
        ("POST", "apps/deployments", workload("Deployment", replicas=1, **surge(500))),
    ),
    Way(
        "a surge that comes later",
        "maxSurge is 500;",
        ("MERGE", "apps/deployments/x", {"spec": surge(500)}),
        (("POST", "apps/deployments", workload("Deployment", replicas=1)),),
    ),
    Way("an autoscaler of v1", "spec.maxReplicas is 500", ("POST", SCALERS, autoscaler("v1", maxReplicas=500))),
    Way("an autoscaler of v2", "spec.maxReplicas is 500", ("POST", SCALERS, autoscaler("v2", maxReplicas=500))),
    Way(
        "an autoscaler's least",
        "spec.minReplicas is 500",
        ("POST", SCALERS, autoscaler("v2", minReplicas=500, maxReplicas=500)),
    ),
    *(
        Way(f"a {kind} is created", AT_500, ("POST", KINDS[kind], workload(kind, replicas=500)))
        for kind in ("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController")
    ),
    *(
        Way(
            f"a {kind} is scaled",
            AT_500,
            ("MERGE", f"{KINDS[kind]}/x/scale", scale(500)),
            (("POST", KINDS[kind], workload(kind, replicas=1)),),
        )
        for kind in ("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController")
    ),
    Way("no name", AT_500, ("POST", "apps/deployments", without_name(workload("Deployment", replicas=500)))),
    Way("server-side apply", AT_500, ("APPLY", "apps/deployments/x", workload("Deployment", replicas=500))),
    Way(
        "a number and a surge at once",
        AT_500,
        ("MERGE", "apps/deployments/x", {"spec": {"replicas": 500, **surge(1)}}),
        (("POST", "apps/deployments", workload("Deployment", replicas=1)),),
    ),
]

POD: Object = {**pod("x"), "metadata": {"name": "x"}}
HOST: Object = {"volumes": [{"name": "a", "emptyDir": {}}, {"name": "h", "hostPath": {"path": "/"}}]}
OPENS = "hostPath volumes open the files of the node to the Pod (h)"


def volume(name: str, **source: Any) -> Object:
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], **source}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}


NODES = {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}}
LOCAL = {"local": {"path": "/"}, "nodeAffinity": NODES}
HOST_PATHS = [
    Way(
        "a local PersistentVolume",
        "spec.local: a PersistentVolume with a local path",
        ("POST", "persistentvolumes", volume("local", **LOCAL)),
    ),
    Way(
        "a local disk",
        "spec.local: ",
        (
            "POST",
            "persistentvolumes",
            volume("block", volumeMode="Block", nodeAffinity=NODES, local={"path": "/dev/sda"}),
        ),
    ),
    Way("a PersistentVolume", "spec.hostPath: ", ("POST", "persistentvolumes", volume("host", hostPath={"path": "/"}))),
    Way(
        "a claimed PersistentVolume",
        "spec.local: ",
        ("POST", "persistentvolumes", volume("claimed", claimRef={"namespace": "shop", "name": "c"}, **LOCAL)),
    ),
    Way(
        "a PersistentVolume without a name",
        "spec.local: ",
        ("POST", "persistentvolumes", without_name(volume("x", **LOCAL))),
    ),
    *(Way(f"a {kind}", OPENS, ("POST", path, workload(kind, pod_spec=HOST))) for kind, path in KINDS.items()),
    *(
        Way(
            f"a {kind} that changes",
            OPENS,
            ("MERGE", f"{KINDS[kind]}/x", {"spec": {"template": {"spec": HOST}}}),
            (("POST", KINDS[kind], workload(kind)),),
        )
        for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController")
    ),
    Way("a Pod without a name", OPENS, ("POST", "pods", without_name({**POD, "spec": {**TEMPLATE["spec"], **HOST}}))),
    Way("server-side apply of a Pod", OPENS, ("APPLY", "pods/x", {**POD, "spec": {**TEMPLATE["spec"], **HOST}})),
    Way(
        "a kind of hostPath",
        OPENS,
        (
            "POST",
            "batch/jobs",
            workload("Job", pod_spec={"volumes": [{"name": "h", "hostPath": {"path": "/", "type": "CharDevice"}}]}),
        ),
    ),
]

LABEL = "gatewright.dev/keep-finalizer"
KEPT: Object = {"labels": {LABEL: "true"}}
FINALIZER = "gatewright.dev/cleanup"
STAYS = f"metadata.finalizers: {FINALIZER} must stay"
MISSING = f"metadata.finalizers: {FINALIZER} is missing"
PORT = {"name": "web", "port": 443, "appProtocol": "https"}


def config_map(name: str, **metadata: Any) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}


def kept_service() -> Object:
    value = service("x", PORT, **KEPT)
    del value["metadata"]["namespace"]
    return value


def kept_pod() -> Object:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", **KEPT}, "spec": TEMPLATE["spec"]}


BINDING: Object = {"apiVersion": "v1", "kind": "Binding", "target": {"apiVersion": "v1", "kind": "Node", "name": "n"}}
PARAM = "configmaps/finalizer-enforcement"
NONE = {"metadata": {"finalizers": None}}
FINALIZERS = [
    Way(
        "an object that is called as the params",
        STAYS,
        ("MERGE", PARAM, NONE),
        (("POST", "configmaps", config_map("finalizer-enforcement", **KEPT)),),
    ),
    Way("a merge patch", STAYS, ("MERGE", "services/x", NONE), (("POST", "services", kept_service()),)),
    Way(
        "a JSON patch",
        STAYS,
        ("JSON", "services/x", [{"op": "remove", "path": "/metadata/finalizers/0"}]),
        (("POST", "services", kept_service()),),
    ),
    Way("through its status", STAYS, ("MERGE", "services/x/status", NONE), (("POST", "services", kept_service()),)),
    Way(
        "a replacement",
        STAYS,
        ("PUT", "configmaps/x", config_map("x", **KEPT)),
        (("POST", "configmaps", config_map("x", **KEPT)),),
    ),
    Way(
        "another in its place",
        STAYS,
        ("MERGE", "configmaps/x", {"metadata": {"finalizers": ["example.com/other"]}}),
        (("POST", "configmaps", config_map("x", **KEPT)),),
    ),
    Way(
        "the label goes first",
        "metadata.labels: these labels put the object under the protection",
        ("MERGE", "configmaps/x", {"metadata": {"labels": None}}),
        (("POST", "configmaps", config_map("x", **KEPT)),),
    ),
    Way(
        "label and finalizer go at once",
        STAYS,
        ("MERGE", "configmaps/x", {"metadata": {"labels": None, "finalizers": None}}),
        (("POST", "configmaps", config_map("x", **KEPT)),),
    ),
    Way(
        "a Binding that replaces the label",
        "metadata.labels: gatewright.dev/keep-finalizer would replace the label of the Pod",
        ("POST", "pods/x/binding", {**BINDING, "metadata": {"name": "x", "labels": {LABEL: "false"}}}),
        (("POST", "pods", kept_pod()),),
    ),
    Way(
        "the label comes later",
        MISSING,
        ("MERGE", "configmaps/x", {"metadata": KEPT}),
        (("POST", "configmaps", config_map("x")),),
    ),
    Way(
        "the label comes through the status",
        MISSING,
        ("MERGE", "services/x/status", {"metadata": KEPT}),
        (("POST", "services", {**kept_service(), "metadata": {"name": "x"}}),),
    ),
    Way(
        "while it is deleted",
        f"{STAYS}; only ",
        ("MERGE", "configmaps/x", NONE),
        (("POST", "configmaps", config_map("x", **KEPT)), ("DELETE", "configmaps/x", None)),
    ),
    Way(
        "a Namespace that calls itself kube-system for the mutating webhook",
        MISSING,
        (
            "POST",
            "namespaces",
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {
                    "generateName": "kube-",
                    "labels": {LABEL: "true", "kubernetes.io/metadata.name": "kube-system"},
                },
            },
        ),
    ),
]

UNDECLARED = "declares no application protocol"
SCTP = {"ports": [{"containerPort": 1, "protocol": "SCTP"}]}
IS_SCTP = "is SCTP; it must be TCP or UDP"


def speaking(port: Object, kind: str = "ClusterIP", **spec: Any) -> Object:
    value = service("x", port, kind)
    del value["metadata"]["namespace"]
    value["spec"] |= spec
    return value


def containers(field: str) -> Object:
    extra = {"name": "s", "image": "registry.example.com/web:1", **SCTP}
    return {field: [*(TEMPLATE["spec"]["containers"] if field == "containers" else []), extra]}


PROTOCOLS = [
    Way("nothing declared", UNDECLARED, ("POST", "services", speaking({"port": 80}))),
    Way(
        "the name of a port",
        "speaks http, as its name, http-web, says",
        ("POST", "services", speaking({"port": 80, "name": "http-web"})),
    ),
    Way("letters", "speaks HTTP; it must be", ("POST", "services", speaking({"port": 80, "appProtocol": "HTTP"}))),
    Way("a name that begins like one", UNDECLARED, ("POST", "services", speaking({"port": 80, "name": "httpsx"}))),
    Way("SCTP", IS_SCTP, ("POST", "services", speaking({"port": 80, "protocol": "SCTP", "appProtocol": "https"}))),
    Way("no address", UNDECLARED, ("POST", "services", speaking({"port": 80}, clusterIP="None"))),
    Way(
        "a name elsewhere",
        UNDECLARED,
        ("POST", "services", speaking({"port": 80}, "ExternalName", externalName="example.com")),
    ),
    Way(
        "a port that comes later",
        UNDECLARED,
        ("MERGE", "services/x", {"spec": {"ports": [PORT, {"name": "plain", "port": 80}]}}),
        (("POST", "services", speaking(PORT)),),
    ),
    Way(
        "a protocol that goes later",
        UNDECLARED,
        ("JSON", "services/x", [{"op": "remove", "path": "/spec/ports/0/appProtocol"}]),
        (("POST", "services", speaking(PORT)),),
    ),
    Way(
        "an init container",
        IS_SCTP,
        ("POST", "apps/deployments", workload("Deployment", pod_spec=containers("initContainers"))),
    ),
    Way(
        "one container of two",
        IS_SCTP,
        ("POST", "batch/cronjobs", workload("CronJob", pod_spec=containers("containers"))),
    ),
    Way(
        "a template of Pods",
        IS_SCTP,
        ("POST", "podtemplates", workload("PodTemplate", pod_spec=containers("containers"))),
    ),
]


@pytest.mark.parametrize(
    ("policy", "way"),
    [
        pytest.param(policy, way, id=f"{policy}: {way.name}")
        for policy, ways in (
            ("replica-bounds", REPLICAS),
            ("no-host-path", HOST_PATHS),
            ("finalizer-enforcement", FINALIZERS),
            ("protocol-whitelist", PROTOCOLS),
        )
        for way in ways
    ],
)
def test_a_way_round_is_refused(enforced: ControlPlane, shop: str, policy: str, way: Way) -> None:
    is_refused(enforced.client(DEVELOPER), shop, policy, way)


def test_what_the_status_says_of_the_number_is_not_taken(enforced: ControlPlane, shop: str) -> None:
    client = enforced.client(DEVELOPER)
    assert send(client, shop, "POST", "apps/deployments", workload("Deployment", replicas=1)).ok
    passed = send(client, shop, "MERGE", "apps/deployments/x/status", scale(500))
    assert passed.body["spec"]["replicas"] == 1


def test_the_controller_of_deployments_rolls_out_past_the_bound(enforced: ControlPlane, shop: str) -> None:
    made = enforced.kubectl(
        *("create", "--namespace", shop, "--filename", "-"),
        *("--as=system:serviceaccount:kube-system:deployment-controller", "--as-group=system:masters"),
        stdin=json.dumps(owned(13)),
    )
    assert made.stdout == "replicaset.apps/x created\n"


def test_a_namespace_is_not_ended_by_hand(enforced: ControlPlane, shop: str) -> None:
    enforced.kubectl("create", "--namespace", shop, "--filename", "-", stdin=json.dumps(config_map("x", **KEPT)))
    enforced.kubectl("delete", "namespace", shop, "--wait=false")
    ended: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": shop}, "spec": {"finalizers": []}}
    refused = enforced.client().request("PUT", f"/api/v1/namespaces/{shop}/finalize", ended)
    assert refused.status == 403, refused.body
    assert "spec.finalizers: kubernetes must stay" in refused.message
    by_controller = enforced.kubectl(
        *("replace", f"--raw=/api/v1/namespaces/{shop}/finalize", "--filename", "-"),
        *("--as=system:serviceaccount:kube-system:namespace-controller", "--as-group=system:masters"),
        stdin=json.dumps(ended),
    )
    assert json.loads(by_controller.stdout)["metadata"]["name"] == shop


@pytest.mark.parametrize("named", ["cert-manager", "calico-system", "kube-node-lease-2"])
def test_no_namespace_that_a_tenant_makes_is_exempt(enforced: ControlPlane, named: str) -> None:
    """cert-manager is not installed here: its name is anybody's."""
    client = enforced.client(DEVELOPER)
    labels = {"kubernetes.io/metadata.name": "kube-system"}
    assert client.post("/api/v1/namespaces", namespace(named, **labels)).ok
    refused = client.post(f"/api/v1/namespaces/{named}/pods", pod("p", named, host_path=True))
    assert refused.status == 403, refused.body
    assert OPENS in refused.message


def test_where_cert_manager_is_used_its_namespace_is_exempt(enforced: ControlPlane) -> None:
    for folder, exempt in (("base", False), ("overlays/enforcing", True)):
        for each in rendered(enforced, folder):
            for webhook in each.get("webhooks", ()):
                (expression,) = webhook["namespaceSelector"]["matchExpressions"]
                assert ("cert-manager" in expression["values"]) == exempt
