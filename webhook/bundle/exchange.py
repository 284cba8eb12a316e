"""One HTTP exchange with a registry, bounded in time and in bytes, whatever the other side does.

http.client bounds the time between two reads, not their sum: a server that sends a byte each second would never be
given up. So a timer shuts the socket down when the time is over.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct

from webhook.visible import visible

CONNECT_TIMEOUT: Final = 10.0
"""Seconds until a connection is open."""

_PIECE = 1 << 16  # bytes of a read
_SHOWN = 200  # characters of a reason
_AGENT = "gatewright"


class ExchangeError(Exception):
    """No complete answer; the text says why, and names the host."""


class Answer(Struct, frozen=True):
    """A complete answer. Names of headers are in lower case."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


class Deadline:
    """The end of the time that a whole task may take, in seconds from now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = time.monotonic() + seconds

    def left(self) -> float:
        """The seconds that are left; 0 if none are."""
        return max(0.0, self._until - time.monotonic())


def exchange(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    most: int,
    deadline: Deadline,
    trust: ssl.SSLContext | None,
) -> Answer:
    """Send a request, and read its whole answer of at most `most` bytes.

    url: with the scheme http or https. trust: the context of TLS, which https needs. Raises ExchangeError.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    shown = visible(parts.netloc)
    connection = _Connection(host, parts.port, trust if parts.scheme == "https" else None)
    timer = threading.Timer(deadline.left(), connection.cut)
    timer.daemon = True
    timer.start()
    try:
        target = parts.path or "/"
        connection.request(
            method,
            f"{target}?{parts.query}" if parts.query else target,
            body if method in ("POST", "PUT") else None,
            {"User-Agent": _AGENT, "Accept-Encoding": "identity", **headers},
        )
        connection.limit(deadline)
        response = connection.getresponse()
        read = b"" if method == "HEAD" else _read(response, most, connection, deadline, shown)
        return Answer(url, response.status, {key.lower(): value for key, value in response.getheaders()}, read)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if connection.was_cut or isinstance(error, TimeoutError):
            raise ExchangeError(f"{shown} did not answer within {deadline.seconds:g} s") from None
        raise ExchangeError(f"{shown}: {_reason(error)}") from None
    finally:
        timer.cancel()
        connection.close()


def _read(
    response: http.client.HTTPResponse, most: int, connection: _Connection, deadline: Deadline, shown: str
) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while piece := response.read(min(_PIECE, most + 1 - size)):
        pieces.append(piece)
        size += len(piece)
        if size > most:
            raise ExchangeError(f"{shown} sent more than {most:,} bytes")
        connection.limit(deadline)
    announced = response.headers.get("Content-Length")
    if announced is not None and announced.strip() != str(size):
        raise ExchangeError(f"{shown} sent {size:,} of {visible(announced[:20])} bytes")
    return b"".join(pieces)


class _Connection(http.client.HTTPConnection):
    """A connection that can be cut from another thread at any moment, also during its TLS handshake."""

    def __init__(self, host: str, port: int | None, trust: ssl.SSLContext | None) -> None:
        self.default_port = http.client.HTTP_PORT if trust is None else http.client.HTTPS_PORT
        super().__init__(host, port, timeout=CONNECT_TIMEOUT)
        self._trust = trust
        self._lock = threading.Lock()
        self.was_cut = False

    def connect(self) -> None:
        plain = socket.create_connection((self.host, self.port), self.timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened: Any = plain
        if self._trust is not None:
            try:
                opened = self._trust.wrap_socket(plain, server_hostname=self.host, do_handshake_on_connect=False)
            except BaseException:
                plain.close()
                raise
        with self._lock:
            self.sock = opened
            if self.was_cut:
                raise TimeoutError
        if self._trust is not None:
            opened.do_handshake()

    def limit(self, deadline: Deadline) -> None:
        """Wait no longer than the deadline for the next bytes. Raises TimeoutError."""
        left = deadline.left()
        if not left:
            raise TimeoutError
        if self.sock is not None:
            self.sock.settimeout(left)

    def cut(self) -> None:
        """End what the other thread is waiting for."""
        with self._lock:
            self.was_cut = True
            opened = self.sock
        if opened is not None:
            with contextlib.suppress(OSError):  # shuts down the TCP socket: the other thread is using the TLS one
                socket.socket.shutdown(opened, socket.SHUT_RDWR)


def _reason(error: BaseException) -> str:
    """Why an exchange failed, as one line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, http.client.RemoteDisconnected):
        return "closed the connection without an answer"
    if isinstance(error, http.client.IncompleteRead):
        return f"the answer broke off after {len(error.partial):,} bytes of this part"
    if isinstance(error, socket.gaierror):
        return "there is no host of this name"
    if isinstance(error, http.client.HTTPException):
        return f"no HTTP/1.1: {type(error).__name__} {visible(str(error))[:_SHOWN]}".rstrip()
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return visible(f"{type(error).__name__}: {' '.join(text.split())}")[:_SHOWN]
