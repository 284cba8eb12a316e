"""What the strategies of the kinds set. The dry run of tests/e2e holds all of it against a real API server."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.apiserver.completion import UID, Creation, created, generated
from webhook.apiserver.gated import without_gated
from webhook.apiserver.strategies import quality_of_service
from webhook.schema import Kinds

CREATION = Creation("2026-01-01T00:00:00Z", "ann", "7", ("dev",), {"a": ["b"]})


def prepared(api_version: str, kind: str, **fields: Any) -> dict[str, Any]:
    resource = Kinds.builtin().for_kind(api_version, kind)
    assert resource is not None
    metadata = {"name": "a", **fields.pop("metadata", {})}
    before = repr(fields)
    made = created({"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}, resource, CREATION)
    assert repr(fields) == before
    return made


def test_the_generation_and_the_status() -> None:
    made = prepared("apps/v1", "Deployment", status={"replicas": 3})
    assert (made["metadata"]["generation"], made["status"]) == (1, {})
    assert prepared("v1", "ConfigMap")["metadata"] == {"name": "a", "uid": UID, "creationTimestamp": CREATION.now}
    assert prepared("apps/v1", "DaemonSet", status={})["status"]["desiredNumberScheduled"] == 0
    assert prepared("v1", "Node", status={"phase": "x"})["status"] == {"phase": "x"}


def test_names_are_generated_within_the_length_of_a_name() -> None:
    assert generated("a-") == "a-xxxxx"
    assert len(generated("a" * 63)) == 63


def test_a_pod() -> None:
    term = {"topologyKey": "zone", "labelSelector": {}, "matchLabelKeys": ["app", "no"], "mismatchLabelKeys": ["app"]}
    made = prepared(
        "v1",
        "Pod",
        metadata={"labels": {"app": "web"}},
        spec={
            "containers": [{"name": "a"}],
            "schedulingGates": [{"name": "g"}],
            "affinity": {
                "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]},
                "podAntiAffinity": {
                    "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term}]
                },
            },
            "topologySpreadConstraints": [
                {"labelSelector": {"matchLabels": {"x": "y"}}, "matchLabelKeys": ["app"]},
                {"matchLabelKeys": ["app"]},
            ],
        },
        status={"phase": "Running", "podIP": "10.0.0.1"},
    )
    assert (made["status"]["phase"], made["status"]["qosClass"]) == ("Pending", "BestEffort")
    assert made["status"]["conditions"][0]["reason"] == "SchedulingGated"
    assert "podIP" not in made["status"]
    spec = made["spec"]
    is_in = {"key": "app", "operator": "In", "values": ["web"]}
    both = [is_in, {**is_in, "operator": "NotIn"}]
    required = spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    preferred = spec["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert required[0]["labelSelector"]["matchExpressions"] == both
    assert preferred[0]["podAffinityTerm"]["labelSelector"]["matchExpressions"] == both
    assert spec["topologySpreadConstraints"][0]["labelSelector"]["matchExpressions"] == [is_in]
    assert "labelSelector" not in spec["topologySpreadConstraints"][1]


CPU, BOTH = {"cpu": "1"}, {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("spec", "quality"),
    [
        ({}, "BestEffort"),
        ({"containers": [{}, {}]}, "BestEffort"),
        ({"containers": [{"resources": {"requests": CPU}}]}, "Burstable"),
        ({"containers": [{"resources": {"requests": BOTH, "limits": BOTH}}]}, "Guaranteed"),
        ({"containers": [{"resources": {"requests": {**BOTH, "cpu": "1000m"}, "limits": BOTH}}]}, "Guaranteed"),
        ({"containers": [{"resources": {"requests": BOTH, "limits": BOTH}}, {}]}, "Burstable"),
        ({"containers": [{"resources": {"requests": {"cpu": "0"}}}]}, "BestEffort"),
        ({"containers": [{"resources": {"limits": {"nvidia.com/gpu": "1"}}}]}, "BestEffort"),
        ({"initContainers": [{"resources": {"limits": CPU}}], "containers": [{}]}, "Burstable"),
        ({"resources": {"requests": BOTH, "limits": BOTH}, "containers": [{}]}, "Guaranteed"),
    ],
)
def test_the_quality_of_service(spec: dict[str, Any], quality: str) -> None:
    assert quality_of_service(spec) == quality


def test_a_namespace() -> None:
    made = prepared("v1", "Namespace", spec={"finalizers": ["a"]}, status={})
    assert (made["spec"], made["status"]) == ({"finalizers": ["a", "kubernetes"]}, {"phase": "Active"})


def test_a_jobs_selector() -> None:
    made = prepared("batch/v1", "Job", spec={"template": {"metadata": {"labels": {"job-name": "own"}}}})
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert labels == {
        "job-name": "own",
        "batch.kubernetes.io/job-name": "a",
        "controller-uid": UID,
        "batch.kubernetes.io/controller-uid": UID,
    }
    assert made["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": UID}}
    assert "selector" not in prepared("batch/v1", "Job", spec={"manualSelector": True})["spec"]


def test_a_claims_data_source() -> None:
    source = {"kind": "PersistentVolumeClaim", "name": "b"}
    for field, other in (("dataSource", "dataSourceRef"), ("dataSourceRef", "dataSource")):
        assert prepared("v1", "PersistentVolumeClaim", spec={field: source})["spec"][other] == source
    assert prepared("v1", "PersistentVolumeClaim", spec={"dataSource": {"kind": "X", "name": "b"}})["spec"] == {}


def test_who_asks_for_a_certificate_is_who_sends_it() -> None:
    made = prepared("certificates.k8s.io/v1", "CertificateSigningRequest", spec={"username": "root", "request": ""})
    assert made["spec"] == {"request": "", "username": "ann", "uid": "7", "groups": ["dev"], "extra": {"a": ["b"]}}


def test_other_kinds() -> None:
    made = prepared("v1", "ServiceAccount", secrets=[{"name": "s", "namespace": "x"}, {}])
    assert made["secrets"] == [{"name": "s"}, {}]
    assert prepared("v1", "PersistentVolume", status={})["status"]["phase"] == "Pending"
    assert "deprecated.daemonset.template.generation" in prepared("apps/v1", "DaemonSet")["metadata"]["annotations"]
    local = prepared("apiregistration.k8s.io/v1", "APIService", spec={})["status"]["conditions"]
    assert local[0]["reason"] == "Local"
    versions = [{"name": "v1", "storage": False}, {"name": "v2", "storage": True}]
    definition = prepared("apiextensions.k8s.io/v1", "CustomResourceDefinition", spec={"versions": versions})
    assert definition["status"]["storedVersions"] == ["v2"]


def test_when_a_container_is_restarted_is_dropped_in_one_version_only() -> None:
    """Before it is refused, and since a field."""
    value: dict[str, Any] = {
        "spec": {"containers": [{"name": "a", "restartPolicy": "Never", "restartPolicyRules": []}]}
    }
    for target, left in (
        ((1, 33), {"name": "a", "restartPolicy": "Never"}),
        ((1, 34), {"name": "a"}),
        ((1, 35), value["spec"]["containers"][0]),
    ):
        assert without_gated(value, "", "Pod", target)["spec"]["containers"] == [left]


def test_where_proc_is_mounted_is_set_to_its_default_until_its_feature_is_on() -> None:
    value = {"spec": {"containers": [{"name": "a", "securityContext": {"procMount": "Unmasked"}}]}}
    for target, mounted in (((1, 32), "Default"), ((1, 33), "Unmasked")):
        (made,) = without_gated(value, "", "Pod", target)["spec"]["containers"]
        assert made["securityContext"] == {"procMount": mounted}


def test_a_job_of_earlier_versions() -> None:
    """Until 1.27 it is marked as tracked, and until 1.26 its labels have no prefix."""
    resource = Kinds.builtin().for_kind("batch/v1", "Job")
    assert resource is not None
    value = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": {"template": {}}}
    made = {
        target: created(value, resource, CREATION._replace(target=target)) for target in ((1, 26), (1, 27), (1, 28))
    }
    old, tracked, now = made.values()
    assert old["spec"]["template"]["metadata"]["labels"] == {"job-name": "a", "controller-uid": UID}
    assert old["spec"]["selector"] == {"matchLabels": {"controller-uid": UID}}
    assert len(tracked["spec"]["template"]["metadata"]["labels"]) == 4
    assert tracked["spec"] == now["spec"]
    for each in (old, tracked):
        assert each["metadata"]["annotations"] == {"batch.kubernetes.io/job-tracking": ""}
    assert "annotations" not in now["metadata"]


def test_the_phase_of_a_volume() -> None:
    resource = Kinds.builtin().for_kind("v1", "PersistentVolume")
    assert resource is not None
    value = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "a"}}
    for target, phase in (((1, 28), None), ((1, 29), "Pending")):
        status = created(value, resource, CREATION._replace(target=target))["status"]
        assert status.get("phase") == phase
