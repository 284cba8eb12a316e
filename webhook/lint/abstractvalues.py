"""Abstract values: the values that an expression may have over all requests, and how abstract values are combined."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from msgspec import Struct

from webhook.cel.tree.ast import Expr
from webhook.lint.comparisons import alike
from webhook.paths import Path


class _Unknown:
    """The constant of an outcome that has none."""


UNKNOWN: Final = _Unknown()


class _Nothing:
    """The constant for an optional without a value."""


NOTHING: Final = _Nothing()


class Null(NamedTuple):
    """A read of a variable that is null: `object` or `oldObject`, the expression's name, and the offset in its source.

    The expression is named by its path in the policy, or as a variable.
    """

    variable: str
    expression: str | Path
    offset: int


class Outcome(Struct, frozen=True):
    """The values that an expression may have: true, false, others. constant: the only value, if there is only one.

    nulls: the reads of null that are errors. fails: whether any error is possible. filled: the value is a text that is
    not empty. present: the value is not null.
    """

    true: bool = True
    false: bool = True
    other: bool = True
    constant: Any = UNKNOWN
    nulls: frozenset[Null] = frozenset()
    fails: bool = True
    filled: bool = False
    present: bool = False

    @property
    def always(self) -> bool:
        """Whether it is true whenever it can be evaluated."""
        return self.true and not self.false and not self.other

    @property
    def never(self) -> bool:
        """Whether it is true for no request."""
        return not self.true


ANYTHING: Final = Outcome()


def constant(value: Any) -> Outcome:
    """The outcome of an expression that always has this value."""
    boolean = isinstance(value, bool)
    return Outcome(
        true=value is True,
        false=value is False,
        other=not boolean,
        constant=value,
        fails=False,
        filled=isinstance(value, str) and value != "",
        present=value is not None,
    )


def combined(parts: Iterable[Outcome], *, present: bool = False) -> Outcome:
    """The outcome of an expression that is computed from all given ones. present: its value is not null."""
    parts = list(parts)
    nulls = frozenset[Null]().union(*(part.nulls for part in parts))
    if not all(map(has_value, parts)):
        return Outcome(true=False, false=False, other=False, nulls=nulls)
    fails = any(part.fails for part in parts)
    if present:
        return Outcome(true=False, false=False, nulls=nulls, fails=fails, present=True)
    return Outcome(nulls=nulls)


def narrowed(node: Expr, of: Outcome) -> Outcome:
    """The outcome without its constant, narrowed by the type of the expression."""
    if not has_value(of):
        return of
    if node.type.name == "bool":
        return Outcome(other=False, nulls=of.nulls, fails=of.fails)
    if node.type.name != "dyn" and not node.type.name.startswith("optional"):
        return Outcome(true=False, false=False, nulls=of.nulls, fails=of.fails)
    return Outcome(nulls=of.nulls, fails=of.fails)


def either(one: Outcome, two: Outcome) -> Outcome:
    """The outcome of an expression that has one of two outcomes."""
    same = simple(one.constant) and simple(two.constant) and alike(one.constant) == alike(two.constant)
    return Outcome(
        true=one.true or two.true,
        false=one.false or two.false,
        other=one.other or two.other,
        constant=one.constant if same else UNKNOWN,
        nulls=one.nulls | two.nulls,
        fails=one.fails or two.fails,
        filled=one.filled and two.filled,
        present=one.present and two.present,
    )


def has_value(of: Outcome) -> bool:
    """Whether any value is possible."""
    return of.true or of.false or of.other


def may_let(side: Outcome, value: bool) -> bool:
    """Whether a side of `&&` or `||` may leave the decision to the other side: by having this value, another type, or
    an error."""
    has = side.true if value else side.false
    return has or side.other or side.fails


def decided(true: bool, false: bool, fails: bool) -> Any:
    """The constant of a condition; UNKNOWN if there is none, or if the condition may fail."""
    return UNKNOWN if true == false or fails else true


def negated(constant: Any) -> Any:
    """The constant of the negation."""
    return not constant if isinstance(constant, bool) else UNKNOWN


def simple(constant: Any) -> bool:
    """Whether the constant is known, and a scalar or null."""
    return constant is None or isinstance(constant, bool | int | float | str)


def compared(function: str, one: Any, two: Any) -> bool | None:
    """The result of comparing two simple constants, such as with `_<_`; None if they cannot be ordered."""
    same = alike(one) == alike(two)
    if function in ("_==_", "_!=_"):
        return bool(same == (function == "_==_"))
    if one is None or alike(one)[0] != alike(two)[0]:
        return None
    results: dict[str, bool] = {"_<_": one < two, "_<=_": one <= two, "_>_": one > two, "_>=_": one >= two}
    return results[function]
