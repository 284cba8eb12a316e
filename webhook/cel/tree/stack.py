"""Room on the stack for functions that follow a tree by recursion.

The API server reads 250 levels of source, which macros expand to several levels of tree each. Calls of Python functions
take no C stack, so that a higher limit of recursion is safe while a tree is parsed and checked. What generates code, or
explains it, does take C stack (generators, built-in functions, Python's own compiler): deep trees are followed in a
thread with a stack of known size, as the caller's may be as small as 128 KiB. None of this applies to evaluations,
whose depth requests decide.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from webhook.cel.tree.ast import Expr, children

T = TypeVar("T")

_SHORT: Final = 60
"""A source of so many characters has no deep tree."""
_A_CHARACTER: Final = 20
"""The most frames that a character of the source may need."""
_A_LEVEL: Final = 20
"""The most frames that a level of a tree needs where it is explained."""
_HIGHEST: Final = 20_000
LOW: Final = 10
"""The height that the API server counts for a source whose tree every stack has room for, if it has few brackets."""
_SHALLOW: Final = 24
"""The levels of a tree that every stack has room for."""
_OFFLINE: Final = 200
"""The levels that the stack of a command has room for. Only commands follow the trees of variables and explanations."""
_STACK: Final = 16 * 1024 * 1024
"""Bytes of the stack for deeper trees, of which the deepest needs half a MiB."""


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
    with _limit_raised(_A_CHARACTER * len(source)):
        yield


@contextmanager
def _limit_raised(frames: int) -> Iterator[None]:
    users = _USERS
    with users.lock:
        limit = sys.getrecursionlimit()
        if users.count == 0:
            users.before = limit
        users.count += 1
        sys.setrecursionlimit(max(limit, min(users.before + frames, _HIGHEST)))
    try:
        yield
    finally:
        with users.lock:
            users.count -= 1
            if users.count == 0:
                sys.setrecursionlimit(users.before)


def with_room(source: str, tree: Expr, work: Callable[[], T]) -> T:
    """The result of `work`, which follows a tree of a source. Raises what it raises; RecursionError without memory."""
    if len(source) <= _SHORT:
        return work()
    with deep_stack(source):
        if is_shallow(tree) or isinstance(threading.current_thread(), _Roomy):
            return work()
        return _Roomy(work).done()


def with_stack(source: str, work: Callable[[], T]) -> T:
    """The result of `work`, which recurses as deep as a source is long. Raises as `with_room` does."""
    if len(source) <= _SHORT or isinstance(threading.current_thread(), _Roomy):
        return work()
    return _Roomy(work).done()


def with_levels(height: int, work: Callable[[], T]) -> T:
    """The result of `work` of a command, which follows so many levels of trees. Raises as `with_room` does."""
    if height <= _SHALLOW:
        return work()
    with _limit_raised(_A_LEVEL * height):
        if height <= _OFFLINE or isinstance(threading.current_thread(), _Roomy):
            return work()
        return _Roomy(work).done()


def levels(tree: Expr) -> int:
    """How deep a tree is."""
    return sum(1 for _ in _by_level(tree))


def is_shallow(tree: Expr) -> bool:
    """Whether every stack has room for a tree."""
    return not any(depth > _SHALLOW for depth, _ in enumerate(_by_level(tree), 1))


def _by_level(tree: Expr) -> Iterator[list[Expr]]:
    """The nodes of a tree, from the root's level down."""
    level = [tree]
    while level:
        yield level
        level = [child for node in level for child in children(node)]


_STARTING: Final = threading.Lock()


class _Roomy(threading.Thread):
    """A thread with a large stack that does one piece of work."""

    def __init__(self, work: Callable[[], object]) -> None:
        super().__init__(name="deep tree", daemon=True)
        self._work = work
        self._result: object = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:
            self._error = error

    def done(self) -> T:  # type: ignore[type-var]
        """The result of the work. Raises what it raised."""
        with _STARTING:  # the size is that of all threads that are started meanwhile
            before = threading.stack_size(_STACK)
            try:
                self.start()
            except RuntimeError:
                raise RecursionError("no memory for a deep stack") from None
            finally:
                threading.stack_size(before)
        self.join()
        error, self._error = self._error, None
        if error is not None:
            raise error
        return self._result  # type: ignore[return-value]
