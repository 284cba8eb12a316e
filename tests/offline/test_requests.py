import json
from pathlib import Path
from typing import Any

import pytest

from webhook.documents.reader import parse
from webhook.offline.requests import Options, Plan, impersonated, plan
from webhook.policy.request import User

REVIEWS = Path(__file__).parents[1] / "fixtures" / "reviews"


def planned(text: str, file: str = "f.yaml", **options: Any) -> Plan:
    documents, problems = parse(text, file)
    assert problems == []
    return plan(documents, Options(**options))


CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
CRON_JOB = """\
apiVersion: batch/v1
kind: CronJob
metadata: {name: c, namespace: shop}
spec:
  jobTemplate:
    spec:
      template:
        metadata: {labels: {app: c}}
        spec: {containers: [{name: c}]}
"""


def test_an_object_is_created_in_the_namespace_of_the_manifest_else_of_the_option_else_default() -> None:
    for text, options, namespace in (
        (CONFIG_MAP, {}, "default"),
        (CONFIG_MAP, {"namespace": "team"}, "team"),
        (CONFIG_MAP.replace("name: a", "name: a, namespace: own"), {"namespace": "team"}, "own"),
    ):
        (one,) = planned(text, **options).requests
        request = one.request
        assert (request.operation, request.namespace, request.name) == ("CREATE", namespace, "a")
        assert (tuple(request.resource), tuple(request.kind)) == (("", "v1", "configmaps"), ("", "v1", "ConfigMap"))
        assert request.object is not None
        assert request.object["metadata"]["namespace"] == namespace
        assert (request.old_object, request.user) == (None, User())
        assert request.options == {
            "apiVersion": "meta.k8s.io/v1",
            "kind": "CreateOptions",
            "fieldManager": "kubectl-create",
            "fieldValidation": "Strict",
        }


def test_cluster_scoped_objects_have_no_namespace_and_a_namespace_its_own_name() -> None:
    volume, namespace = planned(
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: v}\n---\n"
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
    ).requests
    assert (volume.request.namespace, volume.identity.namespace) == ("", "")
    assert (namespace.request.namespace, namespace.identity.namespace) == ("shop", "")


def test_update_and_delete_have_the_object_as_it_was() -> None:
    (update,) = planned(CONFIG_MAP, operation="UPDATE").requests
    assert update.request.object == update.request.old_object != None  # noqa: E711
    (delete,) = planned(CONFIG_MAP, operation="DELETE").requests
    assert delete.request.object is None
    assert delete.request.old_object is not None
    assert delete.request.options == {
        "apiVersion": "meta.k8s.io/v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Background",
    }


def test_deleting_a_workload_creates_no_pod() -> None:
    assert len(planned(CRON_JOB, operation="DELETE").requests) == 1


def test_a_generated_name_is_there_for_validation_only() -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {generateName: p-}\nspec: {}\n"
    (one,) = planned(pod).requests
    assert (one.request.name, one.identity.name) == ("", "p-xxxxx")
    assert one.request.object is not None
    assert "name" not in one.request.object["metadata"]
    completed, _ = one.completed(one.request)
    assert completed.name == "p-xxxxx"
    assert completed.object is not None
    assert completed.object["metadata"]["name"] == "p-xxxxx"
    (as_written,) = planned(pod, as_written=True).requests
    assert as_written.request.name == "p-xxxxx"


def test_what_the_api_server_sets_is_there_for_validation_and_what_the_client_must_not_set_is_not() -> None:
    one, *_ = planned(
        "apiVersion: apps/v1\nkind: Deployment\n"
        "metadata: {name: a, uid: x, creationTimestamp: 2020-01-01T00:00:00Z, selfLink: /x, managedFields: []}\n"
        "status: {replicas: 5}\n"
    ).requests
    assert one.request.object is not None
    assert one.request.object["metadata"] == {"name": "a", "namespace": "default"}
    assert one.request.object["status"] == {"replicas": 5}
    value = one.completed(one.request)[0].object
    assert value is not None
    assert value["metadata"]["uid"] == "00000000-0000-0000-0000-000000000000"
    assert value["metadata"]["creationTimestamp"] > "2026"
    assert value["metadata"]["generation"] == 1
    assert value["status"] == {}


def test_an_object_that_is_there_already_has_what_the_api_server_set() -> None:
    (update,) = planned(CONFIG_MAP, operation="UPDATE").requests
    assert update.request.object is not None
    assert "uid" in update.request.object["metadata"]
    assert update.completed(update.request) == (update.request, ())


def test_a_cluster_scoped_object_loses_its_namespace() -> None:
    (one,) = planned("apiVersion: v1\nkind: Namespace\nmetadata: {name: a, namespace: b}\n").requests
    assert one.request.object is not None
    assert "namespace" not in one.request.object["metadata"]


def test_a_workload_is_followed_by_its_pod_whose_paths_lead_back_to_the_template() -> None:
    own, pod = planned(CRON_JOB).requests
    assert own.request.resource.resource == "cronjobs"
    request = pod.request
    named = (request.resource.resource, request.namespace, request.name)
    assert named == ("pods", "shop", "")
    assert pod.completed(request)[0].name == "c-xxxxxxxx-xxxxx"
    assert request.resource[:2] == ("", "v1")
    assert request.user.username == "system:serviceaccount:kube-system:job-controller"
    assert "system:serviceaccounts:kube-system" in request.user.groups
    template = ("spec", "jobTemplate", "spec", "template")
    assert pod.place(("spec", "containers", 0)) == (*template, "spec", "containers", 0)
    assert pod.place(("metadata", "labels", "app")) == (*template, "metadata", "labels", "app")
    assert pod.place(("metadata", "ownerReferences", 0)) == template
    assert pod.place(("metadata", "namespace")) == ("metadata", "namespace")
    assert own.place(("metadata", "name")) == ("metadata", "name")
    assert pod.identity == own.identity


def test_recorded_reviews_are_taken_as_they_stand() -> None:
    text = (REVIEWS / "045-mutate-delete-deployments.json").read_text()
    (one,) = planned(text, "r.json", namespace="ignored").requests
    recorded = json.loads(text)["request"]
    assert one.request.operation == "DELETE"
    assert one.request.user.username == recorded["userInfo"]["username"]
    assert one.place(("spec", "replicas")) == ("request", "oldObject", "spec", "replicas")
    assert (one.identity.kind, one.identity.namespace, one.identity.name) == ("Deployment", "rec", recorded["name"])


def test_a_broken_review_is_a_problem() -> None:
    result = planned('{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {}}', "r.json")
    assert [str(problem) for problem in result.problems] == [
        "r.json:1:1: request.uid: expected a string that is not empty, got nothing"
    ]


def test_crds_among_the_inputs_tell_what_custom_objects_are() -> None:
    crd = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: oxen.example.com}
spec:
  group: example.com
  names: {kind: Ox, plural: oxen}
  scope: Cluster
  versions: [{name: v1, served: true, storage: true}]
---
"""
    ox = "apiVersion: example.com/v1\nkind: Ox\nmetadata: {name: o}\n"
    result = planned(crd + ox)
    assert (result.requests[1].request.resource.resource, result.requests[1].request.namespace) == ("oxen", "")
    assert result.notes == []
    guessed = planned(ox + "---\n" + ox)
    assert guessed.requests[0].request.resource.resource == "oxes"
    assert len(guessed.notes) == 1
    assert "f.yaml:1: Ox of example.com/v1 is no built-in kind" in guessed.notes[0]


def test_what_nobody_applies_is_left_out() -> None:
    assert planned("apiVersion: gatewright.dev/v1\nkind: PolicyTest\nmetadata: {name: t}\n").requests == []
    steps = planned("apiVersion: kuttl.dev/v1beta1\nkind: TestAssert\ntimeout: 30\n")  # without a name
    assert (steps.requests, steps.problems, steps.notes) == ([], [], [])


def test_an_object_without_a_name_is_refused_and_as_written_a_problem() -> None:
    nameless = "apiVersion: v1\nkind: ConfigMap\nmetadata: {labels: {a: b}}\n"
    result = planned(nameless)
    assert result.problems == []
    (request,) = result.requests
    _, refused = request.completed(request.request)
    assert [str(each.message) for each in refused] == [
        "metadata.name: Required value: name or generateName is required"
    ]
    as_written = planned(nameless, as_written=True)
    assert [str(problem) for problem in as_written.problems] == [
        "f.yaml:3:1: not a Kubernetes object: metadata.name is missing"
    ]
    assert len(as_written.requests) == 1
    review = planned("apiVersion: authorization.k8s.io/v1\nkind: SelfSubjectRulesReview\n")
    (request,) = review.requests
    assert (review.problems, request.completed(request.request)[1]) == ([], ())


@pytest.mark.parametrize(
    ("user", "groups", "seen"),
    [
        ("", [], User()),
        ("ann", [], User("ann", "", ("system:authenticated",))),
        ("ann", ["dev"], User("ann", "", ("dev", "system:authenticated"))),
        ("system:anonymous", [], User("system:anonymous", "", ("system:unauthenticated",))),
        (
            "system:serviceaccount:ci:bot",
            [],
            User(
                "system:serviceaccount:ci:bot",
                "",
                ("system:serviceaccounts", "system:serviceaccounts:ci", "system:authenticated"),
            ),
        ),
    ],
)
def test_impersonation_is_the_api_servers(user: str, groups: list[str], seen: User) -> None:
    assert impersonated(user, groups) == seen


def test_groups_without_a_user_are_refused() -> None:
    with pytest.raises(ValueError, match="--as-group needs --as"):
        impersonated("", ["dev"])
