"""Runs the programs of the page, each in a process of its own that limits itself.

A program imports the formats of commands, which stand above the server. So the caller that starts the server passes
its name.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import Any, Final

from msgspec import Struct

_CHUNK: Final = 1 << 16
_KEPT: Final = frozenset({"PATH", "LANG", "LC_ALL", "TZ"})
_KEPT_WITH: Final = (
    "PYTHON",
    "COVERAGE_",
)  # of the environment: settings and credentials of the server are none of its


class Programs(Struct, frozen=True):
    """The modules that are run. playground: evaluates; see Trying. audit: condenses a report; see LastAudit."""

    playground: str
    audit: str


class TooLong(Exception):
    """The process has answered more bytes than it may."""


async def answered(module: str, *arguments: str, given: bytes = b"", most: int, patience: float) -> tuple[int, bytes]:
    """The exit code of a module that is run, negative for a signal, and what it has written. given: its input.

    Raises OSError if no process can be started, TimeoutError after `patience` seconds, and TooLong if it writes more
    than `most` bytes. If this is cancelled, the process is ended.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", module, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        env={name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_KEPT_WITH)},
    )
    try:
        async with asyncio.timeout(patience):
            answer = await _exchanged(process, given, most)
            code = await process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    return code, answer


async def _exchanged(process: Any, given: bytes, most: int) -> bytes:
    with contextlib.suppress(ConnectionError):  # it has ended
        process.stdin.write(given)
        await process.stdin.drain()
        process.stdin.close()
    answer = bytearray()
    while piece := await process.stdout.read(_CHUNK):
        answer += piece
        if len(answer) > most:
            raise TooLong
    return bytes(answer)
