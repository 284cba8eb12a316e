"""The metadata of any object."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.apiserver.validation import metadata
from webhook.apiserver.validation.names import dns_subdomain


def created(value: dict[str, Any], **given: Any) -> list[str]:
    known = {"name": "x", "namespace": "default", **value}
    found = metadata.of_created(known, dns_subdomain, **{"namespaced": True, **given})
    return [error.text for error in found]


def test_sound() -> None:
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "x", "uid": "u", "controller": True}
    assert created({"labels": {"a.b/c": "d"}, "annotations": {"A.B/C": "any text"}, "ownerReferences": [owner]}) == []
    assert created({"name": "", "generateName": "x-"}, named=False) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"name": ""}, "metadata.name: Required value: name or generateName is required"),
        ({"namespace": ""}, "metadata.namespace: Required value"),
        ({"generation": -1}, "metadata.generation: Invalid value: -1: must be greater than or equal to 0"),
        (
            {"ownerReferences": [{"apiVersion": "a/b/c", "kind": "K", "name": "n", "uid": "u"}]},
            'metadata.ownerReferences[0].apiVersion: Invalid value: "a/b/c": must be <group>/<version> or <version>',
        ),
        (
            {"ownerReferences": [{"apiVersion": "v1", "kind": "", "name": "n", "uid": "u"}]},
            "metadata.ownerReferences[0].kind: Required value: must not be empty",
        ),
        (
            {"finalizers": ["orphan", "foregroundDeletion"]},
            'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and '
            "foregroundDeletion cannot be both set",
        ),
        (
            {"annotations": {"a": "x" * 256 * 1024}},
            "metadata.annotations: Too long: may not be more than 262144 bytes",
        ),
    ],
)
def test_refused(value: dict[str, Any], text: str) -> None:
    assert created(value) == [text]


def test_words_of_names() -> None:
    (text,) = created({"labels": {"a": "b c"}})
    assert text.startswith('metadata.labels: Invalid value: "b c": a valid label must be an empty string or consist of')
    (text,) = created({"name": "A"})
    assert text.startswith('metadata.name: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of')
    assert created({"namespace": "x"}, namespaced=False) == ["metadata.namespace: Forbidden: not allowed on this type"]


def test_updates() -> None:
    old = {"name": "x", "namespace": "default", "finalizers": ["a/b"], "deletionTimestamp": "2024-01-01T00:00:00Z"}
    new = {"name": "y", "namespace": "default", "finalizers": ["a/b", "c/d"]}
    assert [error.text for error in metadata.of_updated(new, old)] == [
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new "
        'finalizers []string{"c/d"}',
        'metadata.name: Invalid value: "y": field is immutable',
    ]
