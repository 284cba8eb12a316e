"""What /metrics tells. Each name, its labels and their values stand in docs/metrics.md.

Labels are bounded whatever is sent: resources and subresources that Kubernetes does not know are "other". Children are
looked up in a plain dict, for `labels()` costs more than the increment.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from webhook.policy.policyset import PolicySet
from webhook.policy.request import Request
from webhook.schema import Kinds
from webhook.server.logs import Log

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_OTHER = "other"
_SUBRESOURCES = frozenset(
    (
        *("approval", "attach", "binding", "ephemeralcontainers", "eviction", "exec", "finalize", "log", "portforward"),
        *("proxy", "resize", "scale", "status", "token"),
    )
)
# The API server waits 10 s for a webhook unless told otherwise; most reviews take well under a millisecond.
_BUCKETS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The server's own registry, and the few calls that the rest of the server makes on it."""

    def __init__(self, kinds: Kinds, log: Log) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second sample beside each, which nobody asks for
        self.registry = CollectorRegistry(auto_describe=True)
        self._kinds = kinds
        self._reviews = Counter(
            "gatewright_reviews",
            "Reviews answered.",
            ("path", "operation", "resource", "verdict"),
            registry=self.registry,
        )
        self._duration = Histogram(
            "gatewright_review_duration_seconds",
            "Time from a review's last byte to its answer.",
            ("path",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._findings = Counter(
            "gatewright_policy_findings",
            "What bound policies found: denials, warnings, audit notes; or that they could not be evaluated (error).",
            ("policy", "binding", "result"),
            registry=self.registry,
        )
        self._mutations = Counter(
            "gatewright_policy_mutations", "Objects that a policy changed.", ("policy",), registry=self.registry
        )
        self._refused = Counter(
            "gatewright_requests_refused",
            "Requests that were no review, by HTTP status.",
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
        self._ready = Gauge("gatewright_ready", "1 while /readyz is green.", registry=self.registry)
        self._expiry = Gauge(
            "gatewright_tls_certificate_expiry_timestamp_seconds",
            "When the served certificate expires, in seconds since the epoch.",
            registry=self.registry,
        )
        Gauge("gatewright_build_info", "Version.", ("version", "python"), registry=self.registry).labels(
            version("gatewright"), platform.python_version()
        ).set(1)
        self.registry.register(_LostLines(log))
        ProcessCollector(registry=self.registry)
        self._review_children: dict[tuple[str, str, tuple[str, str, str], str, str], Counter] = {}
        self._duration_children: dict[str, Histogram] = {}

    def review(self, path: str, request: Request, verdict: str, seconds: float) -> None:
        """A review was answered: verdict `allow`, `deny` or `error` (the answer was HTTP 500)."""
        # Only what is bounded may be kept as a key: the API server sends few distinct ones, a hostile client many.
        key = (path, request.operation, request.resource, request.subresource, verdict)
        child = self._review_children.get(key)
        if child is None:
            child = self._reviews.labels(path, request.operation, self._resource(request), verdict)
            if len(self._review_children) < 4096:
                self._review_children[key] = child
        child.inc()
        timer = self._duration_children.get(path)
        if timer is None:
            timer = self._duration_children[path] = self._duration.labels(path)
        timer.observe(seconds)

    def finding(self, policy: str, binding: str, result: str) -> None:
        """A bound policy found something: result `deny`, `warn`, `audit` or `error`."""
        self._findings.labels(policy, binding, result).inc()

    def mutation(self, policy: str) -> None:
        """A policy changed an object."""
        self._mutations.labels(policy).inc()

    def refused(self, code: int) -> None:
        """A request was answered with an HTTP error."""
        self._refused.labels(str(code)).inc()

    def policies(self, policies: PolicySet) -> None:
        """A policy tree was loaded."""
        self._policies.set(len(policies.policies))
        self._bindings.set(len(policies.bindings))
        self._revision.clear()
        self._revision.labels(policies.revision).set(1)
        self._loaded.set(time.time())

    def ready(self, ready: bool) -> None:
        self._ready.set(1 if ready else 0)

    def certificate(self, expiry: float) -> None:
        """The certificate served from now on expires at `expiry`, in seconds since the epoch."""
        self._expiry.set(expiry)

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)

    def _resource(self, request: Request) -> str:
        group, served, resource = request.resource
        if self._kinds.for_resource(group, served, resource) is None:
            return _OTHER
        name = f"{resource}.{group}" if group else resource
        if not request.subresource:
            return name
        return f"{name}/{request.subresource if request.subresource in _SUBRESOURCES else _OTHER}"


class _LostLines(Collector):
    def __init__(self, log: Log) -> None:
        self._log = log

    def collect(self) -> Iterator[CounterMetricFamily]:
        yield CounterMetricFamily(
            "gatewright_log_lines_lost", "Log lines that could not be written.", value=self._log.lost
        )

    def describe(self) -> Iterable[CounterMetricFamily]:
        return []
