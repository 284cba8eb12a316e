"""Heads of requests that were parsed before: the same head is recognised by its bytes, and not parsed again."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from webhook.server.port.exchange import Head


class Known(NamedTuple):
    """A head that httptools has parsed: its bytes before and after the digits of Content-Length, and the result.

    An API server sends the same head with every review, except for these digits. If a piece of data is exactly one
    request, and its head differs in these digits only, parsing would give the same result. So it is not parsed again:
    comparing is several times faster. `head.headers` keeps the content-length of the first request.
    """

    before: bytes
    after: bytes
    head: Head

    @classmethod
    def of(cls, data: bytes, head: Head) -> Known | None:
        """The Known of a request; None unless `data` is exactly one request with this head and a content-length."""
        framing = [(name, value) for name, value in head.headers if name in _FRAMING]
        if len(framing) != 1 or framing[0][0] != b"content-length":
            return None
        length = framing[0][1]
        end = data.find(b"\r\n\r\n") + 4
        name = _LENGTH.search(data, 0, end)
        if name is None or end > _MAX_KNOWN_HEAD or int(length) != len(data) - end:
            return None
        at, after = name.end(), name.end() + len(length)
        return cls(data[:at], data[after:end], head) if data[at:after] == length else None

    def body(self, data: bytes) -> bytes | None:
        """The body, if `data` is exactly one request with this head; else None."""
        before, after, _ = self
        if not data.startswith(before):
            return None
        at = len(before)
        end = data.find(b"\r", at, at + _MAX_DIGITS)
        if not data.startswith(after, end):
            return None
        digits = data[at:end]
        body = data[end + len(after) :]
        return body if digits.isdigit() and int(digits) == len(body) else None


_FRAMING: Final = (b"content-length", b"transfer-encoding", b"expect")
_LENGTH: Final = re.compile(rb"\r\ncontent-length: ", re.IGNORECASE)
_MAX_DIGITS: Final = 9
_MAX_KNOWN_HEAD: Final = 2 << 10  # bytes
