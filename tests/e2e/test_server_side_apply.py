"""Registrations under server-side apply, with two owners: who applies the manifests, and cert-manager's injector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.apiserver import Reply
from tests.e2e.controlplane import ControlPlane, manifests
from tests.e2e.trees import rendered, written

Object = dict[str, Any]

PATH = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/gatewright"
PODS = ("pods", "Fail", "Equivalent", '""', "v1", "pods", "*")
MILD = ("mild", "Ignore", "Equivalent", '""', "v1", "pods", "*")
SCALERS = [
    ("s" + each, "Fail", "Equivalent", "autoscaling", each, "horizontalpodautoscalers", "*") for each in ("v1", "v2")
]
OLDER = ("older", "Fail", "Equivalent", "autoscaling", '"*"', "horizontalpodautoscalers", "*")


def registration(folder: Path, *policies: tuple[str, ...]) -> Object:
    folder.mkdir(exist_ok=True)
    found: Object = next(iter(yaml.safe_load_all(rendered(written(folder, *policies), "--no-ca"))))
    return found


def applied(cluster: ControlPlane, value: Object, owner: str) -> Reply:
    query = f"?fieldManager={owner}&force=true"
    return cluster.client().request("PATCH", PATH + query, value, content_type="application/apply-patch+yaml")


def webhooks(cluster: ControlPlane) -> dict[str, Object]:
    return {each["name"]: each for each in cluster.client().get(PATH).body["webhooks"]}


def injected(cluster: ControlPlane, value: Object) -> None:
    """As cert-manager's injector does under its feature ServerSideApply: it owns the caBundle of each webhook."""
    owned = {key: value[key] for key in ("apiVersion", "kind")} | {"metadata": {"name": "gatewright"}}
    owned["webhooks"] = [{"name": name, "clientConfig": {"caBundle": cluster.ca_bundle}} for name in webhooks(cluster)]
    assert applied(cluster, owned, "cert-manager-cainjector").ok


@pytest.fixture(autouse=True)
def nothing_registered(cluster: ControlPlane) -> None:
    cluster.client().request("DELETE", PATH)


def test_policies_come_and_go_under_an_injector_that_owns_the_authority(cluster: ControlPlane, tmp_path: Path) -> None:
    many, few = (
        registration(tmp_path / name, *found) for name, found in (("a", (PODS, MILD, *SCALERS)), ("b", (PODS,)))
    )
    assert applied(cluster, few, "flux").ok
    injected(cluster, few)
    for value in (many, few, many, few):
        reply = applied(cluster, value, "flux")
        assert reply.ok, reply.message
        found = webhooks(cluster)
        assert [each["name"] for each in value["webhooks"]] == list(found)
        for each in value["webhooks"]:
            stored = found[each["name"]]
            assert len(stored.get("rules", [])) == len(each.get("rules", []))
            assert stored["clientConfig"]["caBundle"] == cluster.ca_bundle


def test_a_webhook_beyond_those_that_are_always_there_is_removed_by_a_patch(
    cluster: ControlPlane, tmp_path: Path
) -> None:
    """docs/operations/upgrade.md has the command."""
    more = registration(tmp_path / "a", *SCALERS, OLDER)
    few = registration(tmp_path / "b", PODS)
    assert [each["name"] for each in more["webhooks"]][4:] == ["validate-fail-3.gatewright.dev"]
    assert applied(cluster, more, "flux").ok
    injected(cluster, more)
    refused = applied(cluster, few, "flux")
    assert refused.status == 422
    assert "webhooks[4].sideEffects: Required value" in refused.message
    cluster.kubectl(
        *("patch", "validatingwebhookconfiguration", "gatewright", "--type=json"),
        *("--patch", '[{"op": "remove", "path": "/webhooks/4"}]'),
    )
    reply = applied(cluster, few, "flux")
    assert reply.ok, reply.message
    assert len(webhooks(cluster)) == 4


def test_what_is_applied_shows_no_drift(cluster: ControlPlane, tmp_path: Path) -> None:
    """A webhook without rules is stored as it is written, so that nobody sees a drift."""
    value = registration(tmp_path / "a", PODS)
    cluster.apply(value)
    assert cluster.kubectl("diff", "--filename", "-", stdin=manifests(value)).stdout == ""
