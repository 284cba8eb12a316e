"""The types, the error and the limit that the parsers of YAML and JSON share."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct, field

MAX_DEPTH: Final = 250
"""The most levels of lists and mappings in a document. The deepest known objects (CRD schemas) have about 60."""


class SyntaxProblem(ValueError):
    """Text that is not valid YAML or JSON, or exceeds a limit. `offset` is in characters; None if not known.

    `read_to`: the offset at which documents before the problem end; 0 if there are none. `grammar`: whether the text
    is not in the grammar of YAML or JSON, so that no other reader (kubectl) can read it either.
    """

    def __init__(self, message: str, offset: int | None = None, *, grammar: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.grammar = grammar
        self.read_to = 0


Places = dict[tuple[int, str | int], int]


class Root(Struct):
    """One document of a text: its value, and the offset (in characters) of its first key or value.

    `places` maps (id of a list or mapping inside `value`, key or index) to the offset of that key or item. It is filled
    only with `with_places`; then aliases share their values instead of copying them. `tags` has the same keys, for the
    offset of each scalar with a tag that YAML does not define. `repeated`: the keys that a mapping has twice, of which
    the last counts, as for kubectl.
    """

    value: Any
    offset: int
    places: Places
    tags: Places = field(default_factory=dict)
    repeated: list[DuplicateKey] = field(default_factory=list)


class DuplicateKey(SyntaxProblem):
    """A duplicate key in a mapping. `first` is the line of its first occurrence, counted in the text."""

    def __init__(self, key: str, first: int, offset: int) -> None:
        super().__init__(f"duplicate key {key!r}", offset)
        self.key = key
        self.first = first
