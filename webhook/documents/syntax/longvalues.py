"""Finds values that are too long for any object before they are read: a parser would take a multiple of their memory.

Only texts that may hold such a value are looked at; the others are parsed as they are.
"""

from __future__ import annotations

import re
from typing import Any, Final

from yaml._yaml import CParser

from webhook.documents.syntax.common import SyntaxProblem
from webhook.lazypatterns import lazily

LONGEST: Final = 18 << 20
"""The most characters of one value in a text. The API server takes objects of 3 MiB, and `\\u000a` is one byte."""

_CHUNK: Final = 1 << 16
_BLOCK: Final = LONGEST // 2
"""A longer value than LONGEST covers one of the text's blocks of this size."""

_QUOTE = lazily(r'(?<!\\)"')
_JSON_TOKEN = lazily(r'"(?:[^"\\]++|\\.)*+"?|[^\s{}\[\],:"]++', re.DOTALL)


class Events:
    """The events of libyaml's parser for a long text. It is given the text in parts, and no more of it once that since
    the last event is longer than LONGEST."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._given = 0
        self._before = 0  # what was given at the last event
        self._at = 0  # where it ended
        self._next: Any = CParser(self).get_event

    def read(self, _size: int = 0, /) -> str:
        """The next part; "" at the end. Called by the parser, in which an exception would be lost."""
        if self._too_long():
            return ""
        part = self._text[self._given : self._given + _CHUNK]
        self._given += len(part)
        return part

    def __call__(self) -> Any:
        """The next event; None at the end. Raises SyntaxProblem, and the errors of the parser."""
        try:
            event = self._next()
        finally:
            if self._too_long():
                raise _problem(self._at) from None
        if event is not None:
            self._before, self._at = self._given, event.end_mark.index
        return event

    def _too_long(self) -> bool:
        return self._given - self._before > LONGEST


def refuse_long_json(text: str) -> None:
    """Raises SyntaxProblem if a text of JSON has a text or number of more than LONGEST characters."""
    if not any(_QUOTE.search(text, at, at + _BLOCK) is None for at in range(0, len(text) - _BLOCK, _BLOCK)):
        return  # within a text every quote has a backslash before it
    for token in _JSON_TOKEN.finditer(text):
        if token.end() - token.start() > LONGEST:
            raise _problem(token.start())


def _problem(at: int) -> SyntaxProblem:
    return SyntaxProblem(
        f"a value or comment of more than {LONGEST >> 20} MiB; the API server takes objects of at most 3 MiB", at
    )
