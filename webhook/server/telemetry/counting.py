"""Counts of what each review adds to the metrics: kept as plain numbers, and converted to samples at each scrape.

All of this runs for every review. The library's own counters take three times as long.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from webhook.admission.decision import MUTATING, VALIDATING, Finding
from webhook.policy.policyset import Binding
from webhook.policy.request import GroupVersionResource, Request
from webhook.schema import Kinds

_PHASES = {VALIDATING: "validate", MUTATING: "mutate"}
_OTHER = "other"
_MAX_NAMED = 2048  # counts of reviews by what they name
_MAX_TAKEN = 256  # reviews that are counted together
_MAX_TOGETHER = 256  # counts of bindings that were evaluated on one review
_SUBRESOURCES = frozenset(
    (
        *("approval", "attach", "binding", "ephemeralcontainers", "eviction", "exec", "finalize", "log", "portforward"),
        *("proxy", "resize", "scale", "status", "token"),
    )
)
# Seconds. By default the API server waits 10 s for a webhook; most reviews take well under a millisecond.
_BUCKETS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def counter(name: str, said: str, labels: Sequence[str], counts: Iterable[tuple[Sequence[str], float]]) -> Metric:
    """A counter as the library exposes it. counts: the values of the labels, and the count."""
    family = CounterMetricFamily(name, said, labels=labels)
    for values, count in counts:
        family.add_metric(values, count)
    return family


class _Durations:
    """The histogram of one path. `counts` has a count for each of _BUCKETS and one beyond; `total` is in seconds.

    exemplars: by bucket, the last traced review: trace id, span id, seconds, and when it was, in nanoseconds.
    """

    __slots__ = ("counts", "exemplars", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(_BUCKETS) + 1)
        self.total = 0.0
        self.exemplars: dict[int, tuple[str, str, float, int]] = {}

    def buckets(self) -> list[tuple[str, float] | tuple[str, float, Exemplar]]:
        """The buckets as the library takes them."""
        bounds = (*map(str, _BUCKETS), "+Inf")
        found: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
        for index, (bound, count) in enumerate(zip(bounds, accumulate(self.counts), strict=True)):
            if index in self.exemplars:
                trace_id, span_id, seconds, at = self.exemplars[index]
                labels = {"trace_id": trace_id, "span_id": span_id}
                found.append((bound, float(count), Exemplar(labels, seconds, at / 1e9)))
            else:
                found.append((bound, float(count)))
        return found


class ReviewCounts(Collector):
    """Counts and durations of reviews, kept as plain numbers and converted to samples at each scrape.

    Reviews are counted by path, operation and resource, and by their labels once there are many: hostile clients invent
    resources.
    """

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        # Path, operation, resource, subresource, verdict; and with labels in place of resource and subresource.
        self._named: Counts[tuple[str, str, GroupVersionResource, str, str]] = Counts()
        self._taken: list[tuple[str, str, GroupVersionResource, str, str, float]] = []  # not counted yet
        self._counts: Counts[tuple[str, str, str, str]] = Counts()
        self._durations: dict[str, _Durations] = {}

    def know(self, kinds: Kinds) -> None:
        """Label resources by these kinds from now on."""
        self._fold()
        self._kinds = kinds

    def add(self, path: str, request: Request, verdict: str, seconds: float) -> None:
        """Count a review: verdict `allow`, `deny` or `error` (answered with HTTP 500)."""
        taken = self._taken
        taken.append((path, request.operation, request.resource, request.subresource, verdict, seconds))
        if len(taken) >= _MAX_TAKEN:
            self._count()

    def _count(self) -> None:
        """Count the reviews that `add` has taken, together, which costs half of counting each."""
        taken, self._taken = self._taken, []
        self._named.update([each[:5] for each in taken])
        for path, *_, seconds in taken:
            durations = self._durations.get(path) or self._durations.setdefault(path, _Durations())
            durations.counts[bisect_left(_BUCKETS, seconds)] += 1
            durations.total += seconds
        if len(self._named) > _MAX_NAMED:
            self._fold()

    def exemplar(self, path: str, seconds: float, example: tuple[str, str, float, int]) -> None:
        """Keep a traced review that `add` has taken."""
        self._count()
        self._durations[path].exemplars[bisect_left(_BUCKETS, seconds)] = example

    def verdicts(self) -> dict[str, int]:
        """Reviews by verdict."""
        self._fold()
        found: dict[str, int] = {}
        for (_, _, _, verdict), count in self._counts.items():
            found[verdict] = found.get(verdict, 0) + count
        return found

    def _fold(self) -> None:
        """Add the counts by name to the counts by label."""
        if self._taken:
            self._count()
        named, self._named = self._named, Counts()
        for (path, operation, resource, subresource, verdict), count in named.items():
            self._counts[path, operation, self._label(resource, subresource), verdict] += count

    def _label(self, resource: GroupVersionResource, subresource: str) -> str:
        if self._kinds.for_resource(*resource) is None:
            return _OTHER
        name = f"{resource.resource}.{resource.group}" if resource.group else resource.resource
        if not subresource:
            return name
        return f"{name}/{subresource if subresource in _SUBRESOURCES else _OTHER}"

    def collect(self) -> Iterator[Metric]:
        self._fold()
        labels = ("path", "operation", "resource", "verdict")
        yield counter("gatewright_reviews", "Reviews answered.", labels, self._counts.items())
        histogram = HistogramMetricFamily(
            "gatewright_review_duration_seconds", "Time from a review's last byte to its answer.", labels=("path",)
        )
        for path, durations in self._durations.items():
            histogram.add_metric((path,), durations.buckets(), durations.total)
        yield histogram

    def describe(self) -> Iterable[Metric]:
        return []


class EvaluationCounts(Collector):
    """How often each binding was evaluated. Reviews of one kind mostly evaluate the same ones, so these are counted
    together. A binding equals itself only, so that no names are compared or hashed."""

    def __init__(self) -> None:
        self._together: dict[tuple[Binding, ...], int] = {}
        self._counts: Counts[tuple[str, str, str]] = Counts()
        self._bindings: tuple[Binding, ...] = ()

    def add(self, bindings: tuple[Binding, ...]) -> None:
        """Count one evaluation of each of these bindings, in force or not any more: a review may wait for an answer
        while its tree is replaced."""
        together = self._together
        count = together.get(bindings)
        if count is not None:
            together[bindings] = count + 1
        else:
            if len(together) >= _MAX_TOGETHER:
                self._fold()
            self._together[bindings] = 1

    def bindings(self, bindings: tuple[Binding, ...]) -> None:
        """Show these bindings from now on, also those that were not evaluated yet."""
        self._fold()
        self._bindings = bindings

    def _fold(self) -> None:
        """Add the counts of sets of bindings to those of each binding."""
        together, self._together = self._together, {}
        for bindings, count in together.items():
            for binding in bindings:
                self._counts[_names(binding)] += count

    def collect(self) -> Iterator[Metric]:
        self._fold()
        shown = {names: self._counts[names] for names in map(_names, self._bindings)}
        yield counter(
            "gatewright_policy_evaluations",
            "Requests that a bound policy matched and was evaluated on.",
            ("phase", "policy", "binding"),
            (shown | self._counts).items(),
        )

    def describe(self) -> Iterable[Metric]:
        return []


def _names(binding: Binding) -> tuple[str, str, str]:
    """Phase, policy and binding: the labels of its counts."""
    return _PHASES[binding.kind.removesuffix("Binding")], binding.policy, binding.name


class FindingCounts(Collector):
    """Counts findings, as plain numbers too: a denial may have one of each policy."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, str, str], int] = {}

    def add(self, finding: Finding, result: str) -> None:
        """Count a finding: result `deny`, `warn`, `audit` or `error`."""
        key = (_PHASES[finding.kind], finding.policy, finding.binding, result)
        self._counts[key] = self._counts.get(key, 0) + 1

    def collect(self) -> Iterator[Metric]:
        yield counter(
            "gatewright_policy_findings",
            "Findings of bound policies, by result: deny, warn, audit; error if the policy could not be evaluated.",
            ("phase", "policy", "binding", "result"),
            self._counts.items(),
        )

    def describe(self) -> Iterable[Metric]:
        return []
