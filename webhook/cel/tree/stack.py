"""Room on Python's stack for functions that follow a tree by recursion.

The API server reads 250 levels of source, which macros expand to several levels of tree each. Calls of Python functions
take no C stack, so that a higher limit is safe while a tree is followed. It does not apply to evaluations, whose depth
requests decide.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_SHORT: Final = 60
"""A source of so many characters has no deep tree."""
_A_CHARACTER: Final = 20
"""The most frames that a character of the source may need."""
_HIGHEST: Final = 20_000


class _Users:
    """How many need a deep stack, and the limit without them."""

    __slots__ = ("before", "count", "lock")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.count = 0
        self.before = 0


_USERS: Final = _Users()


@contextmanager
def deep_stack(source: str) -> Iterator[None]:
    """A block in which the tree of a source can be followed. Threads may be in several of them."""
    if len(source) <= _SHORT:
        yield
        return
    users = _USERS
    with users.lock:
        limit = sys.getrecursionlimit()
        if users.count == 0:
            users.before = limit
        users.count += 1
        sys.setrecursionlimit(max(limit, min(users.before + _A_CHARACTER * len(source), _HIGHEST)))
    try:
        yield
    finally:
        with users.lock:
            users.count -= 1
            if users.count == 0:
                sys.setrecursionlimit(users.before)
