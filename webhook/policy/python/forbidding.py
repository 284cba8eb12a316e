"""Forbids policy code to open files and connections, and to start processes and threads, while it runs.

`Forbidding` marks the code that it encloses, and an audit hook (sys.addaudithook) refuses what marked code does. The
mark is a context variable: the server's other threads and tasks are not affected. An audit hook cannot be removed, so
it is added once, and only in processes that run policy code.

This is no sandbox against code that is written to break out; docs/policies.md says what it holds and what it does not.
"""

from __future__ import annotations

import _thread
import os
import sys
import threading
from collections.abc import Iterator
from contextvars import ContextVar, Token
from functools import cache
from pathlib import Path
from typing import Any, Final


class Forbidden(PermissionError):
    """A policy did something that policies may not do. The text names it."""


_PREFIXES: Final = ("socket.", "subprocess.", "ctypes.", "shutil.", "sqlite3.", "syslog.", "mmap.", "fcntl.", "pty.")
_EVENTS: Final = frozenset(
    {
        "_thread.start_new_thread", "_thread.start_joinable_thread", "_posixsubprocess.fork_exec",
        "os.chdir", "os.chflags", "os.chmod", "os.chown", "os.exec", "os.fork", "os.forkpty", "os.getxattr", "os.kill",
        "os.killpg", "os.link", "os.listxattr", "os.lockf", "os.mkdir", "os.posix_spawn", "os.putenv", "os.remove",
        "os.removexattr", "os.rename", "os.rmdir", "os.setxattr", "os.spawn", "os.startfile", "os.symlink", "os.system",
        "os.truncate", "os.unsetenv", "os.utime", "ftplib.connect", "glob.glob", "http.client.connect",
        "imaplib.open", "poplib.connect", "resource.prlimit", "resource.setrlimit", "signal.pthread_kill",
        "smtplib.connect", "sys.addaudithook", "telnetlib.Telnet.open", "urllib.Request", "webbrowser.open",
    }
)  # fmt: skip
_READING: Final = frozenset({"open", "os.listdir", "os.scandir"})

_running: ContextVar[bool] = ContextVar("policy code is running", default=False)


_STARTS: Final = tuple(
    (module, f"{before}{name}")
    for module, before in ((_thread, ""), (threading, "_"))
    for name in ("start_new_thread", "start_new", "start_joinable_thread")
)
"""The functions that start threads, in all versions of Python."""


class Forbidding:
    """A context manager: forbids to the code of the block what policies may not do; it raises Forbidden."""

    __slots__ = ("_token",)

    _token: Token[bool]

    def __enter__(self) -> None:
        _install()
        self._token = _running.set(True)

    def __exit__(self, *_: object) -> None:
        _running.reset(self._token)


def forbid() -> None:
    """Forbid it to this whole process from now on."""
    _install(whole=True)
    # Before Python 3.12 no audit hook hears of a new thread.
    for module, name in _STARTS:
        if hasattr(module, name):
            setattr(module, name, _no_thread)


def _no_thread(*_: object, **__: object) -> None:
    raise Forbidden("a policy may have no network, processes or threads (_thread.start_new_thread)")


@cache
def _install(*, whole: bool = False) -> None:
    libraries = tuple(sorted(_libraries()))

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        # The mark first, as this is called for each id(), of which evaluating CEL has many.
        if (whole or _running.get()) and (event in _READING or event in _EVENTS or event.startswith(_PREFIXES)):
            message = refusal(event, arguments, sys._getframe(1).f_code.co_filename, libraries)
            if message is not None:
                raise Forbidden(message)

    sys.addaudithook(hook)


def refusal(event: str, arguments: tuple[Any, ...], file: str, libraries: tuple[str, ...]) -> str | None:
    """Why policy code may not do what an audit event says; None if it may.

    file: of the code that causes the event. libraries: the beginnings of paths that may be read.
    """
    if event not in _READING:
        return f"a policy may have no network, processes or threads ({event})"
    # What is frozen is Python's import system: it reads the modules that a policy imports while it runs.
    if file.startswith("<frozen ") or _reads(event, arguments, libraries):
        return None
    return f"a policy may not read or write files ({event})"


def _libraries() -> Iterator[str]:
    """The folders with Python's and the installed packages' files: some of them read data files, such as time zones."""
    import sysconfig  # imported here: only processes that run policy code need them
    import zoneinfo

    for name in ("stdlib", "platstdlib", "purelib", "platlib"):
        folder = sysconfig.get_path(name)
        if folder:
            yield os.path.realpath(folder) + os.sep
            yield folder + os.sep
    yield str(Path(__file__).parents[2]) + os.sep
    yield from (folder + os.sep for folder in zoneinfo.TZPATH)


def _reads(event: str, arguments: tuple[Any, ...], libraries: tuple[str, ...]) -> bool:
    """Whether only files of libraries are read."""
    path = arguments[0] if arguments else None
    flags = arguments[2] if event == "open" and len(arguments) > 2 else 0
    writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    if not isinstance(path, str) or (isinstance(flags, int) and flags & writes):
        return False
    # A Path would look at the file system.
    return os.path.normpath(os.path.join(os.getcwd(), path)).startswith(libraries)  # noqa: PTH118, PTH109
