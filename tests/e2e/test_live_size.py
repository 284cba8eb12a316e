"""Ten thousand objects, listed and kept: how long it takes, and how much memory."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.apiserver import Client
from tests.e2e.controlplane import ADMIN, ControlPlane, manifests
from tests.e2e.live import FAR, Live, binding, config_map, live, policy
from tests.e2e.objects import namespace
from tests.server.running import wait_for
from tests.timing import patience

COUNT = 10_000
VALUE = "x" * 1000  # characters of each object's data
MAX_SECONDS = 30.0  # for all of them, on a busy machine; see what is printed
MAX_EACH = 6 << 10  # bytes of memory for an object with a kilobyte of data

POLICIES = (
    policy(
        "selected",
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        validations=[{"expression": "params.data.open == 'yes'", "message": "closed"}],
    ),
    binding(
        "selected",
        paramRef={
            "selector": {"matchLabels": {"rule": "yes"}},
            "namespace": "many",
            "parameterNotFoundAction": "Allow",
        },
    ),
)


@pytest.fixture(scope="module")
def many(cluster: ControlPlane) -> Iterator[ControlPlane]:
    cluster.apply(namespace("many"), namespace("few"))
    local = threading.local()
    clients: list[Client] = []  # one a thread

    def create(number: int) -> None:
        if not hasattr(local, "client"):
            local.client = cluster.client_of(cluster.tokens[ADMIN.name])
            clients.append(local.client)
        reply = local.client.post("/api/v1/namespaces/many/configmaps", config_map(f"c-{number}", "many", v=VALUE))
        assert reply.ok, reply.message

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(create, range(COUNT)))
    for client in clients:
        client.close()
    yield cluster


def memory(server: Live) -> float:
    return server.metric("process_resident_memory_bytes")


def test_ten_thousand_objects(many: ControlPlane, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def served(where: str) -> Path:
        folder = tmp_path / where
        folder.mkdir()
        (folder / "policies.yaml").write_text(manifests(*POLICIES).replace('"many"', f'"{where}"'))
        return folder

    with live(many, served("few")) as server:
        without = memory(server)
        started = server.running.started_in
    with live(many, served("many")) as server:
        assert server.metric("gatewright_cluster_cache_objects") == COUNT
        took = server.running.started_in
        each = (memory(server) - without) / COUNT
        took_each: list[float] = []
        began = time.monotonic()
        cut: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "rule", "namespace": "many"},
        }
        many.apply({**cut, "metadata": {**cut["metadata"], "labels": {"rule": "yes"}}, "data": {"open": "no"}})
        told = server.becomes("closed", seconds=FAR)
        seen = time.monotonic() - began
        # Reviews go on while objects come and go: each list is worked out once a change.
        client = many.client(ADMIN)
        for number in range(100):
            changed = {"data": {"v": str(number)}}
            path = f"/api/v1/namespaces/many/configmaps/c-{number}"
            assert client.request("PATCH", path, changed, "application/merge-patch+json").ok
            began = time.monotonic()
            assert "closed" in server.asked()
            took_each.append(time.monotonic() - began)
        wait_for(lambda: server.metric("gatewright_cluster_cache_events_total") >= 101)
        assert server.metric("gatewright_cluster_cache_lists_total") == 1
    median = statistics.median(took_each)
    with capsys.disabled():
        print(
            f"\n{COUNT} objects of {len(VALUE)} characters: serving {took:.1f} s after the start "
            f"({started:.1f} s without any), {each / 1024:.2f} KiB of memory each "
            f"({without / 2**20:.0f} MiB without any), "
            f"a change seen after {seen:.2f} s, a review beside changes "
            f"{median * 1000:.0f} ms over a connection of its own, the slowest {max(took_each) * 1000:.0f} ms"
        )
    assert told
    assert took < patience(MAX_SECONDS)
    assert each < MAX_EACH
    assert median < patience(0.25)
