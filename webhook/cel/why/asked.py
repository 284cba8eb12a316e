"""What a search for witnesses asks of the object, and what it was answered."""

from __future__ import annotations

from typing import Any, Final

from webhook.paths import Path, lookup

ABSENT: Final = 0
TEXT: Final = 1
OTHER: Final = 2

_MISSING: Final = object()


class Asked:
    """Answers which parts an object has: ABSENT, TEXT or OTHER, by path. Each is looked up once.

    `searched`: the object. `answers`: all that was asked. `by_shape`: whether the search asked no more than that of
    values: neither how they are ordered, nor which of them are equal. See webhook.cel.why.shapes.
    """

    __slots__ = ("answers", "by_shape", "searched")

    def __init__(self, value: Any) -> None:
        self.searched = value
        self.answers: dict[Path, int] = {}
        self.by_shape = True

    def kind(self, path: Path) -> int:
        """What stands at a path."""
        known = self.answers.get(path)
        if known is None:
            known = self.answers[path] = kind(self.searched, path)
        return known

    def is_present(self, path: Path) -> bool:
        """Whether the object has a value at a path; it may be null."""
        return self.kind(path) != ABSENT


def kind(value: Any, path: Path) -> int:
    """What stands at a path of a value: ABSENT, TEXT or OTHER."""
    found = lookup(value, path, _MISSING)
    if found is _MISSING:
        return ABSENT
    return TEXT if isinstance(found, str) else OTHER
