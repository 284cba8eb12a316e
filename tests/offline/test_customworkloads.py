from typing import Any

import pytest

from webhook.offline.customworkloads import WELL_KNOWN, CustomWorkload, CustomWorkloads, parse_place, places
from webhook.offline.podtemplates import pods_of
from webhook.paths import render

TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "c", "image": "x"}]},
}


@pytest.mark.parametrize(
    ("place", "found"),
    [
        (".", [""]),
        ("spec.template", ["spec.template"]),
        ("spec.tasks[*].template", ["spec.tasks[0].template", "spec.tasks[2].template"]),
        ("spec.replicas.*.template", ["spec.replicas.a.template", "spec.replicas.b.template"]),
        ("spec.matrix[*][*]", ["spec.matrix[0][0]", "spec.matrix[0][1]"]),
        ("spec.nope.template", []),
    ],
)
def test_places(place: str, found: list[str]) -> None:
    spec = {
        "template": {},
        "tasks": [{"template": {}}, {"other": {}}, {"template": {}}, 5],
        "replicas": {"a": {"template": {}}, "b": {"template": {}}, "c": 1},
        "matrix": [[{}, {}], 5],
    }
    assert [render(path) for path in places({"spec": spec}, place)] == found


@pytest.mark.parametrize("place", ["", "a..b", "a.", ".a", "a[0]", "a[*", "[*]", "a]"])
def test_what_is_no_place(place: str) -> None:
    with pytest.raises(ValueError, match="expected a path of fields"):
        parse_place(place)


def nested(steps: tuple[str | int, ...], value: Any) -> Any:
    """An object that has the value at a place."""
    for step in reversed(steps):
        value = [value] if step == -1 else {"Worker" if step == "*" else step: value}
    return value


KINDS = {
    "rollouts.argoproj.io": ("argoproj.io/v1alpha1", "Rollout"),
    "services.serving.knative.dev": ("serving.knative.dev/v1", "Service"),
    "tfjobs.kubeflow.org": ("kubeflow.org/v1", "TFJob"),
    "clonesets.apps.kruise.io": ("apps.kruise.io/v1alpha1", "CloneSet"),
    "statefulsets.apps.kruise.io": ("apps.kruise.io/v1beta1", "StatefulSet"),
    "advancedcronjobs.apps.kruise.io": ("apps.kruise.io/v1alpha1", "AdvancedCronJob"),
    "trainingruntimes.trainer.kubeflow.org": ("trainer.kubeflow.org/v1alpha1", "TrainingRuntime"),
    "rayjobs.ray.io": ("ray.io/v1", "RayJob"),
}


@pytest.mark.parametrize("name", list(WELL_KNOWN))
def test_each_place_of_each_well_known_workload_gives_a_pod(name: str) -> None:
    plural, _, group = name.partition(".")
    for place in WELL_KNOWN[name].places:
        steps = parse_place(place)
        api_version, kind = KINDS.get(name, (f"{group}/v1", "Kind"))
        value = nested(steps, TEMPLATE) if steps else dict(TEMPLATE)
        value |= {"apiVersion": api_version, "kind": kind}
        value["metadata"] = {"name": "w", "namespace": "shop", **value.get("metadata", {})}
        (pod,) = pods_of(value, plural)
        assert pod.object["spec"]["containers"] == TEMPLATE["spec"]["containers"]
        assert pod.object["metadata"]["labels"]["app"] == "web" or kind == "SidecarSet"
        assert pod.object["metadata"]["namespace"] == "shop"
        assert (pod.object["apiVersion"], pod.object["kind"]) == ("v1", "Pod")


def test_a_rollout_makes_replica_sets_and_one_with_a_reference_makes_nothing() -> None:
    rollout = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "w"}}
    (pod,) = pods_of({**rollout, "spec": {"template": TEMPLATE}}, "rollouts")
    assert (pod.controller_namespace, pod.controller) == ("kube-system", "replicaset-controller")
    assert pod.object["metadata"]["ownerReferences"][0]["kind"] == "ReplicaSet"
    assert pods_of({**rollout, "spec": {"workloadRef": {"kind": "Deployment", "name": "w"}}}, "rollouts") == []


def test_a_revision_of_knative_is_its_own_template() -> None:
    spec = {"containerConcurrency": 5, "timeoutSeconds": 9, "containers": [{"image": "x"}]}
    value = {"apiVersion": "serving.knative.dev/v1", "kind": "Revision", "metadata": {"name": "r"}, "spec": spec}
    (pod,) = pods_of(value, "revisions")
    assert (pod.object["spec"], pod.template) == ({"containers": [{"image": "x"}]}, ())


def test_the_sidecars_of_a_set_stand_for_a_pod_that_gets_them() -> None:
    spec = {"selector": {"matchLabels": {"app": "web"}}, "containers": [{"name": "s"}], "updateStrategy": {}}
    value = {"apiVersion": "apps.kruise.io/v1beta1", "kind": "SidecarSet", "metadata": {"name": "s"}, "spec": spec}
    (pod,) = pods_of(value, "sidecarsets")
    assert pod.object["spec"] == {"containers": [{"name": "s"}]}
    assert pod.object["metadata"]["labels"] == {"app": "web"}


def test_what_the_settings_name_comes_first() -> None:
    named = CustomWorkloads({"rollouts.argoproj.io": CustomWorkload(("spec.pod",))})
    value = {"apiVersion": "argoproj.io/v1", "kind": "Rollout", "metadata": {"name": "w"}, "spec": {"pod": TEMPLATE}}
    assert len(pods_of(value, "rollouts", named)) == 1
    assert pods_of(value, "rollouts") == []
