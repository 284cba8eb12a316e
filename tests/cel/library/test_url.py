"""URLs: values and errors."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cel.evaluating import has_error, has_value

HTTPS = "url('https://user:pw@example.com:8443/a/b?x=1&x=2&y=%20#top')"
URL = "URL parse error during conversion from string: parse"

VALUES: list[tuple[str, Any]] = [
    (f"{HTTPS}.getScheme()", "https"),
    (f"{HTTPS}.getHost()", "example.com:8443"),
    (f"{HTTPS}.getHostname()", "example.com"),
    (f"{HTTPS}.getPort()", "8443"),
    (f"{HTTPS}.getEscapedPath()", "/a/b"),
    (f"{HTTPS}.getQuery()", {"x": ["1", "2"], "y": [" "]}),
    ("url('/a/b').getScheme() + url('/a/b').getHost()", ""),
    ("url('/a/b').getEscapedPath()", "/a/b"),
    ("url('https://[2001:db8::1]:80').getHost()", "[2001:db8::1]:80"),
    ("url('https://[2001:db8::1]:80').getHostname()", "2001:db8::1"),
    ("url('https://[2001:db8::1]').getPort()", ""),
    ("url('https://example.com/').getQuery()", {}),
    ("url('https://example.com/with space').getEscapedPath()", "/with%20space"),
    ("url('https://example.com/a%2Fb').getEscapedPath()", "/a%2Fb"),
    ("url('mailto:a@b.c').getHost()", ""),
    ("isURL('https://example.com') && isURL('/absolute') && isURL('*')", True),
    ("isURL('relative/path') || isURL('') || isURL('https://a b.c') || isURL('https://a:port')", False),
    ("url('https://a.b/?q').getQuery()", {"q": [""]}),
    ("url('https://a.b/#f') == url('https://a.b/#f')", True),
    ("url('https://a.b') == url('https://a.b/')", False),
]


@pytest.mark.parametrize(("expression", "value"), VALUES)
def test_value(expression: str, value: Any) -> None:
    has_value(expression, value)


ERRORS: list[tuple[str, str]] = [
    ("url('a/b')", f'{URL} "a/b": invalid URI for request'),
    ("url('')", f'{URL} "": empty url'),
    ("url('https://a/%zz')", f'{URL} "https://a/%zz": invalid URL escape "%zz"'),
    ("url('https://a:b')", f'{URL} "https://a:b": invalid port ":b" after host'),
    ("url('https://a\\nb')", f'{URL} "https://a\\nb": net/url: invalid control character in URL'),
]


@pytest.mark.parametrize(("expression", "text"), ERRORS)
def test_error(expression: str, text: str) -> None:
    has_error(expression, text)
