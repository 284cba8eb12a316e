"""Source text → tokens, as cel-go's lexer finds them."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

ID, QUOTED, INT, UINT, FLOAT, STRING, BYTES, END = "id", "quoted", "int", "uint", "float", "string", "bytes", "end"
"""The kinds of tokens. The kind of an operator, a bracket, `in`, `true`, `false` and `null` is its text."""

_ESCAPE = r"""\\(?:[abfnrtv"'\\?`]|[0-3][0-7][0-7]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})"""
# No part of these patterns is tried twice: the quantifiers are possessive.
_COOKED = (
    rf'"""(?:[^\\"]++|"(?!"")|{_ESCAPE})*+"""',
    rf"'''(?:[^\\']++|'(?!'')|{_ESCAPE})*+'''",
    rf'"(?:[^\\"\n\r]++|{_ESCAPE})*+"',
    rf"'(?:[^\\'\n\r]++|{_ESCAPE})*+'",
)
_RAW = (
    r'[rR]"""(?:[^"]++|"(?!""))*+"""',
    r"[rR]'''(?:[^']++|'(?!''))*+'''",
    r'[rR]"[^"\n\r]*+"',
    r"[rR]'[^'\n\r]*+'",
)
_TEXT = "|".join((*_COOKED, *_RAW))
_EXPONENT = r"[eE][+-]?[0-9]+"

BLANK = r"(?:[ \t\r\n\f]++|//[^\n]*+)*+"
_TOKEN: Final = re.compile(
    rf"""{BLANK}(?:"""
    rf"""(?P<string>[bB]?(?:{_TEXT}))"""
    r"""|(?P<id>[A-Za-z_][A-Za-z0-9_]*+)"""
    rf"""|(?P<float>[0-9]++\.[0-9]++(?:{_EXPONENT})?|[0-9]++{_EXPONENT}|\.[0-9]++(?:{_EXPONENT})?)"""
    r"""|(?P<uint>(?:0x[0-9a-fA-F]++|[0-9]++)[uU])|(?P<int>0x[0-9a-fA-F]++|[0-9]++)"""
    r"""|(?P<mark>==|!=|<=|>=|&&|\|\||[][{}().,!?:+*/%<>-])"""
    r"""|(?P<quoted>`[A-Za-z0-9_./ -]++`)"""
    r"""|(?P<end>\Z))"""
)
_BLANK = re.compile(BLANK)
_WORDS: Final = frozenset({"in", "true", "false", "null"})


class Tokens(NamedTuple):
    """The tokens of a source: parallel lists. The last one is END, with its text empty."""

    kinds: list[str]
    starts: list[int]
    texts: list[str]


def tokens(source: str) -> Tokens | None:
    """The tokens; None if there is a character that begins no token."""
    kinds: list[str] = []
    starts: list[int] = []
    texts: list[str] = []
    match, place = _TOKEN.match, 0
    while found := match(source, place):
        kind = found.lastgroup
        text = found[kind]  # type: ignore[index]
        place = found.end()
        starts.append(place - len(text))
        texts.append(text)
        if kind == "mark" or (kind == "id" and text in _WORDS):
            kinds.append(text)
        elif kind == "string":
            kinds.append(BYTES if text[0] in "bB" else STRING)
        elif kind == "end":
            kinds.append(END)
            return Tokens(kinds, starts, texts)
        else:
            kinds.append(kind)  # type: ignore[arg-type]
    return None


def first_token(source: str, place: int) -> tuple[str, tuple[str, str] | None]:
    """The blanks and comments at a place, and kind and text of the token after them; None if there is none."""
    blank = _BLANK.match(source, place)
    hidden = blank[0] if blank else ""
    found = _TOKEN.match(source, place + len(hidden))
    if found is None:
        return hidden, None
    kind = found.lastgroup or END
    text = found[kind]
    if kind == "mark" or (kind == "id" and text in _WORDS):
        kind = text
    elif kind == "string" and text[0] in "bB":
        kind = BYTES
    return hidden, (kind, text)
