"""What the API server is asked about access, and how its answers are read."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes.client import Configuration

from tests.cluster.apiserver import Exchange, playing
from webhook.access import Access, AccessDecision
from webhook.cluster.connection import APIError, Connection, Unreachable
from webhook.cluster.subjectaccess import ask


def asked(access: Access, answer: dict[str, Any], status: int = 201) -> tuple[AccessDecision, dict[str, Any]]:
    """The decision, and the spec that was sent."""

    def respond(exchange: Exchange) -> None:
        exchange.json(answer, status)

    with playing(respond) as (url, exchanges):
        configuration = Configuration(host=url)
        configuration.retries = False
        connection = Connection(configuration, 1)
        try:
            decision = ask(connection, access, 5)
        finally:
            connection.close()
        [exchange] = exchanges
    assert exchange.path == "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    assert exchange.body is not None
    assert (exchange.body["apiVersion"], exchange.body["kind"]) == ("authorization.k8s.io/v1", "SubjectAccessReview")
    return decision, exchange.body["spec"]


def test_all_of_a_user_and_of_a_resource_is_sent() -> None:
    access = Access(
        "ann",
        "list",
        groups=("g", "h"),
        uid="7",
        extra=(("scopes", ("a", "b")),),
        group="apps",
        resource="deployments",
        subresource="scale",
        namespace="shop",
        name="web",
        field_selector="metadata.name=web",
        label_selector="app=web",
    )
    decision, spec = asked(access, {"status": {"allowed": True}})
    assert decision == AccessDecision(True, "", "")
    assert spec == {
        "user": "ann",
        "groups": ["g", "h"],
        "uid": "7",
        "extra": {"scopes": ["a", "b"]},
        "resourceAttributes": {
            "verb": "list",
            "group": "apps",
            "version": "*",
            "resource": "deployments",
            "subresource": "scale",
            "namespace": "shop",
            "name": "web",
            "fieldSelector": {"rawSelector": "metadata.name=web"},
            "labelSelector": {"rawSelector": "app=web"},
        },
    }


def test_a_path_is_no_resource() -> None:
    _, spec = asked(Access("ann", "get", path="/metrics"), {"status": {"allowed": False}})
    assert spec == {"user": "ann", "groups": [], "nonResourceAttributes": {"path": "/metrics", "verb": "get"}}


@pytest.mark.parametrize(
    ("status", "decision"),
    [
        ({"allowed": True, "reason": "RBAC"}, AccessDecision(True, "RBAC", "")),
        ({"allowed": False, "evaluationError": "no role"}, AccessDecision(False, "", "no role")),
        ({"allowed": "true"}, AccessDecision(False, "", "")),  # a text is no yes
        ({}, AccessDecision(False, "", "")),
    ],
)
def test_only_true_allows(status: dict[str, Any], decision: AccessDecision) -> None:
    assert asked(Access("ann", "get", resource="pods"), {"status": status})[0] == decision


@pytest.mark.parametrize("answer", [{}, {"status": None}, {"status": "allowed"}])
def test_an_answer_without_a_status_is_none(answer: dict[str, Any]) -> None:
    with pytest.raises(Unreachable, match="has no status"):
        asked(Access("ann", "get", resource="pods"), answer)


def test_a_refusal_to_answer_is_an_error() -> None:
    with pytest.raises(APIError) as caught:
        asked(Access("ann", "get", resource="pods"), {"kind": "Status", "message": "no", "code": 403}, 403)
    assert caught.value.status == 403
