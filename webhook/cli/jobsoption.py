"""`--jobs`: how many processes divide the work of a command among them."""

from __future__ import annotations

import threading
from typing import Final

from webhook.cli.readoptions import NotGiven

_MOST: Final = 256
"""Processes that --jobs may ask for."""


def number_of(jobs: str) -> int | None:
    """The number of --jobs; None if it is not given. Raises NotGiven."""
    if jobs and not (jobs.isascii() and jobs.isdigit() and len(jobs) <= 3 and 0 < int(jobs) <= _MOST):
        raise NotGiven(f"--jobs: expected a number from 1 to {_MOST}, got {jobs!r}")
    return int(jobs) if jobs else None


def processes(jobs: int | None, worth: int) -> int:
    """The number of processes. jobs: the number of --jobs. worth: how many processes the work is worth; it counts
    without --jobs."""
    from webhook.jobs import cores

    if threading.active_count() > 1:
        return 1  # in a forked process, a lock that another thread holds is never released
    return jobs or max(min(cores(), worth), 1)
