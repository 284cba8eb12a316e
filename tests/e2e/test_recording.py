"""What `serve --record` writes behind a real API server: the answers that users and the audit log saw, no value of a
Secret, and a replay that comes to the same."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli import running
from tests.e2e.apiserver import Reply
from tests.e2e.controlplane import ControlPlane
from tests.e2e.webhooks import Gatewright, until_seen
from tests.server.running import wait_for, write_policies
from webhook.recordings.reading import Recorded, recorded

HOOK = "it.gatewright.dev"
PREFIX = f'admission webhook "{HOOK}" denied the request: '
CONFIGMAPS, SECRETS = (f"/api/v1/namespaces/shop/{each}" for each in ("configmaps", "secrets"))
VALUE = "hunter2-of-the-shop"
TREE = {
    "policies.yaml": """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: limits}
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]
  validations:
  - expression: "!object.metadata.name.startsWith(params.data.forbidden)"
    messageExpression: "'not ' + params.data.forbidden + ' in ' + namespaceObject.metadata.labels.team"
    reason: Forbidden
  - {expression: "oldObject == null || oldObject.?data == object.?data", message: it does not change}
  auditAnnotations:
  - {key: told, valueExpression: "'of ' + object.metadata.name"}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: limits}
spec:
  policyName: limits
  validationActions: [Deny, Audit]
  paramRef: {name: limits, namespace: default, parameterNotFoundAction: Deny}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: kept}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [DELETE], resources: [configmaps]}]
  validations: [{expression: "!('keep' in oldObject.?metadata.labels.orValue({}))", message: it is kept}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: kept}
spec: {policyName: kept, validationActions: [Deny]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: secrets}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [secrets]}]
  validations: [{expression: "size(object.data) < 2", messageExpression: "'two: ' + string(object.data)"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: secrets}
spec: {policyName: secrets, validationActions: [Warn]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: team}
spec: {policyName: team}
""",
    "team.py": '''\
from gatewright import mutate


@mutate(resources=["v1/configmaps", "v1/secrets"], operations=["CREATE"], reads=["v1/Namespace"])
def team(request):
    """They have the team of their Namespace."""
    metadata = request.object["metadata"]
    namespace = request.cluster.namespace(request.namespace).value
    metadata.setdefault("labels", {})["team"] = namespace["metadata"]["labels"]["team"]
''',
}


def registration(gatewright: Gatewright, kind: str, path: str) -> dict[str, Any]:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps", "secrets"]}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": "it"},
        "webhooks": [
            {
                "name": HOOK,
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "clientConfig": {"url": f"https://127.0.0.1:{gatewright.port}{path}", "caBundle": gatewright.ca_bundle},
                "rules": [rule],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}},
            }
        ],
    }


def named(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **more.pop("metadata", {})}, **more}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the policies, and the recording."""
    return tmp_path_factory.mktemp("recorded")


@pytest.fixture(scope="module")
def replies(cluster: ControlPlane, gatewright: Gatewright, folder: Path) -> dict[str, Reply]:
    """What the API server answered while reviews were recorded."""
    cluster.apply(
        named("Namespace", "shop", metadata={"labels": {"team": "red"}}),
        {
            **named("ConfigMap", "limits"),
            "metadata": {"name": "limits", "namespace": "default"},
            "data": {"forbidden": "bad"},
        },
    )
    gatewright.look_up_in(cluster)
    policies = write_policies(folder / "policies", TREE)
    gatewright.start(policies, "--record", str(folder / "rec"))
    cluster.apply(registration(gatewright, "Validating", "/validate"), registration(gatewright, "Mutating", "/mutate"))
    client = cluster.client()
    until_seen(client, "POST", f"{CONFIGMAPS}?dryRun=All", named("ConfigMap", "bad-probe"), 403)
    wait_for(
        lambda: client.post(f"{CONFIGMAPS}?dryRun=All", named("ConfigMap", "probe")).body["metadata"].get("labels"),
        20.0,
    )
    kept = named("ConfigMap", "kept", data={"a": "1"}, metadata={"labels": {"keep": "yes"}})
    found = {
        "good": client.post(CONFIGMAPS, named("ConfigMap", "good")),
        "bad": client.post(CONFIGMAPS, named("ConfigMap", "bad-one")),
        "kept": client.post(CONFIGMAPS, kept),
        "changed": client.request("PUT", f"{CONFIGMAPS}/kept", {**kept, "data": {"a": "2"}}),
        "deleted": client.request("DELETE", f"{CONFIGMAPS}/kept"),
        "gone": client.request("DELETE", f"{CONFIGMAPS}/good"),
        "secret": client.post(SECRETS, named("Secret", "db", stringData={"password": VALUE, "other": f"x{VALUE}y"})),
    }
    gatewright.stop()
    return found


def reviews(folder: Path) -> dict[tuple[str, str, str], Recorded]:
    """The reviews by phase, operation and name; of those that are repeated the last."""
    found = [each for each in recorded(folder / "rec") if isinstance(each, Recorded)]
    return {(each.phase, each.request.operation, each.request.name): each for each in found}


def test_what_is_recorded_is_what_the_api_server_made_of_it(
    cluster: ControlPlane, replies: dict[str, Reply], folder: Path
) -> None:
    found = reviews(folder)
    for key, name, status in (
        (("validate", "CREATE", "good"), "good", 201),
        (("validate", "CREATE", "bad-one"), "bad", 403),
        (("validate", "CREATE", "kept"), "kept", 201),
        (("validate", "UPDATE", "kept"), "changed", 422),
        (("validate", "DELETE", "kept"), "deleted", 422),
        (("validate", "DELETE", "good"), "gone", 200),
        (("validate", "CREATE", "db"), "secret", 201),
    ):
        reply, review = replies[name], found[key]
        assert (reply.status, review.allowed) == (status, status < 300), name
        noted = cluster.audit_annotations(reply)
        assert noted[f"{HOOK}/policy_revision"] == review.revision
        of_hook = {key.partition("/")[2]: text for key, text in noted.items() if key.startswith(f"{HOOK}/")}
        assert review.response.get("auditAnnotations", {}) == of_hook
        assert tuple(review.response.get("warnings", ())) == reply.warnings
        if not review.allowed:
            recorded_status = review.response["status"]
            assert (recorded_status["code"], recorded_status["reason"]) == (reply.status, reply.reason)
            assert PREFIX + recorded_status["message"] == reply.message
        elif key[1] == "CREATE" and name != "secret":
            assert review.request.object is not None
            for field in ("data", "kind", "apiVersion"):
                assert review.request.object.get(field) == reply.body.get(field)
            assert review.request.object["metadata"]["labels"] == reply.body["metadata"]["labels"]
    assert replies["bad"].message == (
        f"{PREFIX}ValidatingAdmissionPolicy 'limits' with binding 'limits' denied request: not bad in red"
    )
    for name in ("good", "db"):
        assert found["mutate", "CREATE", name].response["patch"] == [
            {"op": "add", "path": "/metadata/labels", "value": {"team": "red"}}
        ]


def test_no_value_of_a_secret_is_in_a_file(replies: dict[str, Reply], folder: Path) -> None:
    assert replies["secret"].warnings
    text = b"".join(gzip.decompress(each.read_bytes()) for each in (folder / "rec").iterdir())
    assert b'"db"' in text
    for value in (VALUE.encode(), base64.b64encode(VALUE.encode()), base64.b64encode(f"x{VALUE}y".encode())):
        assert value not in text
    assert VALUE not in json.dumps(replies["secret"].warnings)


def test_a_replay_comes_to_the_same_without_the_cluster(replies: dict[str, Reply], folder: Path) -> None:
    count = sum(isinstance(each, Recorded) for each in recorded(folder / "rec"))
    assert count >= 2 * len(replies)
    done = running.gatewright("replay", "rec", cwd=folder)
    assert (done.stdout, done.returncode) == (f"{count} reviews: all verdicts are the recorded ones\n", 0), done.stderr
    changed = folder / "policies" / "policies.yaml"
    before = changed.read_text()
    changed.write_text(before.replace("it is kept}", "it is kept still}"))
    done = running.gatewright("replay", "rec", cwd=folder)
    assert done.returncode == 1
    assert "1 with the recorded verdict and other findings" in done.stdout
    assert "deny -> deny  DELETE v1/configmaps shop/kept by " in done.stdout
    changed.write_text(before)
