"""Kubernetes' URL library: absolute URIs and absolute paths, parsed like Go's net/url.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-url-library. Escapes in a URL
need not be UTF-8, so the parts are bytes, as in Go. A getter returns U+FFFD for invalid UTF-8.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from webhook.cel.cost import costs, estimates
from webhook.cel.library.declaring import Library, function, method, remembered
from webhook.cel.library.ip import AddressError, parse_address
from webhook.cel.tree.errors import EvaluationError, no_such_overload
from webhook.cel.value.quoting import quoted
from webhook.lazypatterns import lazily

_ALPHANUMERIC = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
# The unescaped characters of each part of a URL.
_IN_PATH = _ALPHANUMERIC + b"$&+,-./:;=@_~"
_IN_HOST = _ALPHANUMERIC + b"!\"$&'()*+,-.:;<=>[]_~"
_IN_USER = _ALPHANUMERIC + b"$&+,-.;=_~"
_IN_FRAGMENT = _ALPHANUMERIC + b"!$&()*+,-./:;=?@_~"
_USERINFO = _ALPHANUMERIC + b"-._:~!$&'()*+,;=%@"
_ALSO_VALID = b"!$&'()*+,;=:@[]%"
# A URL may be as long as an object, so no loop in Python visits its bytes.
_WRITTEN = {
    allowed: [bytes((byte,)) if byte in allowed else b"%%%02X" % byte for byte in range(256)]
    for allowed in (_IN_PATH, _IN_HOST, _IN_USER, _IN_FRAGMENT)
}
_CONTROL = lazily(rb"[\x00-\x1f\x7f]")
_SCHEME = lazily(rb"([A-Za-z][A-Za-z0-9+.-]*):")
_BAD_ESCAPE = lazily(rb"%(?![0-9A-Fa-f]{2})")
# A host may only escape non-ASCII bytes; a zone also the characters of a host, and spaces.
_HOST = lazily(rb"(?:[%s\x80-\xff]++|%%25|%%[89A-Fa-f][0-9A-Fa-f])*+" % re.escape(_IN_HOST))
_ZONE_ESCAPES = b"|".join(b"%%%02x" % byte for byte in (*b" %", *_IN_HOST))
_ZONE = lazily(rb"(?i:[%s\x80-\xff]++|%s)*+" % (re.escape(_IN_HOST), _ZONE_ESCAPES))
_MAX_QUERY = 10_000
"""The most parameters of a query. Go ignores a query with more."""


class URL(NamedTuple):
    """The parts of a URL, unescaped except `raw_path`, `query` and `raw_fragment`, which are the original text."""

    scheme: bytes = b""
    opaque: bytes = b""
    user: bytes | None = None
    password: bytes | None = None
    host: bytes = b""
    path: bytes = b""
    raw_path: bytes = b""
    query: bytes = b""
    bare_query: bool = False
    fragment: bytes = b""
    raw_fragment: bytes = b""
    omit_host: bool = False


class URLValue:
    """The value of `url(text)`. URLs are equal if their escaped forms are."""

    __slots__ = ("url",)
    cel_type = "kubernetes.URL"
    go_type = "cel.URL"

    def __init__(self, url: URL) -> None:
        self.url = url

    def __eq__(self, other: object) -> bool:
        if type(other) is not URLValue:
            raise no_such_overload()
        return self.url == other.url or _written(self.url) == _written(other.url)

    def __hash__(self) -> int:
        return hash(_written(self.url))

    def cel_comparing(self, _: object = None) -> int:
        """The steps to compare it with another URL, or to read a part of it."""
        return sum(map(costs.size, self.url)) // 8

    def __repr__(self) -> str:
        return _written(self.url).decode(errors="replace")


class URLError(ValueError):
    """A text is not a URL; str(error) is Go's text, without the URL."""


def parse_request_uri(text: str) -> URL:
    """The result of Go's ParseRequestURI, which does not parse fragments. Raises URLError with Go's whole text."""
    try:
        return _parse(text.encode(), request=True)
    except URLError as error:
        raise URLError(f"parse {quoted(text)}: {error}") from None


@remembered
def _url(text: str) -> URLValue:
    try:
        url = parse_request_uri(text)
        if "#" not in text and not text.startswith("//"):
            return URLValue(url)
        # Parse again as an ordinary URL: with a fragment, and with a host after leading slashes.
        whole, _, fragment = text.encode().partition(b"#")
        try:
            url = _parse(whole, request=False)
        except URLError as error:
            raise URLError(f"parse {quoted(whole)}: {error}") from None
        if fragment:
            try:
                plain = _unescaped(fragment)
            except URLError as error:
                raise URLError(f"parse {quoted(text)}: {error}") from None
            raw = b"" if _escaped(plain, _IN_FRAGMENT) == fragment else fragment
            url = url._replace(fragment=plain, raw_fragment=raw)
    except URLError as error:
        raise EvaluationError(f"URL parse error during conversion from string: {error}") from None
    return URLValue(url)


def _parse(text: bytes, *, request: bool) -> URL:
    if _CONTROL.search(text):
        raise URLError("net/url: invalid control character in URL")
    if not text and request:
        raise URLError("empty url")
    if text == b"*":
        return URL(path=b"*")
    scheme, rest = _scheme(text)
    bare_query = rest.endswith(b"?") and rest.count(b"?") == 1
    rest, _, query = rest.partition(b"?")
    url = URL(scheme=scheme.lower(), query=query, bare_query=bare_query)
    if not rest.startswith(b"/"):
        if scheme:
            return url._replace(opaque=rest)
        if request:
            raise URLError("invalid URI for request")
        if b":" in rest.partition(b"/")[0]:
            raise URLError("first path segment in URL cannot contain colon")
    if rest.startswith(b"//") and (scheme or (not request and not rest.startswith(b"///"))):
        authority, slash, rest = rest[2:].partition(b"/")
        rest = slash + rest
        user, password, host = _authority(url.scheme, authority)
        url = url._replace(user=user, password=password, host=host)
    elif scheme and rest.startswith(b"/"):
        url = url._replace(omit_host=True)
    path = _unescaped(rest)
    return url._replace(path=path, raw_path=b"" if _escaped(path, _IN_PATH) == rest else rest)


def _scheme(text: bytes) -> tuple[bytes, bytes]:
    """The scheme (empty if there is none), and the rest after its colon."""
    if text.startswith(b":"):
        raise URLError("missing protocol scheme")
    match = _SCHEME.match(text)
    return (match[1], text[match.end() :]) if match else (b"", text)


def _authority(scheme: bytes, authority: bytes) -> tuple[bytes | None, bytes | None, bytes]:
    """User and password (each None if it is missing), and host."""
    userinfo, at, host = authority.rpartition(b"@")
    host = _host(scheme, host)
    if not at:
        return None, None, host
    if userinfo.translate(None, _USERINFO):
        raise URLError("net/url: invalid userinfo")
    user, colon, password = userinfo.partition(b":")
    return _unescaped(user), _unescaped(password) if colon else None, host


def _host(scheme: bytes, host: bytes) -> bytes:
    bracket = host.rfind(b"[")
    if bracket > 0:
        raise URLError("invalid IP-literal")
    if bracket == 0:
        return _ip_literal(host)
    first, last = host.find(b":"), host.rfind(b":")
    if first >= 0:
        # With http and https a host must not contain a colon; otherwise the port follows the last colon.
        _check_port(host[first if scheme in (b"http", b"https") else last :])
    return _unescaped_host(host)


def _ip_literal(host: bytes) -> bytes:
    """[2001:db8::1]:443; a zone follows %25."""
    closing = host.rfind(b"]")
    if closing < 0:
        raise URLError("missing ']' in host")
    port = host[closing + 1 :]
    _check_port(port)
    name = host[1:closing]
    zone = name.find(b"%25")
    if zone >= 0:
        name = _unescaped_host(name[:zone]) + _unescaped_host(name[zone:], zone=True)
    else:
        name = _unescaped_host(name)
    try:
        address, _ = parse_address(name.decode(errors="surrogateescape"))
    except AddressError as error:
        raise URLError(f"invalid host: {error}") from None
    if address.bits == 32:
        raise URLError("invalid IP-literal")
    return b"[" + name + b"]" + port


def _check_port(port: bytes) -> None:
    if port and not (port == b":" or (port.startswith(b":") and port[1:].isdigit())):
        raise URLError(f"invalid port {quoted(port)} after host")


def _escapes(text: bytes) -> None:
    """Raises URLError for a % without two hexadecimal digits after it."""
    bad = _BAD_ESCAPE.search(text)
    if bad:
        raise _escape_error(text[bad.start() : bad.start() + 3])


def _escape_error(text: bytes) -> URLError:
    return URLError(f"invalid URL escape {quoted(text)}")


def _unescaped(text: bytes) -> bytes:
    _escapes(text)
    return unquote_to_bytes(text)


def _unescaped_host(text: bytes, *, zone: bool = False) -> bytes:
    """The unescaped host, or zone from `%25` on. Raises URLError for invalid characters."""
    end = 0
    match = (_ZONE if zone else _HOST).match(text)
    if match is not None:
        end = match.end()
    if end < len(text):
        if text[end] == 0x25:
            raise _escape_error(text[end : end + 3])
        raise URLError(f"invalid character {quoted(text[end : end + 1])} in host name")
    return unquote_to_bytes(text)


def _escaped(text: bytes, allowed: bytes) -> bytes:
    return b"".join(map(_WRITTEN[allowed].__getitem__, text)) if text.translate(None, allowed) else text


def _written_part(plain: bytes, raw: bytes, allowed: bytes) -> bytes:
    """The original text of a path or fragment if it is fully escaped, else a newly escaped one."""
    if raw and not raw.translate(None, allowed + _ALSO_VALID):
        return raw
    return _escaped(plain, allowed)


def _escaped_path(url: URL) -> bytes:
    return b"*" if url.path == b"*" else _written_part(url.path, url.raw_path, _IN_PATH)


def _written(url: URL) -> bytes:
    """The URL in the form of Go's URL.String."""
    text = url.scheme + b":" if url.scheme else b""
    if url.opaque:
        text += url.opaque
    else:
        if (url.scheme or url.host or url.user is not None) and not (
            url.omit_host and not url.host and url.user is None
        ):
            if url.host or url.path or url.user is not None:
                text += b"//"
            if url.user is not None:
                text += _escaped(url.user, _IN_USER)
                if url.password is not None:
                    text += b":" + _escaped(url.password, _IN_USER)
                text += b"@"
            text += _escaped(url.host, _IN_HOST)
        path = _escaped_path(url)
        if path and path[:1] != b"/" and url.host:
            text += b"/"
        text += path
    if url.bare_query or url.query:
        text += b"?" + url.query
    if url.fragment:
        text += b"#" + _written_part(url.fragment, url.raw_fragment, _IN_FRAGMENT)
    return text


def _is_url(text: str) -> bool:
    try:
        parse_request_uri(text)
    except URLError:
        return False
    return True


def _text(value: bytes) -> str:
    return value.decode(errors="replace")


def _hostname_and_port(value: URLValue) -> tuple[bytes, bytes]:
    host = value.url.host
    name, colon, port = host.rpartition(b":")
    if not colon or (port and not port.isdigit()):
        name, port = host, b""
    if name.startswith(b"[") and name.endswith(b"]"):
        name = name[1:-1]
    return name, port


def _query(value: URLValue) -> dict[str, Any]:
    """The parameters of the query. Invalid ones are left out, as in Go."""
    found: dict[str, Any] = {}
    query = value.url.query
    if query.count(b"&") >= _MAX_QUERY:
        return found
    for pair in query.split(b"&"):
        if not pair or b";" in pair:
            continue
        try:
            key, text = (_unescaped(part.replace(b"+", b" ")) for part in pair.partition(b"=")[::2])
        except URLError:
            continue
        found.setdefault(_text(key), []).append(_text(text))
    return found


_U = "kubernetes.URL"


def _reading(value: Any) -> int:
    return value.cel_comparing() if type(value) is URLValue else 0


def _reading_the_query(value: Any) -> int:
    return 8 * _reading(value)


def _reading_text(text: Any) -> int:
    return costs.size(text) // 2


LIBRARY = Library(
    "url",
    (1, 23),
    (
        function(
            "url",
            f"string -> {_U}",
            _url,
            "The URL of a text: an absolute URI or an absolute path.",
            "url('HTTPS://example.com/a') == url('https://example.com/a')",
            error=(
                "url('example.com')",
                'URL parse error during conversion from string: parse "example.com": invalid URI for request',
            ),
            cost=costs.text,
            estimate=estimates.text_of_same_size,
            work=costs.read,
        ),
        function(
            "isURL",
            "string -> bool",
            _is_url,
            "Whether a text is a URL that `url` accepts.",
            "isURL('https://example.com:443/a?b=c') && isURL('/a') && !isURL('a/b')",
            work=_reading_text,
        ),
        method(
            "getScheme",
            f"{_U} -> string",
            lambda value: _text(value.url.scheme),
            "The scheme in lower case; empty for a path.",
            "url('HTTPS://example.com').getScheme() == 'https'",
            work=_reading,
        ),
        method(
            "getHost",
            f"{_U} -> string",
            lambda value: _text(value.url.host),
            "Host and port; an IPv6 address in brackets.",
            "url('https://user@example.com:80/a').getHost() == 'example.com:80'",
            work=_reading,
        ),
        method(
            "getHostname",
            f"{_U} -> string",
            lambda value: _text(_hostname_and_port(value)[0]),
            "The host without its port, an IPv6 address without brackets.",
            "url('https://[::1]:80/').getHostname() == '::1'",
            work=_reading,
        ),
        method(
            "getPort",
            f"{_U} -> string",
            lambda value: _text(_hostname_and_port(value)[1]),
            "The port as text; empty if there is none.",
            "url('https://example.com:80/').getPort() == '80'",
            work=_reading,
        ),
        method(
            "getEscapedPath",
            f"{_U} -> string",
            lambda value: _text(_escaped_path(value.url)),
            "The path, escaped.",
            "url('https://example.com/a b').getEscapedPath() == '/a%20b'",
            work=_reading,
        ),
        method(
            "getQuery",
            f"{_U} -> map(string, list(string))",
            _query,
            "The parameters of the query, unescaped; each maps to the list of its values.",
            "url('/?a=1&a=2&b').getQuery() == {'a': ['1', '2'], 'b': ['']}",
            work=_reading_the_query,
        ),
    ),
    opaque={_U: URLValue},
    title="URL",
)
