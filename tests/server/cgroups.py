"""A server under the memory limit of its container: in a control group, as the kubelet starts it.

Everything counts that counts in a cluster: all processes of the server, its files in memory, the kernel's buffers for
its connections. Who may make no control group (or has no Linux) gets None.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.server.running import COMMAND

_ROOT = Path("/sys/fs/cgroup")


class ControlGroup:
    """A control group with a limit of memory, of either version of Linux's interface."""

    def __init__(self, folder: Path, second: bool) -> None:
        self._folder = folder
        self._limit = "memory.max" if second else "memory.limit_in_bytes"
        self._highest = "memory.peak" if second else "memory.max_usage_in_bytes"
        self._events = "memory.events" if second else "memory.oom_control"

    def limit(self, size: int) -> None:
        (self._folder / self._limit).write_text(str(size))

    @property
    def command(self) -> list[str]:
        """Starts the server within the group."""
        joining = f"open({str(self._folder / 'cgroup.procs')!r}, 'w').write('0')"
        return [sys.executable, "-c", f"{joining}; {COMMAND[2]}"]

    @property
    def peak(self) -> int:
        """Bytes, the page cache of read files included."""
        return int((self._folder / self._highest).read_text())

    @property
    def killed(self) -> int:
        """How many processes the kernel ended for want of memory."""
        lines = (self._folder / self._events).read_text().splitlines()
        return int(dict(line.split() for line in lines)["oom_kill"])

    def remove(self) -> None:
        """Once its processes have ended; the kernel takes a moment to see that."""
        for _ in range(100):
            with contextlib.suppress(OSError):
                self._folder.rmdir()
                return
            time.sleep(0.05)


@contextlib.contextmanager
def control_group(size: int) -> Iterator[ControlGroup | None]:
    """A group whose processes may hold so many bytes of memory together, or None."""
    first = _ROOT / "memory"
    second = not first.is_dir()
    folder = (_ROOT if second else first) / f"gatewright-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError:
        yield None
        return
    group = ControlGroup(folder, second)
    try:
        try:
            group.limit(size)
        except OSError:  # the interface is there, and memory is not managed here
            yield None
            return
        yield group
    finally:
        group.remove()
