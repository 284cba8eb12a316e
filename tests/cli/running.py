"""Runs the command `gatewright` in a process of its own, without the half second of its imports."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

from tests import forking


def gatewright(
    *arguments: str | Path, cwd: Path, stdin: str = "", env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A run of the command. `env`: its whole environment, else that of the tests."""
    words = tuple(map(str, arguments))
    with TemporaryFile() as given, TemporaryFile() as stdout, TemporaryFile() as stderr:
        given.write(stdin.encode())
        given.seek(0)
        streams = {"stdin": given.fileno(), "stdout": stdout.fileno(), "stderr": stderr.fileno()}
        code = forking.start(*words, cwd=cwd, env=os.environ if env is None else env, **streams).wait()
        written = []
        for stream in (stdout, stderr):
            stream.seek(0)
            written.append(stream.read().decode())
    return subprocess.CompletedProcess(["gatewright", *words], code, *written)


def on_terminal(
    *arguments: str, cwd: Path, env: Mapping[str, str], width: int = 80, stderr: bool = True
) -> tuple[int, str]:
    """The exit code of a run whose streams are a terminal, and what it wrote there. `stderr`: that one too."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        said = follower if stderr else nowhere
        run = forking.start(*arguments, cwd=cwd, env=env, stdin=follower, stdout=follower, stderr=said)
        os.close(follower)
        written = b""
        with suppress(OSError):  # EIO: the other end is closed
            while found := os.read(leader, 65536):
                written += found
        return run.wait(), written.decode()
    finally:
        os.close(nowhere)
        os.close(leader)
