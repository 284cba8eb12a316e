"""What the readers of YAML and JSON text share: what they return, what they raise, how deep they go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

MAX_DEPTH: Final = 250
"""Levels of lists and mappings in a document. The deepest objects known (CRD schemas) have about 60."""


class SyntaxProblem(ValueError):
    """Text that is no YAML or JSON, or none that is accepted. `offset` is in characters, None if not known."""

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


Places = dict[tuple[int, str | int], int]


@dataclass(slots=True)
class Root:
    """One document of a text: its value, and the offset (in characters) of its first key or value.

    `places` maps (id of a list or mapping inside `value`, key or index) to the offset of that key or item; it is filled
    only when asked for, and then values that aliases repeat are shared. `tags` has the offset of each scalar with a tag
    that YAML does not define, in the same way.
    """

    value: Any
    offset: int
    places: Places
    tags: Places = field(default_factory=dict)


class DuplicateKey(SyntaxProblem):
    """A key that stands twice in one mapping; `first` is the line of the first, counted in the text."""

    def __init__(self, key: str, first: int, offset: int) -> None:
        super().__init__(f"the key {key!r} stands twice", offset)
        self.first = first
