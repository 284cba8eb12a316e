"""The request that is arriving on a connection: httptools parses it, and the limits of head and body hold meanwhile.

The connection feeds the data, and gets each complete request. A message whose length is ambiguous, or whose
framing does not follow RFC 9112, is refused: where the next request begins is unknown then.
"""

from __future__ import annotations

from typing import Final, Protocol

import httptools
import orjson

from webhook.server.port import heads
from webhook.server.port.exchange import READ_ON, Answer, Application, Client, Head, Limits

MAX_HEAD: Final = 16 << 10
"""Most bytes of request line and headers of one request, trailers of a chunked body included."""

MAX_HEADERS: Final = 128
"""Most headers of one request, trailers included."""

UNREAD: Final = Head("", "", b"", b"", (), b"")
"""The head of a request whose head is not known."""

TRY_AGAIN: Final = ((b"retry-after", b"1"),)
"""The headers of a response to a request that succeeds later."""


class Overfull(Exception):
    """Raised by Receiver.complete: the request cannot wait for its turn. `message`: for the client."""


class Receiver(Protocol):
    """Takes the requests of a connection: the connection itself."""

    @property
    def ended(self) -> bool:
        """Whether no further request is read."""

    @property
    def occupied(self) -> bool:
        """Whether earlier requests have no response yet."""

    def complete(self, head: Head, body: bytes, refusal: Answer | None, keep: bool) -> None:
        """Take a complete request. refusal: its response, if it is refused. keep: the connection stays open after it.
        Raises Overfull."""

    def send_continue(self) -> None:
        """Send 100 Continue, if the client waits for it and nothing else is sent first."""


class Incoming:
    """The request that is arriving on one connection; between two requests, the state of the last one."""

    __slots__ = (
        "_application",
        "_client",
        "_headers",
        "_keep",
        "_kept",
        "_limits",
        "_parser",
        "_receiver",
        "_refusal",
        "_url",
        "arriving",
        "begun",
        "body",
        "body_size",
        "denied",
        "expects",
        "head",
        "head_size",
    )

    def __init__(
        self, receiver: Receiver, application: Application, limits: Limits, client: Client, denied: str | None
    ) -> None:
        self._receiver: Receiver | None = receiver
        self._application = application
        self._limits = limits
        self._client = client
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._keep = True  # the connection stays open after it
        self._kept = limits.body  # the most bytes that are kept of its body
        self._refusal: Answer | None = None  # the response, if it is refused while its body is still arriving
        self.denied = denied
        """Why all requests of the connection are refused; None if they are not. See Application.admit."""
        self.arriving = False
        """Whether a request has begun that is not complete."""
        self.begun = 0
        """How many requests have begun in the data that was fed."""
        self.head: Head | None = None
        """The head of the request; None before its headers are complete."""
        self.head_size = 0
        """Bytes of its head, as far as it has arrived."""
        self.body: bytes | bytearray = b""
        """What is kept of its body."""
        self.body_size = 0
        """Bytes of its body that have arrived."""
        self.expects = False
        """Whether the client waits for 100 Continue."""

    @property
    def accepted(self) -> Head | None:
        """The head of the last request, if it is complete and was not refused."""
        return None if self.arriving or self._refusal is not None else self.head

    def feed(self, data: bytes) -> Answer | None:
        """Parse data of the client. Returns the response that ends the connection, if the data is a reason for it."""
        receiver = self._open
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # the request is the last one; the data after it is not HTTP
        except httptools.HttpParserCallbackError as error:
            stop = error.__context__
            if not isinstance(stop, _Stop):
                raise
            answer = stop.answer
            del stop  # its traceback holds this frame
            return answer
        except httptools.HttpParserInvalidMethodError:
            return self._unknown_method(data, receiver)
        except httptools.HttpParserError:
            if not receiver.ended:  # otherwise the error is in data after the last request
                return self.refused(400, "not an HTTP/1.1 request")
        return None

    def abandon(self) -> Head:
        """Give up the request. Returns what is known of its head."""
        head = (self.head if self.arriving else None) or UNREAD
        if head is UNREAD and self.arriving and self._url:
            head = UNREAD._replace(method=self._parser.get_method().decode("ascii"))  # an answer to HEAD has no body
        self.arriving = False
        self.body = b""
        return head

    def close(self) -> None:
        """Drop what refers to the connection.

        It refers to the parser and to the receiver, and they refer to it. Without these lines only a garbage collection
        would free them, and hours may pass without one, because reviews leave no cyclic garbage.
        """
        self.body = b""
        self._parser = None  # type: ignore[assignment]
        self._receiver = None

    # Called by the parser.

    def on_message_begin(self) -> None:
        if self._open.ended:
            raise _Stop(None)
        self.arriving = True
        self.begun += 1
        self._url = b""
        self._headers = []
        self.head_size = 0
        self.head = None
        self.body_size = 0
        self._refusal = None
        self.expects = False

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))
        self._count_head(len(name) + len(value) + 4)

    def on_headers_complete(self) -> None:
        head, length, expects = self._read_head()
        limits = self._limits
        self.head = head
        if self.denied is not None:
            refusal: Answer | None = self.refused(403, self.denied)
        else:
            refusal = self._application.refuse(head, self._client)
        if refusal is None and self._parser.should_upgrade():
            refusal = self.refused(400, "upgrade: expected none; this server speaks HTTP/1.1 only")
        most = READ_ON * limits.body
        if refusal is None and length > limits.body and (expects or length > most):
            refusal = self._too_large()
        if refusal is not None and (expects or length > most):
            raise _Stop(refusal)  # without waiting for the body
        self._refusal = refusal
        self._kept = limits.body if length <= limits.body else min(limits.body, _BEGIN)
        if expects:
            self.expects = True
            self._open.send_continue()

    def on_body(self, piece: bytes) -> None:
        size = self.body_size = self.body_size + len(piece)
        limits = self._limits
        if self._refusal is None and size > limits.body:
            begin, self.body = bytes(self.body), b""
            answer = self._application.too_large(self.head or UNREAD, begin, self._client)
            self._refusal = answer or self._too_large()
        if self._refusal is not None:
            if size > READ_ON * limits.body:
                raise _Stop(self._refusal)
            return
        if size > self._kept:  # the head says that it will be too large: its beginning is enough
            piece = piece[: self._kept - len(self.body)]
        if not self.body:
            self.body = piece
        else:
            if type(self.body) is bytes:
                self.body = bytearray(self.body)
            self.body += piece

    def on_message_complete(self) -> None:
        head, body = self.head or UNREAD, bytes(self.body)
        self.arriving = False
        self.body = b""
        try:
            self._open.complete(head, body, self._refusal, self._keep and self._parser.should_keep_alive())
        except Overfull as error:
            raise _Stop(self.refused(503, str(error), TRY_AGAIN)) from None

    @property
    def _open(self) -> Receiver:
        if self._receiver is None:
            raise RuntimeError("the connection is lost")
        return self._receiver

    def _read_head(self) -> tuple[Head, int, bool]:
        """The head, the body's length (0 if it is chunked), and whether the client waits for 100 Continue."""
        parser = self._parser
        version = parser.get_http_version()
        try:
            head, length, expects = heads.read(parser.get_method(), version, self._url, self._headers)
        except heads.Malformed as error:
            raise _Stop(self.refused(400, str(error))) from None
        self._keep = version == "1.1" and not parser.should_upgrade()
        return head, length, expects

    def _count_head(self, size: int) -> None:
        self.head_size += size
        if self.head_size > MAX_HEAD or len(self._headers) > MAX_HEADERS:
            raise _Stop(self.head_too_large())

    # Refusing.

    def refused(self, status: int, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Answer:
        """The response that refuses the request that is arriving and ends the connection. The application counts it."""
        head = self.head if self.arriving else None
        self._application.refused(status, message, head, self._client)
        return Answer(status, orjson.dumps({"error": message}), headers=headers, close=True)

    def head_too_large(self) -> Answer:
        """The refusal of a head beyond the limits."""
        return self.refused(431, f"request line and headers exceed {MAX_HEAD} bytes or {MAX_HEADERS} headers")

    def _too_large(self) -> Answer:
        return self.refused(413, f"the body is larger than {self._limits.body} bytes")

    def _unknown_method(self, data: bytes, receiver: Receiver) -> Answer:
        """The response to a request with a method that httptools does not know: it stops there, before the headers."""
        head = None if receiver.occupied else heads.of_unknown_method(data)
        if head is None:
            return self.refused(400, "not an HTTP/1.1 request")
        refusal = self._application.refuse(head, self._client)
        return refusal or self.refused(405, f"unknown method {head.method}")


_BEGIN: Final = 1 << 20
"""Bytes that are kept of a body that will be too large. Of a review, all that stands before its objects is among them:
the groups of a user come in headers, of which an API server reads 1 MiB."""


class _Stop(Exception):
    """Raised in the parser's callbacks to stop reading: `answer` responds to the request that is arriving."""

    def __init__(self, answer: Answer | None) -> None:
        super().__init__()
        self.answer = answer
