"""Plain YAML scalars as kubectl 1.32 reads them; every row was checked against `kubectl label --local -o json`."""

import math
from typing import Any

import pytest

from webhook.documents.syntax import scalars

READ: list[tuple[str, Any]] = [
    *((text, True) for text in ("y", "Y", "yes", "YES", "on", "On", "true", "TRUE")),
    *((text, False) for text in ("n", "N", "no", "off", "False")),
    *((text, None) for text in ("", "~", "null", "Null", "NULL")),
    *((text, text) for text in ("tRue", "nUll", "yES", "-", ".", "..", "=", "nginx", "on-call", "1.2.3", "v1")),
    # no base 60, no dates
    *((text, text) for text in ("1:30", "12:30:45", "190:20:30", "2001-01-01", "2001-01-01T00:00:00Z")),
    ("010", 8),
    ("0o10", 8),
    ("0O17", 15),
    ("0x1F", 31),
    ("0X1f", 31),
    ("0b101", 5),
    ("0B11", 3),
    ("-0x10", -16),
    ("-017", -15),
    ("+5", 5),
    ("-0", 0),
    ("1_000", 1000),
    ("1__0", 10),
    ("0x_1f", 31),
    ("0888", 888),  # no octal: a float, and a whole one
    ("0o8", "0o8"),
    ("_1", "_1"),
    ("0x1p-2", "0x1p-2"),
    ("1.5", 1.5),
    ("1e3", 1000),
    ("1.", 1),
    ("+.5", 0.5),
    ("-.5e-3", -0.0005),
    ("-0.0", 0),
    ("0.1_1", 0.11),
    (".5_1", 0.51),
    ("._5", "._5"),
    (".5_", ".5_"),
    ("1e400", "1e400"),
    ("9223372036854775807", 2**63 - 1),
    ("9223372036854775808", 2.0**63),
    ("-9223372036854775809", -(2.0**63)),
    ("18446744073709551616", 2.0**64),
    ("0xFFFFFFFFFFFFFFFFFF", "0xFFFFFFFFFFFFFFFFFF"),
    ("1e21", 1e21),
    ("9" * 5000, "9" * 5000),
]


@pytest.mark.parametrize(("text", "value"), READ, ids=[text[:30] or "empty" for text, _ in READ])
def test_a_plain_scalar_has_the_value_that_kubectl_reads(text: str, value: Any) -> None:
    read = scalars.plain(text)
    assert (type(read), read) == (type(value), value)


@pytest.mark.parametrize(
    ("tag", "text", "value"),
    [
        ("str", "1", "1"),
        ("int", "5", 5),
        ("float", "3", 3),
        ("bool", "yes", True),
        ("null", "", None),
        ("timestamp", "2001-01-01", "2001-01-01"),
        ("binary", "aGVs\n bG8=", "hello"),
        ("binary", "gIGC", "\ufffd\ufffd\ufffd"),
    ],
)
def test_an_explicit_tag_decides_the_type(tag: str, text: str, value: Any) -> None:
    read = scalars.tagged("tag:yaml.org,2002:" + tag, text)
    assert (type(read), read) == (type(value), value)


@pytest.mark.parametrize(("tag", "text"), [("int", "1.5"), ("int", "abc"), ("int", ""), ("bool", "1"), ("null", "a")])
def test_a_tag_that_does_not_fit_is_an_error(tag: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"!!{tag}"):
        scalars.tagged("tag:yaml.org,2002:" + tag, text)


def test_tags_that_yaml_does_not_define_leave_text() -> None:
    assert scalars.tagged("!Ref", "1") == "1"


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("a", "a"),
        (8080, "8080"),
        (True, "true"),
        (False, "false"),
        (1.1, "1.1"),
        (16777217.5, "1.6777218e+07"),
        (1e30, "1e+30"),
        (0.00001, "1e-05"),
        (0.0001, "0.0001"),
        (math.inf, ".inf"),
    ],
)
def test_keys_become_text_as_kubectl_writes_them(value: Any, key: str) -> None:
    assert scalars.key(value) == key


def test_a_null_key_is_an_error() -> None:
    with pytest.raises(ValueError, match="must not be null"):
        scalars.key(None)
