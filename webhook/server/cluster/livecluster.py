"""The live cluster of a server: its connection, its view, its log lines and its metrics."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from webhook.cluster import connection
from webhook.cluster.cache import REASONS, Cache, State
from webhook.cluster.connection import ConfigurationError
from webhook.cluster.live import LiveView, describe
from webhook.cluster.lookups import Lookups, Target
from webhook.policy.needed import lookups_of
from webhook.policy.policyset import PolicySet
from webhook.policy.request import JSONObject
from webhook.server.settings import Settings, flag
from webhook.server.telemetry.counting import counter
from webhook.server.telemetry.logs import Log, cut

if TYPE_CHECKING:
    from kubernetes.client import Configuration

_CHECK_EVERY = 0.02  # seconds between two checks whether the view has synced
_LEVELS = {State.WAITING: "error", State.INTERRUPTED: "error", State.NOT_SERVED: "warning", State.SYNCED: "info"}
_SHOWN_OBJECTS = 5


class LiveCluster(Struct, frozen=True):
    """The view that the server starts with, the configuration that it connects with, and the lookups of the policies.

    `changed`: called with each cache that changes state.
    """

    view: LiveView
    configuration: Configuration
    lookups: Lookups
    changed: Callable[[Cache], None]

    @contextlib.asynccontextmanager
    async def following(self, current: Callable[[], LiveView | None]) -> AsyncIterator[None]:
        """Runs the view that `current` returns during the block. It may not have synced yet when the block starts.

        At the end, the view that `current` returns then is stopped: the same, or its last successor.
        """
        (current() or self.view).start(self.configuration)
        try:
            yield
        finally:
            await asyncio.to_thread((current() or self.view).stop)

    async def synced(self, current: Callable[[], LiveView | None], stopped: asyncio.Event) -> bool:
        """Wait until the view has listed everything. False if `stopped` is set first."""
        while (current() or self.view).waits_for() is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), _CHECK_EVERY)
                return False
        gc.collect()
        gc.freeze()  # most listed objects stay: later collections need not visit them
        return True

    async def successor(self, before: LiveView, policies: PolicySet, seconds: float) -> LiveView:
        """A view for other policies that has listed everything they look up. It shares the caches of `before`.

        If `before` has not been started, the view is not either: it can take its place. Raises ConfigurationError if
        listing takes longer than `seconds`.
        """
        if not before.started:
            return LiveView(lookups_of(policies), self.changed)
        view = LiveView(lookups_of(policies), self.changed, before)
        view.start(self.configuration)
        try:
            async with asyncio.timeout(seconds):
                while view.waits_for() is not None:
                    await asyncio.sleep(_CHECK_EVERY)
        except TimeoutError:
            view.abandon()
            raise ConfigurationError(f"{view.waits_for()}, for more than {seconds:g} s") from None
        except BaseException:
            view.abandon()
            raise
        return view


def prepare(settings: Settings, policies: PolicySet, log: Log) -> LiveCluster | None:
    """The cluster that the settings name; None if they name none. Raises ConfigurationError."""
    where = settings.cluster
    if where == "auto":
        where = "in-cluster" if connection.in_cluster() else "none"
    if where == "none":
        return None
    try:
        configuration = connection.configuration(where, settings.kubeconfig)
    except ConfigurationError as error:
        raise ConfigurationError(f"{flag('cluster')} {settings.cluster}: {error}") from None

    def changed(cache: Cache) -> None:
        fields = {name: cut(value) if isinstance(value, str) else value for name, value in describe(cache).items()}
        log.write(_LEVELS[cache.state], "cluster", fields)

    lookups = lookups_of(policies)
    return LiveCluster(LiveView(lookups, changed), configuration, lookups, changed)


def _target(value: JSONObject) -> Target:
    metadata = value["metadata"]
    return Target(value["apiVersion"], value["kind"], metadata.get("namespace", ""), metadata.get("name", ""))


def unused(policies: PolicySet, lookups: Lookups) -> str | None:
    """A note on objects in the policy tree that policies look up in the cluster instead; None if there are none."""
    names = [_name(value) for value in policies.objects if any(each.covers(_target(value)) for each in lookups.targets)]
    if not names:
        return None
    shown = ", ".join(names[:_SHOWN_OBJECTS]) + (", …" if len(names) > _SHOWN_OBJECTS else "")
    return f"objects in the policy tree are not used, because policies look them up in the cluster: {shown}"


def _name(value: dict[str, Any]) -> str:
    metadata = value.get("metadata") or {}
    return f"{value['kind']} " + "/".join(part for part in (metadata.get("namespace"), metadata.get("name")) if part)


class CacheMetrics(Collector):
    """The metrics of the caches of the view that `current` returns, read at each scrape."""

    def __init__(self, current: Callable[[], LiveView | None]) -> None:
        self._current = current

    def collect(self) -> Iterator[Metric]:
        view = self._current()
        if view is None:
            return
        labels = ("resource", "namespace", "name")
        objects = GaugeMetricFamily("gatewright_cluster_cache_objects", "Objects in the cache.", labels=labels)
        synced = GaugeMetricFamily(
            "gatewright_cluster_cache_synced", "1 while the cache follows the cluster.", labels=labels
        )
        age = GaugeMetricFamily(
            "gatewright_cluster_cache_age_seconds",
            "How stale the objects may be: seconds since the last message of the API server.",
            labels=labels,
        )
        listed = GaugeMetricFamily(
            "gatewright_cluster_cache_list_timestamp_seconds",
            "When the objects were last listed, in seconds since the epoch.",
            labels=labels,
        )
        events = CounterMetricFamily("gatewright_cluster_cache_events", "Watch events received.", labels=labels)
        lists = CounterMetricFamily("gatewright_cluster_cache_lists", "Lists of all objects.", labels=labels)
        restarts = CounterMetricFamily(
            "gatewright_cluster_cache_watch_restarts",
            "Watches that ended, normally or not, and were restarted.",
            labels=labels,
        )
        errors = CounterMetricFamily(
            "gatewright_cluster_cache_errors",
            "Failures, by reason.",
            labels=(*labels, "reason"),
        )
        for cache in view.caches:
            key = _labels(cache)
            objects.add_metric(key, cache.snapshot.count)
            synced.add_metric(key, cache.state is State.SYNCED)
            if cache.heard is not None:
                age.add_metric(key, cache.age)
            if cache.listed_at is not None:
                listed.add_metric(key, cache.listed_at)
            events.add_metric(key, cache.counts.events)
            lists.add_metric(key, cache.counts.lists)
            restarts.add_metric(key, cache.counts.restarts)
            for reason in REASONS:
                errors.add_metric((*key, reason), cache.counts.errors[reason])
        yield from (objects, synced, age, listed, events, lists, restarts, errors)
        yield counter(
            "gatewright_cluster_access_reviews",
            "Access reviews that CEL's authorizer requested, by answer.",
            ("answer",),
            (((answer,), view.asked[answer]) for answer in ("allowed", "refused", "error")),
        )

    def describe(self) -> Iterable[Metric]:
        return []


def _labels(cache: Cache) -> tuple[str, str, str]:
    """The values of the labels. Policies and bindings bound their number."""
    api_version, kind, namespace, name = cache.target
    group = api_version.rpartition("/")[0]
    plural = cache.resource.plural if cache.resource else kind.lower()
    return f"{plural}.{group}" if group else plural, namespace, name
