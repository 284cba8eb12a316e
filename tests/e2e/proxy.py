"""A proxy to the API server that can be cut: it passes bytes on unchanged until then."""

from __future__ import annotations

import contextlib
import socket
import threading


class Proxy:
    """Listens on a port of loopback for as long as it is open, and leads to another one."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listening: socket.socket | None = None
        self._pairs: list[socket.socket] = []
        self._passing = threading.Event()
        self._passing.set()
        self._reserve = socket.socket()  # the port is this proxy's, open or not
        self._reserve.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserve.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._reserve.bind(("127.0.0.1", 0))
        self.port: int = self._reserve.getsockname()[1]

    def open(self) -> None:
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind(("127.0.0.1", self.port))
        listening.listen(64)
        self._listening = listening
        threading.Thread(target=self._accept, args=(listening,), daemon=True).start()

    def cut(self) -> None:
        """End every connection; new ones are let in."""
        pairs, self._pairs = self._pairs, []
        for each in pairs:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def close(self) -> None:
        """End every connection, and refuse new ones."""
        if self._listening is not None:
            with contextlib.suppress(OSError):
                self._listening.shutdown(socket.SHUT_RDWR)
            listening, self._listening = self._listening, None
            listening.close()
        self.cut()

    def end(self) -> None:
        self.close()
        self.go_on()
        self._reserve.close()

    def hold(self) -> None:
        """Let connections in, and pass nothing on, until `go_on`."""
        self._passing.clear()

    def go_on(self) -> None:
        self._passing.set()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:  # nothing listens there at present
                client.close()
                continue
            self._pairs += [client, server]
            if self._listening is not listening:  # closed meanwhile
                self.cut()
                return
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(1 << 16):
                self._passing.wait()
                sink.sendall(piece)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
