"""The API server makes and mends its own objects, though every policy of the library in CEL is in force with Deny."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.controlplane import ControlPlane
from tests.e2e.objects import namespace
from tests.e2e.probing import PROBE, PROBES, probe
from tests.e2e.webhooks import POLICIES, until_seen
from tests.server.running import wait_for
from tests.timing import HANGING
from webhook.library import catalog

SERVICE = "/api/v1/namespaces/default/services/kubernetes"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
AT_START = (
    f"{RBAC}/clusterroles/cluster-admin",
    f"{RBAC}/clusterroles/edit",
    f"{RBAC}/clusterrolebindings/cluster-admin",
    f"{RBAC}/clusterrolebindings/system:basic-user",
    f"{RBAC}/namespaces/kube-public/roles/system:controller:bootstrap-signer",
)


@pytest.fixture(scope="module")
def enforced(cluster: ControlPlane) -> ControlPlane:
    cluster.apply(namespace("gatewright-system"))
    everything: list[Any] = []
    for entry in catalog.entries(POLICIES):
        if entry.language != "CEL":
            continue
        if params := _read(entry.folder / catalog.PARAMS):
            cluster.apply(*params)
        bound = catalog.binding(entry.folder, "deny" if entry.validating else "mutate")
        everything += _read(entry.folder / "policy.yaml") + (_read(bound) if bound else [])
    cluster.apply(*everything, *probe())
    # Nothing is created in default then.
    until_seen(cluster.client(), "POST", PROBES.replace("default", "gatewright-system"), PROBE, 422)
    return cluster


def _read(file: Path) -> list[Any]:
    return list(yaml.safe_load_all(file.read_text())) if file.exists() else []


def test_what_the_api_server_keeps_comes_back(enforced: ControlPlane) -> None:
    gone = enforced.client().request("DELETE", SERVICE)
    assert gone.ok, gone.message
    wait_for(lambda: enforced.client().get(SERVICE).ok, HANGING)


def test_so_does_what_it_makes_at_its_start(enforced: ControlPlane) -> None:
    for path in AT_START:
        gone = enforced.client().request("DELETE", path)
        assert gone.ok, gone.message
    enforced.stop_server()
    enforced.start_server()
    for path in AT_START:
        wait_for(lambda path=path: enforced.client().get(path).ok, HANGING)  # type: ignore[misc]
