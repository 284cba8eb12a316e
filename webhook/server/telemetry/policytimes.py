"""How long each policy takes: a histogram with the labels `policy` and `engine` (cel, python).

The number of series is bounded, whatever the trees that come and go hold: beyond MAX_POLICIES a policy is `other`. A
measurement is two numbers added; samples are made at a scrape.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any, Final

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from webhook.policy.policyset import Policy

MAX_POLICIES: Final = 200
"""Policies with series of their own, in one process since its start."""

OTHER: Final = "other"
BUCKETS: Final = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.001, 0.005, 0.025, 0.1, 1.0)
"""Seconds. A typical policy takes some microseconds; one in Python is cut off after a second."""


class _Times:
    """Of one series. counts: one for each of BUCKETS and one beyond."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0


class PolicyTimes(Collector):
    """The histogram, as a collector of a registry."""

    def __init__(self) -> None:
        self._by_label: dict[tuple[str, str], _Times] = {}
        self._by_policy: dict[int, tuple[Policy[Any], _Times]] = {}  # keeps the policy, and with it its identity

    def add(self, policy: Policy[Any], seconds: float) -> None:
        """Count an evaluation."""
        known = self._by_policy.get(id(policy))
        times = known[1] if known is not None else self._of(policy)
        times.counts[bisect_left(BUCKETS, seconds)] += 1
        times.total += seconds

    def _of(self, policy: Policy[Any]) -> _Times:
        label = policy.name, policy.language
        times = self._by_label.get(label)
        if times is None:
            if len(self._by_label) >= MAX_POLICIES:
                label = OTHER, policy.language
            times = self._by_label.setdefault(label, _Times())
        if len(self._by_policy) >= 2 * MAX_POLICIES:  # those of trees before; what is in use comes back
            self._by_policy.clear()
        self._by_policy[id(policy)] = policy, times
        return times

    def collect(self) -> Iterator[Metric]:
        histogram = HistogramMetricFamily(
            "gatewright_policy_duration_seconds",
            "Time that an evaluation of a policy took, matching included.",
            labels=("policy", "engine"),
        )
        bounds = [*map(str, BUCKETS), "+Inf"]
        for label, times in self._by_label.items():
            buckets = list(zip(bounds, map(float, accumulate(times.counts)), strict=True))
            histogram.add_metric(label, buckets, times.total)
        yield histogram

    def describe(self) -> Iterable[Metric]:
        return []
