"""How a function library is declared: a table of overloads with signature, meaning, example, error, implementation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

from webhook.cel.tree import types
from webhook.cel.tree.types import Type

Failure = tuple[str, str]
"""An expression that gives an error, and the text of the error."""


@dataclass(frozen=True, slots=True)
class Overload:
    """One overload of a function; a method has its receiver as the first of `params`.

    `example` is an expression that is true, `error` one that fails; both are run as tests.
    """

    name: str
    params: tuple[Type, ...]
    result: Type
    member: bool
    call: Callable[..., Any]
    doc: str
    example: str
    error: Failure | None = None


@dataclass(frozen=True, slots=True)
class FunctionDeclaration:
    """A function overload as the checker needs it. `id` is unique among all overloads."""

    id: str
    name: str
    params: tuple[Type, ...]
    result: Type
    member: bool


@dataclass(frozen=True, slots=True)
class Macro:
    """A macro, which the parser expands. `form` is what the reference shows as its signature; the rest is as above."""

    name: str
    form: str
    doc: str
    example: str
    error: Failure | None = None


@dataclass(frozen=True, slots=True)
class Library:
    """A set of functions that a Kubernetes version has or has not. `since` is that version, as (1, 28)."""

    name: str
    since: tuple[int, int]
    overloads: tuple[Overload, ...]
    checked_by_parser: bool = False
    """The parser's own checker declares these already; only implementations are given here."""
    opaque: Mapping[str, type] | None = None
    """Opaque type names and the Python classes of their values."""
    named_types: tuple[str, ...] = ()
    """The opaque types that expressions can name, as in `type(x) == net.IP`."""
    extension: str = ""
    """The parser's extension that has these functions or macros."""
    macros: tuple[Macro, ...] = ()
    variables: tuple[str, ...] = ()
    """The variables that come with it, where an expression has them."""


def function(
    name: str, signature: str, call: Callable[..., Any], doc: str, example: str = "", error: Failure | None = None
) -> Overload:
    """A global function. The signature reads `string, int -> list(string)`."""
    return _overload(name, signature, call, (doc, example, error), member=False)


def method(
    name: str, signature: str, call: Callable[..., Any], doc: str, example: str = "", error: Failure | None = None
) -> Overload:
    """A method: the first parameter of the signature is the receiver."""
    return _overload(name, signature, call, (doc, example, error), member=True)


def _overload(
    name: str, signature: str, call: Callable[..., Any], told: tuple[str, str, Failure | None], *, member: bool
) -> Overload:
    params, _, result = signature.partition("->")
    return Overload(name, tuple(_split(params)), types.parse(result.strip()), member, call, *told)


Value = TypeVar("Value")
_KEPT, _KEPT_LENGTH = 1024, 128


class remembered(Generic[Value]):
    """A function of a text that keeps what it made of short ones: policies parse the same literals every time."""

    __slots__ = ("_kept", "_make")

    def __init__(self, make: Callable[[str], Value]) -> None:
        self._make = make
        self._kept = lru_cache(maxsize=_KEPT)(make)

    def __call__(self, text: str) -> Value:
        return self._kept(text) if len(text) <= _KEPT_LENGTH else self._make(text)


def _split(params: str) -> Iterator[Type]:
    depth, start = 0, 0
    for place, character in enumerate(params + ","):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            if params[start:place].strip():
                yield types.parse(params[start:place].strip())
            start = place + 1
