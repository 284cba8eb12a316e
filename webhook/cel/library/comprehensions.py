"""The macros over lists and maps: all, exists, map, filter; with two variables also macros that build maps.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#macros and, with two variables, cel-go's
ext.TwoVarComprehensions. They all become folds, in the form of cel-go's, which webhook.cel.tree.macros recognises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from webhook.cel.library.declaring import Library, Macro
from webhook.cel.tree.parsed import (
    ACCUMULATOR,
    FORMER_ACCUMULATOR,
    IDENT,
    SELECT,
    Expansion,
    MacroError,
    Parsed,
)


def _has(make: Expansion, _: Parsed, args: Sequence[Parsed]) -> Parsed:
    selection = args[0]
    if selection.kind != SELECT or selection.target is None:
        raise MacroError(selection, "invalid argument to has() macro")
    return make.present(selection.target, selection.name)


def _variables(args: Sequence[Parsed], count: int, text: str = "argument must be a simple name") -> tuple[str, str]:
    """The one or two names that the first arguments bind."""
    for each in args[:count]:
        if each.kind != IDENT:
            raise MacroError(each, text)
    if count == 2 and args[0].name == args[1].name:
        raise MacroError(args[1], f"duplicate variable name: {args[0].name}")
    for each in args[:count]:
        if each.name in (ACCUMULATOR, FORMER_ACCUMULATOR):
            raise MacroError(each, "iteration variable overwrites accumulator variable")
    return args[0].name, args[1].name if count == 2 else ""


_Parts = tuple[Parsed, Parsed, Parsed, Parsed]
"""The first value of a fold, its condition, its step and its result."""


def _all(make: Expansion, condition: Parsed) -> _Parts:
    return (
        make.constant(True),
        make.call("@not_strictly_false", make.accumulated()),
        make.call("_&&_", make.accumulated(), condition),
        make.accumulated(),
    )


def _exists(make: Expansion, condition: Parsed) -> _Parts:
    return (
        make.constant(False),
        make.call("@not_strictly_false", make.call("!_", make.accumulated())),
        make.call("_||_", make.accumulated(), condition),
        make.accumulated(),
    )


def _exists_one(make: Expansion, condition: Parsed) -> _Parts:
    return (
        make.constant(0),
        make.constant(True),
        make.call("_?_:_", condition, make.call("_+_", make.accumulated(), make.constant(1)), make.accumulated()),
        make.call("_==_", make.accumulated(), make.constant(1)),
    )


def _quantified(
    parts: Callable[[Expansion, Parsed], _Parts], count: int, make: Expansion, target: Parsed, args: Sequence[Parsed]
) -> Parsed:
    names = _variables(args, count)
    return make.fold((*names, ACCUMULATOR), target, *parts(make, args[count]))


def _where(make: Expansion, condition: Parsed | None, step: Parsed) -> Parsed:
    """The step, taken only where the condition is true."""
    return step if condition is None else make.call("_?_:_", condition, step, make.accumulated())


def _collected(make: Expansion, element: Parsed, condition: Parsed | None) -> Parsed:
    return _where(make, condition, make.call("_+_", make.accumulated(), make.list(element)))


def mapped(make: Expansion, target: Parsed, args: Sequence[Parsed]) -> Parsed:
    """The expansion of target.map(…)."""
    names = _variables(args, 1, "argument is not an identifier")
    first, always = make.list(), make.constant(True)
    step = _collected(make, args[-1], args[1] if len(args) == 3 else None)
    return make.fold((*names, ACCUMULATOR), target, first, always, step, make.accumulated())


def _filter(make: Expansion, target: Parsed, args: Sequence[Parsed]) -> Parsed:
    names = _variables(args, 1, "argument is not an identifier")
    first, always = make.list(), make.constant(True)
    step = _collected(make, args[0], args[1])
    return make.fold((*names, ACCUMULATOR), target, first, always, step, make.accumulated())


def _transformed(make: Expansion, target: Parsed, names: tuple[str, str], step: Parsed, first: Parsed) -> Parsed:
    return make.fold((*names, ACCUMULATOR), target, first, make.constant(True), step, make.accumulated())


def _condition(args: Sequence[Parsed]) -> Parsed | None:
    return args[2] if len(args) == 4 else None


def _transform_list(make: Expansion, target: Parsed, args: Sequence[Parsed]) -> Parsed:
    names = _variables(args, 2)
    step = _collected(make, args[-1], _condition(args))
    return _transformed(make, target, names, step, make.list())


def _transform_map(make: Expansion, target: Parsed, args: Sequence[Parsed]) -> Parsed:
    names = _variables(args, 2)
    inserted = make.call("cel.@mapInsert", make.accumulated(), make.name(names[0]), args[-1])
    return _transformed(make, target, names, _where(make, _condition(args), inserted), make.map())


def _transform_entries(make: Expansion, target: Parsed, args: Sequence[Parsed]) -> Parsed:
    names = _variables(args, 2)
    inserted = make.call("cel.@mapInsert", make.accumulated(), args[-1])
    return _transformed(make, target, names, _where(make, _condition(args), inserted), make.map())


LIBRARY = Library(
    "macros",
    (1, 23),
    (),
    macros=(
        Macro(
            "has",
            "has(e.field) -> bool",
            "Whether the field is present.",
            "has({'a': 1}.a) && !has({'a': 1}.b)",
            _has,
        ),
        Macro(
            "all",
            "list(T).all(e, condition) -> bool",
            "Whether the condition is true for every element, or every key of a map.",
            "[1, 2].all(e, e > 0)",
            partial(_quantified, _all, 1),
        ),
        Macro(
            "exists",
            "list(T).exists(e, condition) -> bool",
            "Whether the condition is true for an element or key.",
            "{'a': 1}.exists(key, key == 'a')",
            partial(_quantified, _exists, 1),
        ),
        Macro(
            "exists_one",
            "list(T).exists_one(e, condition) -> bool",
            "Whether the condition is true for exactly one element or key.",
            "[1, 2, 2].exists_one(e, e == 1)",
            partial(_quantified, _exists_one, 1),
        ),
        Macro(
            "map",
            "list(T).map(e, value) -> list(U)",
            "The values of all elements or keys.",
            "[1, 2].map(e, e * 2) == [2, 4]",
            mapped,
        ),
        Macro(
            "map",
            "list(T).map(e, condition, value) -> list(U)",
            "The same for those for which the condition is true.",
            "[1, 2].map(e, e > 1, e * 2) == [4]",
            mapped,
        ),
        Macro(
            "filter",
            "list(T).filter(e, condition) -> list(T)",
            "The elements or keys for which the condition is true.",
            "[1, 2].filter(e, e > 1) == [2]",
            _filter,
        ),
    ),
)

TWO_VARIABLES = Library(
    "two-variable comprehensions",
    (1, 32),
    (),
    macros=(
        Macro(
            "all",
            "list(T).all(i, e, condition) -> bool",
            "Whether the condition is true for every index and element, or key and value of a map.",
            "[1, 2].all(i, e, e == i + 1)",
            partial(_quantified, _all, 2),
        ),
        Macro(
            "exists",
            "list(T).exists(i, e, condition) -> bool",
            "Whether the condition is true for an index and element, or a key and value of a map.",
            "{'a': 1}.exists(key, value, key == 'a' && value == 1)",
            partial(_quantified, _exists, 2),
        ),
        Macro(
            "existsOne",
            "list(T).existsOne(i, e, condition) -> bool",
            "Whether the condition is true for exactly one.",
            "[0, 2].existsOne(i, e, e == i)",
            partial(_quantified, _exists_one, 2),
        ),
        Macro(
            "exists_one",
            "list(T).exists_one(i, e, condition) -> bool",
            "Another name of existsOne.",
            "[0, 2].exists_one(i, e, e == i)",
            partial(_quantified, _exists_one, 2),
        ),
        Macro(
            "transformList",
            "list(T).transformList(i, e, value) -> list(U)",
            "The values of all, as a list.",
            "{'a': 1}.transformList(key, value, key + string(value)) == ['a1']",
            _transform_list,
        ),
        Macro(
            "transformList",
            "list(T).transformList(i, e, condition, value) -> list(U)",
            "The same for those for which the condition is true.",
            "[3, 4].transformList(i, e, i > 0, e) == [4]",
            _transform_list,
        ),
        Macro(
            "transformMap",
            "map(K, V).transformMap(key, value, new) -> map(K, U)",
            "The map with new values; for a list, a map from its indexes.",
            "{'a': 1}.transformMap(key, value, value + 1) == {'a': 2} && ['x'].transformMap(i, e, e) == {0: 'x'}",
            _transform_map,
        ),
        Macro(
            "transformMap",
            "map(K, V).transformMap(key, value, condition, new) -> map(K, U)",
            "The same for those for which the condition is true.",
            "{'a': 1, 'b': 2}.transformMap(key, value, value > 1, value) == {'b': 2}",
            _transform_map,
        ),
        Macro(
            "transformMapEntry",
            "map(K, V).transformMapEntry(key, value, entries) -> map(J, U)",
            "A map of the entries of all; an error if two entries have the same key.",
            "{'a': 'x'}.transformMapEntry(key, value, {value: key}) == {'x': 'a'}",
            _transform_entries,
            error=("[1, 1].transformMapEntry(i, e, {e: i})", "insert failed: key 1 already exists"),
        ),
        Macro(
            "transformMapEntry",
            "map(K, V).transformMapEntry(key, value, condition, entries) -> map(J, U)",
            "The same for those for which the condition is true.",
            "[1, 2].transformMapEntry(i, e, i == 1, {e: i}) == {2: 1}",
            _transform_entries,
        ),
    ),
)
