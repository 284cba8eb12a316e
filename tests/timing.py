"""Seconds are asserted where the machine is idle, by `make soak`: with GATEWRIGHT_TEST_SECONDS set.

In `make test` other processes may take what time they want: there only a test that hangs is ended, after ten minutes
(`faulthandler_timeout` in pyproject.toml).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

HANGING = 550.0
"""Seconds after which a program or a connection hangs: no machine is that slow. Less than faulthandler_timeout, so that
the test fails, and not its process."""

ASSERTED = "GATEWRIGHT_TEST_SECONDS" in os.environ


@contextmanager
def within(seconds: float, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """What runs within takes less than that, as the clock has it: of the processor with time.process_time."""
    began = clock()
    yield
    took = clock() - began
    assert took < seconds or not ASSERTED, f"{took:.2f} s"


def patience(seconds: float) -> float:
    """How long to wait for what has to happen within so many seconds."""
    return seconds if ASSERTED else max(seconds, 300.0)
