"""Ends a mutant that runs forever.

An expression in CEL ends by the API server's cost limits. A policy in Python is ended by a timer, as in the server
(webhook.policy.python.stopping), but with more time: a mutant may be slow, and the machine too.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from msgspec import Struct

from webhook.policy.python.stopping import Stopped


class Times(Struct, frozen=True):
    """Seconds of processor time that a mutant may take: to be loaded; and for a case: at least, and so many times what
    the policy itself takes for it."""

    loading: float = 2.0
    case: float = 0.5
    slower: float = 10.0


_OFTEN: Final = 0.05


@contextmanager
def stopping(seconds: float) -> Iterator[None]:
    """Raises Stopped in what runs within, once it has taken so many seconds of processor time. In other threads than
    the main one nothing is stopped."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    end = time.thread_time() + seconds

    def rung(_number: int, _frame: FrameType | None) -> None:
        if time.thread_time() > end:
            raise Stopped

    before = signal.signal(signal.SIGALRM, rung)
    signal.setitimer(signal.ITIMER_REAL, _OFTEN, _OFTEN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
