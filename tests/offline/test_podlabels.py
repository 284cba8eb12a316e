"""The labels by which the Pods of a workload are known."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.offline.podlabels import PASSING, of_pod, of_workload

TEMPLATE: dict[str, Any] = {"metadata": {"labels": {"app": "web", "helm.sh/chart": "web-1"}}, "spec": {}}


def workload(kind: str, api_version: str = "apps/v1", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "it"}, "spec": {"template": TEMPLATE, **spec}}


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        (workload("Deployment", selector={"matchLabels": {"tier": "a"}}), {"tier": "a"}),
        (workload("ReplicaSet", selector={"matchLabels": {"tier": "a", "pod-template-hash": "7"}}), {"tier": "a"}),
        (workload("Deployment", selector={"matchLabels": None}), {"app": "web"}),
        (workload("Rollout", "argoproj.io/v1alpha1", selector={"matchLabels": {"tier": "a"}}), {"tier": "a"}),
        (workload("Job", "batch/v1", selector={"matchLabels": {"a": "b"}}), {"batch.kubernetes.io/job-name": "it"}),
        (workload("CronJob", "batch/v1", jobTemplate={"spec": {"template": TEMPLATE}}), {"app": "web"}),
        (workload("CronJob", "batch/v1", jobTemplate=[]), {}),
        (workload("Other", "example.com/v1"), {}),
        ({"spec": {"selector": {"matchLabels": {"a": "b"}}}}, {}),
        (None, {}),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": "b"}}}, {}),
        (workload("Deployment", selector={"matchLabels": {"tier": 7}}, template="wrong"), {}),
    ],
)
def test_labels_of_a_workload(value: Any, labels: dict[str, str]) -> None:
    assert of_workload(value) == labels


def test_labels_of_a_pod_are_those_that_stay() -> None:
    labels = {**dict.fromkeys(PASSING, "x"), "app": "web"}
    assert of_pod({"metadata": {"labels": labels}}, "web") == {"app": "web"}
    labels["batch.kubernetes.io/job-name"] = "import"
    assert of_pod({"metadata": {"labels": labels}}, "import") == {"batch.kubernetes.io/job-name": "import"}
    assert of_pod({"metadata": None}, "web") == {}
