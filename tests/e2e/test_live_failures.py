"""A cluster that goes away and comes back: what is at hand is answered by, and taken up again."""

from __future__ import annotations

import socket
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.controlplane import ControlPlane, manifests
from tests.e2e.live import FAR, binding, config_map, live, policy, ready
from tests.e2e.objects import namespace
from tests.e2e.proxy import Proxy
from tests.server.running import wait_for
from tests.timing import within

POLICIES = (
    policy(
        "limited",
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        validations=[{"expression": "params.data.open == 'yes'", "messageExpression": "'closed: ' + params.data.why"}],
    ),
    binding("limited", paramRef={"name": "limits", "namespace": "rules", "parameterNotFoundAction": "Deny"}),
)
CACHE = {"resource": "configmaps"}


@pytest.fixture
def policies(cluster: ControlPlane, tmp_path: Path) -> Path:
    cluster.apply(namespace("rules"), config_map("limits", "rules", open="yes", why="nothing"))
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "policies.yaml").write_text(manifests(*POLICIES))
    return folder


@pytest.fixture
def proxy(cluster: ControlPlane) -> Iterator[Proxy]:
    way = Proxy(cluster.port)
    yield way
    way.end()


def free_port() -> int:
    with socket.socket() as each:
        each.bind(("127.0.0.1", 0))
        return int(each.getsockname()[1])


def test_a_watch_that_breaks_off_is_taken_up_where_it_was(cluster: ControlPlane, policies: Path, proxy: Proxy) -> None:
    proxy.open()
    with live(cluster, policies, port=proxy.port) as server:
        for number in range(3):
            proxy.cut()
            cluster.apply(config_map("limits", "rules", open="no", why=f"cut {number}"))
            assert server.becomes(f"closed: cut {number}", seconds=5)
        assert server.metric("gatewright_cluster_cache_lists_total", **CACHE) == 1
        assert server.metric("gatewright_cluster_cache_watch_restarts_total", **CACHE) >= 3
        assert server.metric("gatewright_cluster_cache_errors_total", reason="unreachable") >= 3
        assert server.states() == ["synced"]  # nothing that anybody need be told


def test_without_the_server_reviews_are_answered_by_what_was_known(
    cluster: ControlPlane, policies: Path, proxy: Proxy
) -> None:
    proxy.open()
    with live(cluster, policies, port=proxy.port) as server:
        proxy.close()
        assert wait_for(lambda: server.states() == ["synced", "interrupted"])
        age = server.metric("gatewright_cluster_cache_age_seconds", **CACHE)
        cluster.apply(config_map("limits", "rules", open="no", why="not seen"))
        until = time.monotonic() + 3
        while time.monotonic() < until:
            assert server.asked() == ""
            assert server.ready == ""
        took = [line["duration_ms"] for line in server.running.events("review")]
        assert statistics.median(took) < 20  # nothing waits for the cluster
        assert server.metric("gatewright_cluster_cache_age_seconds", **CACHE) > age + 2
        assert server.metric("gatewright_cluster_cache_synced", **CACHE) == 0
        proxy.open()
        assert server.becomes("closed: not seen", seconds=FAR)
        assert server.metric("gatewright_cluster_cache_synced", **CACHE) == 1
        assert wait_for(lambda: server.states() == ["synced", "interrupted", "synced"])  # a thread writes the log
        interrupted = server.running.events("cluster")[1]
        assert interrupted["level"] == "error"
        assert "refused" in interrupted["message"]


def test_what_is_gone_before_a_restart_is_gone_after_it(cluster: ControlPlane, policies: Path) -> None:
    with live(cluster, policies) as server:
        before = server.metric("gatewright_cluster_cache_lists_total", **CACHE)
        cluster.stop_server()
        wait_for(lambda: "interrupted" in server.states())
        assert server.asked() == ""
        cluster.start_server()
        wait_for(lambda: server.states()[-1] == "synced", FAR)
        cluster.apply(config_map("limits", "rules", open="no", why="after the restart"))
        assert server.becomes("closed: after the restart")
        assert server.metric("gatewright_cluster_cache_lists_total", **CACHE) <= before + 1


def test_a_namespace_that_was_created_a_moment_ago_is_waited_for(
    cluster: ControlPlane, tmp_path: Path, proxy: Proxy
) -> None:
    selected = {"namespaceSelector": {"matchLabels": {"strict": "yes"}}}
    never = policy("never", validations=[{"expression": "false", "message": "never here"}])
    (tmp_path / "policies.yaml").write_text(manifests(never, binding("never", matchResources=selected)))
    proxy.open()
    with live(cluster, tmp_path, port=proxy.port) as server:
        proxy.hold()  # the watch will tell, and does not yet
        cluster.apply(namespace("fresh", strict="yes"))
        release = threading.Timer(0.5, proxy.go_on)
        release.start()
        began = time.monotonic()
        assert server.asked(namespace="fresh").endswith("never here")
        assert time.monotonic() - began >= 0.3
        release.join()
        assert 'namespaces "nowhere" not found' in server.asked(namespace="nowhere")


def test_after_a_compaction_it_lists_anew(cluster: ControlPlane, policies: Path, proxy: Proxy) -> None:
    proxy.open()
    with live(cluster, policies, port=proxy.port) as server:
        proxy.close()
        wait_for(lambda: server.states()[-1] == "interrupted")
        cluster.kubectl("delete", "configmap", "limits", "--namespace", "rules")
        for number in range(5):
            cluster.apply(config_map(f"other-{number}", "rules"))
        cluster.stop_server()  # it remembers what was compacted
        cluster.compact()
        cluster.start_server()
        proxy.open()
        assert server.becomes("no params found", seconds=FAR)  # a deletion that no watch tells of any more
        assert server.metric("gatewright_cluster_cache_errors_total", **CACHE, reason="gone") == 1
        assert server.metric("gatewright_cluster_cache_lists_total", **CACHE) == 2


def test_a_server_that_cannot_reach_the_cluster_waits_and_says_what_for(
    cluster: ControlPlane, policies: Path, proxy: Proxy
) -> None:
    port = free_port()
    with live(cluster, policies, "--plain-port", str(port), port=proxy.port, wait=False) as server:
        server.running.plain_port = port
        wait_for(lambda: server.states() == ["waiting"], FAR)
        reason = server.ready
        assert reason.startswith("waiting for the cluster's v1/ConfigMap limits in rules (")
        assert "refused" in reason
        assert server.running.get("/healthz").status == 200
        time.sleep(2)
        assert server.states() == ["waiting"]  # told once, however often it is tried
        proxy.open()
        ready(server)
        assert server.ready == ""
        assert server.asked() == ""
        assert wait_for(lambda: server.states() == ["waiting", "synced"])


def test_a_server_that_waits_stops_in_time(cluster: ControlPlane, policies: Path, proxy: Proxy) -> None:
    with live(cluster, policies, port=proxy.port, wait=False) as server:
        wait_for(lambda: server.states() == ["waiting"], FAR)
        with within(5):
            assert server.running.stop() == 0


def test_workers_say_what_they_wait_for(cluster: ControlPlane, policies: Path, proxy: Proxy) -> None:
    port = free_port()
    flags = ("--plain-port", str(port), "--workers", "2")
    with live(cluster, policies, *flags, port=proxy.port, wait=False) as server:
        server.running.plain_port = port
        wait_for(lambda: server.states() == ["waiting", "waiting"], FAR)
        wait_for(lambda: "0 of 2 workers serve: waiting for the cluster's v1/ConfigMap limits in rules" in server.ready)
        proxy.open()
        ready(server)
        assert server.ready == ""
