"""Assignability of types, and the types that type variables stand for: cel-go's algorithm (checker/types.go).

A type variable is a type with `is_param`. A Substitution maps the names of variables to types, which may contain other
variables.
"""

from __future__ import annotations

from collections.abc import Sequence

from webhook.cel.tree import types
from webhook.cel.tree.types import Type, Wrapper

_SCALARS = frozenset(("bool", "bytes", "double", "int", "string", "uint", "duration", "timestamp"))
_BUILT_IN = _SCALARS | frozenset(("dyn", "any", "null", "list", "map", "type", types.ERROR.name))
DYNAMIC = (types.DYN.name, "any")
"""The types of values that may have any type: dyn, and a message of any type."""
_WILD = (*DYNAMIC, types.ERROR.name)

MAX_STEPS = 500_000
"""The most comparisons of types in one expression. Types of nested folds double in size with each level."""


class TypesTooLarge(Exception):
    """The types of an expression take too long to compare."""


def optional_of(declared: Type) -> Type:
    return Type("optional_type", (declared,))


def unwrapped(declared: Type) -> tuple[Type, bool]:
    """The type in an optional type and True; the type itself and False if it is another one."""
    if declared.name == "optional_type" and declared.params:
        return declared.params[0], True
    return declared, False


class Substitution:
    """The types of the variables of one expression. Failed attempts leave nothing behind. `steps`: the comparisons so
    far."""

    __slots__ = ("_changes", "_known", "steps")

    def __init__(self) -> None:
        self._known: dict[str, Type] = {}
        self._changes: list[tuple[str, Type | None]] = []
        self.steps = 0

    def assignable(self, to: Type, value: Type) -> bool:
        """Whether a value of the one type can be assigned to the other. Variables are bound so that it can."""
        if to is value and not to.is_param:
            return True
        mark = len(self._changes)
        if self._assignable(to, value):
            return True
        self._undo(mark)
        return False

    def all_assignable(self, to: Sequence[Type], values: Sequence[Type]) -> bool:
        """The same for lists of types, which must have the same length."""
        if len(to) != len(values):
            return False
        mark = len(self._changes)
        if self._all(to, values):
            return True
        self._undo(mark)
        return False

    def resolved(self, declared: Type, *, final: bool = False) -> Type:
        """The type with its variables replaced by what they stand for. final: unbound ones become dyn."""
        if declared.is_param:
            known = self._known.get(declared.name)
            if known is not None:
                return self.resolved(known, final=final)
            return types.DYN if final else declared
        if not declared.params:
            return declared
        self._count()
        params = [self.resolved(param, final=final) for param in declared.params]
        for found, param in zip(params, declared.params, strict=True):
            if found is not param:
                return Type(declared.name, tuple(params))
        return declared

    def spend(self, steps: int) -> None:
        """Count comparisons that were made before. Raises TypesTooLarge."""
        self.steps += steps
        if self.steps > MAX_STEPS:
            raise TypesTooLarge

    def _count(self) -> None:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise TypesTooLarge

    def _bind(self, variable: Type, to: Type) -> None:
        self._changes.append((variable.name, self._known.get(variable.name)))
        self._known[variable.name] = to

    def _undo(self, mark: int) -> None:
        changes, known = self._changes, self._known
        while len(changes) > mark:
            name, before = changes.pop()
            if before is None:
                del known[name]
            else:
                known[name] = before

    def _all(self, to: Sequence[Type], values: Sequence[Type]) -> bool:
        for one, other in zip(to, values, strict=True):  # noqa: SIM110 - a generator takes C stack at each level
            if not self._assignable(one, other):
                return False
        return True

    def _assignable(self, one: Type, other: Type) -> bool:
        self._count()
        if other.is_param:
            valid, bound = self._substitutable(one, other)
            if valid:
                return True
            if bound:
                return False
        if one.is_param:
            return self._substitutable(other, one)[0]
        name, second = one.name, other.name
        if name in _WILD or second in _WILD:
            return True
        if name == "null":
            return _nullable(other)
        if second == "null":
            return _nullable(one)
        if name != second:
            return False
        if name == "type" or not (one.params or other.params):
            return True
        return len(one.params) == len(other.params) and self._all(one.params, other.params)

    def _substitutable(self, declared: Type, variable: Type) -> tuple[bool, bool]:
        """Whether the variable can stand for the type, and whether it already stands for one."""
        if declared.is_param and declared.name == variable.name:
            return True, True
        known = self._known.get(variable.name)
        if known is not None:
            if declared is known or declared == known:
                return True, True
            if self._assignable(declared, known):
                general = most_general(declared, known)
                if self._free_of(variable, general):
                    self._bind(variable, general)
                return True, True
            return False, True
        if self._free_of(variable, declared):
            self._bind(variable, declared)
            return True, False
        return False, False

    def _free_of(self, variable: Type, within: Type) -> bool:
        """Whether the variable does not occur in a type."""
        if within.is_param:
            if within.name == variable.name:
                return False
            known = self._known.get(within.name)
            return known is None or self._free_of(variable, known)
        for param in within.params:
            self._count()
            if not self._free_of(variable, param):
                return False
        return True


def most_general(one: Type, other: Type) -> Type:
    """The less specific one of two types that can be assigned to each other."""
    return one if _less_specific(one, other) else other


def _less_specific(one: Type, other: Type) -> bool:
    """Whether the first type equals the second, or is less specific."""
    if one.is_param or one.name in DYNAMIC:
        return True
    if other.is_param or other.name in DYNAMIC:
        return False
    if one.name != other.name:
        return False
    if one.name == "type":
        return True
    if len(one.params) != len(other.params):
        return False
    for first, second in zip(one.params, other.params, strict=True):  # noqa: SIM110 - as above
        if not _less_specific(first, second):
            return False
    return True


def _nullable(declared: Type) -> bool:
    """Whether null can be assigned to a type: to null, times, optionals, wrappers, opaque types and structs."""
    return (
        declared.name in ("null", "duration", "timestamp")
        or declared.name not in _BUILT_IN
        or type(declared) is Wrapper
    )


def is_struct(declared: Type, opaque: frozenset[str]) -> bool:
    """Whether a type has fields, as far as its name says. opaque: the names of types that have none."""
    return declared.name not in _BUILT_IN and not declared.params and declared.name not in opaque
