"""CEL's optional types: values that may be absent, without has() at every step.

https://github.com/google/cel-spec/wiki/proposal-246 and cel-go's cel/library.go. The code generator implements the
selections `a.?b` and `a[?i]`; the parser expands the macros optMap and optFlatMap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from webhook.cel.cost import costs
from webhook.cel.library.declaring import Library, Macro, function, method
from webhook.cel.tree.declared import Privacy, Shape, written
from webhook.cel.tree.errors import EvaluationError
from webhook.cel.tree.parsed import IDENT, UNUSED, Expansion, MacroError, Parsed
from webhook.cel.value.numbers import UInt
from webhook.cel.value.texts import text
from webhook.cel.value.times import FIRST, Duration, Timestamp
from webhook.cel.value.values import NONE, Optional


def _of_non_zero(value: Any) -> Optional:
    return NONE if _zero(value) else Optional(value)


def _zero(value: Any) -> bool:
    if value is None or value is False:
        return True
    if isinstance(value, str | bytes | list | dict):
        return len(value) == 0
    if type(value) in (int, UInt, float):
        return bool(value == 0)
    if type(value) is Timestamp:
        return value.ns == FIRST.ns
    return type(value) is Duration and value.ns == 0


def _value(optional: Optional) -> Any:
    if optional is NONE:
        raise EvaluationError("optional.none() dereference")
    return optional.value


def _unwrapped(name: str, optionals: list[Any]) -> list[Any]:
    for place, each in enumerate(optionals):
        if type(each) is not Optional:
            raise EvaluationError(f"value {text(each)} is not optional" if place else f"no such overload: {name}(list)")
    return [each.value for each in optionals if each is not NONE]


def _present(place: int, _: Any, optionals: Any) -> tuple[int, ...] | None:
    if type(optionals) is not list:
        return None
    present = [at for at, each in enumerate(optionals) if each is not NONE]
    return (present[place],) if place < len(present) else None


def _with_value(
    make: Expansion, target: Parsed, args: Sequence[Parsed], name: str, wrap: Callable[[Parsed], Parsed]
) -> Parsed:
    """target.hasValue() ? wrap(the second argument, with the first one as a name for the value) : optional.none()"""
    if args[0].kind != IDENT:
        raise MacroError(args[0], f"{name}() variable name must be a simple identifier")
    variable = args[0].name
    present = make.method("hasValue", target)
    nothing = make.list()
    value = make.method("value", make.copy(target))
    never, kept = make.constant(False), make.name(variable)
    bound = make.fold((UNUSED, "", variable), nothing, value, never, kept, args[1])
    return make.call("_?_:_", present, wrap(bound), make.call("optional.none"))


def _opt_map(make: Expansion, target: Parsed, args: Sequence[Parsed]) -> Parsed:
    return _with_value(make, target, args, "optMap", lambda value: make.call("optional.of", value))


def _opt_flat_map(make: Expansion, target: Parsed, args: Sequence[Parsed]) -> Parsed:
    return _with_value(make, target, args, "optFlatMap", lambda value: value)


LIBRARY = Library(
    "optional",
    (1, 28),
    (
        function(
            "optional.of",
            "T -> optional_type(T)",
            Optional,
            "An optional with the value.",
            "optional.of(1).hasValue()",
            privacy=Privacy.PASSED,
            shape=Shape.SAME,
            present=True,
        ),
        function(
            "optional.ofNonZeroValue",
            "T -> optional_type(T)",
            _of_non_zero,
            "An optional with the value; absent if the value is empty or zero.",
            "!optional.ofNonZeroValue('').hasValue()",
            privacy=Privacy.PASSED,
            shape=Shape.SAME,
        ),
        function(
            "optional.none",
            " -> optional_type(T)",
            lambda: NONE,
            "An absent optional.",
            "!optional.none().hasValue()",
            present=False,
        ),
        method(
            "hasValue",
            "optional_type(T) -> bool",
            lambda optional: optional is not NONE,
            "Whether the value is present.",
            "optional.of(1).hasValue()",
            privacy=Privacy.OPEN,
            shape=Shape.PRESENT,
        ),
        method(
            "value",
            "optional_type(T) -> T",
            _value,
            "The value; an error if it is absent.",
            "optional.of(1).value() == 1",
            error=("optional.none().value()", "optional.none() dereference"),
            privacy=Privacy.PASSED,
            shape=Shape.SAME,
        ),
        method(
            "or",
            "optional_type(T), optional_type(T) -> optional_type(T)",
            written,
            "The first optional if it is present, else the second one.",
            "optional.none().or(optional.of(1)).value() == 1",
            privacy=Privacy.PASSED,
            shape=Shape.EITHER,
            lazy=True,
            otherwise="optional",
        ),
        method(
            "orValue",
            "optional_type(T), T -> T",
            written,
            "The value; the argument if it is absent.",
            "{'a': 1}[?'b'].orValue(2) == 2",
            privacy=Privacy.PASSED,
            shape=Shape.EITHER,
            lazy=True,
            otherwise="value",
        ),
    ),
    macros=(
        Macro(
            "optMap",
            "optional_type(T).optMap(e, value) -> optional_type(U)",
            "An optional with the result for the value; absent if the value is absent.",
            "optional.of(1).optMap(e, e + 1).value() == 2",
            _opt_map,
        ),
        Macro(
            "optFlatMap",
            "optional_type(T).optFlatMap(e, optional) -> optional_type(U)",
            "The same for a result that is an optional itself.",
            "!optional.of('').optFlatMap(e, optional.ofNonZeroValue(e)).hasValue()",
            _opt_flat_map,
        ),
    ),
)

UNWRAP = Library(
    "optional_lists",
    (1, 28),
    (
        function(
            "optional.unwrap",
            "list(optional_type(T)) -> list(T)",
            partial(_unwrapped, "optional.unwrap"),
            "The values of the present optionals.",
            "optional.unwrap([optional.of(1), optional.none()]) == [1]",
            work=costs.read,
            shape=Shape.ELEMENTS,
            element=_present,
        ),
        method(
            "unwrapOpt",
            "list(optional_type(T)) -> list(T)",
            partial(_unwrapped, "unwrapOpt"),
            "The values of the present optionals.",
            "[optional.of(1), optional.none()].unwrapOpt() == [1]",
            work=costs.read,
            shape=Shape.ELEMENTS,
            element=_present,
        ),
    ),
)

ENDS = Library(
    "optional_ends",
    (1, 28),
    (
        method(
            "first",
            "list(T) -> optional_type(T)",
            lambda items: Optional(items[0]) if items else NONE,
            "The first element.",
            "[1, 2].first().value() == 1",
            shape=Shape.ELEMENT,
            element=lambda _, __, items: (0,) if type(items) is list and items else None,
        ),
        method(
            "last",
            "list(T) -> optional_type(T)",
            lambda items: Optional(items[-1]) if items else NONE,
            "The last element.",
            "[1, 2].last().value() == 2",
            shape=Shape.ELEMENT,
            element=lambda _, __, items: (len(items) - 1,) if type(items) is list and items else None,
        ),
    ),
)
