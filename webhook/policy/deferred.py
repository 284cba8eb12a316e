"""What is made when it is first asked for, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Made = TypeVar("Made")
Other = TypeVar("Other")


class Deferred(Generic[Made]):
    """`value`: what `make` returns, which is called at the first use."""

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], Made]) -> None:
        self._make: Callable[[], Made] | None = make

    @property
    def value(self) -> Made:
        if self._make is not None:
            self._made = self._make()
            self._make = None
        return self._made

    def then(self, change: Callable[[Made], Other]) -> Deferred[Other]:
        """What `change` returns for the value, deferred too."""
        return Deferred(lambda: change(self.value))
