"""Heads of requests: what httptools has parsed, read as this server understands it, or refused as ambiguous."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

import httptools

from webhook.server.port.exchange import Head


class Malformed(Exception):
    """The head is not one of HTTP/1.1, or can be read in two ways; the text says what was expected."""


def read(method: bytes, version: str, url: bytes, headers: Sequence[tuple[bytes, bytes]]) -> tuple[Head, int, bool]:
    """The head, the body's length (0 if it is chunked), and whether the client waits for 100 Continue.

    headers: with names in lower case. Raises Malformed.
    """
    if version not in _VERSIONS:
        raise Malformed(f"HTTP/{version}: expected HTTP/1.1")
    hosts, length, expects, content_type = 0, 0, False, b""
    for name, value in headers:
        if name == b"content-type":
            content_type = value
        elif name == b"content-length":
            length = int(value)
        elif name == b"host":
            hosts += 1
        elif name == b"expect":
            expects = version == "1.1" and value.lower() == b"100-continue"
        elif name == b"transfer-encoding" and (version != "1.1" or value.strip().lower() != b"chunked"):
            raise Malformed("transfer-encoding: expected chunked, in HTTP/1.1")
    if hosts > 1 or (hosts == 0 and version == "1.1"):
        raise Malformed(f"host: expected one host header, got {hosts}")
    try:
        split = _target if len(url) <= _MAX_KEPT_TARGET else _target.__wrapped__
        path, query = split(url)
    except (httptools.HttpParserError, ValueError):
        raise Malformed("the request's target is not a path") from None
    return Head(method.decode("ascii"), path, url, query, tuple(headers), content_type), length, expects


def of_unknown_method(data: bytes) -> Head | None:
    """Method and target of a request with a method that httptools does not know; None if it is no request.

    httptools stops at such a method, before the headers.
    """
    line = _REQUEST_LINE.match(data)
    return None if line is None else Head(line[1].decode(), line[2].decode(), line[2], b"", (), b"")


@lru_cache(maxsize=64)
def _target(url: bytes) -> tuple[str, bytes]:
    """Path and query of a request's target. Cached: an API server uses two or three targets."""
    if url == b"*":
        return "*", b""
    parsed = httptools.parse_url(url)
    path = (parsed.path or b"/").decode("ascii")
    return unquote(path) if "%" in path else path, parsed.query or b""


_VERSIONS: Final = ("1.1", "1.0")
_MAX_KEPT_TARGET: Final = 256
_REQUEST_LINE: Final = re.compile(rb"([A-Z]{1,32}) (/[!-~]{0,1024}) HTTP/1\.1\r\n")
