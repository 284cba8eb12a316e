"""What is checked of literals that the checker itself does not check, as the API server does."""

from __future__ import annotations

import pytest

from tests.cel.evaluating import issues


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("duration('1x')", "1:10: invalid duration argument: '1x'; expected a form such as 1h30m"),
        ("x.matches('a(')", "1:11: invalid matches argument: error parsing regexp: missing closing ): `a(`"),
        ("duration(null)", "1:10: invalid duration argument: null; expected a form such as 1h30m"),
        (
            "timestamp(9223372036854775807)",
            "1:11: invalid timestamp argument: 9223372036854775807; expected a form such as 2006-01-02T15:04:05Z",
        ),
        # Where it looks for the pattern, cel-go finds the text.
        ("matches('a(', 'b')", "1:9: invalid matches argument: error parsing regexp: missing closing ): `a(`"),
        ("matches('b', 'a(')", "1:14: program instantiation failed: error parsing regexp: missing closing ): `a(`"),
        ("x.find('a(')", "1:8: program instantiation failed: error parsing regexp: missing closing ): `a(`"),
        (
            "int('x') == 1 && x.matches('a(')",
            "1:28: invalid matches argument: error parsing regexp: missing closing ): `a(`",
        ),
        (
            "'%d'.format(['a'])",
            "1:14: error during formatting: decimal clause can only be used on integers, was given string",
        ),
        ("'%s'.format([1, 2])", "1:13: too many arguments supplied to string.format (expected 1, got 2)"),
        ("int('x') == 1", "1:4: program instantiation failed: type conversion error from 'string' to 'int'"),
        ("[1, dyn('a')] == [1]", "1:8: expected type 'int' but found 'dyn'"),
        ("{1: 1, x: 2}", "1:8: expected type 'int' but found 'dyn'"),
    ],
)
def test_a_literal_that_kubernetes_refuses(expression: str, message: str) -> None:
    assert issues(expression) == [message]
