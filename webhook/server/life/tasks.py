"""Tasks that run beside the serving of a port, and end with it."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import signal
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final

HUNG: Final = 20.0
"""Seconds of processor time that the event loop of a server without workers may be held up."""


@contextlib.asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` as a task during the block; cancel it at the end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def end_if_hung() -> None:
    """Let the kernel end this process if the event loop is held up, even by a call that never returns to Python.

    Signals such as SIGTERM would not be handled then. The stack of Python is written to stderr. The container is
    restarted; the parent replaces a worker (webhook.server.life.workers).
    """
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    faulthandler.register(signal.SIGPROF, all_threads=False, chain=True)
    try:
        while True:
            signal.setitimer(signal.ITIMER_PROF, HUNG)
            await asyncio.sleep(1)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


async def first(*events: asyncio.Event) -> None:
    """Return once one of the events is set."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
