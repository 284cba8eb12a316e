"""`gatewright serve`: loads everything that the settings name, and serves."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from typing import TYPE_CHECKING

import uvloop

from webhook.cluster.connection import ConfigurationError
from webhook.cluster.manifestsview import ManifestsView
from webhook.schema import Kinds
from webhook.server.cluster.livecluster import CacheMetrics, prepare
from webhook.server.life.lifecycle import Serving
from webhook.server.life.starting import (
    StartError,
    certificates_of,
    load,
    with_descriptors,
)
from webhook.server.port.listening import CannotListen, bind, shown
from webhook.server.reviews.observers import CannotRecord, CannotTrace, sampler_of, writing_of
from webhook.server.settings import Settings, flag
from webhook.server.state import InForce, State
from webhook.server.telemetry.logs import ErrorOutput, Log, route_library_records
from webhook.server.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from webhook.server.page.running import Programs


def run(settings: Settings, programs: Programs) -> int:
    """Serve until SIGTERM or SIGINT. programs: of the page.

    The exit code: 0; 2 if the server could not start, with the reason on stderr; 1 if a child process failed while
    shutting down.
    """
    log, errors = Log(level=settings.log_level, allows=settings.log_allows), ErrorOutput()
    route_library_records(log)
    try:
        serving = _prepare(settings, programs, log, errors)
    except StartError as error:
        print(error, file=sys.stderr)
        return 2
    # What is loaded now stays. Without freeze, collections would visit it, which delays the reviews in flight and makes
    # each worker copy memory that it shares with the others.
    gc.collect()
    gc.freeze()
    # A review allocates some hundred objects. They form no cycles and are freed when it is answered.
    gc.set_threshold(20_000, 20, 20)
    with errors.replaced():
        try:
            if settings.workers > 1:
                return serving.by_workers()
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(serving.alone())
            return 0
        finally:
            log.flush()


def _prepare(settings: Settings, programs: Programs, log: Log, errors: ErrorOutput) -> Serving:
    """Load and check everything that serving needs. Raises StartError."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it asks for a reload, once the server runs
    try:
        sampler_of(settings)
        writing_of(settings, cluster=False)  # only to know now whether its folder can be used
    except (CannotTrace, CannotRecord) as error:
        raise StartError(str(error)) from None
    sources, since, tree, policies = load(settings, log)
    kinds = Kinds.builtin().with_crds(policies.objects)
    metrics = Metrics(kinds, {"stdout": log, "stderr": errors})
    metrics.policies(policies)
    certificates, authority = certificates_of(settings, metrics, log)
    try:
        cluster = prepare(settings, policies, log)
    except ConfigurationError as error:
        raise StartError(str(error)) from None
    if settings.events and cluster is None:
        raise StartError(f"{flag('events')} needs a cluster to record Events in; set {flag('cluster')}")
    ca = authority.ca if authority else None
    if cluster is None:  # policies look objects up in the policy tree only
        left_out = tuple(each.name for each in policies.bindings if each.needs_cluster)
        if left_out:
            message = f"there is no cluster, so bindings that need one are left out: {', '.join(left_out)}"
            log.write("info", "cluster", {"message": message})
        policies = policies.without_cluster()
        state = State(InForce(policies, ManifestsView(policies.objects, kinds)), development_ca=ca)
    else:
        state = State(InForce(policies, cluster.view, cluster.view), development_ca=ca)
        metrics.registry.register(CacheMetrics(lambda: state.in_force.live))
    state.bundles = sources.in_force(tree)
    settings = with_descriptors(settings, log)
    try:
        sockets = bind(settings, "port"), bind(settings, "plain_port")
    except CannotListen as error:
        raise StartError(str(error)) from None
    addresses = shown(sockets[0]), shown(sockets[1])
    return Serving(
        *(settings, programs, state, metrics, log, errors, certificates, authority, cluster, *sockets),
        *(addresses, sources, since),
    )
