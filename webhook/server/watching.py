"""What the settings switch on of webhook.server.sight, in one process: started with it, and ended with it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from copy import copy
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from webhook.cluster.connection import Connection
from webhook.server.events import Events
from webhook.server.logs import Log
from webhook.server.metrics import Metrics
from webhook.server.policytimes import PolicyTimes
from webhook.server.settings import Settings, flag
from webhook.server.sight import Sight
from webhook.server.traces.sampling import Sampler, SamplerError, sampler
from webhook.server.traces.sending import ConfigurationError, Sending, check

if TYPE_CHECKING:
    from kubernetes.client import Configuration


class CannotTrace(Exception):
    """Reviews cannot be traced as the settings and the environment say; the text says why."""


def sampler_of(settings: Settings, environ: Mapping[str, str] = os.environ) -> Sampler | None:
    """Which reviews are to be traced; None if none are. Raises CannotTrace."""
    try:
        return sampler(environ) if settings.traces and check(environ) else None
    except (SamplerError, ConfigurationError) as error:
        raise CannotTrace(f"{flag('traces')}: {error}") from None


class Watching(Struct):
    """sight: what watches the reviews of this process; None if nothing does. sending: exports its traces. events:
    records its denials."""

    sight: Sight | None = None
    sending: Sending | None = None
    events: Events | None = None

    async def close(self) -> None:
        """End the process that exports traces, once it has what waits, or after a moment."""
        if self.events is not None:
            self.events.close()
        if self.sending is not None:
            await self.sending.close()


def started(settings: Settings, metrics: Metrics, log: Log, cluster: Configuration | None) -> Watching:
    """What the settings switch on, in the running loop. cluster: how the API server is reached; None without one."""
    events = None
    if settings.events and cluster is not None:
        events = Events(log, partial(Connection, copy(cluster), 1))
        events.start()
        metrics.registry.register(events)
    which = sampler_of(settings)
    times = PolicyTimes() if settings.policy_times else None
    if times is not None:
        metrics.registry.register(times)
    if which is None:
        return Watching(Sight(metrics, times=times) if times is not None else None, events=events)
    sending = Sending(log)
    sending.start()
    metrics.registry.register(sending)
    return Watching(Sight(metrics, which, sending.put, times), sending, events)
