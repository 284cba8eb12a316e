"""Loads a changed policy tree in a process of its own first, before the server itself loads it.

Loading runs code: Python policies are imported. Code that never ends, takes all memory or ends its process fails here,
and the policies in force stay. The process has the lowest priority, and a limit of memory and time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import orjson

from webhook.documents.reader import Problem
from webhook.documents.undecodable import UNDECODABLE
from webhook.policy.load.loading import PolicyTreeError, load_tree
from webhook.policy.load.treefiles import Tree
from webhook.server.limiting import limit
from webhook.versions import Version
from webhook.visible import encodable

_MEMORY = 256 << 20  # bytes that loading may take
_LONGEST_LINE = 64 << 20  # bytes of a report
_PATIENCE = 10
_ENDING = 1.0  # seconds that the process has to end after its last report


class _Report(msgspec.Struct, frozen=True):
    """A line that the process writes: the file that it loads next, or in the last line the problems."""

    file: str = ""
    problems: list[Problem] | None = None


async def rehearse(tree: Tree, version: Version, seconds: float) -> tuple[Problem, ...]:
    """Load the tree in a child process. Returns what is wrong with it: what the loader says, or that loading a file
    took longer than `seconds`, or ended the process. The time in which it waits for a processor does not count, up to
    `_PATIENCE` times the limit: others come first."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", __name__, str(seconds)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        limit=_LONGEST_LINE,
    )
    begun = time.monotonic()
    rehearsal = _Rehearsal(tree)
    reported = asyncio.ensure_future(rehearsal.reported(process, version))
    try:
        while not reported.done():
            left = begun + seconds + min(_waited(process.pid), (_PATIENCE - 1) * seconds) - time.monotonic()
            if left <= 0:
                return (rehearsal.problem(f"loading this file did not end within {seconds:g} s"),)
            await asyncio.wait({reported}, timeout=left)
        return reported.result()
    except (ValueError, *UNDECODABLE):
        return (rehearsal.problem("loading this file wrote to a file that is not its own"),)
    finally:
        reported.cancel()
        with contextlib.suppress(ProcessLookupError):  # with the processes that policies have started
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


class _Rehearsal:
    """What the process of one tree reports. The file that it loads is the one to blame."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._file = tree.names[0]

    def problem(self, message: str) -> Problem:
        return Problem(self._file, None, None, message)

    async def reported(self, process: asyncio.subprocess.Process, version: Version) -> tuple[Problem, ...]:
        """Give the process its tree, and read its reports to the last one. Raises ValueError for one that is none."""
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("asyncio opened no pipes")
        with contextlib.suppress(ConnectionError):  # it has ended, which is reported below
            process.stdin.write(pickle.dumps((self._tree, version)))
            await process.stdin.drain()
            process.stdin.close()
        while line := await process.stdout.readline():
            report = msgspec.json.decode(line, type=_Report)
            if report.problems is not None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), _ENDING)
                return tuple(report.problems)
            self._file = report.file
        code = await process.wait()
        ended = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return (self.problem(f"loading this file ended the process, {ended}"),)


def _waited(pid: int) -> float:
    """The seconds in which a process could have run, and others did; 0 where the kernel does not say."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def main() -> None:
    """The work of the child process: reads a pickled (Tree, Version) from stdin, and writes reports to stdout."""
    reports = os.dup(1)
    os.dup2(2, 1)  # what policies print
    limit(_MEMORY, int(_PATIENCE * float(sys.argv[1])) + 5)
    tree, version = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the server

    def report(**fields: Any) -> None:
        line = orjson.dumps(encodable(fields), default=msgspec.to_builtins, option=orjson.OPT_APPEND_NEWLINE)
        while line:
            line = line[os.write(reports, line) :]

    problems: list[Problem] = []
    try:
        load_tree(tree, version, lambda file: report(file=file)).prepare()
    except PolicyTreeError as error:
        problems = error.problems
    report(problems=msgspec.to_builtins(problems))


if __name__ == "__main__":
    main()
