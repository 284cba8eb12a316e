"""From a call to the overload that it calls: fixed where the checker knows the types, else chosen by the values.

The generator binds the implementation itself where the types are known, and a Dispatch where they are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from webhook.cel.library.declaring import FunctionDeclaration, Library, Overload
from webhook.cel.tree import types
from webhook.cel.tree.errors import EvaluationError, no_such_overload
from webhook.cel.tree.types import Type
from webhook.cel.value.operators import type_of
from webhook.cel.value.values import BoolMap, Duration, Optional, Timestamp, UInt

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
