"""CEL values that Python lacks: optionals, and maps whose keys are not all texts and ints.

Other values are those of JSON (None, bool, int, float, str, list, dict), bytes, and those of `numbers` and `times`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from webhook.cel.tree.errors import EvaluationError
from webhook.cel.tree.types import Type
from webhook.cel.value.numbers import INT_MAX, INT_MIN, UINT_MAX, UInt
from webhook.cel.value.times import Duration, Timestamp


class Optional:
    """optional.of(value). The instance NONE is optional.none()."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "optional.none()" if self is NONE else f"optional({self.value!r})"


NONE = Optional(None)

MISSING: Final = object()
"""The result of `find` for a key that a map does not have."""

# Go compares keys of these types by their values, and those of other types by their addresses.
_BY_VALUE: Final = (bool, UInt, float, type(None), Duration, Timestamp, Type)


class Key:
    """A map key that is neither a text nor an int. Python would take true for 1, and an uint for the same int."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return type(other) is Key and type(self.value) is type(other.value) and bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))

    def __repr__(self) -> str:
        return str(self.value).lower() if type(self.value) is bool else repr(self.value)


class _Address(Key):
    """A key that equals no other one, such as a list."""

    __slots__ = ()
    __eq__ = object.__eq__
    __hash__ = object.__hash__


def _wrapped(key: Any) -> Any:
    """The form of a key in a map. Raises EvaluationError, as the API server's own code panics, if it has none."""
    kind = type(key)
    if kind is str or kind is int:
        return key
    if key is NONE:
        return Key(key)
    if kind in _BY_VALUE and (kind is not Timestamp or not key.offset):
        return Key(key)
    return Key(key) if hashable(key) and getattr(key, "cel_key", "") == "value" else _Address(key)


def hashable(value: Any) -> bool:
    """True. Raises EvaluationError for a value that Go cannot hash. The class of an opaque value says in `cel_key`
    whether Go hashes its values by "value" (IP), by their "address" (the default) or not at all ("")."""
    if type(value) is bytes or not getattr(value, "cel_key", "address"):
        raise EvaluationError(f"internal error: runtime error: hash of unhashable type {go_type(value)}")
    return True


_GO_TYPES: Final[dict[type, str]] = {
    type(None): "types.Null",
    bool: "types.Bool",
    int: "types.Int",
    UInt: "types.Uint",
    float: "types.Double",
    str: "types.String",
    bytes: "types.Bytes",
    Timestamp: "types.Timestamp",
    Duration: "types.Duration",
    Optional: "*types.Optional",
    Type: "*types.Type",
    list: "*types.baseList",
}


def go_type(value: Any) -> str:
    """The Go type of cel-go's value, for error texts. The class of an opaque value has it in `go_type`."""
    found = _GO_TYPES.get(type(value))
    if found is not None:
        return found
    if isinstance(value, list | dict):
        return "*types.baseList" if isinstance(value, list) else "*types.baseMap"
    return str(getattr(value, "go_type", "types.Unknown"))


class KeyedMap(dict[Any, Any]):
    """A map with keys that are neither texts nor ints, each in a Key. Only expressions make one, never JSON."""

    __slots__ = ()

    def keys_as_values(self) -> Iterator[Any]:
        """The keys as CEL values."""
        for key in self:
            yield key.value if isinstance(key, Key) else key

    def find(self, key: Any) -> Any:
        """The value at a key, or at the same number of another type; MISSING if there is none."""
        kind = type(key)
        if not self:
            return MISSING
        found = self.get(_wrapped(key), MISSING)
        if found is not MISSING or not (kind is int or kind is UInt or kind is float):
            return found
        if kind is int:
            return self.get(Key(UInt(key)), MISSING) if key >= 0 else MISSING
        if kind is UInt:
            return self.get(int(key), MISSING)
        whole = whole_number(key)
        if whole is None:
            return MISSING
        found = self.get(whole, MISSING) if INT_MIN < whole < INT_MAX else MISSING
        return self.get(Key(UInt(whole)), MISSING) if found is MISSING and whole >= 0 else found


def whole_number(number: float) -> int | None:
    """The int or uint that a double equals, as cel-go finds it as a key; None if there is none."""
    return int(number) if number.is_integer() and INT_MIN < number <= UINT_MAX else None


def find(container: dict[Any, Any], key: Any) -> Any:
    """The value of a map at any key; MISSING if there is none."""
    kind = type(key)
    if kind is str:
        return container.get(key, MISSING)
    if type(container) is KeyedMap:
        return container.find(key)
    if kind is int or kind is UInt:
        return container.get(key, MISSING)
    if kind is float and (whole := whole_number(key)) is not None and whole < INT_MAX:
        return container.get(whole, MISSING)
    return MISSING


def entered(made: dict[Any, Any], key: Any, value: Any) -> dict[Any, Any]:
    """A map that is being built, after another entry. Returns `made` or a new map."""
    if type(key) is str or type(key) is int:
        made[key] = value
        return made
    wrapped = _wrapped(key)
    if type(made) is not KeyedMap:
        made = KeyedMap(made)
    made.pop(wrapped, None)  # 0.0 replaces -0.0
    made[wrapped] = value
    return made


def without(made: dict[Any, Any], key: Any) -> None:
    """Takes the entry of exactly this key, of this type, out of a map that is being built."""
    made.pop(_wrapped(key), None)
