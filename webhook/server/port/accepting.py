"""Accepts connections on a listening socket and creates a protocol for each.

It does three things that the event loop's own server does not. It bounds the number of TLS handshakes in progress. It
accepts one connection at a time, so that processes that share the socket share the work. On close, it first accepts
every connection that the kernel has completed; otherwise the client would see the connection reset during its request.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import socket
import ssl
import struct
import sys
from collections.abc import Callable

_SCARCE = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_PAUSE = 0.1  # seconds without accepting, after the system ran out of descriptors or memory
_HALF_OPEN = 0.1  # seconds for a client to complete a TCP handshake that it has begun
_SO_ATTACH_FILTER = 26  # Linux; the socket module has no name for it before Python 3.14
_CLOSE_TIMEOUT = 1.0  # seconds for the client's part of closing TLS


class Acceptor:
    """Accepts connections on `bound` until closed; `protocol` creates the protocol of each.

    At most `handshakes` TLS handshakes are in progress: a new connection beyond that closes the oldest of them. A
    handshake may take `timeout` seconds. `failed` is called with the reason of each failed handshake: OpenSSL's reason
    in lower case, `timeout`, or `closed` (by the client, or to make room for a new connection).
    """

    def __init__(
        self,
        bound: socket.socket,
        protocol: Callable[[], asyncio.BaseProtocol],
        context: ssl.SSLContext | None = None,
        *,
        handshakes: int,
        timeout: float,
        failed: Callable[[str], None],
    ) -> None:
        self._bound = bound
        self._protocol = protocol
        self._context = context
        self._most = handshakes
        self._timeout = timeout
        self._failed = failed
        self._under_way: dict[asyncio.Task[None], None] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(bound.fileno(), self._accept)

    @property
    def under_way(self) -> int:
        """The number of connections whose TLS handshake is in progress."""
        return len(self._under_way)

    async def close(self) -> None:
        """Close the socket, after accepting every connection that the kernel has completed.

        To its client, such a connection is open. The last accept and the close of the socket are two system calls: a
        connection that the kernel completes between them would be reset. So a socket filter first stops the kernel from
        completing more connections.
        """
        if self._bound.fileno() < 0:
            return
        # If the filter drops a client's SYN, the client retries after a second, and its connection is then refused.
        # Without the filter (on systems other than Linux), connections of the last few microseconds are reset.
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                _drop_new_connections(self._bound)
                await asyncio.sleep(_HALF_OPEN)
        self._loop.remove_reader(self._bound.fileno())
        while self._accept():
            pass
        self._bound.close()

    def _accept(self) -> bool:
        try:
            connection, _ = self._bound.accept()
        except OSError as error:
            if error.errno in _SCARCE:
                self._pause()
            # Otherwise another process accepted the connection (EAGAIN), or the client closed it (ECONNABORTED): then
            # more connections may be waiting.
            return error.errno == errno.ECONNABORTED
        connection.setblocking(False)
        if len(self._under_way) >= self._most:
            oldest = next(iter(self._under_way))
            del self._under_way[oldest]
            oldest.cancel()
        task = self._loop.create_task(self._serve(connection))
        self._under_way[task] = None
        task.add_done_callback(lambda task: self._under_way.pop(task, None))
        return True

    async def _serve(self, connection: socket.socket) -> None:
        secure = self._context is not None
        try:
            await self._loop.connect_accepted_socket(
                self._protocol,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=self._timeout if secure else None,
                ssl_shutdown_timeout=_CLOSE_TIMEOUT if secure else None,
            )
        except ssl.SSLError as error:
            self._failed((error.reason or "closed").lower())
        except TimeoutError:
            self._failed("timeout")
        except OSError as error:
            self._failed("timeout" if "taking longer" in str(error) else "closed")
        except asyncio.CancelledError:
            self._failed("closed")

    def _pause(self) -> None:
        self._loop.remove_reader(self._bound.fileno())
        self._loop.call_later(_PAUSE, self._resume)

    def _resume(self) -> None:
        if self._bound.fileno() >= 0:
            self._loop.add_reader(self._bound.fileno(), self._accept)


def _drop_new_connections(bound: socket.socket) -> None:
    """Have the kernel drop SYN packets to the socket, for all processes that share it."""
    # struct sock_filter {u16 code; u8 jt, jf; u32 k}. The packet begins with the TCP header (socket(7)).
    filters = b"".join(
        struct.pack("HBBI", *step)
        for step in (
            (0x30, 0, 0, 13),  # load the flags byte
            (0x45, 0, 1, 0x02),  # if SYN is not set, skip one instruction
            (0x06, 0, 0, 0),  # drop
            (0x06, 0, 0, 0xFFFF_FFFF),  # keep
        )
    )
    held = ctypes.create_string_buffer(filters, len(filters))
    program = struct.pack("HP", 4, ctypes.addressof(held))  # struct sock_fprog
    bound.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
