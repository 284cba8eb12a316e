from __future__ import annotations

import base64

import pytest

from webhook.apiserver import gotext


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-5, "-5"),
        (2**63 - 1, "9223372036854775807"),
        (2**63, "9223372036854776000"),
        (0.5, "0.5"),
        (3.0, "3"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1e-6, "0.000001"),
        (1.5e-7, "1.5e-7"),
        (-0.0, "-0"),
        (123456.789, "123456.789"),
        (5e-324, "5e-324"),
        (1.25e25, "1.25e+25"),
        (1e16, "10000000000000000"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert gotext.number(value) == text


@pytest.mark.parametrize(
    ("value", "word"), [("", "string"), (True, "bool"), ({}, "object"), ([], "array"), (1, "number"), (1.5, "number")]
)
def test_what_messages_call_a_value(value: object, word: str) -> None:
    assert gotext.what(value) == word


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("a", '"a"'),
        ('a"b', r'"a\"b"'),
        ("a\\b", r'"a\\b"'),
        ("a\nb\x00", r'"a\nb\x00"'),
        ("ü", '"ü"'),
        ("\u200b", r'"\u200b"'),
        ("\U000e0001", r'"\U000e0001"'),
    ],
)
def test_quotes(text: str, quoted: str) -> None:
    assert gotext.quote(text) == quoted


@pytest.mark.parametrize("data", [b"", b"a", b"ab", b"abc", b"\xff\xfe" * 40])
def test_binary_data(data: bytes) -> None:
    assert gotext.binary(gotext.encoded(data)) == data
    broken = "\n".join(base64.b64encode(data).decode())
    assert gotext.binary(broken) == data


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("a", 0),
        ("YQ", 0),
        ("YQ=", 3),
        ("YQ==x", 4),
        ("Y!Q=", 1),
        ("====", 0),
        ("YWJj ", 4),
        ("YWJjZGVmZ", 8),
        ("YQ=\n", 4),
        ("YQ=a", 2),
        ("ü", 0),
    ],
)
def test_data_that_is_not_base64(text: str, offset: int) -> None:
    with pytest.raises(ValueError, match=f"^illegal base64 data at input byte {offset}$"):
        gotext.binary(text)
