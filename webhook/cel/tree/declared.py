"""What is declared of a function beside its type: how it is evaluated, charged, hidden and explained.

Every call in a checked tree has one of these, bound when the expression was compiled (webhook.cel.library.resolution),
so that whoever reads the tree asks the call, and knows no function by its name. How a function is declared is told in
webhook.cel.library.declaring; the operators' table is webhook.cel.library.operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

Cost = Callable[..., int]
"""The cost of a call or the work that it takes, from its arguments; never raises, whatever these are."""

Element = Callable[..., tuple[int, ...] | None]
"""(place, result, *arguments) -> where the element at `place` of the result stands in the first argument, as indexes
from the outside in; None where it does not. `place` is 0 where the result itself is the element. The arguments are
values, an optional's its own; never raises, whatever they are."""

Deciding = Callable[..., Iterable[tuple[int, int]]]
"""(result, *arguments) -> the elements that decided, each as the place of the argument, which is a list, and its own
place in that; the arguments are values; never raises, whatever they are."""

Check = Callable[..., Iterable[tuple[Any, str]]]
"""(arguments, as nodes of the tree; constant) -> pairs of an argument and what is wrong with it. `constant` gives the
value of a node that is one, else NOT_CONSTANT."""

NOT_CONSTANT = object()


class Privacy(Enum):
    """What becomes of a private argument, such as a Secret's value."""

    MADE = "made"
    """The result is made from it, and as private."""
    PASSED = "passed"
    """The result is the argument itself or holds it: it is as private as that, part by part."""
    OPEN = "open"
    """The result tells nothing that must be hidden: a length, a type, whether there is a value."""


class Shape(Enum):
    """Where the result comes from."""

    MADE = "made"
    """It is a new value."""
    SAME = "same"
    """It is the first argument: the same value, or in an optional, or out of one."""
    EITHER = "either"
    """It is the first argument, an optional, if that is present, else the second."""
    ELEMENT = "element"
    """It is an element of the first argument."""
    ELEMENTS = "elements"
    """It is a list of elements of the first argument."""
    FLATTENED = "flattened"
    """It is a list of elements of lists that are elements of the first argument."""
    CHOSEN = "chosen"
    """It is the second argument or the third."""
    PART = "part"
    """It is the part of the first argument that the second one names."""
    JOINED = "joined"
    """It is a list of the elements of both arguments, or made from both."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What is declared of a function; of an overload, where the types of the arguments say which one is called.

    call: the implementation. cost: how the API server charges a call; None where each costs 1. work: the steps that a
    call takes in Python, of about 0.1 µs, where `cost` does not bound them.

    privacy, shape: see there. element: which elements those of the result are, where `shape` is one of ELEMENT,
    ELEMENTS and FLATTENED.

    deciding: the elements of arguments that decided, where it was not all of them.

    lazy: the arguments after the first are evaluated only where the first leaves them to decide, and a call costs
    nothing of its own. otherwise: what such a function gives of its first argument, an optional, if that is present:
    the optional itself or its value.

    folds: the API server evaluates a call on constants when it builds the program. mixes: literals among its arguments
    may be of several types. pattern: the place of the argument that is a regular expression; where it is a constant,
    it is checked when a policy is loaded, and `of_pattern`, if given, makes the implementation for it. metered: called
    in place of the implementation where what is known before a call does not bound its work: (activation,
    implementation, whether the pattern is a literal, *arguments) -> the result; it charges the cost, too. light:
    whether a literal pattern needs none of that. check: what else the API server checks of literals when a policy is
    created.
    """

    call: Callable[..., Any]
    cost: Cost | None = None
    work: Cost | None = None
    privacy: Privacy = Privacy.MADE
    shape: Shape = Shape.MADE
    element: Element | None = None
    deciding: Deciding | None = None
    lazy: bool = False
    otherwise: Literal["", "optional", "value"] = ""
    folds: bool = False
    mixes: bool = False
    pattern: int | None = None
    of_pattern: Callable[[str], Callable[..., Any]] | None = None
    metered: Callable[..., Any] | None = None
    light: Callable[[str], bool] | None = None
    check: Check | None = None


def _unbound(*_: Any) -> Any:
    raise TypeError("the call of a tree that is not to be evaluated")


UNBOUND = Declared(_unbound)
"""Of the calls of trees that were made for something else than evaluating them."""
