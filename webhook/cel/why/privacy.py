"""Privacy levels of values: private parts, values that contain them, and values computed from them.

Expressions work on the original objects, so parts of these are identified by id(). Values computed from private parts
are found by following the tree. Texts that hold a private value wherever they come from, such as a copy in another
object, are found by their content.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from webhook.cel.tree.ast import Call, Expr, Select
from webhook.cel.tree.declared import Privacy, Shape
from webhook.cel.value.values import Optional

CLEAN: Final = 0
"""A value that may be shown."""
HOLDS: Final = 1
"""A value that may be shown except for its private parts."""
PRIVATE: Final = 2
"""A private part, or a value computed from one. Only its type and length may be shown; booleans may be shown."""


class Private(Struct, frozen=True):
    """The private parts of the variables of an expression, and the values that contain them, by id().

    The values must stay alive as long as this is used. `masked`: the text without private values; None if there are
    none to look for.
    """

    parts: frozenset[int] = frozenset()
    holders: frozenset[int] = frozenset()
    masked: Callable[[str], str] | None = None

    def __bool__(self) -> bool:
        return bool(self.parts) or self.masked is not None

    def text(self, text: str) -> str:
        """The text without private values."""
        return text if self.masked is None else self.masked(text)

    def by_content(self) -> Private:
        """This, without what is known by id(): for values that the expression computed from nothing private."""
        return Private(masked=self.masked)

    def level(self, value: Any) -> int:
        """The level (CLEAN, HOLDS or PRIVATE) of a value that the expression did not compute."""
        while isinstance(value, Optional):
            value = value.value
        if id(value) in self.parts or (type(value) is str and self.text(value) != value):
            return PRIVATE
        return HOLDS if id(value) in self.holders else CLEAN

    def projected(self, of: Any, level: int, value: Any) -> int:
        """The level of a part of the value `of`, which has the level `level`."""
        if level == PRIVATE:
            return PRIVATE
        own = self.level(value)
        fresh = level == HOLDS and self.level(of) == CLEAN  # the expression built it from values with private parts
        return HOLDS if own == CLEAN and fresh and isinstance(value, list | dict | Optional) else own


NOTHING: Final = Private()


def of_call(node: Call, levels: list[int]) -> int:
    """The level of a call's value, from the levels of its arguments. Not for projections."""
    highest = max(levels, default=CLEAN)
    if highest == CLEAN or node.declared.privacy is Privacy.OPEN:
        return CLEAN
    return highest if node.declared.privacy is Privacy.PASSED else PRIVATE


def reaches(node: Expr) -> bool:
    """Whether a node selects a part of another node's value."""
    if isinstance(node, Call):
        return node.declared.shape is Shape.PART
    return isinstance(node, Select) and not node.test
