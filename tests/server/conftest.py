"""Fixtures that start a real server: the command in its own process, on free loopback ports, with real TLS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.running import POLICIES, Running, end, launch, write_policies


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    """Starts servers with a test's own flags and variables; all of them are stopped after the test."""
    running: list[Running] = []

    def begin(*flags: str, **arguments: Any) -> Running:
        running.append(launch(*flags, **arguments))
        return running[-1]

    yield begin
    for server in running:
        end(server)


@pytest.fixture(scope="session")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small policy tree in CEL and Python."""
    return write_policies(tmp_path_factory.mktemp("tree") / "policies", POLICIES)


@pytest.fixture(scope="module")
def server(policies: Path) -> Iterator[Running]:
    """A server that the tests of a module share; they must not change its state."""
    running = launch("--policies", str(policies), "--max-body", "64Ki", "--read-timeout", "60")
    yield running
    end(running)


@pytest.fixture(scope="module")
def impatient(policies: Path) -> Iterator[Running]:
    """One that waits for a second only, for tests of that: where a machine is slow, other clients take longer."""
    running = launch("--policies", str(policies), "--max-body", "64Ki", "--read-timeout", "1")
    yield running
    end(running)
