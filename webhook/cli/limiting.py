"""Processes that the server starts beside itself: how they take little, and never what reviews need."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path
from typing import Final

from webhook.policy.python.apart.runner import ended_first

_NICE: Final = 19


def limit(seconds: int, memory: int, longest: int) -> None:
    """Let this process take little: the lowest priority, no files that it writes, `seconds` of processor time, `memory`
    bytes beside what it has, and `longest` seconds in all, which counts if the server ends first."""
    os.nice(_NICE)
    ended_first()
    most = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize() + memory
    for what, bound in (
        (resource.RLIMIT_DATA, most),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (bound, bound))
    signal.alarm(longest)
