"""What the API server makes of a review that is refused in an overload: it tries again, and then failurePolicy decides.

The webhook is the server's own port, with an application that gives the refusals of an overload, as often as a test
asks for them.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Awaitable, Iterator
from typing import Any

import pytest

from tests.e2e.apiserver import Reply
from tests.e2e.controlplane import ControlPlane
from tests.e2e.webhooks import until_seen
from tests.server.ports import Served, served
from webhook.server.port import tls
from webhook.server.port.exchange import Answer, Client, Head
from webhook.server.reviews.turns import REASONS, Reason, refusal

CONFIGMAPS = "/api/v1/namespaces/default/configmaps?dryRun=All"
TIMEOUT = 3  # seconds of the registration


class Refusing:
    """Refuses the reviews of an object as often as its data say, and allows it then."""

    def __init__(self) -> None:
        self.asked: dict[str, list[float]] = {}  # by the object's name, when
        self.queries: set[bytes] = set()

    @property
    def unsolicited(self) -> Answer | None:
        return None

    def admit(self, certificate: Any) -> str | None:
        return None

    def refuse(self, head: Head, client: Client) -> Answer | None:
        return None

    def too_large(self, head: Head, begin: bytes, client: Client) -> Answer | None:
        return None

    def refused(self, status: int, message: str, head: Head | None, client: Client) -> None:
        raise AssertionError(message)

    def answer(self, head: Head, body: bytes, client: Client) -> Answer | Awaitable[Answer]:
        request = json.loads(body)["request"]
        data = request["object"]["data"]
        times = self.asked.setdefault(request["name"], [])
        times.append(time.monotonic())
        self.queries.add(head.query)
        if len(times) <= int(data["refusals"]):
            answer = refusal(data["reason"], 1)
            return answer if data["retry"] == "yes" else answer._replace(headers=())
        response = {"uid": request["uid"], "allowed": True}
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
        return Answer(200, json.dumps(review).encode())


@pytest.fixture(scope="module")
def webhook(cluster: ControlPlane) -> Iterator[Refusing]:
    authority = tls.development()
    app = Refusing()
    with served(app, pair=authority.pair) as port:
        cluster.apply(*(_registration(port, authority, policy) for policy in ("Fail", "Ignore")))
        until_seen(cluster.client(), "POST", CONFIGMAPS, _configmap("seen", 100, "queue", "no"), 500)
        yield app


def _registration(port: Served, authority: tls.Development, policy: str) -> dict[str, Any]:
    ca_bundle = base64.b64encode(authority.ca).decode()
    labels = {"matchLabels": {"policy": policy}}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": f"overload-{policy.lower()}"},
        "webhooks": [
            {
                "name": "it.gatewright.dev",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": policy,
                "timeoutSeconds": TIMEOUT,
                "clientConfig": {"url": f"https://127.0.0.1:{port.number}/validate", "caBundle": ca_bundle},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}],
                "objectSelector": labels,
            }
        ],
    }


def _configmap(name: str, refusals: int, reason: Reason, retry: str = "yes", policy: str = "Fail") -> dict[str, Any]:
    metadata = {"name": name, "labels": {"policy": policy}}
    data = {"refusals": str(refusals), "reason": reason, "retry": retry}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _sent(cluster: ControlPlane, configmap: dict[str, Any]) -> Reply:
    return cluster.client().post(CONFIGMAPS, configmap)


@pytest.mark.parametrize("reason", REASONS)
def test_a_refused_review_is_sent_again_after_retry_after(
    cluster: ControlPlane, webhook: Refusing, reason: Reason
) -> None:
    name = f"again-{reason}"
    assert _sent(cluster, _configmap(name, 1, reason)).status == 201
    first, second = webhook.asked[name]
    assert second - first >= 1.0


def test_until_the_time_of_the_registration_is_over_and_then_its_failure_policy_decides(
    cluster: ControlPlane, webhook: Refusing
) -> None:
    reply = _sent(cluster, _configmap("never", 100, "queue"))
    assert (reply.status, reply.reason) == (500, "InternalError")
    assert 'failed calling webhook "it.gatewright.dev"' in reply.message
    times = webhook.asked["never"]
    assert 2 <= len(times) <= TIMEOUT + 1
    assert times[-1] - times[0] <= TIMEOUT
    assert _sent(cluster, _configmap("never-mind", 100, "queue", policy="Ignore")).status == 201
    assert len(webhook.asked["never-mind"]) >= 2


def test_without_retry_after_it_is_not(cluster: ControlPlane, webhook: Refusing) -> None:
    reply = _sent(cluster, _configmap("once", 1, "queue", "no"))
    assert reply.status == 500
    assert "more reviews arrive than can be answered" in reply.message
    assert len(webhook.asked["once"]) == 1


def test_each_try_has_the_whole_timeout_in_its_query(webhook: Refusing) -> None:
    assert webhook.queries == {b"timeout=%ds" % TIMEOUT}
