"""Which resource a kind is, by what a cluster says that it serves."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes.client import Configuration

from tests.cluster.apiserver import Exchange, playing
from webhook.cluster.connection import APIError, Connection
from webhook.cluster.discovery import collection, discover
from webhook.schema import Resource

SERVED: dict[str, dict[str, Any]] = {
    "/api/v1": {
        "resources": [
            {"name": "pods/status", "kind": "Pod", "namespaced": True, "verbs": ["get", "list"]},
            {"name": "bindings", "kind": "Binding", "namespaced": True, "verbs": ["create"]},
            {"name": "pods", "kind": "Pod", "namespaced": True, "verbs": ["get", "list", "watch"]},
            {"name": "namespaces", "kind": "Namespace", "namespaced": False, "verbs": ["list"]},
            {"name": "events", "kind": "Event", "namespaced": True},
        ]
    },
    "/apis/apps/v1": {
        "resources": [{"name": "deployments", "kind": "Deployment", "namespaced": True, "verbs": ["list"]}]
    },
    "/apis/empty.example.com/v1": {"resources": None},
}


def answer(exchange: Exchange) -> None:
    if exchange.path in SERVED:
        exchange.json(SERVED[exchange.path])
    else:
        exchange.refuse(403 if "secret" in exchange.path else 404)


def discovered(api_version: str, kind: str) -> Resource | None:
    with playing(answer) as (url, _):
        configuration = Configuration(host=url)
        configuration.retries = False
        connection = Connection(configuration, 1)
        try:
            return discover(connection, api_version, kind)
        finally:
            connection.close()


@pytest.mark.parametrize(
    ("api_version", "kind", "resource"),
    [
        ("v1", "Pod", Resource("", "v1", "Pod", "pods", True)),
        ("v1", "Namespace", Resource("", "v1", "Namespace", "namespaces", False)),
        ("apps/v1", "Deployment", Resource("apps", "v1", "Deployment", "deployments", True)),
        ("v1", "Binding", None),  # it can be created only
        ("v1", "Event", None),  # no verbs are named
        ("v1", "Nope", None),
        ("empty.example.com/v1", "Widget", None),
        ("nope.example.com/v1", "Widget", None),  # 404
    ],
)
def test_a_kind_is_the_resource_that_can_be_listed(api_version: str, kind: str, resource: Resource | None) -> None:
    assert discovered(api_version, kind) == resource


def test_another_refusal_is_no_answer() -> None:
    with pytest.raises(APIError) as caught:
        discovered("secret.example.com/v1", "Widget")
    assert caught.value.status == 403


@pytest.mark.parametrize(
    ("resource", "namespace", "path"),
    [
        (Resource("", "v1", "Pod", "pods", True), "", "/api/v1/pods"),
        (Resource("", "v1", "Pod", "pods", True), "a b/c", "/api/v1/namespaces/a%20b%2Fc/pods"),
        (Resource("", "v1", "Namespace", "namespaces", False), "shop", "/api/v1/namespaces"),
        (
            Resource("apps", "v1", "Deployment", "deployments", True),
            "shop",
            "/apis/apps/v1/namespaces/shop/deployments",
        ),
    ],
)
def test_a_collection_has_its_path(resource: Resource, namespace: str, path: str) -> None:
    assert collection(resource, namespace) == path
