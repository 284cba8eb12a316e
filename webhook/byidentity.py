"""A cache of values that are made of an object, by the identity of the object."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class ByIdentity(Generic[Value]):
    """The values of at most `most` objects, which are kept in use; after that many it begins anew.

    The last object is compared first: nearly always it is the one that is asked for, and where policies in Python run,
    id() is an audit event, which costs as much as all the rest.
    """

    __slots__ = ("_known", "_last", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[int, tuple[Any, Value]] = {}
        self._last: tuple[Any, Value | None] = (self, None)  # in one value, as several threads may ask

    def get(self, of: Any) -> Value | None:
        """The value of an object; None if none is known."""
        last = self._last
        if last[0] is of:
            return last[1]
        found = self._known.get(id(of))
        if found is None:
            return None
        self._last = found
        return found[1]

    def keep(self, of: Any, value: Value) -> Value:
        """Keep the value of an object. Returns the value."""
        if len(self._known) >= self._most:
            self._known.clear()
        self._last = self._known[id(of)] = of, value
        return value
