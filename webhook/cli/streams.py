"""The standard streams: they may be closed, on a full disk, or pipes without a reader."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from webhook.visible import no_commands


def ensure() -> None:
    """Replace stdout and stderr by the null device if the command was started without them (`>&-`)."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


def put_text(text: str | Iterable[str]) -> bool:
    """Write a text for people as `put` does. What it says of policies and manifests orders no runner of CI around."""
    return put(no_commands("".join(text)))


def put(report: str | Iterable[str]) -> bool:
    """Write a report, or the pieces of one, to stdout and flush it.

    Returns False if that fails. Then the error is on stderr, unless the reader of a pipe has closed it.
    """
    try:
        for piece in (report,) if isinstance(report, str) else report:
            sys.stdout.write(piece)
        sys.stdout.flush()
    except OSError as error:
        # Otherwise Python would report the error again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # the reader needs no more
            sys.stderr.write(f"error: the report cannot be written: {error.strerror}\n")
        return False
    return True
