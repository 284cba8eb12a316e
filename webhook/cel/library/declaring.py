"""How a function library is declared, and how a call finds its implementation.

A library is a table of overloads: signature, meaning, example, error, implementation. The checker gets the signatures;
the generator binds the implementation where the checker fixed the types, else a Dispatch that looks at the values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

from webhook.cel.check.frontend import FunctionDeclaration
from webhook.cel.tree import types
from webhook.cel.tree.errors import EvaluationError, no_such_overload
from webhook.cel.tree.types import Type
from webhook.cel.value.operators import type_of
from webhook.cel.value.values import BoolMap, Duration, Optional, Timestamp, UInt

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


_CLASSES: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "bool": (bool,),
    "int": (int,),
    "uint": (UInt,),
    "double": (float,),
    "string": (str,),
    "bytes": (bytes,),
    "list": (list,),
    "map": (dict, BoolMap),
    "duration": (Duration,),
    "timestamp": (Timestamp,),
    "type": (Type,),
    "optional_type": (Optional,),
}

# Functions whose missing overload cel-go reports without naming them.
_UNNAMED = frozenset({"contains", "startsWith", "endsWith", "sort", "@sortByAssociatedKeys"})


class Dispatch:
    """A function called on values whose types the checker does not know: the overload is chosen at each call."""

    __slots__ = ("_chosen", "_name", "_overloads")

    def __init__(self, name: str, overloads: Iterable[tuple[tuple[tuple[type, ...], ...], Callable[..., Any]]]) -> None:
        self._name = name
        self._overloads = tuple(overloads)
        self._chosen: dict[tuple[type, ...], Callable[..., Any]] = {}

    def __call__(self, *args: Any) -> Any:
        classes = tuple(map(type, args))
        call = self._chosen.get(classes)
        if call is None:
            call = self._choose(classes, args)
        return call(*args)

    def _choose(self, classes: tuple[type, ...], args: tuple[Any, ...]) -> Callable[..., Any]:
        for accepted, call in self._overloads:
            if all(not allowed or found in allowed for allowed, found in zip(accepted, classes, strict=True)):
                self._chosen[classes] = call  # bounded: value classes are few
                return call
        if self._name in _UNNAMED or (self._name == "matches" and classes[0] is str):
            raise no_such_overload()
        if self._name == "matches":
            raise EvaluationError("no such overload: matches")
        found = [str(type_of(arg)) for arg in args]
        if self._name == "flatten":
            raise EvaluationError(f"no such overload: {found[0]}.flatten({', '.join(found[1:])})")
        raise EvaluationError(f"no such overload: {self._name}({', '.join(found)})")


class Functions:
    """All the overloads of an environment, and the way from a call to its implementation."""

    def __init__(self, libraries: Iterable[Library]) -> None:
        self._by_call: dict[tuple[str, bool, int], list[Overload]] = {}
        self._classes = dict(_CLASSES)
        self._dispatches: dict[tuple[str, bool, int], Dispatch] = {}
        self.declarations: list[FunctionDeclaration] = []
        for library in libraries:
            self._classes.update({name: (cls,) for name, cls in (library.opaque or {}).items()})
            for number, overload in enumerate(library.overloads):
                key = (overload.name, overload.member, len(overload.params))
                self._by_call.setdefault(key, []).append(overload)
                if not library.checked_by_parser:
                    self.declarations.append(
                        FunctionDeclaration(
                            f"{library.name}_{number}_{overload.name}",
                            overload.name,
                            overload.params,
                            overload.result,
                            overload.member,
                        )
                    )

    def known(self, name: str, member: bool, arity: int) -> bool:
        """Whether there is such a function at all."""
        return (name, member, arity) in self._by_call

    def names(self, *, member: bool) -> frozenset[str]:
        """The names of all methods, or of all global functions; those of operators are none."""
        return frozenset(name for name, method, _ in self._by_call if method == member and name[0].isalpha())

    def resolve(self, name: str, member: bool, argument_types: tuple[Type, ...]) -> Callable[..., Any] | None:
        """The implementation for a call with arguments of these types; a Dispatch where they leave it open.

        None if there is no such function.
        """
        key = (name, member, len(argument_types))
        overloads = self._by_call.get(key)
        if overloads is None:
            return None
        for overload in overloads:
            if all(_fixed(given, wanted) for given, wanted in zip(argument_types, overload.params, strict=True)):
                return overload.call
        if key not in self._dispatches:
            self._dispatches[key] = Dispatch(
                name, ((tuple(map(self._accepted, overload.params)), overload.call) for overload in overloads)
            )
        return self._dispatches[key]

    def _accepted(self, declared: Type) -> tuple[type, ...]:
        """The classes of values that a parameter takes; none stands for any."""
        if declared.is_param or declared == types.DYN:
            return ()
        return self._classes[declared.name]


def _fixed(given: Type, wanted: Type) -> bool:
    """Whether an argument checked as `given` is sure to be a `wanted`."""
    if wanted.is_param or wanted == types.DYN:
        return True
    if given.name != wanted.name:
        return False
    return all(map(_fixed, given.params, wanted.params)) if len(given.params) == len(wanted.params) else True
