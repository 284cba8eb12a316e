"""Frozen records: msgspec structs, and those of them whose text or comparison leaves out some fields.

A struct takes a fiftieth of the time of a frozen dataclass to define and a sixth to make; a run of `check` defines some
170 of them (docs/decisions/025-structs.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from msgspec import Struct


class Guarded(Struct, frozen=True):
    """A frozen struct with fields that `repr` does not show, or that comparison ignores.

    A subclass names them in `unshown` (values that may be secret, or long) and `uncompared`. It hashes by what it
    compares.
    """

    unshown: ClassVar[frozenset[str]] = frozenset()
    uncompared: ClassVar[frozenset[str]] = frozenset()

    def __repr__(self) -> str:
        shown = (name for name in self.__struct_fields__ if name not in self.unshown)
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(mine == theirs for mine, theirs in zip(self._compared(), other._compared(), strict=True))

    def __hash__(self) -> int:
        return hash((type(self), *self._compared()))

    def _compared(self) -> Iterable[Any]:
        return (getattr(self, name) for name in self.__struct_fields__ if name not in self.uncompared)
