"""Lines between the processes of a server: a process opens one through a door, at which another listens.

A door is a Unix datagram socket that both inherited. The end of a socket pair is sent through it, so that nothing but a
process of this server can open a line, and a process that is started anew listens at the same door.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Final

_LONGEST: Final = 4096
"""Bytes of what is sent with a line."""


def open_line(door: socket.socket, hello: bytes, *files: int) -> socket.socket:
    """Open a line. hello, files: what the other process gets with it. Raises OSError."""
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            socket.send_fds(door, [hello], [theirs.fileno(), *files])
        except BaseException:
            ours.close()
            raise
    return ours


class Listener:
    """Runs `serve(hello, line, *files)` as a task for each line that is opened. files: how many come with a line."""

    def __init__(self, door: socket.socket, serve: Callable[..., Coroutine[Any, Any, None]], files: int = 0) -> None:
        self._door = door
        self._serve = serve
        self._files = files
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        door.setblocking(False)
        self._loop.add_reader(door.fileno(), self._admit)

    def _admit(self) -> None:
        try:
            hello, descriptors, _, _ = socket.recv_fds(self._door, _LONGEST, 1 + self._files)
        except OSError:
            return
        if len(descriptors) != 1 + self._files:  # this process has no descriptors left
            for descriptor in descriptors:
                os.close(descriptor)
            return
        line, *files = descriptors
        task = self._loop.create_task(self._serve(hello, socket.socket(fileno=line), *files))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
