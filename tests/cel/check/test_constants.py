"""The values of literals."""

from __future__ import annotations

import pytest

from webhook.cel.check import constants
from webhook.cel.check.constants import LiteralError


def test_numbers() -> None:
    assert constants.integer("0x10", "-") == -16
    assert constants.integer("9223372036854775808", "-") == -(2**63)
    assert constants.integer("0" * 200 + "7", "") == 7
    assert constants.unsigned("18446744073709551615u") == 2**64 - 1
    assert constants.double(".5e1", "-") == -5.0


@pytest.mark.parametrize("text", ["9223372036854775808", "0x8000000000000000", "9" * 5000])
def test_numbers_that_are_too_large(text: str) -> None:
    with pytest.raises(LiteralError, match="invalid int literal"):
        constants.integer(text, "")


def test_texts() -> None:
    assert constants.string(r'"\a\x41\101\u00e9\U0001F600\`\?"') == "\aAAé\U0001f600`?"
    assert constants.string("'''a\r\nb\rc'''") == "a\nb\nc"
    assert constants.string(r"r'\n'") == r"\n"
    assert constants.octets(r"'\377\xffé'") == b"\xff\xff\xc3\xa9"


def test_texts_without_a_value() -> None:
    for text in (r"'\ud800'", r"'\U00110000'"):
        with pytest.raises(LiteralError, match="invalid unicode code point"):
            constants.string(text)
    with pytest.raises(LiteralError, match="unable to unescape string"):
        constants.octets(r"'\u0041'")
