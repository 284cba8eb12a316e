"""What the API server makes of our replies: codes and messages, warnings, audit annotations, patches, failed calls."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.apiserver import Reply
from tests.e2e.controlplane import ControlPlane
from tests.e2e.objects import pod
from tests.e2e.webhooks import Gatewright, until_seen
from tests.server.running import write_policies

HOOK = "it.gatewright.dev"
DENIED = f'admission webhook "{HOOK}" denied the request: '
CONFIGMAPS = "/api/v1/namespaces/default/configmaps?dryRun=All"

TREE = {
    "policies.yaml": """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: replies}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  validations:
  - {expression: "object.metadata.name != 'forbidden'", message: not this, reason: Forbidden}
  - {expression: "object.metadata.name != 'large'", message: not this, reason: RequestEntityTooLarge}
  - {expression: "object.metadata.name != 'invalid'", message: not this}
  auditAnnotations:
  - {key: told, valueExpression: "'of ' + object.metadata.name"}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: replies}
spec: {policyName: replies, validationActions: [Deny, Audit]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: warning}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  validations: [{expression: "!('warn' in object.?data.orValue({}))", message: 'mind "this"'}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: warning}
spec: {policyName: warning, validationActions: [Warn]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: team}
spec: {policyName: team}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: broken}
spec: {policyName: broken}
""",
    "team.py": '''\
from gatewright import mutate


@mutate(resources=["v1/configmaps"], operations=["CREATE"])
def team(request):
    """ConfigMaps have a team, and keep what they have."""
    request.object["metadata"].setdefault("labels", {}).setdefault("example.com/team", "nobody")


@mutate(resources=["v1/configmaps"], operations=["CREATE"])
def broken(request):
    """Fails on some."""
    if request.name == "unmutable":
        raise RuntimeError("out of order")
''',
}


@pytest.fixture(scope="module")
def registered(cluster: ControlPlane, gatewright: Gatewright, tmp_path_factory: pytest.TempPathFactory) -> ControlPlane:
    gatewright.start(write_policies(tmp_path_factory.mktemp("tree") / "policies", TREE))
    cluster.apply(registration(gatewright, "Validating", "/validate"), registration(gatewright, "Mutating", "/mutate"))
    until_seen(cluster.client(), "POST", CONFIGMAPS, configmap("invalid"), 422)
    until_seen(cluster.client(), "POST", CONFIGMAPS, configmap("unmutable"), 403)
    return cluster


def registration(gatewright: Gatewright, kind: str, path: str) -> dict[str, Any]:
    client = {"url": f"https://127.0.0.1:{gatewright.port}{path}", "caBundle": gatewright.ca_bundle}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": "it"},
        "webhooks": [
            {
                "name": HOOK,
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "clientConfig": client,
                "rules": [rule],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}},
            }
        ],
    }


def configmap(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def sent(cluster: ControlPlane, name: str, **data: str) -> Reply:
    return cluster.client().post(CONFIGMAPS, configmap(name, **data))


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [("forbidden", 403, "Forbidden"), ("large", 413, "RequestEntityTooLarge"), ("invalid", 422, "Invalid")],
)
def test_code_reason_and_message_are_the_policys(registered: ControlPlane, name: str, code: int, reason: str) -> None:
    reply = sent(registered, name)
    text = "ValidatingAdmissionPolicy 'replies' with binding 'replies' denied request: not this"
    assert (reply.status, reply.reason, reply.message) == (code, reason, DENIED + text)
    assert reply.body["details"] == {
        "name": name,
        "kind": "configmaps",
        "causes": [{"reason": reason, "message": text}],
    }


def test_a_warning_reaches_the_user_on_what_is_allowed_and_on_what_is_denied(registered: ControlPlane) -> None:
    warning = "Validation failed for ValidatingAdmissionPolicy 'warning' with binding 'warning': mind \"this\""
    allowed, denied, silent = (
        sent(registered, "it", warn=""),
        sent(registered, "invalid", warn=""),
        sent(registered, "it"),
    )
    assert (allowed.status, allowed.warnings) == (201, (warning,))
    assert (denied.status, denied.warnings) == (422, (warning,))
    assert (silent.status, silent.warnings) == (201, ())
    shown = registered.kubectl("create", "configmap", "warned", "--from-literal=warn=", "--dry-run=server")
    assert shown.stderr == f"Warning: {warning}\n"


def test_the_audit_log_has_our_annotations_under_the_webhooks_name(registered: ControlPlane) -> None:
    noted = registered.audit_annotations(sent(registered, "it"))
    assert noted[f"{HOOK}/replies.told"] == "of it"
    assert re.fullmatch("[0-9a-f]{16}", noted[f"{HOOK}/policy_revision"])
    assert f"{HOOK}/validation_failure" not in noted
    noted = registered.audit_annotations(sent(registered, "invalid"))
    assert noted[f"{HOOK}/replies.told"] == "of invalid"
    assert json.loads(noted[f"{HOOK}/validation_failure"]) == [
        {
            "message": "not this",
            "policy": "replies",
            "binding": "replies",
            "expressionIndex": 2,
            "validationActions": ["Deny", "Audit"],
        }
    ]


def test_a_patch_is_applied_and_only_where_something_changes(registered: ControlPlane) -> None:
    changed = sent(registered, "it")
    assert changed.body["metadata"]["labels"] == {"example.com/team": "nobody"}
    key = "mutation.webhook.admission.k8s.io/round_0_index_0"
    assert json.loads(registered.audit_annotations(changed)[key])["mutated"] is True
    labelled = configmap("it")
    labelled["metadata"]["labels"] = {"example.com/team": "ours"}
    kept = registered.client().post(CONFIGMAPS, labelled)
    assert kept.body["metadata"]["labels"] == {"example.com/team": "ours"}
    assert json.loads(registered.audit_annotations(kept)[key])["mutated"] is False


def test_a_mutation_that_cannot_be_evaluated_denies(registered: ControlPlane) -> None:
    reply = sent(registered, "unmutable")
    assert (reply.status, reply.reason) == (403, "Invalid")
    assert reply.message.startswith(DENIED + "policy 'broken' with binding 'broken' denied request: ")


@pytest.fixture
def stopped(registered: ControlPlane, gatewright: Gatewright) -> Iterator[ControlPlane]:
    gatewright.stop()
    yield registered
    gatewright.restart()


def test_a_call_that_fails_is_a_failure_of_the_server(stopped: ControlPlane) -> None:
    reply = sent(stopped, "it")
    assert (reply.status, reply.reason) == (500, "InternalError")
    assert f'failed calling webhook "{HOOK}"' in reply.message
    assert stopped.client().post("/api/v1/namespaces/default/pods?dryRun=All", pod("p")).status == 201
