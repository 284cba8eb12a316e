from __future__ import annotations

from typing import Any

import pytest

from webhook.documents.reader import parsed
from webhook.offline.creatable import (
    creates_something,
    is_named_by_template,
    resembles_an_object,
    why_unread,
)
from webhook.schema import Kinds

GROUPS = {resource.group for resource in Kinds.builtin()}


@pytest.mark.parametrize(
    ("value", "creates"),
    [
        ({"apiVersion": "v1", "kind": "Pod"}, True),  # a built-in kind without a name: the API server says so
        ({"apiVersion": "shop.example/v1", "kind": "Order", "metadata": {"name": "a"}}, True),
        ({"apiVersion": "shop.example/v1", "kind": "Order", "metadata": {"generateName": "a-"}}, True),
        ({"apiVersion": "shop.example/v1", "kind": "Order"}, False),
        ({"apiVersion": "shop.example/v1", "kind": "Orders", "items": []}, True),
        ({"kind": "List", "items": []}, True),
        ({"apiVersion": "v1", "kind": "Config", "metadata": {"name": "kubeconfig"}}, False),
        ({"apiVersion": "kind.x-k8s.io/v1alpha4", "kind": "Cluster", "metadata": {"name": "a"}}, False),
        ({"apiVersion": "builtin", "kind": "PrefixTransformer", "metadata": {"name": "a"}}, False),
        ({"apiVersion": "v1", "kind": ""}, False),
        ([{"apiVersion": "v1", "kind": "Pod"}], False),
    ],
)
def test_what_kubectl_may_create_something_from(value: Any, creates: bool) -> None:
    assert creates_something(value, GROUPS) is creates


@pytest.mark.parametrize(
    ("value", "resembles"),
    [
        ({"apiVersion": "v1", "metadata": {}}, True),
        ({"apiVersion": "v1", "spec": {}}, True),
        ({"apiVersion": "v1"}, False),
        ({"apiVersion": "v1", "kind": None, "spec": {}}, False),
        ({"kind": "Deployment", "metadata": {}}, True),
        ({"kind": "Deployment", "spec": {}}, True),
        ({"kind": "Deployment", "replicas": 2}, False),
        ({"kind": "deployment", "spec": {}}, False),
        ({"metadata": {}, "data": {}}, True),
        ({"metadata": {}}, False),
        ("text", False),
    ],
)
def test_what_is_likely_to_be_meant_as_an_object(value: Any, resembles: bool) -> None:
    assert resembles_an_object(value) is resembles


def test_names_and_labels_of_a_template_are_refused_but_names_in_rbac() -> None:
    kinds = Kinds.builtin()
    name = {"name": "{{ .Release.Name }}"}
    assert is_named_by_template({"apiVersion": "v1", "kind": "Pod", "metadata": name}, kinds)
    assert is_named_by_template({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "{{ a }}"}}, kinds)
    assert not is_named_by_template({"apiVersion": "v1", "kind": "Node", "metadata": {"namespace": "{{ a }}"}}, kinds)
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": name}
    assert not is_named_by_template(rbac, kinds)
    assert not is_named_by_template({"apiVersion": "v1", "kind": "Pod"}, kinds)
    for labels in ({"app": "{{ .Release.Name }}"}, {"{{ a }}": "b"}):
        assert is_named_by_template({**rbac, "metadata": {"name": "a", "labels": labels}}, kinds)
    noted = {"name": "a", "annotations": {"a": "{{ b }}"}, "labels": None}
    assert not is_named_by_template({"apiVersion": "v1", "kind": "Pod", "metadata": noted}, kinds)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"a: {{ .Values.b }}: c", "template"),
        (b"{% if x %}\nkind: Pod\napiVersion: v1\n", "template"),
        (b"a: [", "no object"),
        (b"kind: Pod\napiVersion: [", ""),
        (b"\x89PNG\0\n", "binary"),
        (b"\0kind: Pod\napiVersion: v1\n", ""),
        ("apiVersion: v1\nkind: Pod\n".encode("utf-16-le"), ""),
        (b"a: 1\n---\n\0", ""),  # what stands before is read by kubectl
        (b'{"k\\u0069nd": "Pod"}\0', ""),
    ],
)
def test_why_a_part_that_cannot_be_read_is_left_out(text: bytes, why: str) -> None:
    (unread,) = parsed(text, "a.yaml").unread
    assert why_unread(unread) == why
