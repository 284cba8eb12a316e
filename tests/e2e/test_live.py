"""What policies look up in a cluster is what the cluster has now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.controlplane import ADMIN, ControlPlane, manifests
from tests.e2e.live import FAR, RULES, Live, binding, config_map, live, policy
from tests.e2e.objects import namespace
from tests.server.running import wait_for
from tests.timing import within
from webhook.cluster import connection
from webhook.cluster.live import LiveView
from webhook.cluster.lookups import NAMESPACES, Lookups

LIMITED = policy(
    "limited",
    paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
    validations=[{"expression": "params.data.open == 'yes'", "messageExpression": "'closed: ' + params.data.why"}],
)
LIMITED_BINDING = binding(
    "limited", paramRef={"name": "limits", "namespace": "rules", "parameterNotFoundAction": "Deny"}
)
LABELLED = policy(
    "labelled",
    validations=[
        {
            "expression": "namespaceObject.metadata.labels.team == 'blue'",
            "messageExpression": "'the team is ' + namespaceObject.metadata.labels.team",
        }
    ],
)
LABELLED_BINDING = binding(
    "labelled",
    matchResources={"namespaceSelector": {"matchLabels": {"strict": "yes"}}},
)
OWN_KIND = policy(
    "own-kind",
    paramKind={"apiVersion": "rules.example.com/v1", "kind": "Ceiling"},
    matchConstraints={"resourceRules": [{**RULES["resourceRules"][0], "resourceNames": ["measured"]}]},
    validations=[{"expression": "size(object.metadata.name) < params.spec.most", "message": "too long a name"}],
)
OWN_KIND_BINDING = binding("own-kind", paramRef={"name": "names", "parameterNotFoundAction": "Allow"})
PYTHON = '''\
from gatewright import validate


@validate(resources=["v1/configmaps"], operations=["CREATE"], reads=["v1/Service"])
def taken(request):
    """A ConfigMap is not called what a Service is called."""
    found = request.cluster.get("v1", "Service", request.name, request.namespace)
    if found.value is not None:
        yield f"a Service has that name; known for at most {found.age < 90}"


@validate(resources=["v1/configmaps"], operations=["CREATE"], reads=["v1/Service"])
def nosy(request):
    if request.name == "nosy":
        request.cluster.get("v1", "Secret", "s", request.namespace)
'''
CEILING = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "ceilings.rules.example.com"},
    "spec": {
        "group": "rules.example.com",
        "scope": "Cluster",
        "names": {"kind": "Ceiling", "plural": "ceilings", "singular": "ceiling"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {"type": "object", "properties": {"most": {"type": "integer"}}},
                        },
                    }
                },
            }
        ],
    },
}


@pytest.fixture(scope="module")
def server(cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    cluster.apply(namespace("rules"), namespace("strict", strict="yes", team="red"))
    cluster.apply(config_map("limits", "rules", open="yes", why="nothing"))
    policies = tmp_path_factory.mktemp("policies")
    documents = (LIMITED, LIMITED_BINDING, LABELLED, LABELLED_BINDING, OWN_KIND, OWN_KIND_BINDING)
    # The tree's own params and Namespaces would give other verdicts.
    own = (config_map("limits", "rules", open="no", why="the tree's"), namespace("strict", strict="yes", team="blue"))
    python_bindings = (binding("taken"), binding("nosy"))
    (policies / "policies.yaml").write_text(manifests(*documents, *own, *python_bindings))
    (policies / "policy.py").write_text(PYTHON)
    with live(cluster, policies) as running:
        yield running


def test_params_are_the_clusters_and_the_trees_are_told_to_be_unused(server: Live) -> None:
    assert server.asked() == ""
    notes = [line["message"] for line in server.running.events("policies")]
    assert any("not used" in note and "ConfigMap rules/limits" in note and "Namespace strict" in note for note in notes)


def test_a_changed_param_changes_the_verdict(server: Live, cluster: ControlPlane) -> None:
    cluster.apply(config_map("limits", "rules", open="no", why="a holiday"))
    assert server.becomes("closed: a holiday")
    cluster.apply(config_map("limits", "rules", open="yes", why="no holiday"))
    assert server.becomes("")


def test_a_deleted_param_is_missed(server: Live, cluster: ControlPlane) -> None:
    cluster.kubectl("delete", "configmap", "limits", "--namespace", "rules")
    assert server.becomes("no params found for policy binding with `Deny` parameterNotFoundAction")
    cluster.apply(config_map("limits", "rules", open="yes", why="back"))
    assert server.becomes("")


def test_other_objects_of_the_kind_are_not_kept(server: Live, cluster: ControlPlane) -> None:
    cluster.apply(config_map("others", "rules", open="no"))
    assert server.metric("gatewright_cluster_cache_objects", namespace="rules", name="limits") == 1


def test_a_namespaces_labels_are_the_clusters(server: Live, cluster: ControlPlane) -> None:
    assert server.asked(namespace="strict").endswith("the team is red")
    cluster.kubectl("label", "namespace", "strict", "team=green", "--overwrite")
    assert server.becomes("the team is green", namespace="strict")
    cluster.kubectl("label", "namespace", "strict", "strict-")
    assert server.becomes("", namespace="strict")
    cluster.kubectl("label", "namespace", "strict", "strict=yes", "team=red", "--overwrite")
    assert server.becomes("the team is red", namespace="strict")


def test_a_namespace_that_is_not_there_is_an_error_after_a_while(server: Live) -> None:
    assert 'namespaces "nowhere" not found' in server.asked(namespace="nowhere")


def test_python_policies_look_up_what_they_declare(server: Live, cluster: ControlPlane) -> None:
    assert server.asked(name="web") == ""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"ports": [{"port": 80}]},
    }
    cluster.apply(service)
    assert server.becomes("a Service has that name; known for at most True", name="web")
    cluster.kubectl("delete", "service", "web")
    assert server.becomes("", name="web")


def test_and_nothing_else(server: Live) -> None:
    assert "Secret of v1 is looked up but not declared: add reads=['v1/Secret']" in server.asked(name="nosy")


def test_a_kind_is_found_once_it_is_defined(server: Live, cluster: ControlPlane) -> None:
    missing = "failed to configure policy: failed to find resource referenced by paramKind: "
    assert f"{missing}'rules.example.com/v1, Kind=Ceiling'" in server.asked(name="measured")
    assert server.ready == ""  # a policy that cannot work is no reason to serve none
    cluster.apply(CEILING)
    cluster.kubectl("wait", "--for=condition=Established", "crd/ceilings.rules.example.com", "--timeout=20s")
    assert server.becomes("", seconds=FAR, name="measured")  # Allow, and there are none
    ceiling = {"apiVersion": "rules.example.com/v1", "kind": "Ceiling", "metadata": {"name": "names"}}
    cluster.apply({**ceiling, "spec": {"most": 3}})
    assert server.becomes("too long a name", seconds=5, name="measured")
    cluster.apply({**ceiling, "spec": {"most": 30}})
    assert server.becomes("", name="measured")
    cluster.kubectl("delete", "crd", "ceilings.rules.example.com")
    assert server.becomes(missing, seconds=FAR, name="measured")


def test_the_log_has_a_line_a_change_of_state(server: Live) -> None:
    told = [line for line in server.running.lines if line["event"] == "cluster"]
    limits = [line for line in told if line["objects_of"] == "v1/ConfigMap limits in rules"]
    assert [line["state"] for line in limits] == ["synced"]  # whatever else changed in it
    ceilings = [line["state"] for line in told if line["objects_of"] == "rules.example.com/v1/Ceiling names"]
    assert ceilings[0] == "not served"
    assert "synced" in ceilings
    assert not any("holiday" in json.dumps(line) for line in told)


def test_metrics_tell_of_each_cache(server: Live) -> None:
    labels = {"resource": "configmaps", "namespace": "rules", "name": "limits"}
    wait_for(lambda: server.metric("gatewright_cluster_cache_synced", **labels) == 1)
    assert server.metric("gatewright_cluster_cache_age_seconds", **labels) < 90
    assert server.metric("gatewright_cluster_cache_lists_total", **labels) == 1
    assert server.metric("gatewright_cluster_cache_events_total", **labels) >= 1
    assert server.metric("gatewright_cluster_cache_objects", resource="namespaces") >= 6


def test_in_a_pod_the_service_account_is_used(
    cluster: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kubernetes.config import incluster_config

    token, authority = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text(cluster.tokens[ADMIN.name])
    authority.write_bytes(cluster.authority.pem)
    # What the kubelet mounts, and puts into the environment.
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(authority))
    monkeypatch.setattr(connection, "TOKEN", token)
    assert not connection.in_cluster()
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(cluster.port))
    assert connection.in_cluster()
    view = LiveView(Lookups((NAMESPACES,)))
    view.start(connection.configuration("in-cluster"))
    try:
        wait_for(lambda: view.waits_for() is None)
        assert view.namespace("kube-system").value["metadata"]["name"] == "kube-system"
    finally:
        view.stop()


def test_it_stops_in_time(cluster: ControlPlane, tmp_path: Path) -> None:
    (tmp_path / "policies.yaml").write_text(manifests(LABELLED, LABELLED_BINDING))
    with live(cluster, tmp_path) as other, within(5):
        assert other.running.stop() == 0


def test_each_worker_has_its_own_caches(cluster: ControlPlane, tmp_path: Path) -> None:
    cluster.apply(config_map("limits", "rules", open="yes", why="nothing"))
    (tmp_path / "policies.yaml").write_text(manifests(LIMITED, LIMITED_BINDING))
    with live(cluster, tmp_path, "--workers", "2") as both:
        assert both.ready == ""
        assert {both.asked() for _ in range(10)} == {""}
        cluster.apply(config_map("limits", "rules", open="no", why="both"))
        both.becomes("closed: both")

        def all_agree() -> bool:
            return all("closed" in both.asked() for _ in range(20))

        assert wait_for(all_agree, 5)
        assert both.metric("gatewright_cluster_cache_lists_total") == 2
        assert both.running.stop() == 0
    cluster.apply(config_map("limits", "rules", open="yes", why="nothing"))
