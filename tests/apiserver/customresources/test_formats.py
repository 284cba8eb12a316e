"""The formats of texts in schemas."""

from __future__ import annotations

import pytest

from tests.apiserver.customresources.corpus import LABELLED
from webhook.apiserver.customresources import formats

VALID = {
    "duration": ("1h", "22 ns", "3 days", "1m30s"),
    "date-time": ("2024-01-02T03:04:05Z", "2014-12-15T19:30:20.000Z", "2019-01-02T03:04:05+01:00"),
    "datetime": ("2024-01-02T03:04:05Z",),
    "date": ("2024-02-29",),
    "byte": ("aGVs", "aGVsbG8="),
    "ipv4": ("1.2.3.4", "01.2.3.4", "::ffff:1.2.3.4"),
    "ipv6": ("::1", "::ffff:1.2.3.4"),
    "cidr": ("10.0.0.0/8", "::/0", "010.0.0.0/8"),
    "mac": ("01:23:45:67:89:ab", "0123.4567.89ab", "01-23-45-67-89-ab-cd-ef"),
    "uri": ("http://a/b", "/a"),
    "email": ("a@b.c", "A B <a@b.c>", "<a@b>"),
    "hostname": ("a.example.com", "localhost"),
    "uuid": ("123e4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000"),
    "uuid3": ("123e4567-e89b-32d3-a456-426614174000",),
    "uuid4": ("123e4567-e89b-42d3-a456-426614174000",),
    "uuid5": ("123e4567-e89b-52d3-a456-426614174000",),
    "isbn": ("0321751043", "978-0321751041"),
    "isbn10": ("0321751043",),
    "isbn13": ("978-0321751041",),
    "creditcard": ("4111 1111 1111 1111",),
    "ssn": ("123-45-6789", "123 45 6789"),
    "hexcolor": ("#FFF", "#ffff", "abcdef"),
    "rgbcolor": ("rgb(0,100,255)",),
    "bsonobjectid": ("507f1f77bcf86cd799439011",),
    "k8s-short-name": ("abc",),
    "k8s-long-name": ("abc", "a.b"),
    "password": ("", "x"),
}


@pytest.mark.parametrize("name", VALID)
def test_texts(name: str) -> None:
    check = formats.check_of(name)
    assert check is not None
    found = {text for text in LABELLED[name] if check(text)}
    expected = set(VALID[name])
    expected -= {"#ffff"}  # three or six digits
    assert found == expected


def test_a_format_takes_effect_where_the_api_server_knows_it() -> None:
    assert formats.effective("date-time", ("string",)) == "date-time"
    assert formats.effective("int32", ("integer",)) == "int32"
    assert formats.effective("int32", ("number",)) == ""
    assert formats.effective("date", ("object",)) == ""
    assert formats.effective("nonsense", ("string",)) == ""
    assert formats.effective("ipv4", ("integer", "string")) == "ipv4"


def test_names_have_formats_since_1_34() -> None:
    assert formats.check_of("k8s-short-name", (1, 33)) is None
    assert formats.check_of("k8s-short-name", (1, 34)) is not None


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1h", 3_600 * 10**9),
        ("22 ns", 22),
        ("3 days", 3 * 86_400 * 10**9),
        ("2 weeks", 14 * 86_400 * 10**9),
        ("x", None),
    ],
)
def test_durations(text: str, nanoseconds: int | None) -> None:
    assert formats.duration(text) == nanoseconds
