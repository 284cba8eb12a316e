"""format(): values and errors."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cel.evaluating import has_error, has_value

VALUES: list[tuple[str, Any]] = [
    (
        "'%s %d %f %.2f %x %X %o %b %%'.format(['a', 1, 1.5, 1.567, 255, 'aZ', 8, 5])",
        "a 1 1.500000 1.57 ff 615A 10 101 %",
    ),
    ("'%f'.format([123456789.5])", "123,456,789.500000"),
    ("'%e'.format([1234.5])", "1.234500\u00d710⁰³"),
    ("'%s'.format([['a', 1.5, null, {'k': b'v'}]])", '["a", 1.500000, null, {"k":b"v"}]'),
    (r"'%s'.format([['a\u200bb', '\u0085\ufeff', '\U0001F600é\n']])", r'["a\u200bb", "\u0085\ufeff", "😀é\n"]'),
]


@pytest.mark.parametrize(("expression", "value"), VALUES)
def test_value(expression: str, value: Any) -> None:
    has_value(expression, value)


ERRORS: list[tuple[str, str]] = [
    (
        "'%d'.format([dyn('a')])",
        "error during formatting: decimal clause can only be used on integers, was given string",
    ),
]


@pytest.mark.parametrize(("expression", "text"), ERRORS)
def test_error(expression: str, text: str) -> None:
    has_error(expression, text)
