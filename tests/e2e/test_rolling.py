"""Rolling restarts of two replicas behind the real API server, which calls them at full load: no request fails.

What a cluster does around the server is done here by hand, with the settings of manifests/base/deployment.yaml: a new
replica is ready before an old one gets SIGTERM (maxSurge 1, maxUnavailable 0), and the old one stays an endpoint for
some time after the signal, for kube-proxy is late. Only the shutdown delay is shorter. `make soak` does 20 of them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from tests.amounts import ALL, amount
from tests.e2e.balancing import Balancer
from tests.e2e.controlplane import ControlPlane, tether
from tests.e2e.objects import pod
from tests.e2e.traffic import Traffic
from tests.e2e.webhooks import KINDS, MANIFESTS, PODS, POLICIES, Gatewright, rendered
from tests.server.running import COMMAND, Running, end, launch, wait_for

RESTARTS = amount(20, 3)
USERS = 8
DELAY = 6.0  # seconds from SIGTERM until a replica takes no more connections: longer than a busy machine is late
LATE = 1.5  # seconds from SIGTERM until no new connection is led to the replica
SECONDS = 60.0


class Deployment:
    """Two replicas of one revision, and the endpoints that lead to them."""

    def __init__(self, gatewright: Gatewright, balancer: Balancer) -> None:
        self._flags = ("--policies", str(POLICIES), *gatewright.served_with, "--shutdown-delay", str(DELAY))
        self._balancer = balancer
        self.replicas: list[Running] = []
        for _ in range(2):
            self.scale_up()

    def scale_up(self) -> None:
        """One replica more, an endpoint once it is ready."""
        replica = launch(*self._flags, command=tether(COMMAND), wait=True)
        self.replicas.append(replica)
        wait_for(lambda: replica.get("/readyz").status == 200, SECONDS)
        self._balancer.add(replica.port)

    def scale_down(self) -> None:
        """One replica less, the oldest."""
        replica = self.replicas.pop(0)
        try:
            replica.process.terminate()
            time.sleep(LATE)
            self._balancer.remove(replica.port)
            assert replica.process.wait(SECONDS) == 0
        finally:
            end(replica)

    def restart(self) -> None:
        """`kubectl rollout restart`."""
        for _ in range(2):
            self.scale_up()
            self.scale_down()

    def end(self) -> None:
        for replica in self.replicas:
            end(replica)


@pytest.fixture
def balancer() -> Iterator[Balancer]:
    made = Balancer()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def deployment(cluster: ControlPlane, gatewright: Gatewright, balancer: Balancer) -> Iterator[Deployment]:
    """The two replicas, and the registration of manifests/overlays/enforcing that leads to them."""
    made = Deployment(gatewright, balancer)
    gatewright.port = balancer.port
    cluster.apply(*gatewright.registrations(rendered(cluster, "overlays/enforcing")))
    yield made
    cluster.kubectl("delete", ",".join(KINDS), "gatewright")
    made.end()


def test_no_request_fails(cluster: ControlPlane, deployment: Deployment, balancer: Balancer) -> None:
    traffic = Traffic(cluster, users=USERS, pause=0)
    until_refused(cluster)
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        traffic.start()
        stack.callback(traffic.stop)
        for _ in range(RESTARTS):
            answered = traffic.answered
            deployment.restart()
            assert traffic.answered > answered
    seconds = time.monotonic() - begun
    assert traffic.wrong == [], traffic.wrong[:3]
    assert balancer.refused == 0
    print(
        f"{RESTARTS} rolling restarts of two replicas in {seconds:.0f} s: {traffic.answered} requests "
        f"({traffic.answered / seconds:.0f} a second), {balancer.connections} connections, 0 failed, 0 wrong"
    )


def test_a_review_on_a_connection_that_a_replica_has_closed_is_sent_again(
    cluster: ControlPlane, deployment: Deployment, balancer: Balancer
) -> None:
    """The API server sends it before it hears that the connection is closed. HTTP/1.1 has no way to prevent that."""
    until_refused(cluster)  # from now on the API server keeps connections to the replicas
    deployment.scale_up()
    balancer.hold()
    deployment.scale_down()
    deployment.scale_down()
    asked, connections = balancer.asked, balancer.connections
    with ThreadPoolExecutor() as pool:
        reply = pool.submit(cluster.client().post, PODS, pod("probe", host_path=True))
        wait_for(lambda: balancer.asked > asked, SECONDS)
        assert balancer.connections == connections
        balancer.release()
        found = reply.result(SECONDS)
    assert (found.status, "hostPath volumes open" in found.message) == (403, True), found.message
    assert balancer.connections > connections


@pytest.mark.skipif(not ALL, reason="it takes 90 s: make soak")
def test_the_api_server_closes_idle_connections_by_itself(
    cluster: ControlPlane, gatewright: Gatewright, balancer: Balancer
) -> None:
    """So with a `--shutdown-idle` that is longer, none of them has to be closed for it."""
    replica = launch("--policies", str(POLICIES), *gatewright.served_with, "--shutdown-idle", "300")
    try:
        balancer.add(replica.port)
        gatewright.port = balancer.port
        cluster.apply(*gatewright.registrations(rendered(cluster, "overlays/enforcing")))
        until_refused(cluster)
        replica.process.terminate()
        assert replica.process.wait(250) == 0
    finally:
        cluster.kubectl("delete", ",".join(KINDS), "gatewright")
        end(replica)


def until_refused(cluster: ControlPlane) -> None:
    """Wait until the API server knows of the registration."""
    client = cluster.client()
    wait_for(lambda: client.post(PODS, pod("probe", host_path=True)).status == 403, SECONDS)


def test_the_manifests_have_the_order_of_the_restarts() -> None:
    """Two replicas, one more before one less, and a delay that is longer than endpoints are late."""
    spec = yaml.safe_load(Path(MANIFESTS, "base/deployment.yaml").read_text())["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    (container,) = spec["template"]["spec"]["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    assert float(environment["GATEWRIGHT_SHUTDOWN_DELAY"]) > DELAY > LATE
