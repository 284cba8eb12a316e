"""The standard streams, which may be closed, full, or left by whoever read them."""

from __future__ import annotations

import os
import sys


def ensure() -> None:
    """Give a command that was started without stdout or stderr (`>&-`) ones that lead nowhere."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


def put(report: str) -> bool:
    """Write a report to stdout, to its end. False if that failed: told on stderr, unless the reader has gone away."""
    try:
        sys.stdout.write(report)
        sys.stdout.flush()
    except OSError as error:
        # Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # a reader that has seen enough is no error
            sys.stderr.write(f"error: the report cannot be written: {error.strerror}\n")
        return False
    return True
