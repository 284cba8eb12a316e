"""What the protocol and the application of a port exchange: a request's head, the client, the answer.

webhook.server.port.protocol reads requests and writes answers; an Application decides them.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, Protocol

from msgspec import Struct


class Head(NamedTuple):
    """Request line and headers of one request."""

    method: str
    path: str  # percent-decoded
    target: bytes  # path and query, not decoded
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]  # names in lower case
    content_type: bytes


class Answer(NamedTuple):
    """A response. The protocol adds content-length, and `connection: close` if the connection ends with it."""

    status: int
    body: bytes
    content_type: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    close: bool = False


class Client(Struct, eq=False):
    """Who is at the other end of a connection. `certificate`: as `ssl.SSLSocket.getpeercert()` gives it."""

    address: str
    certificate: Any = None
    socket: Any = None  # None where its system calls are not to be used, as without a connection
    share: Any = None  # for the application

    def waited(self) -> float:
        """Seconds since the system received the last data of the connection, read or not.

        For a request that was just read, this is how long the event loop had no time to read it. The system counts in
        steps of 1 to 10 ms, downwards. 0.0 where it does not say.
        """
        if self.socket is None:
            return 0.0
        try:
            found = self.socket.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _TCP_INFO_SIZE)
        except OSError:
            return 0.0
        return int.from_bytes(found[_LAST_DATA_RECEIVED], sys.byteorder) / 1000


class Later:
    """An answer that the application gives later, in a call rather than by an awaitable: no task is needed for it."""

    __slots__ = ("_then", "gone")

    def __init__(self) -> None:
        self.gone = False
        """Whether the connection is closed: nobody needs the answer."""
        self._then: Callable[[Callable[[], Answer | Awaitable[Answer]]], None] | None = None

    def then(self, then: Callable[[Callable[[], Answer | Awaitable[Answer]]], None]) -> None:
        """Set the function that gets what `give` is given: the function that makes the answer."""
        self._then = then

    def give(self, make: Callable[[], Answer | Awaitable[Answer]]) -> None:
        """Answer with what `make` returns, or with 500 if it raises. Must not be called before the application has
        returned this object."""
        if self._then is not None:
            self._then(make)


class Application(Protocol):
    """Answers the requests of a port."""

    @property
    def unsolicited(self) -> Answer | None:
        """The response that is sent on an idle connection before it is closed; None for none.

        A request that the client sends in this moment is not read any more, and this is the response to it.
        """

    def admit(self, certificate: Any) -> str | None:
        """Why no request of a connection is answered (403); None if they are.

        `certificate` is the client's, as `ssl.SSLSocket.getpeercert()` gives it; None without one.
        """

    def refuse(self, head: Head, client: Client) -> Answer | None:
        """The response if the head alone is a reason to refuse the request, before its body is read; else None.

        Must depend on the head only: a head that was accepted once may be accepted again without a call.
        """

    def answer(self, head: Head, body: bytes, client: Client) -> Answer | Later | Awaitable[Answer]:
        """The response to a complete request, now or later. Must not raise; the awaitable may."""

    def too_large(self, head: Head, begin: bytes, client: Client) -> Answer | None:
        """The response to a request whose body is larger than the port's limit; None to refuse it with 413.

        begin: of the body, at most as much as the limit.
        """

    def refused(self, status: int, message: str, head: Head | None, client: Client) -> None:
        """Called when the protocol refuses a request. `head` is None if no head could be read."""


READ_ON: Final = 4
"""This many times the most bytes of a body are read. An API server takes requests of 3 MiB, and writes six bytes for
some characters of theirs: the object of a request, and the one that is stored, make 27 MiB at most."""


class Limits(Struct, frozen=True):
    """The limits of one port. Sizes are in bytes, times in seconds."""

    connections: int
    body: int  # of one request; up to READ_ON times as much is read and dropped, so that the client reads its response
    held: int  # sum of what all connections hold: requests that arrive or wait, and responses that are not read
    read_timeout: float  # for a request to arrive, and for a client to read its response
    idle_timeout: float  # between two requests of a connection

    @property
    def making_way(self) -> int:
        """Most connections beyond `connections` that are still being closed."""
        return max(8, self.connections // 8)

    @property
    def message(self) -> int:
        """Most bytes of one request on the wire, framing included. More of them close the connection."""
        return READ_ON * self.body + (1 << 20)


_TCP_INFO: Final = 11  # Linux
_TCP_INFO_SIZE: Final = 104
_LAST_DATA_RECEIVED: Final = slice(52, 56)  # in struct tcp_info
