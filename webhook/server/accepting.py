"""Connections from a listening socket to the protocol that serves them.

The event loop's own server could do it, but for three things: handshakes under way are bounded here like all other
connections, one connection is taken at a time, so that processes that share the socket share the work, and closing
leaves no connection behind in the kernel's queue: its client would find it reset in the middle of a request.
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
_PAUSE = 0.1  # seconds, after the system had no room for another connection
_HALF_MADE = 0.1  # seconds that a client may take to answer the kernel's half of a handshake
_SO_ATTACH_FILTER = 26  # of Linux; the socket module has no name for it before Python 3.14
_CLOSE_TIMEOUT = 1.0  # seconds a client has to take part in closing TLS


class Acceptor:
    """Accepts on `bound` until closed; each connection gets a protocol of `protocol`.

    At most `handshakes` may be under way, past that the oldest gives way; each has `timeout` seconds. `failed` is told
    why a handshake came to nothing: OpenSSL's reason in lower case, `timeout`, or `closed` by the client or for want
    of room.
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
        """Connections whose handshake is not done."""
        return len(self._under_way)

    async def close(self) -> None:
        """Take the connections that clients believe to have, and no more."""
        if self._bound.fileno() < 0:
            return
        # Between the last accept and the close a connection could come in, and be reset. So new ones are let in no
        # more first; their clients try again after a second, and are refused. Those half made have time to be made.
        # Without that (another system than Linux) there is a gap of some microseconds.
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                _let_none_in(self._bound)
                await asyncio.sleep(_HALF_MADE)
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
            # Else another process was faster (EAGAIN), or the client left before it was its turn.
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


def _let_none_in(bound: socket.socket) -> None:
    """Have the kernel drop the packets that begin a connection. The filter is of the socket, whoever shares it."""
    # struct sock_filter {u16 code; u8 jt, jf; u32 k}, for a packet that begins with the TCP header (socket(7)).
    filters = b"".join(
        struct.pack("HBBI", *step)
        for step in (
            (0x30, 0, 0, 13),  # load the byte of the flags
            (0x45, 0, 1, 0x02),  # SYN set? else skip one
            (0x06, 0, 0, 0),  # drop
            (0x06, 0, 0, 0xFFFF_FFFF),  # keep
        )
    )
    held = ctypes.create_string_buffer(filters, len(filters))
    program = struct.pack("HP", 4, ctypes.addressof(held))  # struct sock_fprog
    bound.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
