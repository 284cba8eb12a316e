"""The Helm chart on a real API server: it is accepted, its Pods are restricted, and a release comes and goes.

No kubelet runs, so no Pod starts: nobody answers the webhooks, which shows when requests pass all the same. Helm and
cert-manager's definitions are built with Go, else these tests are skipped.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.controlplane import ControlPlane
from tests.e2e.issuing import definitions
from tests.e2e.objects import pod
from tests.e2e.webhooks import KINDS, MANIFESTS, PODS, until_seen
from tests.manifests import charts
from tests.manifests.charts import CHART, EXTREMES, NAMESPACE, RELEASE, VARIANTS
from tests.server.authorities import Authority

OURS = f"/api/v1/namespaces/{NAMESPACE}/pods"
KINDS_OF_A_RELEASE = (
    "deployments,services,configmaps,serviceaccounts,networkpolicies,poddisruptionbudgets,resourcequotas,roles,"
    f"rolebindings,clusterroles,clusterrolebindings,{','.join(KINDS)}"
)


@pytest.fixture(scope="module")
def prepared(cluster: ControlPlane) -> ControlPlane:
    """The cluster with cert-manager's definitions, and the namespace, which takes only restricted Pods."""
    charts.text({})  # skips where there is no Helm
    cluster.kubectl("apply", "--server-side", "--filename", str(definitions()))
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd/certificates.cert-manager.io")
    cluster.kubectl("apply", "--filename", str(MANIFESTS / "base" / "namespace.yaml"))
    return cluster


@pytest.mark.parametrize("variant", [*VARIANTS, *EXTREMES])
def test_the_server_takes_all_of_it(prepared: ControlPlane, variant: str) -> None:
    """Whatever values are given: fields are validated strictly, and nothing is warned of."""
    objects = charts.objects({**VARIANTS, **EXTREMES}[variant], tests=True)
    applied = prepared.kubectl(
        "apply",
        "--dry-run=server",
        "--validate=strict",
        "--filename",
        "-",
        stdin="\n---\n".join(map(json.dumps, objects)),
    )
    assert applied.stdout.count("(server dry run)") == len(objects)
    assert applied.stderr == ""  # no warning: neither of Pod Security nor of a deprecation


def pods_of(variant: str) -> Iterator[dict[str, Any]]:
    """The Pods that controllers would create for the Deployment and for audits, and that of `helm test`."""
    template = charts.one(VARIANTS[variant], "Deployment")["spec"]["template"]
    metadata = {**template["metadata"], "name": "of-the-deployment", "namespace": NAMESPACE}
    yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
    audit = charts.audit(VARIANTS[variant])
    if audit is not None:
        template = audit["jobTemplate"]["spec"]["template"]
        metadata = {**template["metadata"], "name": "of-the-audit", "namespace": NAMESPACE}
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
    yield from (each for each in charts.objects(VARIANTS[variant], tests=True) if each["kind"] == "Pod")


@pytest.mark.parametrize("variant", VARIANTS)
def test_its_pods_are_created_where_only_restricted_ones_are(prepared: ControlPlane, variant: str) -> None:
    client = prepared.client()
    for each in pods_of(variant):
        created = client.post(OURS, each)
        assert (created.status, created.warnings) == (201, ()), created.message
        assert client.request("DELETE", f"{OURS}/{each['metadata']['name']}?gracePeriodSeconds=0").ok
        loosened = copy.deepcopy(each)
        del loosened["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"]
        refused = client.post(OURS, loosened)
        assert refused.status == 403
        assert 'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false' in refused.message


class Release:
    """The release, and Helm as the administrator."""

    def __init__(self, cluster: ControlPlane, home: Path) -> None:
        self._home = home
        self._config = cluster.kubeconfig("helm", cluster.tokens["admin"])
        authority = Authority("gatewright")
        values = {"source": "secret", "secret": "gatewright-tls", "caBundle": authority.pem.decode()}
        (home / "tree.yaml").write_text(charts.tree(f"{NAMESPACE}/{RELEASE}", "--timeout", "1"))
        (home / "values.yaml").write_text(json.dumps({"certificates": values}))

    def helm(self, verb: str, *arguments: str) -> str:
        command = (verb, RELEASE, *arguments, "--namespace", NAMESPACE)
        return charts.helm(*command, home=self._home, KUBECONFIG=str(self._config)).stdout

    def deploy(self, verb: str, *options: str) -> str:
        return self.helm(verb, str(CHART), "--values", "tree.yaml", "--values", "values.yaml", *options)


def deleted(cluster: ControlPlane) -> list[str]:
    """The kinds of what was deleted of the release, in order."""
    lines = (cluster.folder / "audit.log").read_text().splitlines()
    events = (json.loads(line) for line in lines)
    return [
        event["objectRef"]["resource"]
        for event in events
        if event["verb"] == "delete" and event["objectRef"].get("name", "").startswith(RELEASE)
    ]


def test_a_release_comes_changes_and_goes_and_never_locks_the_cluster(prepared: ControlPlane, tmp_path: Path) -> None:
    client, release = prepared.client(), Release(prepared, tmp_path)

    def data(key: str = "no-host-path.binding.yaml") -> str:
        found = client.get(f"/api/v1/namespaces/{NAMESPACE}/configmaps/{RELEASE}-policies")
        return str(found.body["data"][key])

    def policies_of_webhooks() -> set[str]:
        listed = prepared.kubectl("get", ",".join(KINDS), "--output", "json")
        items = json.loads(listed.stdout)["items"]
        return {f"{item['kind'][:3]} {webhook['failurePolicy']}" for item in items for webhook in item["webhooks"]}

    # Installed, it asks and nobody answers: requests pass.
    said = release.deploy("install")
    assert "mode warn." in said
    assert policies_of_webhooks() == {"Val Ignore"}
    warning = (MANIFESTS.parent / "policies/no-host-path/_binding.warn.yaml").read_text()
    assert data() == warning
    until_seen(client, "POST", PODS, pod("p"), 201)

    # Enforcing, requests wait for an answer; but those for the Pods that will give it do not.
    said = release.deploy("upgrade", "--set", "mode=enforce")
    assert "kubectl delete validatingwebhookconfiguration,mutatingwebhookconfiguration gatewright" in said
    assert policies_of_webhooks() == {"Val Fail", "Val Ignore", "Mut Fail", "Mut Ignore"}
    assert data() == (MANIFESTS.parent / "policies/no-host-path/binding.yaml").read_text()
    until_seen(client, "POST", PODS, pod("p"), 500)
    for each in pods_of("enforce"):
        assert client.post(f"{OURS}?dryRun=All", each).status == 201

    # A rollback brings back policies and registration together.
    release.helm("rollback", "1")
    assert policies_of_webhooks() == {"Val Ignore"}
    assert data() == warning
    until_seen(client, "POST", PODS, pod("p"), 201)
    release.helm("rollback", "2")
    until_seen(client, "POST", PODS, pod("p"), 500)

    # Uninstalling ends the questions before the server.
    before = len(deleted(prepared))
    release.helm("uninstall")
    until_seen(client, "POST", PODS, pod("p"), 201)
    order = deleted(prepared)[before:]
    registration = ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"]
    assert order[:2] == registration
    assert order.index("deployments") > 1
    left = prepared.kubectl(
        "get", KINDS_OF_A_RELEASE, "--all-namespaces", "--selector", f"app.kubernetes.io/instance={RELEASE}",
        "--output", "name",
    )  # fmt: skip
    assert left.stdout == ""
