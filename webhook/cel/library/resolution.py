"""Resolves calls to declarations: to one overload if the checker knows the types, else to all possible overloads.

The values of the arguments then determine the overload at run time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec.structs import replace

from webhook.cel.library.declaring import FunctionDeclaration, Library, Missing, Overload
from webhook.cel.library.operation import OPERATORS
from webhook.cel.tree import types
from webhook.cel.tree.declared import Cost, Declared, Privacy, Shape
from webhook.cel.tree.errors import EvaluationError
from webhook.cel.tree.types import Type
from webhook.cel.value.numbers import UInt
from webhook.cel.value.operators import type_of
from webhook.cel.value.times import Duration, Timestamp
from webhook.cel.value.values import KeyedMap, Optional

_CLASSES: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "bool": (bool,),
    "int": (int,),
    "uint": (UInt,),
    "double": (float,),
    "string": (str,),
    "bytes": (bytes,),
    "list": (list,),
    "map": (dict, KeyedMap),
    "duration": (Duration,),
    "timestamp": (Timestamp,),
    "type": (Type,),
    "optional_type": (Optional,),
}


def _no_overload(name: str, args: tuple[Any, ...]) -> str:
    return f"no such overload: {name}({', '.join(str(type_of(arg)) for arg in args)})"


class Dispatch:
    """A function whose overload is chosen at each call, by the values of the arguments."""

    __slots__ = ("_chosen", "_missing", "_name", "_overloads", "only")

    def __init__(
        self,
        name: str,
        overloads: Iterable[tuple[tuple[tuple[type, ...], ...], Callable[..., Any]]],
        missing: Missing = _no_overload,
    ) -> None:
        self._name = name
        self._overloads = tuple(overloads)
        self._missing = missing
        # The implementation if there is only one.
        self.only: Callable[..., Any] | None = self._overloads[0][1] if len(self._overloads) == 1 else None
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
        raise EvaluationError(self._missing(self._name, args))


_Key = tuple[str, bool, int]  # name, whether it is a method, number of arguments


class Functions:
    """All overloads of an environment. It resolves calls to their declarations."""

    def __init__(self, libraries: Iterable[Library]) -> None:
        self._by_call: dict[_Key, list[Overload]] = {}
        self._classes = dict(_CLASSES)
        self._dispatches: dict[_Key, Dispatch] = {}
        self._unfixed: dict[tuple[_Key, tuple[int, ...]], Declared] = {}
        self.declarations: list[FunctionDeclaration] = []
        for library in libraries:
            self._classes.update({name: (cls,) for name, cls in (library.opaque or {}).items()})
            for number, overload in enumerate(library.overloads):
                key = (overload.name, overload.member, len(overload.params))
                self._by_call.setdefault(key, []).append(overload)
                self.declarations.append(
                    FunctionDeclaration(
                        f"{library.name}_{number}_{overload.name}",
                        overload.name,
                        overload.params,
                        overload.result,
                        overload.member,
                    )
                )
        self._names = {
            member: frozenset(name for name, method, _ in self._by_call if method == member and name[0].isalpha())
            for member in (True, False)
        }

    def names(self, *, member: bool) -> frozenset[str]:
        """The names of all methods, or of all global functions, without operators."""
        return self._names[member]

    def declared(self, name: str, member: bool, argument_types: tuple[Type, ...]) -> Declared:
        """The declaration of a call with arguments of these types.

        If several overloads are possible, it holds for all of them, and its implementation chooses one by the values.
        The declaration of an unknown function raises an error when it is called.
        """
        key = (name, member, len(argument_types))
        overloads = self._by_call.get(key)
        if overloads is None:
            return OPERATORS.get(name) or Declared(_absent(name, named=name in self._names[member]))
        for overload in overloads:
            if all(map(_fixed, argument_types, overload.params)):
                return overload.declared
        places = range(len(overloads))
        possible = tuple(place for place in places if all(map(_possible, argument_types, overloads[place].params)))
        found = self._unfixed.get((key, possible))
        if found is None:
            chosen = [overloads[place] for place in possible or places]
            call = _shared(overloads) or self._dispatch(key)
            found = self._unfixed[key, possible] = replace(_of_any(chosen), call=call)
        return found

    def _dispatch(self, key: _Key) -> Dispatch:
        if key not in self._dispatches:
            overloads = self._by_call[key]
            choices = ((tuple(map(self._accepted, each.params)), each.declared.call) for each in overloads)
            missing = next((each.missing for each in overloads if each.missing is not None), _no_overload)
            self._dispatches[key] = Dispatch(key[0], choices, missing)
        return self._dispatches[key]

    def _accepted(self, declared: Type) -> tuple[type, ...]:
        """The Python classes that a parameter accepts; empty for all classes."""
        if declared.is_param or declared == types.DYN:
            return ()
        return self._classes[declared.name]


def _absent(name: str, *, named: bool) -> Callable[..., Any]:
    """Raises the error of a call that has no declaration; named: whether there is one with other arguments."""

    def call(*args: Any) -> Any:
        raise EvaluationError(_no_overload(name, args) if named else f"no such overload: {name}")

    return call


def _shared(overloads: list[Overload]) -> Callable[..., Any] | None:
    """The implementation of all overloads, if they share one that refuses values of other types."""
    first = overloads[0].declared.call
    return first if all(each.guarded and each.declared.call is first for each in overloads) else None


def _fixed(argument: Type, parameter: Type) -> bool:
    """Whether a value of the checked type `argument` always has the type `parameter`."""
    if parameter.is_param or parameter == types.DYN:
        return True
    if argument.name != parameter.name:
        return False
    return (
        all(map(_fixed, argument.params, parameter.params)) if len(argument.params) == len(parameter.params) else True
    )


def _possible(argument: Type, parameter: Type) -> bool:
    """Whether a value of the checked type `argument` may have the type `parameter`."""
    if parameter.is_param or types.DYN in (argument, parameter):
        return True
    return argument.name == parameter.name and all(map(_possible, argument.params, parameter.params))


def _of_any(overloads: list[Overload]) -> Declared:
    """The declaration of a call with several possible overloads: the highest cost, work and privacy of them."""
    first = overloads[0].declared
    if len(overloads) == 1:  # the checker has determined it
        return first
    every = [overload.declared for overload in overloads]
    alike = all((each.shape, each.element) == (first.shape, first.element) for each in every)
    privacy = {each.privacy for each in every}
    return Declared(
        first.call,
        cost=_most([overload.unfixed_cost for overload in overloads]),
        estimate=next((each.estimate for each in every if each.estimate is not None), None),
        work=_most([each.work for each in every]),
        privacy=next(each for each in (Privacy.MADE, Privacy.PASSED, Privacy.OPEN) if each in privacy),
        shape=first.shape if alike else Shape.MADE,
        element=first.element if alike else None,
        deciding=next((each.deciding for each in every if each.deciding is not None), None),
        folds=any(each.folds for each in every),
        mixes=any(each.mixes for each in every),
        pattern=next((each.pattern for each in every if each.pattern is not None), None),
        metered=next((each.metered for each in every if each.metered is not None), None),
        check=next((each.check for each in every if each.check is not None), None),
    )


def _most(costs: list[Cost | None]) -> Cost | None:
    known = list(dict.fromkeys(cost for cost in costs if cost is not None))
    if len(known) < 2:
        return known[0] if known else None
    return lambda *args: max(cost(*args) for cost in known)
