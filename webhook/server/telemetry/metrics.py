"""The metrics of the server. docs/serve.md lists their names, labels and values.

The number of label values is bounded for any requests: a resource or subresource that is not known is "other".
"""

from __future__ import annotations

import contextlib
import platform
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Final, Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_text
from prometheus_client.registry import Collector

from webhook.policy.policyset import PolicySet
from webhook.schema import Kinds
from webhook.server.telemetry.counting import EvaluationCounts, FindingCounts, ReviewCounts

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

READY_HELP = "1 while /readyz answers 200."
RESTARTS_HELP = "Workers that ended unexpectedly and were restarted."

EXAMPLE_EVERY: Final = 20_000_000
"""Nanoseconds between two exemplars of the histogram of durations, of reviews that are not slow."""

SLOW_EXAMPLE: Final = 0.01
"""Seconds from which on a review is slow: each is an exemplar."""


class Collected(Protocol):
    """Something that metrics are collected from, such as a registry."""

    def collect(self) -> Iterable[Metric]: ...


def exposition(collected: Collected, *, openmetrics: bool) -> bytes:
    """The metrics as text: in Prometheus' own format, or in that of OpenMetrics, which has exemplars."""
    if openmetrics:
        text: bytes = openmetrics_text(collected)  # type: ignore[no-untyped-call]
        return text
    return generate_latest(collected)


class Output(Protocol):
    """Something that lines are written to."""

    @property
    def lost(self) -> int:
        """The number of lines that could not be written."""


class Metrics:
    """The server's metrics, in a registry of their own. `outputs`: see gatewright_log_lines_lost_total."""

    def __init__(self, kinds: Kinds, outputs: Mapping[str, Output] | None = None) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # these would be a second sample for each counter
        self.registry = CollectorRegistry(auto_describe=True)
        self.next_example = 0
        self._reviews = ReviewCounts(kinds)
        # Called for each review, so without a call in between.
        self.review = self._reviews.add
        self.registry.register(self._reviews)
        self._evaluated = EvaluationCounts()
        self.evaluated = self._evaluated.add
        self.registry.register(self._evaluated)
        self._findings = FindingCounts()
        self.finding = self._findings.add
        self.registry.register(self._findings)
        self._mutations = Counter(
            "gatewright_policy_mutations", "Objects that a policy changed.", ("policy",), registry=self.registry
        )
        self._excepted = Counter(
            "gatewright_policy_exceptions_used",
            "Findings and mutations of a policy that an exception suppressed.",
            ("policy", "exception"),
            registry=self.registry,
        )
        self._exception_expiry = Gauge(
            "gatewright_policy_exception_expiry_timestamp_seconds",
            "When an exception expires or has expired, in seconds since the epoch.",
            ("exception",),
            registry=self.registry,
        )
        self._refused = Counter(
            "gatewright_requests_refused",
            "Requests that were refused because they were not valid reviews, by HTTP status.",
            ("code",),
            registry=self.registry,
        )
        self._policies = Gauge("gatewright_policies", "Policies loaded.", registry=self.registry)
        self._bindings = Gauge("gatewright_policy_bindings", "Bindings loaded.", registry=self.registry)
        self._revision = Gauge(
            "gatewright_policy_revision_info",
            "Revision of the loaded policy tree.",
            ("revision",),
            registry=self.registry,
        )
        self._loaded = Gauge(
            "gatewright_policies_loaded_timestamp_seconds",
            "When the policy tree was last loaded, in seconds since the epoch.",
            registry=self.registry,
        )
        self._ready = Gauge("gatewright_ready", READY_HELP, registry=self.registry)
        self._workers = Gauge("gatewright_workers", "Processes that answer reviews.", registry=self.registry)
        Counter("gatewright_worker_restarts", RESTARTS_HELP, registry=self.registry)
        self._expiry = Gauge(
            "gatewright_tls_certificate_expiry_timestamp_seconds",
            "When the served certificate expires, in seconds since the epoch.",
            registry=self.registry,
        )
        self._reloads = Counter(
            "gatewright_tls_reloads",
            "Changes of certificate files that were loaded.",
            ("file",),
            registry=self.registry,
        )
        self._reload_failures = Counter(
            "gatewright_tls_reload_failures",
            "Changes of certificate files that could not be loaded; the previous content stays in use.",
            ("file",),
            registry=self.registry,
        )
        self._reload_good = Gauge(
            "gatewright_tls_last_reload_successful",
            "1 while the current content of the files is in use.",
            ("file",),
            registry=self.registry,
        )
        self._reloaded = Gauge(
            "gatewright_tls_last_reload_timestamp_seconds",
            "When the files were last loaded, in seconds since the epoch.",
            ("file",),
            registry=self.registry,
        )
        self._trusted = Gauge(
            "gatewright_webhook_trusts_certificate",
            "1 if the caBundles of the registered webhooks trust the served certificate, 0 if one does not.",
            ("resource",),
            registry=self.registry,
        )
        self._not_sent = Gauge(
            "gatewright_policies_not_sent",
            "Policies that need requests which no registered webhook sends, by webhook configuration.",
            ("resource",),
            registry=self.registry,
        )
        self._handshakes = Counter(
            "gatewright_tls_handshake_failures",
            "Failed TLS handshakes, by reason: OpenSSL's, timeout, or closed.",
            ("reason",),
            registry=self.registry,
        )
        Gauge("gatewright_build_info", "Version.", ("version", "python"), registry=self.registry).labels(
            version("gatewright"), platform.python_version()
        ).set(1)
        self.registry.register(_LostLines(outputs or {}))
        ProcessCollector(registry=self.registry)

    def exemplar(self, path: str, seconds: float, ids: Sequence[str], now: int) -> None:
        """Keep a traced review as the example of its bucket in the histogram of durations.

        ids: begin with those of the trace and of the span. now: in nanoseconds. Reviews that are not slow are kept at
        most every EXAMPLE_EVERY nanoseconds: others need not be passed before `next_example`.
        """
        if now >= self.next_example or seconds >= SLOW_EXAMPLE:
            self.next_example = now + EXAMPLE_EVERY
            self._reviews.exemplar(path, seconds, (ids[0], ids[1], seconds, now))

    def mutation(self, policy: str) -> None:
        """Count an object that the policy changed."""
        self._mutations.labels(policy).inc()

    def excepted(self, policy: str, exception: str) -> None:
        """Count a finding or a mutation of the policy that the exception suppressed."""
        self._excepted.labels(policy, exception).inc()

    def refused(self, code: int) -> None:
        """Count a request that was refused with this HTTP status."""
        self._refused.labels(str(code)).inc()

    def policies(self, policies: PolicySet, kinds: Kinds | None = None) -> None:
        """Set the metrics of a policy tree that was just put in force. `kinds`: those of its reviews, if they differ
        from those before."""
        if kinds is not None:
            self._reviews.know(kinds)
        self._policies.set(len(policies.policies))
        self._bindings.set(len(policies.bindings))
        self._revision.clear()
        self._revision.labels(policies.revision).set(1)
        self._loaded.set(time.time())
        self._exception_expiry.clear()
        for policy in policies.policies:
            for exempt in policy.exceptions:
                self._exception_expiry.labels(exempt.exception.name).set(exempt.exception.expires)
                self._excepted.labels(policy.name, exempt.exception.name)  # shows 0 before the first use
        self._evaluated.bindings(policies.bindings)

    def ready(self, ready: bool) -> None:
        self._ready.set(1 if ready else 0)
        self._workers.set(1 if ready else 0)

    def certificate(self, expiry: float) -> None:
        """Set the expiry of the served certificate, in seconds since the epoch."""
        self._expiry.set(expiry)

    def trusted(self, resource: str, trusted: bool | None) -> None:
        """Whether the caBundles of a resource's webhooks trust the served certificate. None: not known."""
        _set(self._trusted, resource, trusted)

    def not_sent(self, resource: str, policies: int | None) -> None:
        """How many policies need requests that a resource's webhooks do not send. None: not known."""
        _set(self._not_sent, resource, policies)

    def in_step(self, file: str) -> None:
        """The current content of the files (`certificate` or `client-ca`) is in use."""
        self._reloads.labels(file)
        self._reload_failures.labels(file)
        self._reload_good.labels(file).set(1)
        self._reloaded.labels(file).set(time.time())

    def reloaded(self, file: str) -> None:
        """Count a change of the files that was loaded."""
        self._reloads.labels(file).inc()
        self.in_step(file)

    def reload_failed(self, file: str) -> None:
        """Count a change of the files that could not be loaded."""
        self._reload_failures.labels(file).inc()
        self._reload_good.labels(file).set(0)

    def handshake_failed(self, reason: str) -> None:
        """Count a failed TLS handshake; `reason` is OpenSSL's, `timeout`, or `closed`."""
        self._handshakes.labels(reason).inc()

    def verdicts(self) -> dict[str, int]:
        """Reviews since the start, by verdict."""
        return self._reviews.verdicts()

    def exposition(self, *, openmetrics: bool = False) -> bytes:
        """The text that Prometheus scrapes, in its own format or in OpenMetrics', which has exemplars."""
        return exposition(self.registry, openmetrics=openmetrics)


class _LostLines(Collector):
    def __init__(self, outputs: Mapping[str, Output]) -> None:
        self._outputs = outputs

    def collect(self) -> Iterator[Metric]:
        lost = CounterMetricFamily(
            "gatewright_log_lines_lost", "Lines that could not be written, by output.", labels=("output",)
        )
        for name, output in self._outputs.items():
            lost.add_metric((name,), output.lost)
        yield lost

    def describe(self) -> Iterable[Metric]:
        return []


def _set(gauge: Gauge, label: str, value: float | None) -> None:
    if value is None:
        with contextlib.suppress(KeyError):
            gauge.remove(label)
    else:
        gauge.labels(label).set(value)
