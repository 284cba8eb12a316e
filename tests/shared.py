"""Folders that are made once for all processes of the tests, and not once in each."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path

import pytest


def once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that `make` fills, by the first process that asks. The others wait for it.

    If `make` raises or skips, the next process that asks tries again, in an empty folder.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base
    finished = shared / f"{name}.finished"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            folder = tmp_path_factory.mktemp(name)
            make(folder)
            finished.write_text(str(folder))
    return Path(finished.read_text())
