"""Texts: values and errors."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cel.evaluating import has_error, has_value

VALUES: list[tuple[str, Any]] = [
    ("'abc'.charAt(3)", ""),
    ("'abc'.indexOf('c', 9)", -1),
    ("'abc'.indexOf('', 3)", 3),
    ("'abc'.lastIndexOf('')", 3),
    ("'abc'.replace('', '-')", "-a-b-c-"),
    ("'aaa'.replace('a', 'b', -1)", "bbb"),
    ("'a,b'.split(',', 0)", []),
    ("'abc'.split('', 2)", ["a", "bc"]),
    ("'\\u00a0a\\u180e'.trim()", "a\u180e"),
    ("strings.quote('a\\n\"')", '"a\\n\\""'),
]


@pytest.mark.parametrize(("expression", "value"), VALUES)
def test_value(expression: str, value: Any) -> None:
    has_value(expression, value)


ERRORS: list[tuple[str, str]] = [
    ("'abc'.charAt(9)", "index out of range: 9"),
    ("'abc'.substring(2, 1)", "invalid substring range. start: 2, end: 1"),
    ("'abc'.substring(-1)", "index out of range: -1"),
    ("'abc'.lastIndexOf('c', -1)", "index out of range: -1"),
]


@pytest.mark.parametrize(("expression", "text"), ERRORS)
def test_error(expression: str, text: str) -> None:
    has_error(expression, text)
