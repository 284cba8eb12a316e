"""Which values must not be shown: what is private, what holds such a thing, and what was made from it.

Expressions work on the very objects that they are given, so a part of one is known by its identity; what is computed
from a private part is found by following the tree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from webhook.cel.tree.ast import Call, Expr, Select
from webhook.cel.tree.declared import Privacy, Shape
from webhook.cel.value.values import Optional

CLEAN: Final = 0
"""A value that may be shown."""
HOLDS: Final = 1
"""A value that may be shown but for its private parts."""
PRIVATE: Final = 2
"""A private part, or made from one: only its type and length may be shown, and booleans."""


@dataclass(frozen=True, slots=True)
class Private:
    """The private parts of the values that an expression may see, and what holds them, by id().

    The values must stay alive as long as this is used.
    """

    parts: frozenset[int] = frozenset()
    holders: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.parts)

    def level(self, value: Any) -> int:
        """CLEAN, HOLDS or PRIVATE of a value that was not made by the expression itself."""
        while isinstance(value, Optional):
            value = value.value
        if id(value) in self.parts:
            return PRIVATE
        return HOLDS if id(value) in self.holders else CLEAN

    def projected(self, of: Any, level: int, value: Any) -> int:
        """The level of a part of a value whose own level is known."""
        if level == PRIVATE:
            return PRIVATE
        own = self.level(value)
        fresh = level == HOLDS and self.level(of) == CLEAN  # made by the expression, of what holds private parts
        return HOLDS if own == CLEAN and fresh and isinstance(value, list | dict | Optional) else own


NOTHING: Final = Private()


def of_call(node: Call, levels: list[int]) -> int:
    """The level of a call's value, from those of its arguments. Not for projections."""
    highest = max(levels, default=CLEAN)
    if highest == CLEAN or node.declared.privacy is Privacy.OPEN:
        return CLEAN
    return highest if node.declared.privacy is Privacy.PASSED else PRIVATE


def reaches(node: Expr) -> bool:
    """Whether a node selects a part of another's value."""
    if isinstance(node, Call):
        return node.declared.shape is Shape.PART
    return isinstance(node, Select) and not node.test
