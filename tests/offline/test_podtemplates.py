from typing import Any

import pytest

from webhook.offline.podtemplates import ControlledPod, pods_of

TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "web"}, "annotations": {"a": "b"}},
    "spec": {"containers": [{"name": "c"}]},
}


def pod_of(value: dict[str, Any]) -> ControlledPod | None:
    return next(iter(pods_of(value)), None)


def workload(api_version: str, kind: str, **spec: Any) -> dict[str, Any]:
    if kind == "CronJob":
        spec = {"jobTemplate": {"spec": {"template": TEMPLATE}}}
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"template": TEMPLATE, **spec},
    }


@pytest.mark.parametrize(
    ("api_version", "kind", "controller", "generate_name", "owner"),
    [
        ("apps/v1", "Deployment", "replicaset-controller", "web-xxxxxxxxxx-", ("ReplicaSet", "web-xxxxxxxxxx")),
        ("apps/v1", "ReplicaSet", "replicaset-controller", "web-", ("ReplicaSet", "web")),
        ("apps/v1", "DaemonSet", "daemon-set-controller", "web-", ("DaemonSet", "web")),
        ("v1", "ReplicationController", "replication-controller", "web-", ("ReplicationController", "web")),
        ("batch/v1", "Job", "job-controller", "web-", ("Job", "web")),
        ("batch/v1", "CronJob", "job-controller", "web-xxxxxxxx-", ("Job", "web-xxxxxxxx")),
    ],
)
def test_the_pod_is_the_one_that_the_controller_creates(
    api_version: str, kind: str, controller: str, generate_name: str, owner: tuple[str, str]
) -> None:
    pod = pod_of(workload(api_version, kind))
    assert pod is not None
    assert pod.controller == controller
    metadata = pod.object["metadata"]
    assert metadata["generateName"] == generate_name
    assert "name" not in metadata
    assert metadata["namespace"] == "shop"
    assert metadata["annotations"] == {"a": "b"}
    assert metadata["labels"].items() >= {"app": "web"}.items()
    (reference,) = metadata["ownerReferences"]
    assert (reference["kind"], reference["name"], reference["controller"]) == (*owner, True)
    assert pod.object["spec"] == TEMPLATE["spec"]


def test_a_stateful_sets_pod_has_its_number_and_the_volumes_of_its_claims() -> None:
    value = workload("apps/v1", "StatefulSet", serviceName="db", volumeClaimTemplates=[{"metadata": {"name": "disk"}}])
    pod = pod_of(value)
    assert pod is not None
    assert pod.object["metadata"]["name"] == "web-0"
    assert "generateName" not in pod.object["metadata"]
    spec = pod.object["spec"]
    assert (spec["hostname"], spec["subdomain"]) == ("web-0", "db")
    assert spec["volumes"] == [
        {"name": "disk", "persistentVolumeClaim": {"claimName": "disk-web-0", "readOnly": False}}
    ]
    assert "volumes" not in TEMPLATE["spec"]


def test_the_claims_of_a_stateful_set_replace_volumes_of_their_name_and_leave_the_others_where_they_are() -> None:
    value = workload("apps/v1", "StatefulSet", volumeClaimTemplates=[{"metadata": {"name": "b"}}])
    volumes = [{"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": {}}, {"name": "c", "emptyDir": {}}]
    value["spec"]["template"] = {"spec": {"volumes": volumes}}
    pod = pod_of(value)
    assert pod is not None
    assert [(volume["name"], "emptyDir" in volume) for volume in pod.object["spec"]["volumes"]] == [
        ("a", True),
        ("b", False),
        ("c", True),
    ]


@pytest.mark.parametrize(
    "value",
    [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {}},
        {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {}, "template": TEMPLATE},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": []},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": {"template": {"spec": 1}}},
        {
            "apiVersion": "example.com/v1",
            "kind": "Deployment",
            "metadata": {"name": "x"},
            "spec": {"template": TEMPLATE},
        },
    ],
)
def test_what_has_no_template_or_no_controller_has_no_pod(value: dict[str, Any]) -> None:
    assert pod_of(value) is None


@pytest.mark.parametrize("labels", [None, [], "x"])
def test_templates_with_nonsense_for_metadata_still_give_a_pod(labels: Any) -> None:
    value = workload("apps/v1", "StatefulSet", volumeClaimTemplates=["x", {"metadata": None}])
    value["spec"]["template"] = {"metadata": {"labels": labels}, "spec": {"volumes": "x"}}
    assert pod_of(value) is not None
