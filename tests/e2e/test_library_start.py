"""The API server makes and mends its own objects, though every policy of the library in CEL is in force with Deny."""

from __future__ import annotations

import pytest

from tests.e2e.controlplane import ControlPlane
from tests.e2e.libraries import enforce
from tests.server.running import wait_for
from tests.timing import HANGING

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
    enforce(cluster)
    return cluster


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
