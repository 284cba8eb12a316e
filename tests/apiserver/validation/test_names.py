"""Names and other texts with a form."""

from __future__ import annotations

import pytest

from webhook.apiserver.validation import names

CASES = [
    (names.dns_subdomain, "a.b", True),
    (names.dns_subdomain, "A", False),
    (names.dns_label, "a-b", True),
    (names.dns_label, "a.b", False),
    (names.dns_1035_label, "a1", True),
    (names.dns_1035_label, "1a", False),
    (names.qualified_name, "example.com/Name", True),
    (names.qualified_name, "a b", False),
    (names.label_value, "", True),
    (names.label_value, "-", False),
    (names.path_segment, "system:a", True),
    (names.path_segment, "a/b", False),
    (names.path_segment, "..", False),
    (names.path_segment_prefix, "..", True),
    (names.port_name, "http", True),
    (names.port_name, "80", False),
    (names.port_name, "a--b", False),
    (names.port_name, "-a", False),
    (names.port_name, "a" * 16, False),
    (names.environment_name, "A.b-c 1", True),
    (names.environment_name, "", False),
    (names.environment_name, "a=b", False),
    (names.environment_name, "é", False),
    (names.config_key, "a_B.c-1", True),
    (names.config_key, "a b", False),
    (names.config_key, "..", False),
    (names.config_key, "..a", False),
    (names.wildcard, "*.a.b", True),
    (names.wildcard, "*", False),
    (names.percent, "25%", True),
    (names.percent, "25", False),
]


@pytest.mark.parametrize(("check", "text", "valid"), CASES)
def test_texts(check: names.Check, text: str, valid: bool) -> None:
    assert (check(text) == []) is valid


def test_prefixes_may_end_with_a_dash() -> None:
    assert names.as_prefix(names.dns_subdomain)("web-") == []
    assert names.as_prefix(names.dns_subdomain)("-") != []


def test_words() -> None:
    assert names.port(0) == ["must be between 1 and 65535, inclusive"]
    assert names.port(443) == []
    assert names.path_segment("a/b%") == ["may not contain '/'", "may not contain '%'"]
    assert names.port_name("A") == [
        "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        "must contain at least one letter (a-z)",
    ]
