"""Tokens."""

from __future__ import annotations

import pytest

from webhook.cel.check.lexing import BYTES, END, FLOAT, ID, INT, QUOTED, STRING, UINT, first_token, tokens


@pytest.mark.parametrize(
    ("source", "kinds"),
    [
        ("a.b_1 in c", [ID, ".", ID, "in", ID]),
        ("1 0x1F 1u 0xfU 1.5 .5 1e3 1.e3", [INT, INT, UINT, UINT, FLOAT, FLOAT, FLOAT, INT, ".", ID]),
        (r"""'a' "b" '''c''' r'\' b'd' bR"e" rb'f'""", [STRING] * 4 + [BYTES, BYTES, ID, STRING]),
        ("'' ''' '' '''", [STRING, STRING]),
        ("`a-b/c d`", [QUOTED]),
        ("a // b\n&& true", [ID, "&&", "true"]),
        ("<=<!=!", ["<=", "<", "!=", "!"]),
    ],
)
def test_kinds(source: str, kinds: list[str]) -> None:
    found = tokens(source)
    assert found is not None
    assert found.kinds == [*kinds, END]
    assert all(source.startswith(text, start) for start, text in zip(found.starts, found.texts, strict=True))


@pytest.mark.parametrize("source", ["'a", "'\\q'", "a & b", "#", "`a", "'a\n'", "é"])
def test_what_begins_no_token(source: str) -> None:
    assert tokens(source) is None


def test_one_token_with_the_blanks_before_it() -> None:
    assert first_token("a // b\n  in", 1) == (" // b\n  ", ("in", "in"))
    assert first_token("  ", 0) == ("  ", (END, ""))
    assert first_token(" #", 0) == (" ", None)
