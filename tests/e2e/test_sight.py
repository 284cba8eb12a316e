"""What is seen of reviews with the real API server: its trace, denials as Events, and all policies of a denial."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.apiserver import Reply
from tests.e2e.controlplane import ADMIN, DEVELOPER, ControlPlane, started
from tests.e2e.objects import namespace
from tests.e2e.people import roles
from tests.e2e.webhooks import Gatewright, until_seen
from tests.manifests import kustomize
from tests.server.collector import Collector, Span, collecting
from tests.server.running import wait_for, write_policies
from webhook.admission import review
from webhook.admission.decision import Finding
from webhook.cluster import connection
from webhook.server.cluster.events import UPDATE_AFTER, Events
from webhook.server.telemetry.logs import Log

HOOK = "it.gatewright.dev"
DENIED = f'admission webhook "{HOOK}" denied the request: '
CONFIGMAPS = "/api/v1/namespaces/shop/configmaps"
# The API server exports its own spans by gRPC; here to nobody.
TRACING = """\
apiVersion: apiserver.config.k8s.io/v1
kind: TracingConfiguration
endpoint: 127.0.0.1:1
samplingRatePerMillion: 1000000
"""
POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: %(name)s}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]
  validations:
  - {expression: "!('%(name)s' in object.?data.orValue({}))", message: "not %(name)s", reason: Forbidden}
  - {expression: "!('both' in object.?data.orValue({}))", message: "neither", reason: Forbidden}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: %(name)s}
spec: {policyName: %(name)s, validationActions: [Deny]}
"""
TREE = {f"{name}.yaml": POLICY % {"name": name} for name in ("one", "two")}


@pytest.fixture(scope="module")
def traced(assets: Path) -> Iterator[ControlPlane]:
    """A control plane that traces."""
    with started(assets, tracing=TRACING) as plane:
        yield plane


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture(scope="module")
def it(
    traced: ControlPlane,
    gatewright: Gatewright,
    collector: Collector,
    tmp_path_factory: pytest.TempPathFactory,
) -> ControlPlane:
    """The control plane with the server registered, which has the rights of the component of manifests/ and no more."""
    traced.apply(namespace("shop"), namespace("gatewright-system"), *roles())
    account = {"name": "gatewright", "namespace": "gatewright-system"}
    traced.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    text = (kustomize.MANIFESTS / "components" / "events" / "rbac.yaml").read_text()
    traced.kubectl("apply", "--filename", "-", stdin=text)
    token = traced.kubectl("create", "token", "gatewright", "--namespace", "gatewright-system").stdout.strip()
    gatewright.look_up_in(traced, token=token)
    policies = write_policies(tmp_path_factory.mktemp("tree") / "policies", TREE)
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    gatewright.start(policies, "--traces", "--events", **variables)
    traced.apply(registration(gatewright, "Validating", "/validate"), registration(gatewright, "Mutating", "/mutate"))
    until_seen(traced.client(), "POST", CONFIGMAPS + "?dryRun=All", configmap("probe", one=""), 403)
    wait_for(lambda: any(span.name == "POST /mutate" for span in sent(traced, collector, ADMIN, reviews=1)))
    return traced


def registration(gatewright: Gatewright, kind: str, path: str) -> dict[str, Any]:
    client = {"url": f"https://127.0.0.1:{gatewright.port}{path}", "caBundle": gatewright.ca_bundle}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}
    webhook = {"name": HOOK, "admissionReviewVersions": ["v1"], "sideEffects": "NoneOnDryRun", "clientConfig": client}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": "it"},
        "webhooks": [webhook | {"rules": [rule]}],
    }


def configmap(name: str, metadata: dict[str, Any] | None = None, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **(metadata or {})}, "data": data}


def sent(cluster: ControlPlane, collector: Collector, user: Any, trace: str = "", reviews: int = 2) -> list[Span]:
    """The spans of a request that both webhooks are asked about, once there are so many."""
    name = f"c-{secrets.token_hex(4)}"
    headers = {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"} if trace else {}
    reply = cluster.client(user).request("POST", CONFIGMAPS + "?dryRun=All", configmap(name), headers=headers)
    assert reply.status == 201, reply.message

    def spans() -> list[Span]:
        return [span for span in collector.spans if span.attributes.get("gatewright.review.name") == name]

    return wait_for(lambda: len(found := spans()) >= reviews and found)


def test_a_review_is_a_part_of_the_api_servers_trace(it: ControlPlane, collector: Collector) -> None:
    """Both reviews of a request are in one trace, each below another span of the API server."""
    spans = sent(it, collector, DEVELOPER)
    assert {span.name for span in spans} == {"POST /validate", "POST /mutate"}
    assert len({span.trace_id for span in spans}) == 1
    assert len({span.parent for span in spans} - {""}) == 2


def test_the_api_server_hands_a_privileged_clients_trace_on(it: ControlPlane, collector: Collector) -> None:
    """Of members of system:masters it takes a trace over; of others it begins its own."""
    trace = secrets.token_hex(16)
    assert {span.trace_id for span in sent(it, collector, ADMIN, trace)} == {trace}
    other = secrets.token_hex(16)
    assert other not in {span.trace_id for span in sent(it, collector, DEVELOPER, other)}


def test_a_denial_of_several_policies_names_them_all(it: ControlPlane) -> None:
    reply: Reply = it.client().post(CONFIGMAPS + "?dryRun=All", configmap("bad", one="", two="", both=""))
    text = "ValidatingAdmissionPolicy '%s' with binding '%s' denied request: %s"
    lines = [text % ("one", "one", "not one"), text % ("two", "two", "not two")]
    assert (reply.status, reply.message) == (403, DENIED + "\n".join(lines))
    assert [cause["message"] for cause in reply.body["details"]["causes"]] == [
        *(text % ("one", "one", "not one"), text % ("one", "one", "neither")),
        *(text % ("two", "two", "not two"), text % ("two", "two", "neither")),
    ]
    shown = it.kubectl(
        *("create", "configmap", "bad", "--namespace", "shop", "--from-literal=one=", "--from-literal=two="),
        check=False,
    )
    assert f"{DENIED}{lines[0]}\n{lines[1]}\n" in shown.stderr


def test_a_denial_is_an_event_that_kubectl_shows(it: ControlPlane) -> None:
    assert it.client(DEVELOPER).post(CONFIGMAPS, configmap("denied", one="")).status == 403
    shown = wait_for(lambda: _events(it, "denied"))
    assert len(shown) == 1
    assert "CREATE of configmaps denied denied by policy 'one': not one" in shown[0]["message"]
    assert shown[0]["type"] == "Warning"
    text = it.kubectl("events", "--namespace", "shop").stdout
    assert "PolicyDenied" in text


def test_a_denial_of_what_a_controller_creates_is_an_event_of_the_controller(it: ControlPlane) -> None:
    client = it.client()
    owner = client.post(CONFIGMAPS, configmap("owner")).body["metadata"]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["uid"], "controller": True}
    assert client.post(CONFIGMAPS, configmap("owned", {"ownerReferences": [reference]}, two="")).status == 403
    (event,) = wait_for(lambda: _events(it, "owner"))
    assert event["involvedObject"]["uid"] == owner["uid"]
    assert "PolicyDenied" in it.kubectl("describe", "configmap", "owner", "--namespace", "shop").stdout


def test_a_dry_run_leaves_no_event(it: ControlPlane) -> None:
    client = it.client()
    assert client.post(CONFIGMAPS + "?dryRun=All", configmap("dry", one="")).status == 403
    assert client.post(CONFIGMAPS, configmap("wet", one="")).status == 403
    wait_for(lambda: _events(it, "wet"))
    assert not _events(it, "dry")


def test_equal_denials_are_one_event(it: ControlPlane, gatewright: Gatewright) -> None:
    client = it.client()
    for _ in range(50):
        assert client.post(CONFIGMAPS, configmap("again", one="")).status == 403
    assert len(wait_for(lambda: _events(it, "again"))) == 1
    metrics = gatewright.running.get("/metrics").body.decode()
    assert 'gatewright_kubernetes_events_total{result="failed"} 0.0' in metrics


def test_an_event_that_is_updated_counts(it: ControlPlane) -> None:
    """What the server sends after a minute, as the API server takes it."""
    now = [0.0]
    config = connection.configuration("kubeconfig", it.kubeconfig("events", it.tokens["admin"]))
    events = Events(Log(2), lambda: connection.Connection(config, 1), lambda: now[0])
    events.start()
    body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": _request("updated")}
    request = review.parse(json.dumps(body).encode())
    for _ in range(3):
        events.denied(request, [Finding("one", "one", "Deny", "Forbidden", 403, "no")], lambda _: False)
    wait_for(lambda: events.counts["created"])
    now[0] += UPDATE_AFTER
    events.denied(request, [Finding("one", "one", "Deny", "Forbidden", 403, "no")], lambda _: False)
    wait_for(lambda: events.counts["updated"])
    events.close()
    (event,) = _events(it, "updated")
    assert event["series"]["count"] == 4
    assert "(x4 over" in it.kubectl("events", "--namespace", "shop").stdout


def _request(name: str) -> dict[str, Any]:
    kind = {"group": "", "version": "v1", "kind": "ConfigMap"}
    resource = {"group": "", "version": "v1", "resource": "configmaps"}
    return {"uid": "u", "operation": "CREATE", "kind": kind, "resource": resource, "name": name, "namespace": "shop"}


def _events(cluster: ControlPlane, name: str) -> list[dict[str, Any]]:
    """The Events about an object."""
    selector = f"involvedObject.name={name},reason=PolicyDenied"
    reply = cluster.client().get(f"/api/v1/namespaces/shop/events?fieldSelector={selector}")
    found: list[dict[str, Any]] = reply.body["items"]
    return found
