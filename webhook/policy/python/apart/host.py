"""The host: forks runners, ends them when it is told to, and says when one has ended.

It runs no policy code, so it always answers. It ends when the server does, and ends all runners then.

    python -P -m webhook.policy.python.apart.host DESCRIPTOR

The descriptor is a socket of packets (SOCK_SEQPACKET). The server sends `{"start": NUMBER, "memory": BYTES}` with the
descriptors of the runner's connection and of its output, `{"end": NUMBER}`, and `{"show": NUMBER}`, at which the runner
writes to its output where it is. The host sends `{"ended": NUMBER}`.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
from typing import Any, Final, NoReturn

import orjson

from webhook.policy.python.apart import runner

_PACKET: Final = 4096


class Host:
    """The runners, by the numbers that the server gives them."""

    def __init__(self, server: socket.socket) -> None:
        self._server = server
        self._runners: dict[int, int] = {}  # pid -> number
        self._woken, self._wakes = os.pipe()
        for end in (self._woken, self._wakes):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Serve until the server closes its end."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._server, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            open_ = True
            while open_:
                for key, _ in selector.select():
                    if key.fileobj is self._server:
                        open_ = self._ordered()
                    else:
                        with contextlib.suppress(BlockingIOError):
                            os.read(self._woken, _PACKET)
                self._reap()
        for pid in self._runners:
            os.kill(pid, signal.SIGKILL)

    def _ordered(self) -> bool:
        """Do what the server orders. Returns whether there is still a server."""
        try:
            text, descriptors, _, _ = socket.recv_fds(self._server, _PACKET, 2)
        except OSError:
            return False
        if not text:
            return False
        order: dict[str, Any] = orjson.loads(text)
        if "start" in order:
            self._start(order["start"], order["memory"], *descriptors)
        else:
            ends = "end" in order
            for pid, number in self._runners.items():
                if number == order["end" if ends else "show"]:
                    os.kill(pid, signal.SIGKILL if ends else runner.SHOW)
        return True

    def _start(self, number: int, memory: int, connection: int, output: int) -> None:
        try:
            pid = os.fork()
        except OSError:
            self._ended(number)
        else:
            if pid == 0:
                self._be_runner(memory, connection, output)
            self._runners[pid] = number
        os.close(connection)
        os.close(output)

    def _be_runner(self, memory: int, connection: int, output: int) -> NoReturn:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._server.close()
            os.close(self._woken)
            os.close(self._wakes)
            runner.run(socket.socket(fileno=connection), output, memory)
            code = 0
        finally:
            os._exit(code)

    def _reap(self) -> None:
        while self._runners:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            number = self._runners.pop(pid, None)
            if number is not None:
                self._ended(number)

    def _ended(self, number: int) -> None:
        with contextlib.suppress(OSError):
            self._server.send(orjson.dumps({"ended": number}))


def main(descriptor: int) -> None:
    """Serve the server at the other end of a socket."""
    for number in (signal.SIGTERM, signal.SIGINT):  # of a terminal or a service manager: the server says when to end
        signal.signal(number, signal.SIG_IGN)
    signal.signal(runner.SHOW, signal.SIG_IGN)  # until a runner listens to it
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=descriptor) as server:
        Host(server).serve()


if __name__ == "__main__":
    main(int(sys.argv[1]))
