"""Settings of all tests: the number of processes, the order, and no deadline for Hypothesis, so that no property fails
on a slow machine."""

from __future__ import annotations

import gc
import os
import sys

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

# The processes that tests start read what Python has compiled: without it each takes a third of a second longer.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

LONG = (
    "manifests/test_image.py",
    "policy/test_budgets_against_kubernetes.py",
    "project/test_site.py",
    "cel/test_hostile.py",
    "policy/test_constants_against_kubernetes.py",
    "policy/test_against_kubernetes.py",
)
"""The modules with the longest tests. They begin first, so that no process is left with one of them at the end."""


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores: tests of the server wait for timeouts most of their time."""
    return len(os.sched_getaffinity(0)) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.removeprefix("tests/").startswith(LONG))


def pytest_collection_finish() -> None:
    """What has been imported and collected stays: the collection of garbage need not look at it again and again."""
    gc.collect()
    gc.freeze()


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Nor at what a module's tests leave: tables, caches, compiled programs. Some tests collect garbage many times."""
    if nextitem is None or nextitem.path != item.path:
        gc.collect()
        gc.freeze()
