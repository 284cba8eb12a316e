from typing import Any

import pytest

from webhook.access import Access, AccessDecision, AccessRule, AccessUnknown
from webhook.cluster.manifestsview import ManifestsView
from webhook.cluster.view import Answer, ClusterView, UnknownKind


def config_map(name: str, namespace: str | None = None, **extra: Any) -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **extra}


def names(answer: Answer) -> list[tuple[str, str]]:
    return [(item["metadata"].get("namespace", ""), item["metadata"]["name"]) for item in answer.value]


def test_objects_are_found_by_namespace_and_name() -> None:
    view: ClusterView = ManifestsView([config_map("a", "x"), config_map("a", "y"), config_map("b")])
    assert view.get("v1", "ConfigMap", "a", "y") == Answer(config_map("a", "y"), 0.0)
    assert view.get("v1", "ConfigMap", "b", "default").value["metadata"]["namespace"] == "default"
    assert view.get("v1", "ConfigMap", "b", "x").value is None
    assert view.get("v1", "Secret", "b", "x").value is None


def test_lists_are_sorted_by_namespace_and_name() -> None:
    view = ManifestsView([config_map("b", "y"), config_map("a", "y"), config_map("z", "x")])
    assert names(view.list("v1", "ConfigMap")) == [("x", "z"), ("y", "a"), ("y", "b")]
    assert names(view.list("v1", "ConfigMap", "y")) == [("y", "a"), ("y", "b")]
    assert view.list("v1", "Secret").value == []


def test_cluster_scoped_objects_have_no_namespace() -> None:
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"}}
    view = ManifestsView([volume])
    assert view.get("v1", "PersistentVolume", "v", "ignored").value == volume


def test_of_two_objects_with_one_name_the_later_counts() -> None:
    view = ManifestsView([config_map("a", "x", data={"k": "1"}), config_map("a", "x", data={"k": "2"})])
    assert view.get("v1", "ConfigMap", "a", "x").value["data"] == {"k": "2"}


def test_an_unknown_kind_is_something_else_than_no_objects() -> None:
    view = ManifestsView([{"apiVersion": "example.com/v1", "kind": "Here", "metadata": {"name": "h"}}])
    assert names(view.list("example.com/v1", "Here")) == [("default", "h")]
    unknown = r"unknown kind: Gone of example\.com/v1"
    with pytest.raises(UnknownKind, match=unknown):
        view.list("example.com/v1", "Gone")
    with pytest.raises(UnknownKind, match=unknown):
        view.get("example.com/v1", "Gone", "g")


def test_a_namespace_always_has_the_label_of_its_name() -> None:
    view = ManifestsView([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x", "labels": {"a": "b"}}}])
    assert view.namespace("x").value["metadata"]["labels"] == {"a": "b", "kubernetes.io/metadata.name": "x"}
    assert view.get("v1", "Namespace", "x") == view.namespace("x")
    assert view.namespace("y").value is None


def test_namespaces_are_assumed_only_if_asked_and_said_so() -> None:
    view = ManifestsView([], assume_namespaces=True)
    assert view.assumed == set()
    assert view.namespace("y").value["metadata"] == {"name": "y", "labels": {"kubernetes.io/metadata.name": "y"}}
    assert view.assumed == {"y"}
    assert view.list("v1", "Namespace").value == []


def test_what_is_no_object_or_has_no_name_is_left_out() -> None:
    view = ManifestsView([{}, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "x-"}}])
    assert view.list("v1", "ConfigMap").value == []


def test_manifests_do_not_tell_what_a_user_may_do() -> None:
    with pytest.raises(AccessUnknown, match="user 'ann', verb 'get', resource 'apps/deployments', name 'web'"):
        ManifestsView([]).authorize(Access("ann", "get", group="apps", resource="deployments", name="web"))


def test_declared_answers_do() -> None:
    view = ManifestsView([], access_rules=[AccessRule(AccessDecision(True), user="ann")])
    assert view.authorize(Access("ann", "get")) == AccessDecision(True)
