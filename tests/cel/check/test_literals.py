"""What is checked of literals that the checker itself does not check, as the API server does."""

from __future__ import annotations

import pytest

from tests import goprograms
from tests.cel.apiserver import SOURCE, asked
from tests.cel.evaluating import ENVIRONMENT, issues
from webhook.cel.check.literals import panicking

PANICKING = [
    ("[?dyn(x)] == []", 1),
    ("[?x.?a[?0]] == []", 1),
    ("[[?x.?a[?0], ?x.?b, ?dyn(x)]] == []", 2),
    ("{'b': dyn(1), ?'a': dyn(x)} == {}", 1),
    ("[1].map(i, [?dyn(i)]) == []", 1),
    ("[?x.?a] == []", 0),
    ("[?optional.of(1), ?optional.of(2)] == []", 0),
    ("[?optional.none()] == []", 0),
    ("{?'a': x.?a, 'b': dyn(1)} == {}", 0),
    ("'%s'.format([?dyn(x)]) == ''", 0),
    ("'%s'.format([[?dyn(x)].size()]) == ''", 0),
]
"""Expressions, and the number of elements at which the API server panics."""


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


@pytest.mark.parametrize(("expression", "count"), PANICKING)
def test_optional_elements_at_which_the_api_server_panics(expression: str, count: int) -> None:
    assert [str(node.type) for node in panicking(ENVIRONMENT.compile(expression).tree)] == ["dyn"] * count


def test_the_api_server_panics_at_these() -> None:
    answers = asked(goprograms.built(SOURCE), [expression for expression, _ in PANICKING])
    panicked = [answer.get("compile", "").startswith("panic: ") for answer in answers]
    assert panicked == [count > 0 for _, count in PANICKING]
