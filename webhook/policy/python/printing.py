"""The output of policy code: it goes to stderr in commands and while policies are loaded, to the log in the server.

`print` in a policy's file is `print_of_policy`. stdout belongs to the report of a command and to the log of the server;
other ways to it (pprint) are led to stderr by `to_stderr`.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, Final

MAX_LINES: Final = 20
"""The most lines of one evaluation that reach the log; the number of the others follows."""

MAX_TEXT: Final = 1024
"""The most characters of a line that reach the log."""


class Said(io.TextIOBase):
    """A stream that keeps the beginning of what is written to it, as lines."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._open = ""
        self._more = 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        first, *rest = text.split("\n", MAX_LINES + 1)
        self._open = (self._open + first[: MAX_TEXT + 1])[: MAX_TEXT + 1]
        for part in rest:
            self._end()
            self._open = part[: MAX_TEXT + 1]
        return len(text)

    def _end(self) -> None:
        if len(self._lines) < MAX_LINES:
            cut = "…" if len(self._open) > MAX_TEXT else ""
            self._lines.append(self._open[:MAX_TEXT] + cut)
        else:
            self._more += 1
        self._open = ""

    def taken(self) -> list[str]:
        """The text written since the last call."""
        if self._open:
            self._end()
        more = [f"… and {self._more} lines more"] if self._more else []
        lines = [*self._lines, *more]
        self._lines, self._more = [], 0
        return lines


def print_of_policy(*values: Any, sep: str | None = " ", end: str | None = "\n", file: Any = None, **how: Any) -> None:
    """`print` of a policy's file: without `file=` it writes to stderr."""
    print(*values, sep=sep, end=end, file=sys.stderr if file is None else file, **how)


@contextmanager
def to_stderr() -> Iterator[None]:
    """Lead what is written to stdout to stderr."""
    with redirect_stdout(sys.stderr):
        yield


def keep() -> Said:
    """Keep what this process prints from now on, instead of writing it."""
    said = Said()
    sys.stdout = sys.stderr = said
    return said
