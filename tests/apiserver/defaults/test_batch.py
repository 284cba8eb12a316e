"""The defaults of Jobs by version. test_minors_against_kubernetes holds them against each version's own scheme, but
only the oldest is always built: what changed since is told here.
"""

from __future__ import annotations

from typing import Any

import pytest

from webhook.apiserver.defaults.defaulting import set_defaults
from webhook.versions import NEWEST, Version, shown

POLICY = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}


def job(version: Version, **spec: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "web"}, "spec": spec}
    set_defaults(made, "batch/v1", "Job", version)
    found: dict[str, Any] = made["spec"]
    return found


@pytest.mark.parametrize(
    ("version", "replacement", "selector"),
    [((1, 28), None, None), ((1, 29), "TerminatingOrFailed", False), (NEWEST, "TerminatingOrFailed", False)],
    ids=lambda value: shown(value) if isinstance(value, tuple) else None,
)
def test_when_failed_pods_are_replaced(version: Version, replacement: str | None, selector: bool | None) -> None:
    made = job(version)
    assert made.get("podReplacementPolicy") == replacement
    assert made.get("manualSelector") is selector
    assert job(version, podReplacementPolicy="Failed")["podReplacementPolicy"] == "Failed"


@pytest.mark.parametrize("version", [(1, 29), (1, 33), NEWEST], ids=shown)
def test_a_job_with_rules_about_failures_replaces_failed_pods_only(version: Version) -> None:
    assert job(version, podFailurePolicy=POLICY)["podReplacementPolicy"] == "Failed"


@pytest.mark.parametrize("version", [(1, 26), (1, 28), (1, 33), NEWEST], ids=shown)
def test_a_condition_of_a_rule_is_true(version: Version) -> None:
    made = job(version, podFailurePolicy={"rules": [{"action": "Ignore", "onPodConditions": [{"type": "A"}]}]})
    assert made["podFailurePolicy"]["rules"][0]["onPodConditions"] == [{"type": "A", "status": "True"}]


def test_a_job_counts_failures_of_each_index_if_it_says_so() -> None:
    assert job(NEWEST)["backoffLimit"] == 6
    assert job(NEWEST, backoffLimitPerIndex=1)["backoffLimit"] == 2147483647


def test_a_job_completes_once_unless_it_says_how_many_run_at_once() -> None:
    assert (job(NEWEST)["completions"], job(NEWEST)["parallelism"]) == (1, 1)
    assert "completions" not in job(NEWEST, parallelism=2)
