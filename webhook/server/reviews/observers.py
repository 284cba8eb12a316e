"""What the settings switch on of webhook.server.reviews.sight, in one process: started with it, and ended with it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from copy import copy
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from webhook.cluster.connection import Connection
from webhook.recordings.records import Writing
from webhook.server.cluster.events import Events
from webhook.server.reviews.sight import Sight
from webhook.server.settings import Settings, flag
from webhook.server.telemetry.logs import Log
from webhook.server.telemetry.metrics import Metrics
from webhook.server.telemetry.policytimes import PolicyTimes
from webhook.server.telemetry.traces.sampling import Sampler, SamplerError, sampler
from webhook.server.telemetry.traces.sending import ConfigurationError, Sending, check

if TYPE_CHECKING:
    from kubernetes.client import Configuration

    from webhook.server.telemetry.recording import Recorder


class CannotTrace(Exception):
    """Reviews cannot be traced as the settings and the environment say; the text says why."""


def sampler_of(settings: Settings, environ: Mapping[str, str] = os.environ) -> Sampler | None:
    """Which reviews are to be traced; None if none are. Raises CannotTrace."""
    try:
        return sampler(environ) if settings.traces and check(environ) else None
    except (SamplerError, ConfigurationError) as error:
        raise CannotTrace(f"{flag('traces')}: {error}") from None


class CannotRecord(Exception):
    """The folder of a recording cannot be written to; the text says why."""


def writing_of(settings: Settings, *, cluster: bool) -> Writing | None:
    """The orders to the process that writes, from the settings; None if nothing is recorded. Makes the folder.

    cluster: whether there is one to look objects up in.

    Raises CannotRecord.
    """
    folder = settings.record
    if folder is None:
        return None
    try:
        folder.mkdir(0o700, exist_ok=True)
    except OSError as error:
        raise CannotRecord(f"{flag('record')} {folder}: {error.strerror}") from None
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise CannotRecord(f"{flag('record')} {folder}: expected a folder that this process may write to")
    return Writing(
        str(folder.resolve()),
        settings.record_rotate,
        settings.record_disk,
        list(settings.record_redact),
        settings.kubernetes_version,
        cluster,
    )


class Watching(Struct):
    """sight: what watches the reviews of this process; None if nothing does. sending: exports its traces. events:
    records its denials. recorder: records its reviews."""

    sight: Sight | None = None
    sending: Sending | None = None
    events: Events | None = None
    recorder: Recorder | None = None

    async def close(self) -> None:
        """End the processes that export traces and write the recording, once they have what waits, or after a
        moment."""
        if self.events is not None:
            self.events.close()
        await asyncio.gather(*(each.close() for each in (self.sending, self.recorder) if each is not None))


def started(settings: Settings, metrics: Metrics, log: Log, cluster: Configuration | None) -> Watching:
    """What the settings switch on, in the running loop. cluster: how the API server is reached; None without one."""
    events = None
    if settings.events and cluster is not None:
        events = Events(log, partial(Connection, copy(cluster), 1))
        events.start()
        metrics.registry.register(events)
    recorder: Recorder | None = None
    writing = writing_of(settings, cluster=cluster is not None)
    if writing is not None:
        from webhook.server.telemetry.recording import Recorder  # only servers that record need it

        recorder = Recorder(log, writing, settings.record_sample)
        recorder.start()
        metrics.registry.register(recorder)
    which = sampler_of(settings)
    times = PolicyTimes() if settings.policy_times else None
    if times is not None:
        metrics.registry.register(times)
    if which is None:
        return Watching(Sight(metrics, times=times) if times is not None else None, None, events, recorder)
    sending = Sending(log)
    sending.start()
    metrics.registry.register(sending)
    return Watching(Sight(metrics, which, sending.put, times), sending, events, recorder)
