"""Verdicts over time, from the counters of the server: every ten seconds for an hour, every five minutes for a day."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

VERDICTS: Final = ("allow", "deny", "error")

EVERY: Final = 10.0
"""Seconds between two looks at the counters."""

FINE: Final = 360
"""Steps of EVERY that are kept: an hour."""

STEPS: Final = 30
"""Steps of EVERY in a coarse one."""

COARSE: Final = 288
"""Coarse steps that are kept: a day."""

Counts = Mapping[str, float]
"""Reviews since the start, by verdict."""


class Course:
    """read: the counts now. It is called in the event loop, every EVERY seconds."""

    def __init__(self, read: Callable[[], Counts], clock: Callable[[], float] = time.time) -> None:
        self._read = read
        self._clock = clock
        self._before = dict(read())
        self._fine: deque[tuple[int, ...]] = deque(maxlen=FINE)
        self._coarse: deque[tuple[int, ...]] = deque(maxlen=COARSE)
        self._sum = [0] * len(VERDICTS)
        self._steps = 0
        self.since = clock()

    async def keep(self) -> None:
        """Look at the counters until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            self.look()

    def look(self) -> None:
        """Keep what has been counted since the last look."""
        now, counts = int(self._clock()), dict(self._read())
        # A worker that was killed takes with it what it had not reported.
        added = [max(0, int(counts.get(each, 0) - self._before.get(each, 0))) for each in VERDICTS]
        self._before = counts
        self._fine.append((now, *added))
        self._sum = [one + other for one, other in zip(self._sum, added, strict=True)]
        self._steps += 1
        if self._steps == STEPS:
            self._coarse.append((now, *self._sum))
            self._sum, self._steps = [0] * len(VERDICTS), 0

    def shown(self) -> dict[str, Any]:
        """As a JSON value: steps of [when it ended, in seconds since the epoch, reviews by verdict], the oldest first.

        The last coarse step is the one that has begun.
        """
        coarse = list(self._coarse)
        if self._steps:
            coarse.append((self._fine[-1][0], *self._sum))
        return {
            "verdicts": VERDICTS,
            "since": int(self.since),
            "fine": {"every": int(EVERY), "steps": list(self._fine)},
            "coarse": {"every": int(EVERY * STEPS), "steps": coarse},
        }
