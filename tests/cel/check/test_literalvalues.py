"""The values of literals."""

from __future__ import annotations

import pytest

from webhook.cel.check import literalvalues
from webhook.cel.check.literalvalues import LiteralError


def test_numbers() -> None:
    assert literalvalues.integer("0x10", "-") == -16
    assert literalvalues.integer("9223372036854775808", "-") == -(2**63)
    assert literalvalues.integer("0" * 200 + "7", "") == 7
    assert literalvalues.unsigned("18446744073709551615u") == 2**64 - 1
    assert literalvalues.double(".5e1", "-") == -5.0


@pytest.mark.parametrize("text", ["9223372036854775808", "0x8000000000000000", "9" * 5000])
def test_numbers_that_are_too_large(text: str) -> None:
    with pytest.raises(LiteralError, match="invalid int literal"):
        literalvalues.integer(text, "")


def test_texts() -> None:
    assert literalvalues.string(r'"\a\x41\101\u00e9\U0001F600\`\?"') == "\aAAé\U0001f600`?"
    assert literalvalues.string("'''a\r\nb\rc'''") == "a\nb\nc"
    assert literalvalues.string(r"r'\n'") == r"\n"
    assert literalvalues.octets(r"'\377\xffé'") == b"\xff\xff\xc3\xa9"


def test_texts_without_a_value() -> None:
    for text in (r"'\ud800'", r"'\U00110000'"):
        with pytest.raises(LiteralError, match="invalid unicode code point"):
            literalvalues.string(text)
    with pytest.raises(LiteralError, match="unable to unescape string"):
        literalvalues.octets(r"'\u0041'")
