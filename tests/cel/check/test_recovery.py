"""All errors of source with a syntax error. test_against_kubernetes.py compares more with the API server's."""

from __future__ import annotations

import time

import pytest

from tests.cel.check.checked import outcome
from tests.timing import within

OPERANDS = "'[', '{', '(', '.', '-', '!', 'true', 'false', 'null'"
BEGINS = f"expecting {{{OPERANDS}, NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}}"
ARGUMENTS = BEGINS.replace("'(', ", "'(', ')', ")


@pytest.mark.parametrize(
    ("expression", "errors"),
    [
        ("(b", [(1, 3, "missing ')' at '<EOF>'")]),
        ("(-5.5", [(1, 6, "missing ')' at '<EOF>'")]),
        ("b &&", [(1, 5, f"mismatched input '<EOF>' {BEGINS}")]),
        ("x..y", [(1, 3, "no viable alternative at input '..'")]),
        ("x.true", [(1, 3, "mismatched input 'true' expecting IDENTIFIER")]),
        ("b & b", [(1, 3, "token recognition error at: '& '"), (1, 5, "extraneous input 'b' expecting <EOF>")]),
        (
            "'a\n'",
            [
                (1, 1, "token recognition error at: ''a\n'"),
                (2, 1, "token recognition error at: '''"),
                (2, 2, f"mismatched input '<EOF>' {BEGINS}"),
            ],
        ),
        ("b ? 1", [(1, 6, "mismatched input '<EOF>' expecting ':'")]),
        ("f(", [(1, 3, f"mismatched input '<EOF>' {ARGUMENTS}")]),
    ],
)
def test_syntax_errors(expression: str, errors: list[tuple[int, int, str]]) -> None:
    expected = [[line, column, f"Syntax error: {text}"] for line, column, text in errors]
    assert outcome(expression)["errors"] == expected


def test_what_could_be_parsed_is_searched_for_other_errors() -> None:
    found = outcome("as + 99999999999999999999 + (1")["errors"]
    assert [text for _, _, text in found] == [
        "reserved identifier: as",
        "invalid int literal",
        "Syntax error: missing ')' at '<EOF>'",
    ]


def test_errors_in_a_long_source_take_no_time() -> None:
    for text in ("x(", "}", "-1[", "[a, ", "'", "#", "x.a "):
        source = f"{text * (50_000 // len(text))}'"
        with within(3, time.process_time):
            assert outcome(source)["errors"]


def test_the_api_server_s_limits_on_errors() -> None:
    texts = [text for _, _, text in outcome("#" * 200)["errors"]]
    assert texts[-2:] == ["Syntax error: token recognition error at: '#'", "1 more errors were truncated"]
    assert len(texts) == 101
