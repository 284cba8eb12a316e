"""--watch: a command runs again whenever its files change, each time in a process of its own.

The waiting process reads no file and evaluates nothing: it compares the stamps of files, and forks. So each run imports
Python policies anew, with empty caches, and a crash ends only that run.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Final, NoReturn

import typer

from webhook.cli.options import Color, colored, fail
from webhook.cli.readoptions import is_bundle
from webhook.cli.report.problems import note_line

_INTERVAL: Final = 0.3  # seconds between two looks
_SHARE: Final = 10  # a look may take this part of the time: of huge folders there are fewer
_SETTLED: Final = 2  # equal looks after a change: an editor or git writes several files, one after another
_BESIDE: Final = (".gatewrightignore", "gatewright.yaml")  # the repository's settings are read once, before
_NAMED: Final = 3  # files that a change names

Stamps = dict[str, tuple[int, ...]]
"""File -> its stamp. Equal stamps: it was neither written nor replaced."""


def each_change(roots: Iterable[str | os.PathLike[str]], modules: Iterable[str] = ()) -> None:
    """Return at once, and after every change of a file: each time in a new process, which then does the run and ends.

    roots: files and folders, and what is empty or a bundle is passed over. modules: what every run will import.
    The process that waits never returns; it ends with Ctrl-C, as typer.Exit with 130. Raises typer.Exit for stdin.
    """
    named = [os.fspath(root) for root in roots if os.fspath(root)]
    if "-" in named:
        raise typer.Exit(fail("--watch: stdin does not change; name files and folders"))
    watched = [*dict.fromkeys([*(root for root in named if not is_bundle(root)), *_BESIDE])]
    for module in modules:
        import_module(module)
    try:
        before = stamps(watched)
        while True:
            sys.stdout.flush()
            sys.stderr.flush()
            child = os.fork()
            if not child:
                return
            code = _waited(child)
            _say(f"exit code {code}; waiting for changes (Ctrl-C ends)")
            after = _changed(watched, before)
            if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
                sys.stdout.write("\x1b[2J\x1b[3J\x1b[H")
            _say(f"changed: {_names(before, after)}")
            before = after
    except KeyboardInterrupt:
        _end()


def stamps(roots: Iterable[str]) -> Stamps:
    """The stamps of all files at and below the roots. A file that cannot be read has none. `.git` is not entered."""
    found: Stamps = {}
    folders: set[tuple[int, int]] = set()
    for root in roots:
        found.update(_stamps(root, folders))
    return found


def _stamps(path: str, folders: set[tuple[int, int]]) -> Iterator[tuple[str, tuple[int, ...]]]:
    waiting = [path]
    while waiting:
        name = waiting.pop()
        try:
            status = os.stat(name)  # noqa: PTH116 - of thousands of files, a few times a second
            if not stat.S_ISDIR(status.st_mode):
                yield name, (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            elif (status.st_dev, status.st_ino) not in folders:  # links may lead round in a circle
                folders.add((status.st_dev, status.st_ino))
                with os.scandir(name) as entries:
                    waiting += [entry.path for entry in entries if entry.name != ".git"]
        except OSError:  # it was removed, or cannot be read: the run reports that
            continue


def _changed(roots: list[str], before: Stamps) -> Stamps:
    """Wait until the stamps differ from those before, and no longer change."""
    last, equal, pause = before, 0, _INTERVAL
    while last == before or equal < _SETTLED:
        time.sleep(pause)
        began = time.monotonic()
        now = stamps(roots)
        pause = max(_INTERVAL, (time.monotonic() - began) * _SHARE)
        equal = equal + 1 if now == last else 0
        last = now
    return last


def _names(before: Stamps, after: Stamps) -> str:
    differ = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    more = len(differ) - _NAMED
    return ", ".join(differ[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _waited(child: int) -> int:
    """The exit code of a run, as a shell reports it."""
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _say(text: str) -> None:
    sys.stderr.write(note_line(text, colored(Color.AUTO, sys.stderr)))
    sys.stderr.flush()


def _end() -> NoReturn:
    """End after Ctrl-C, which reaches the run too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        while True:
            os.wait()
    except ChildProcessError:
        raise typer.Exit(130) from None
