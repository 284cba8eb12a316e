"""A lazy pattern is the compiled one, from its first use on."""

from __future__ import annotations

import re

import pytest

from webhook.lazypatterns import lazily


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("match", ("a1b2",)),
        ("fullmatch", ("a1",)),
        ("search", ("--B2",)),
        ("findall", ("a1 B2",)),
        ("sub", ("x", "a1 B2")),
        ("subn", ("x", "a1 B2")),
        ("split", ("1a1b2",)),
    ],
)
def test_it_gives_what_a_compiled_one_gives(name: str, arguments: tuple[str, ...]) -> None:
    lazy, compiled = lazily(r"([a-z])(\d)", re.IGNORECASE), re.compile(r"([a-z])(\d)", re.IGNORECASE)
    assert repr(getattr(lazy, name)(*arguments)) == repr(getattr(compiled, name)(*arguments))
    assert (lazy.pattern, lazy.flags) == (compiled.pattern, compiled.flags)
    assert [found.span() for found in lazy.finditer("a1 B2")] == [(0, 2), (3, 5)]


def test_it_is_compiled_once_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    original = re.compile

    def counting(text: str, flags: int = 0) -> re.Pattern[str]:
        compiled.append(text)
        return original(text, flags)

    monkeypatch.setattr(re, "compile", counting)
    lazy = lazily("a+")
    assert compiled == []
    assert lazy.match("aa") and not lazy.match("b") and lazy.search("ba")
    assert compiled == ["a+"]


def test_what_is_no_pattern_is_an_error_at_its_first_use() -> None:
    wrong = lazily("(")
    with pytest.raises(re.error, match="unterminated subpattern"):
        wrong.match("")


def test_bytes() -> None:
    assert lazily(rb"\d").sub(b"-", b"a1") == b"a-"
