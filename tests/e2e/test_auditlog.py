"""The audit log of a real API server, as its file and by its audit webhook: what its own policies and Gatewright's
webhook note in it, and the reports, metrics and findings of the page that become of that."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.clusterreports.definitions import definitions
from tests.cli.running import gatewright as command
from tests.e2e.controlplane import ADMIN, ControlPlane, manifests, started
from tests.e2e.objects import namespace
from tests.e2e.webhooks import Gatewright, until_seen
from tests.manifests.kustomize import ROOT
from tests.server.authorities import Authority
from tests.server.page.asking import asked
from tests.server.running import wait_for
from webhook.auditlog.notes import noted
from webhook.cli.clusterreports.dialects import DIALECTS
from webhook.cli.report import logged
from webhook.cli.report.model import Finding
from webhook.rollout.evidence import evidence
from webhook.schema import Kinds

CLIENTS = Authority("clients")
HOOK = "it.gatewright.dev"
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps", "secrets"]}
GROUP = "admissionregistration.k8s.io/v1"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gatewright]:
    """A server that the API server sends its audit events to, and nothing else; only a client that has a certificate
    may."""
    folder = tmp_path_factory.mktemp("told")
    (folder / "policies").mkdir()
    (folder / "policies" / "policies.yaml").write_text(manifests(*policy("theirs", "native", "Audit")))
    (folder / "clients.crt").write_bytes(CLIENTS.pem)
    server = Gatewright(folder)
    flags = ("--client-ca", str(folder / "clients.crt"), "--client-name", "kube-apiserver")
    server.start(folder / "policies", "--audit-webhook", "--page", *flags)
    yield server
    server.kill()


@pytest.fixture(scope="module")
def cluster(assets: Path, told: Gatewright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with an audit webhook."""
    certificate, key = (base64.b64encode(each).decode() for each in CLIENTS.pair(name="kube-apiserver"))
    file = tmp_path_factory.mktemp("audit") / "webhook.kubeconfig"
    value = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "clusters": [
            {
                "name": "it",
                "cluster": {
                    "server": f"https://127.0.0.1:{told.port}/audit",
                    "certificate-authority-data": told.ca_bundle,
                },
            }
        ],
        "users": [{"name": "it", "user": {"client-certificate-data": certificate, "client-key-data": key}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    }
    file.touch(mode=0o600)
    file.write_text(json.dumps(value))
    with started(assets, audit_webhook=file) as plane:
        yield plane


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


@pytest.fixture(scope="module")
def log(cluster: ControlPlane, gatewright: Gatewright, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The part of the log that is about requests which policies of both kinds were asked about."""
    tmp_path = tmp_path_factory.mktemp("log")
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
    whole = cluster.folder / "audit.log"
    begun = whole.stat().st_size
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
    assert wait_for(lambda: last.audit_id in whole.read_text())
    part = tmp_path / "audit.log"
    part.write_bytes(whole.read_bytes()[begun:])
    return part


def test_the_log_as_findings(log: Path) -> None:
    found = logged.report([str(log)], Kinds.builtin())
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
    judged = evidence([], [str(log)], datetime.now(UTC) - timedelta(days=1))
    assert {key: len(hits) for key, hits in judged.hits.items()} == {
        ("ours", "ours-binding"): 3,
        ("theirs", "theirs-binding"): 3,
        ("ours-denies", "ours-denies-binding"): 1,
        ("theirs-denies", "theirs-denies-binding"): 1,
    }
    assert (judged.unjudged, judged.problems) == (2, [])
    assert judged.last[:10] in judged.days
    assert found.notes == [f"the webhook {HOOK} did not answer 2 requests, which passed without it"]
    lines = log.read_text().splitlines()
    for each in found.findings:
        assert each.place.line is not None
        reference = json.loads(lines[each.place.line - 1])["objectRef"]
        assert each.object is not None
        assert (reference["namespace"], reference["name"]) == (each.object.namespace, each.object.name)
        assert "hunter2" not in str(each)
        assert "aHVudGVyMg" not in str(each)


def test_the_log_as_reports(cluster: ControlPlane, log: Path, tmp_path: Path) -> None:
    """With the rights to write reports alone. What was denied is not there, so that no report is about it."""
    cluster.apply(*(each for dialect in DIALECTS for each in definitions(dialect)), namespace("gatewright-system"))
    for file in ("serviceaccount", "reports"):
        cluster.kubectl("apply", "--filename", str(ROOT / "manifests" / "components" / "audit" / f"{file}.yaml"))
    token = cluster.kubectl("create", "token", "gatewright-audit", "--namespace", "gatewright-system").stdout.strip()
    kubeconfig = cluster.kubeconfig("its-own", token)

    def written() -> list[str]:
        options = ("--write-reports", "both", "--kubeconfig", str(kubeconfig), "-o", "json")
        done = command("audit", "--log", str(log), *options, cwd=tmp_path)
        report = json.loads(done.stdout)
        assert (done.returncode, report["errors"]) == (1, []), done.stderr
        return [each for each in report["notes"] if "report" in each]

    assert wait_for(
        lambda: all(cluster.client().get(f"/apis/{each.api_version}/{each.plural}").ok for each in DIALECTS)
    )
    assert written() == [f"{each.api_version}: 1 report written, 0 unchanged, 0 deleted" for each in DIALECTS]
    hidden = "(what the policy says of a Secret is left out)"
    for dialect in DIALECTS:
        (there,) = cluster.client().get(f"/apis/{dialect.api_version}/{dialect.plural}").body["items"]
        metadata = there["metadata"]
        assert (metadata["namespace"], metadata["name"]) == ("shop", "gatewright-audit-log")
        assert [each["name"] for each in metadata["ownerReferences"]] == ["gatewright-reports"]
        results = [
            (
                each["policy"],
                each["result"],
                each["resources"][0]["kind"],
                each["resources"][0]["name"],
                each["message"],
            )
            for each in there["results"]
        ]
        assert sorted(results) == [
            ("ours", "warn", "ConfigMap", "audited", "audited is yes"),
            ("ours", "warn", "ConfigMap", "both", "audited is no"),
            ("ours", "warn", "Secret", "key", hidden),
            ("theirs", "warn", "ConfigMap", "both", "native is yes"),
            ("theirs", "warn", "ConfigMap", "native", "native is yes"),
            ("theirs", "warn", "Secret", "key", hidden),
        ]
    assert written() == [f"{each.api_version}: 0 reports written, 1 unchanged, 0 deleted" for each in DIALECTS]


def test_the_audit_webhook_tells_what_the_log_does(cluster: ControlPlane, log: Path, told: Gatewright) -> None:
    """Of all events since the API server began, whose log is read here."""
    wanted: Counter[tuple[str, ...]] = Counter()
    last = cluster.client(ADMIN).get("/api/v1/namespaces/shop/configmaps")
    whole = cluster.folder / "audit.log"
    assert log.exists() and wait_for(lambda: last.audit_id in whole.read_text())
    for line in whole.read_text().splitlines():
        found = noted(json.loads(line))
        if found is not None:
            wanted.update(("findings", each.policy, found.target.namespace, each.level) for each in found.notes)
            wanted.update(("failed_open", each) for each in found.failed_open)
    assert wanted["findings", "theirs", "shop", "audit"] == wanted["findings", "ours", "shop", "audit"] == 3
    assert wanted["findings", "theirs-denies", "shop", "deny"] > 1
    assert wanted["failed_open", HOOK] == 2

    def counted() -> Counter[tuple[str, ...]]:
        counts: Counter[tuple[str, ...]] = Counter()
        for family in text_string_to_metric_families(told.running.get("/metrics").body.decode()):
            for each in family.samples:
                if each.name == "gatewright_audit_webhook_findings_total":
                    counts["findings", each.labels["policy"], each.labels["namespace"], each.labels["result"]] += int(
                        each.value
                    )
                elif each.name == "gatewright_audit_webhook_failed_open_total":
                    counts["failed_open", each.labels["webhook"]] += int(each.value)
                elif each.name == "gatewright_audit_webhook_events_total" and each.labels["result"] == "unreadable":
                    assert not each.value, "an event of a real API server that cannot be read"
        return counts

    assert wait_for(lambda: counted() == wanted, seconds=60)
    page = asked(told.running, "/page/findings").json["findings"]
    said = {(each["policy"], each["result"], each["resource"], each["name"], each["message"]) for each in page}
    assert said >= {
        ("theirs", "audit", "configmaps", "native", "native is yes"),
        ("theirs", "audit", "secrets", "key", ""),
        ("theirs-denies", "deny", "configmaps", "refused", "refused is yes"),
    }
    assert not [each for each in page if each["policy"].startswith("ours")]
    assert "hunter2" not in str((page, told.running.lines))
    assert [line["message"] for line in told.running.lines if line["event"] == "request refused"] == []
