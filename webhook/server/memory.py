"""How much memory the requests of a process may take, and how much a review will take, from its text alone.

`--max-memory` is divided once, so that many requests that arrive cannot keep a review from being evaluated, and the
reverse: a quarter is for what the connections hold (see webhook.server.port.connections), the rest for the objects of
the one review that is being evaluated. Reviews are evaluated one after the other.

JSON text of a few bytes becomes Python objects of many: `{"":{"":…}}` takes 200 bytes for every 5. So the objects that
a text will become are counted before it is parsed.
"""

from __future__ import annotations

import re
from typing import Final

HELD_SHARE: Final = 4
"""The connections may hold this part of the memory: one fourth."""

SMALL: Final = 128 << 10
"""A review of at most so many bytes fits, whatever it contains."""

_EVALUATED: Final = {"validate": 1.25, "mutate": 2.25}
"""Bytes that a review takes at its peak, for each byte that `objects` says: a mutation copies, checks and compares."""

_TEXTS: Final = 4
"""Bytes that it takes for each byte of its text, for the text that is kept to compare with."""

_MAX_STRINGS: Final = 50_000  # that are looked into before a review is refused

_DICT: Final = 216  # with up to five keys; its slot in a list included
_EMPTY_DICT: Final = 72
_LIST: Final = 88
_KEY: Final = 64  # of more than five: a dict grows by a factor, and while it grows the old table is there too
_VALUE: Final = 44  # a number, and its slot in a list that grows
_QUOTE: Final = 40  # half of a string without its characters
_STRINGS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


def fits(body: bytes, phase: str, most: int) -> bool:
    """Whether reviewing the JSON text takes at most so many bytes of memory. Takes time linear in its size.

    phase: `validate` or `mutate`.
    """
    objects_fit = (most - _TEXTS * len(body)) / _EVALUATED[phase]
    over = objects(body) - objects_fit
    if over <= 0:
        return True
    # Brackets and commas within strings are no structure: a ConfigMap may hold documents.
    for number, string in enumerate(_STRINGS.finditer(body)):
        over -= _structure(body[string.start() + 1 : string.end() - 1])
        if over <= 0:
            return True
        if number >= _MAX_STRINGS:
            break
    return False


def objects(body: bytes) -> int:
    """Most bytes that the Python objects of a JSON text take. For ordinary ones it is three times that."""
    return _structure(body) + _characters(body)


def _structure(body: bytes) -> int:
    count = body.count
    empty = count(b"{}")
    return (
        _DICT * (count(b"{") - empty)
        + _EMPTY_DICT * empty
        + _LIST * count(b"[")
        + _KEY * count(b":")
        + _VALUE * count(b",")
        + _QUOTE * count(b'"')
    )


def _characters(body: bytes) -> int:
    """Most bytes of the characters of all strings: one character beyond the BMP makes a string's take four each."""
    return len(body) if body.isascii() and b"\\u" not in body else 4 * len(body)
