"""Limits on the processes that the server starts, so that they take nothing that reviews need."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path
from typing import Final

from webhook.policy.python.apart.runner import ended_first

_NICE: Final = 19


def limit(memory: int, longest: int, seconds: int | None = None) -> None:
    """Limit this process: the lowest priority, `memory` bytes more than it has, and `longest` seconds in all, in case
    the server ends first. memory: see bound_memory.

    seconds: of processor time. With it, the process writes no file either.
    """
    os.nice(_NICE)
    ended_first()
    bound_memory(memory)
    limits = {resource.RLIMIT_CORE: 0}
    if seconds is not None:
        limits |= {resource.RLIMIT_CPU: seconds, resource.RLIMIT_FSIZE: 0}
    for what, bound in limits.items():
        resource.setrlimit(what, (bound, bound))
    signal.alarm(longest)


def bound_memory(memory: int) -> None:
    """Limit this process to `memory` bytes more than it has. Written memory counts, and mapped libraries do not."""
    most = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize() + memory
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
