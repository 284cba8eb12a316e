"""The audit log of a real API server: what its own policies and Gatewright's webhook note in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.e2e.controlplane import ControlPlane
from tests.e2e.objects import namespace
from tests.e2e.webhooks import Gatewright, until_seen
from tests.server.running import wait_for
from webhook.cli.report import logged
from webhook.cli.report.model import Finding
from webhook.rollout.evidence import evidence
from webhook.schema import Kinds

HOOK = "it.gatewright.dev"
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps", "secrets"]}
GROUP = "admissionregistration.k8s.io/v1"


def policy(name: str, key: str, *actions: str) -> list[dict[str, Any]]:
    """A policy that refuses objects with a key, with a binding."""
    return [
        {
            "apiVersion": GROUP,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": [RULE]},
                "validations": [
                    {
                        "expression": f"!('{key}' in object.?data.orValue({{}}))",
                        "messageExpression": f"'{key} is ' + object.data['{key}']",
                    }
                ],
            },
        },
        {
            "apiVersion": GROUP,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": f"{name}-binding"},
            "spec": {"policyName": name, "validationActions": list(actions)},
        },
    ]


def config_map(name: str, kind: str = "ConfigMap", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}, "data": data}


def said(finding: Finding) -> tuple[str, str, str, str, str]:
    assert finding.object is not None
    name = f"{finding.object.kind} {finding.object.namespace}/{finding.object.name}"
    return finding.level, finding.policy, finding.binding, name, finding.message


def test_the_log_as_findings(cluster: ControlPlane, gatewright: Gatewright, tmp_path: Path) -> None:
    ours = [
        *policy("ours", "audited", "Audit"),
        *policy("ours-denies", "denied", "Deny", "Audit"),
        *policy("warns", "warned", "Warn"),
    ]
    tree = tmp_path / "policies"
    tree.mkdir()
    (tree / "policies.yaml").write_text("\n---\n".join(map(json.dumps, ours)))
    gatewright.start(tree)
    cluster.apply(namespace("shop"))
    cluster.apply(
        {
            "apiVersion": GROUP,
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "it"},
            "webhooks": [
                {
                    "name": HOOK,
                    "admissionReviewVersions": ["v1"],
                    "sideEffects": "None",
                    "failurePolicy": "Ignore",
                    "timeoutSeconds": 5,
                    "clientConfig": {
                        "url": f"https://127.0.0.1:{gatewright.port}/validate",
                        "caBundle": gatewright.ca_bundle,
                    },
                    "rules": [RULE],
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}},
                }
            ],
        },
        *policy("theirs", "native", "Audit"),
        *policy("theirs-denies", "refused", "Deny"),
    )
    client = cluster.client()
    path = "/api/v1/namespaces/shop/configmaps"
    until_seen(client, "POST", f"{path}?dryRun=All", config_map("probe", denied="yes"), 422)
    until_seen(client, "POST", f"{path}?dryRun=All", config_map("probe", refused="yes"), 422)
    log = cluster.folder / "audit.log"
    begun = log.stat().st_size
    for name, data in (
        ("audited", {"audited": "yes"}),
        ("denied", {"denied": "yes"}),
        ("native", {"native": "yes"}),
        ("refused", {"refused": "yes"}),
        ("both", {"native": "yes", "audited": "no"}),
        ("warned", {"warned": "yes"}),
        ("fine", {}),
    ):
        client.post(path, config_map(name, **data))
    secret = config_map("key", "Secret", native="aHVudGVyMg==", audited="aHVudGVyMg==")
    client.post("/api/v1/namespaces/shop/secrets", secret)
    gatewright.stop()
    client.post(path, config_map("unseen", audited="yes"))
    last = client.post(f"{path}?dryRun=All", config_map("last"))
    assert wait_for(lambda: last.audit_id in log.read_text())
    part = tmp_path / "audit.log"
    part.write_bytes(log.read_bytes()[begun:])

    found = logged.report([str(part)], Kinds.builtin())
    assert found.problems == []
    hidden = "(what the policy says of a Secret is left out)"
    assert sorted(map(said, found.findings)) == [
        ("audit", "ours", "ours-binding", "ConfigMap shop/audited", "audited is yes"),
        ("audit", "ours", "ours-binding", "ConfigMap shop/both", "audited is no"),
        ("audit", "ours", "ours-binding", "Secret shop/key", hidden),
        ("audit", "theirs", "theirs-binding", "ConfigMap shop/both", "native is yes"),
        ("audit", "theirs", "theirs-binding", "ConfigMap shop/native", "native is yes"),
        ("audit", "theirs", "theirs-binding", "Secret shop/key", hidden),
        ("deny", "ours-denies", "ours-denies-binding", "ConfigMap shop/denied", "denied is yes"),
        ("deny", "theirs-denies", "theirs-denies-binding", "ConfigMap shop/refused", "refused is yes"),
    ]
    judged = evidence([], [str(part)], datetime.now(UTC) - timedelta(days=1))
    assert {key: len(hits) for key, hits in judged.hits.items()} == {
        ("ours", "ours-binding"): 3,
        ("theirs", "theirs-binding"): 3,
        ("ours-denies", "ours-denies-binding"): 1,
        ("theirs-denies", "theirs-denies-binding"): 1,
    }
    assert (judged.unjudged, judged.problems) == (2, [])
    assert judged.last[:10] in judged.days
    assert found.notes == [f"the webhook {HOOK} did not answer 2 requests, which passed without it"]
    lines = part.read_text().splitlines()
    for each in found.findings:
        assert each.place.line is not None
        reference = json.loads(lines[each.place.line - 1])["objectRef"]
        assert each.object is not None
        assert (reference["namespace"], reference["name"]) == (each.object.namespace, each.object.name)
        assert "hunter2" not in str(each)
        assert "aHVudGVyMg" not in str(each)
