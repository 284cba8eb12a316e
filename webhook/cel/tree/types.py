"""CEL types as values: those that the checker infers, overloads declare and `type(x)` returns.

str(type) is the name that error messages show: int, list(string), map(string, dyn), optional_type(int),
kubernetes.Quantity.
"""

from __future__ import annotations

import re

from msgspec import Struct


class Type(Struct, frozen=True):
    """A type: its name and, for list, map, type and optional_type, its parameters."""

    name: str
    params: tuple[Type, ...] = ()
    is_param: bool = False
    """A type parameter of an overload (T in list(T))."""

    def __str__(self) -> str:
        if not self.params:
            return self.name
        return f"{self.name}({', '.join(map(str, self.params))})"

    def wraps(self) -> bool:
        """Whether the type is that of a wrapper, or has one among its parameters."""
        for param in self.params:  # noqa: SIM110 - a generator takes C stack at each level
            if param.wraps():
                return True
        return False


class Wrapper(Type, frozen=True):
    """The type of a wrapper of protocol buffers (google.protobuf.Int32Value): that of its value, or null.

    As in cel-go, it equals the type of its value, and only what asks whether null is allowed tells them apart.
    """

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Type) and self.name == other.name and not other.params and not other.is_param

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(Type(self.name))

    def __str__(self) -> str:
        return f"wrapper({self.name})"

    def wraps(self) -> bool:
        return True


DYN = Type("dyn")
NULL = Type("null")
BOOL = Type("bool")
INT = Type("int")
UINT = Type("uint")
DOUBLE = Type("double")
STRING = Type("string")
BYTES = Type("bytes")
DURATION = Type("duration")
TIMESTAMP = Type("timestamp")
TYPE = Type("type")
ERROR = Type("!error!")

NUMBERS = (INT, UINT, DOUBLE)

_SIMPLE = {t.name: t for t in (DYN, NULL, BOOL, INT, UINT, DOUBLE, STRING, BYTES, DURATION, TIMESTAMP, TYPE, ERROR)}
_TOKEN = re.compile(r"\s*([A-Za-z_][\w.]*|[(),<>])")


def list_of(element: Type) -> Type:
    """list(element)"""
    return Type("list", (element,))


def map_of(key: Type, value: Type) -> Type:
    """map(key, value)"""
    return Type("map", (key, value))


def parse(text: str) -> Type:
    """Parse the name of a type, such as `map(string, list(int))`.

    A single capital letter is a type parameter; a name that is not CEL's own is an opaque type. Raises ValueError if
    the text is not a type.
    """
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != re.sub(r"\s", "", text):
        raise ValueError(f"not a type: {text!r}")
    parsed, rest = _parse(tokens, text)
    if rest:
        raise ValueError(f"not a type: {text!r}")
    return parsed


def _parse(tokens: list[str], text: str) -> tuple[Type, list[str]]:
    if not tokens or tokens[0] in "(),":
        raise ValueError(f"not a type: {text!r}")
    name, rest = tokens[0], tokens[1:]
    params: list[Type] = []
    if rest[:1] == ["("]:
        while rest[0] != ")":
            param, rest = _parse(rest[1:], text)
            params.append(param)
            if rest[:1] not in ([","], [")"]):
                raise ValueError(f"not a type: {text!r}")
        rest = rest[1:]
    if params:
        return Type(name, tuple(params)), rest
    if len(name) == 1 and name.isupper():
        return Type(name, is_param=True), rest
    return _SIMPLE.get(name, Type(name)), rest
