"""Scrapes of /metrics: what a server answers after it has decided reviews, written as if at other times."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from tests.recordings.making import head
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.policyset import PolicySet
from webhook.schema import Kinds
from webhook.server.port.exchange import Answer, Client
from webhook.server.reviews.answering import Reviews
from webhook.server.state import InForce, State
from webhook.server.telemetry.logs import Log
from webhook.server.telemetry.metrics import Metrics, exposition


class Process:
    """A process of the server that started at a time."""

    def __init__(self, policies: PolicySet, started: datetime) -> None:
        self.started = started
        self._metrics = Metrics(Kinds.builtin())
        self._state = State(InForce(policies, ManifestsView(policies.objects, Kinds.builtin())))

    def decide(self, bodies: Iterable[bytes]) -> None:
        """Answer reviews at /validate."""

        async def run(log: Log) -> None:
            reviews = Reviews(self._state, self._metrics, log)
            for body in bodies:
                assert isinstance(reviews.answer(head(), body, Client("192.0.2.1")), Answer)

        with Path(os.devnull).open("wb") as nowhere:
            log = Log(nowhere.fileno())
            asyncio.run(run(log))
            log.flush()

    def text(self, *, openmetrics: bool = False) -> str:
        """What /metrics answers."""
        text = exposition(self._metrics.registry, openmetrics=openmetrics).decode()
        made, number = re.subn(
            r"(?m)^process_start_time_seconds .*", f"process_start_time_seconds {self.started.timestamp()}", text
        )
        assert number == 1
        return made

    def scraped(self, file: Path, at: datetime, *, openmetrics: bool = False) -> str:
        """Write what /metrics answers to a file, whose time is `at`; its path."""
        file.write_text(self.text(openmetrics=openmetrics))
        os.utime(file, (at.timestamp(), at.timestamp()))
        return str(file)
