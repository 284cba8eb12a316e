"""Answers that take long to make, shared by all who ask at the same time, within a share of the process's time.

The plain port is open to more clients than the port for reviews, and in one process both take turns: a client that asks
for the metrics all the time would slow reviews down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Final

REST: Final = 9
"""After an answer, no other is made for so many times the time that it took: answers take a tenth of the time."""

MAX_REST: Final = 0.5
"""The longest such pause in seconds: making an answer may have waited for something else."""


class Shared:
    """Makes answers by `make`, one at a time. An answer is made after it was requested, so none is out of date.
    Requests that come while one is being made, or while the next has to wait, share the next.
    """

    def __init__(self, make: Callable[[], Awaitable[bytes]]) -> None:
        self._make = make
        self._next: asyncio.Task[bytes] | None = None  # not begun yet
        self._made: asyncio.Task[bytes] | None = None  # being made, or the last
        self._free_at = 0.0

    async def __call__(self) -> bytes:
        """The answer. Raises what making it raises."""
        if self._next is None:
            self._next = asyncio.create_task(self._in_turn(self._made))
        return await asyncio.shield(self._next)

    async def _in_turn(self, before: asyncio.Task[bytes] | None) -> bytes:
        if before is not None:
            await asyncio.wait([before])
        await asyncio.sleep(max(0.0, self._free_at - perf_counter()))
        self._made, self._next = self._next, None
        begun = perf_counter()
        try:
            return await self._make()
        finally:
            ended = perf_counter()
            self._free_at = ended + min(REST * (ended - begun), MAX_REST)
