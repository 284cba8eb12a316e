"""A progress bar for long runs on a terminal."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE: Final = 1.0
"""Seconds before the progress bar appears."""

_INTERVAL: Final = 0.1  # seconds between two updates


class ProgressBar:
    """A progress bar on `stream`, if it is a terminal. It appears after PATIENCE, and disappears at the end.

    Before, and without a terminal, a step costs almost nothing: rich is imported when the bar appears.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        # Without a terminal, there is never an update.
        self._next = time.monotonic() + PATIENCE if stream.isatty() else float("inf")

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def step(self, doing: str, done: int, total: int | None = None) -> None:
        """Show that `done` of `total` steps are done (None: their number is not known)."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _INTERVAL
        if self._bar is None or self._task is None:
            from rich.console import Console
            from rich.progress import Progress

            # Without a thread, as processes may be forked (webhook.jobs).
            self._bar = Progress(console=Console(file=self._stream), transient=True, auto_refresh=False)
            self._bar.start()
            self._task = self._bar.add_task(doing)
        self._bar.update(self._task, description=doing, completed=done, total=total, refresh=True)
