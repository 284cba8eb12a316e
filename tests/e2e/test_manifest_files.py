"""Which objects kubectl and the API server make of files: what `gatewright check` leaves out, nobody creates."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.controlplane import ControlPlane
from webhook.documents.reader import objects, parse
from webhook.offline.manifests import read
from webhook.offline.wholeness import is_whole

CONTAINERS = "containers: [{name: c, image: 'registry.example/c:1'}]"
POD = f"{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{{CONTAINERS}}}}}"
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


def part(api_version: str, kind: str, rest: str) -> str:
    return f"apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a, annotations: {{a: b}}}}\n{rest}\n"


PARTS = [
    part("v1", "Pod", f"spec: {{{CONTAINERS}}}"),
    part("v1", "Pod", "spec: {containers: [{name: c, securityContext: {privileged: false}}]}"),
    part("v1", "Service", ""),
    part("v1", "Service", "spec: {type: LoadBalancer}"),
    part("v1", "Service", "spec: {clusterIP: None}"),
    part("v1", "Service", "spec: {ports: [{port: 80}]}"),
    part("v1", "PersistentVolumeClaim", "spec: {resources: {requests: {storage: 1Gi}}}"),
    part("v1", "PersistentVolume", "spec: {capacity: {storage: 1Gi}}"),
    part("v1", "ConfigMap", "data: {a: b}"),
    part("v1", "ServiceAccount", ""),
    part("v1", "ReplicationController", "spec: {replicas: 2}"),
    part("apps/v1", "Deployment", "spec: {replicas: 2}"),
    part("apps/v1", "Deployment", f"spec: {{template: {{spec: {{{CONTAINERS}}}}}}}"),
    part("apps/v1", "ReplicaSet", f"spec: {{template: {{spec: {{{CONTAINERS}}}}}}}"),
    part("apps/v1", "StatefulSet", f"spec: {{template: {{spec: {{{CONTAINERS}}}}}}}"),
    part("apps/v1", "DaemonSet", f"spec: {{template: {{spec: {{{CONTAINERS}}}}}}}"),
    part("batch/v1", "Job", "spec: {parallelism: 2}"),
    part("batch/v1", "CronJob", "spec: {schedule: '* * * * *'}"),
    part("batch/v1", "CronJob", f"spec: {{jobTemplate: {{spec: {{template: {{spec: {{{CONTAINERS}}}}}}}}}}}"),
    part("autoscaling/v2", "HorizontalPodAutoscaler", "spec: {maxReplicas: 5}"),
    part("networking.k8s.io/v1", "Ingress", ""),
    part("networking.k8s.io/v1", "Ingress", "spec: {tls: [{hosts: [a.example]}]}"),
    part("networking.k8s.io/v1", "NetworkPolicy", ""),
    part("policy/v1", "PodDisruptionBudget", "spec: {minAvailable: 2}"),
    part("rbac.authorization.k8s.io/v1", "Role", ""),
    part("rbac.authorization.k8s.io/v1", "RoleBinding", "subjects: []"),
    part("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "subjects: []"),
    part("storage.k8s.io/v1", "StorageClass", "reclaimPolicy: Retain"),
]
"""As patches have them. What is no whole object, the API server must refuse."""

LEFT_OUT = {
    "no-apiversion": f"kind: Pod\nmetadata: {{name: a}}\nspec: {{{CONTAINERS}}}\n".replace("Pod", "pod"),
    "no-kind": f"apiVersion: v1\nmetadata_: {{name: a}}\nspec_: {{{CONTAINERS}}}\n",
    "no-kind-with-items": f"apiVersion: v1\nitems: [{POD}]\n",
    "text": "hello\n",
    "kubeconfig": "apiVersion: v1\nkind: Config\nclusters: []\n",
    "kustomization": "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: []\n",
    "nameless-custom": "apiVersion: skaffold/v4beta11\nkind: Config\nbuild: {}\n",
    "builtin": "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: a}\n",
}
"""What is left out without an error, with any options of kubectl."""

CREATED = {
    "list-of-any-kind": f"{CONFIG_MAP}items: [{POD}]\n",
    "list-without-apiversion": f"kind: List\nitems: [{POD}]\n",
    "core-list-without-apiversion": f"kind: ConfigMap\nitems: [{POD}]\n",
    "list-of-another-group": f"apiVersion: apps/v1\nkind: List\nitems: [{POD}]\n",
    "byte-order-mark": f"{CONFIG_MAP}---\n\ufeff{POD}\n",
    "before-an-error": f"{POD}\n---\na: {{{{ x }}}}\n",
    "end-of-document": f"{POD}\n...\na: {{{{ x }}}}\n",
    "braces-in-a-value": POD.replace("registry.example/c:1", "{{ .Values.image }}"),
}
"""Where kubectl creates a Pod `p`."""


def kubectl(cluster: ControlPlane, file: Path, *options: str) -> str:
    """What `kubectl create` says that it would create."""
    arguments = ("create", "--dry-run=server", "--filename", str(file), *options)
    return cluster.kubectl(*arguments, check=False).stdout


@pytest.mark.parametrize("text", PARTS)
def test_what_is_taken_for_a_part_is_refused(text: str, cluster: ControlPlane, tmp_path: Path) -> None:
    (document,), _ = parse(text, "part.yaml")
    (tmp_path / "part.yaml").write_text(text)
    created = kubectl(cluster, tmp_path / "part.yaml", "--validate=false")
    assert is_whole(document.value) or created == ""


@pytest.mark.parametrize("name", list(LEFT_OUT))
def test_nothing_is_created_from_what_is_left_out(name: str, cluster: ControlPlane, tmp_path: Path) -> None:
    file = tmp_path / f"{name}.yaml"
    file.write_text(LEFT_OUT[name])
    found = read([str(tmp_path)], may_be_empty=True)
    assert (found.documents, found.problems) == ([], [])
    assert kubectl(cluster, file) == kubectl(cluster, file, "--validate=false") == ""


@pytest.mark.parametrize("name", list(CREATED))
def test_what_kubectl_creates_is_checked(name: str, cluster: ControlPlane, tmp_path: Path) -> None:
    (tmp_path / "Chart.yaml").write_text("name: x\n")
    file = tmp_path / "templates" / f"{name}.yaml"
    file.parent.mkdir()
    file.write_text(CREATED[name])
    assert "pod/p created" in kubectl(cluster, file, "--validate=false")
    good, _ = objects(read([str(tmp_path)]).documents)
    assert "p" in [document.value["metadata"]["name"] for document in good]


def test_a_folder_is_read_as_kubectl_reads_it(cluster: ControlPlane, tmp_path: Path) -> None:
    names = ["_a.yaml", ".b.yml", "kustomization.yaml", "sub/.hidden/c.json", "d.yaml.txt", "E.YAML", "sub/f.yaml"]
    for index, name in enumerate(names):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(CONFIG_MAP.replace("name: a", f"name: a{index}"))
    created = kubectl(cluster, tmp_path, "--recursive").splitlines()
    ours = [document.value["metadata"]["name"] for document in read([str(tmp_path)]).documents]
    assert sorted(f"configmap/{name} created (server dry run)" for name in ours) == sorted(created)
    assert len(ours) == 5


@pytest.mark.parametrize(("size", "taken"), [((3 << 20) - 300, True), (3 << 20, False)])
def test_the_api_server_refuses_objects_from_the_same_size_on(
    size: int, taken: bool, cluster: ControlPlane, tmp_path: Path
) -> None:
    text = CONFIG_MAP.replace("ConfigMap", "ServiceAccount") + f"imagePullSecrets: [{{name: {'x' * size}}}]\n"
    (tmp_path / "big.yaml").write_text(text)
    assert bool(kubectl(cluster, tmp_path / "big.yaml")) is taken
    assert bool(read([str(tmp_path / "big.yaml")]).documents) is taken
