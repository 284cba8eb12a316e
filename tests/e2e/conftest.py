"""`make e2e`: a fresh control plane for each module, and `gatewright serve` beside it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.assets import AssetsError, found
from tests.e2e.controlplane import ControlPlane, started
from tests.e2e.webhooks import Gatewright


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder with etcd, kube-apiserver and kubectl."""
    try:
        there = found()
    except AssetsError as error:
        pytest.exit(str(error), returncode=2)
    if there is None:
        pytest.exit("etcd, kube-apiserver and kubectl are not built: run `make e2e-assets`", returncode=2)
    return there


@pytest.fixture(scope="module")
def cluster(assets: Path, request: pytest.FixtureRequest) -> Iterator[ControlPlane]:
    """The module's control plane."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with started(assets) as plane:
        with capture.global_and_fixture_disabled():
            print(f"\n{request.module.__name__}: a control plane, ready after {plane.started_in:.1f} s", flush=True)
        begun = time.monotonic()
        yield plane
    with capture.global_and_fixture_disabled():
        print(f"\n{request.module.__name__}: ended after {time.monotonic() - begun:.1f} s", flush=True)


@pytest.fixture(scope="module")
def gatewright(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gatewright]:
    """The module's server, not started yet."""
    server = Gatewright(tmp_path_factory.mktemp("gatewright"))
    yield server
    server.kill()
