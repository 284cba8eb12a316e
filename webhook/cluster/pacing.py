"""Requests at a bounded rate."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """At most `qps` requests in a second; 0 for any number."""

    def __init__(
        self, qps: float, *, sleep: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval = 1 / qps if qps > 0 else 0.0
        self._sleep = sleep
        self._clock = clock
        self._due = 0.0

    def wait(self) -> None:
        """Wait until the next request is due."""
        now = self._clock()
        if now < self._due:
            self._sleep(self._due - now)
        self._due = max(now, self._due) + self._interval
