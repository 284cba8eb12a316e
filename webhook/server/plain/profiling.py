"""A profile of this process: where its processor time goes, as stacks with counts.

A timer of the process's own processor time (ITIMER_VIRTUAL) interrupts the main thread, in which reviews are decided.
Each time the stack of that thread is counted. Nothing is measured, and nothing costs anything, while no profile is
taken; while one is, an interrupt takes some 10 µs of every EVERY seconds.
"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from types import FrameType
from typing import Final

from webhook.visible import visible

EVERY: Final = 0.005
"""Seconds of processor time between two stacks."""

MAX_SECONDS: Final = 60
"""The longest profile."""

_MAX_DEPTH: Final = 100
_MAX_STACKS: Final = 5000
_MORE: Final = "(others)"


class Busy(Exception):
    """A profile is being taken."""


class Profiler:
    """Takes one profile at a time, of the process whose main thread makes it."""

    def __init__(self) -> None:
        self._running = False

    async def profile(self, seconds: float) -> Counter[str]:
        """The stacks of so many seconds, each with its count: frames from the outermost on, divided by `;`.

        This is what flame graphs are made of ("collapsed stacks"). Raises Busy.
        """
        if self._running:
            raise Busy
        stacks: Counter[str] = Counter()

        def interrupted(_number: int, frame: FrameType | None) -> None:
            stack = _stack(frame)
            stacks[stack if stack in stacks or len(stacks) < _MAX_STACKS else _MORE] += 1

        self._running = True
        try:
            signal.signal(signal.SIGVTALRM, interrupted)
            signal.setitimer(signal.ITIMER_VIRTUAL, EVERY, EVERY)
            await asyncio.sleep(seconds)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, signal.SIG_IGN)  # one that is still under way must not end the process
            self._running = False
        return stacks


def _stack(frame: FrameType | None) -> str:
    frames: list[str] = []
    while frame is not None and len(frames) < _MAX_DEPTH:
        code = frame.f_code
        file = code.co_filename.rpartition("/site-packages/")[2]
        frames.append(visible(f"{code.co_qualname} ({file}:{code.co_firstlineno})").replace(";", ","))
        frame = frame.f_back
    return ";".join(reversed(frames))
