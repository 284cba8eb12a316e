"""How long each policy takes, with as many series as there are policies, but never more than a bound."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from tests.server.running import POLICIES, write_policies
from webhook.policy.load.loading import load
from webhook.policy.policyset import Policy, PolicySet
from webhook.server.telemetry.policytimes import BUCKETS, MAX_POLICIES, OTHER, PolicyTimes

NAME = "gatewright_policy_duration_seconds"


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> PolicySet:
    return load(write_policies(tmp_path_factory.mktemp("tree") / "policies", POLICIES))


def value(times: PolicyTimes, suffix: str, **labels: str) -> float | None:
    registry = CollectorRegistry()
    registry.register(times)
    return registry.get_sample_value(NAME + suffix, labels)


def named(policy: Policy[Any], name: str) -> Policy[Any]:
    return replace(policy, name=name)


def test_times_are_counted_by_policy_and_engine(policies: PolicySet) -> None:
    times = PolicyTimes()
    for policy in policies.policies:
        times.add(policy, 0.00003)
        times.add(policy, 2.0)
    cel, python = {"policy": "no-host-path", "engine": "cel"}, {"policy": "team-label", "engine": "python"}
    for labels in (cel, python):
        assert value(times, "_count", **labels) == 2
        assert value(times, "_sum", **labels) == 2.00003
        assert value(times, "_bucket", le="2.5e-05", **labels) == 0
        assert value(times, "_bucket", le="5e-05", **labels) == 1
        assert value(times, "_bucket", le="1.0", **labels) == 1
        assert value(times, "_bucket", le="+Inf", **labels) == 2


def test_a_bound_is_in_its_bucket(policies: PolicySet) -> None:
    times = PolicyTimes()
    times.add(policies.policies[0], BUCKETS[3])
    labels = {"policy": policies.policies[0].name, "engine": policies.policies[0].language}
    assert value(times, "_bucket", le=str(BUCKETS[3]), **labels) == 1
    assert value(times, "_bucket", le=str(BUCKETS[2]), **labels) == 0


def test_beyond_the_bound_a_policy_is_one_of_the_others(policies: PolicySet) -> None:
    times = PolicyTimes()
    policy = policies.policies[0]
    many = [named(policy, f"p{number}") for number in range(3 * MAX_POLICIES)]
    for _ in range(2):
        for each in many:
            times.add(each, 0.001)
    assert len(times._by_label) == MAX_POLICIES + 1
    assert len(times._by_policy) <= 2 * MAX_POLICIES
    assert value(times, "_count", policy="p0", engine=policy.language) == 2
    assert value(times, "_count", policy=f"p{MAX_POLICIES}", engine=policy.language) is None
    assert value(times, "_count", policy=OTHER, engine=policy.language) == 4 * MAX_POLICIES


def test_a_policy_of_the_next_tree_goes_on_counting(policies: PolicySet) -> None:
    times = PolicyTimes()
    for _ in range(2):  # another object of the same name
        times.add(named(policies.policies[0], "same"), 0.5)
    assert value(times, "_count", policy="same", engine=policies.policies[0].language) == 2
