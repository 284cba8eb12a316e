"""The declaration of a function beside its type: how it is evaluated, charged, redacted and explained.

Every call in a checked tree has a declaration, bound when the expression was compiled (webhook.cel.library.resolution).
Code that reads the tree uses the declaration and never a function's name. webhook.cel.library.declaring describes how
functions are declared; webhook.cel.library.operation has the operators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, Literal

from msgspec import Struct

Cost = Callable[..., int]
"""The cost or the work of a call, from its arguments. It must not raise for any arguments."""

Estimate = Callable[..., Any]
"""(sizes, *arguments as nodes of the tree) -> the most that a call may cost, and the size of its result, as the API
server estimates it: webhook.cel.cost.estimates has both types."""

Element = Callable[..., tuple[int, ...] | None]
"""(place, result, *arguments) -> the position in the first argument of the element at `place` of the result, as indexes
from the outside in; None if it is not in there. If the result itself is the element, `place` is 0. The arguments are
values, taken out of optionals. It must not raise for any arguments."""

Deciding = Callable[..., Iterable[tuple[int, int]]]
"""(result, *arguments) -> the elements that decided, each as (index of the argument, which is a list or a text; index
in it). The arguments are values. It must not raise for any arguments."""

Check = Callable[..., Iterable[tuple[Any, str]]]
"""(arguments, as nodes of the tree; constant) -> pairs of an argument and its fault. `constant` returns the value of a
constant node, else NOT_CONSTANT."""

Quick = Callable[..., Any]
"""(activation, *arguments) -> the result of a call, charged no less than its cost and its work. It may raise anything
for any arguments: the call is then made in the usual way."""

NOT_CONSTANT = object()


class Privacy(Enum):
    """The privacy of a result that is computed from a private argument, such as a Secret's value."""

    MADE = "made"
    """The result is computed from it, and as private."""
    PASSED = "passed"
    """The result is the argument itself or contains it: each part is as private as in the argument."""
    OPEN = "open"
    """The result reveals nothing private: a length, a type, or whether there is a value."""


class Shape(Enum):
    """The relation of the result to the arguments."""

    MADE = "made"
    """It is a new value."""
    SAME = "same"
    """It is the first argument: the same value, wrapped in an optional, or taken out of one."""
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
    """It is the part of the first argument that the second one selects."""
    JOINED = "joined"
    """It is a list of the elements of both arguments, or computed from both."""
    LENGTH = "length"
    """It is the number of the elements, characters or bytes of the first argument."""
    PRESENT = "present"
    """It says whether the first argument, an optional, has a value."""


class Declared(Struct, frozen=True):
    """The declaration of a function, or of one overload if the types of the arguments determine it.

    call: the implementation. cost: the API server's cost of a call; None if it is 1. estimate: what the API server
    expects of it before any value is known; None if that is 1. work: the steps of a call in Python, of about 0.1 µs
    each, if `cost` does not bound them.

    privacy, shape: see Privacy and Shape. element: the positions of the result's elements in the first argument, for
    the shapes ELEMENT, ELEMENTS and FLATTENED; of a text that is joined, the positions of its characters.

    deciding: the elements of arguments that decided the result, if not all of them did.

    lazy: the arguments after the first are evaluated only if the first one does not decide, and the call itself costs
    nothing. otherwise: the result of a lazy function if its first argument, an optional, is present: the optional
    itself or its value.

    present: whether the result, an optional, always has a value (True), or never has one (False); None for all others.

    folds: the API server evaluates a call on constants when it builds the program. mixes: literals in the arguments may
    mix types. pattern: the index of the argument that is a regular expression. A constant pattern is checked when a
    policy is loaded, and `of_pattern`, if set, makes an implementation for it. metered: replaces the implementation if
    the work cannot be bounded before a call: (activation, implementation, whether the pattern is a literal, *arguments)
    -> the result; it also charges the cost. light: whether a literal pattern does not need `metered`. validated: the
    index of the argument that the API server's checker takes for the pattern, where it looks for one. check: further
    checks of literals that the API server makes when a policy is created. quick: see Quick.
    """

    call: Callable[..., Any]
    cost: Cost | None = None
    estimate: Estimate | None = None
    work: Cost | None = None
    privacy: Privacy = Privacy.MADE
    shape: Shape = Shape.MADE
    element: Element | None = None
    deciding: Deciding | None = None
    lazy: bool = False
    otherwise: Literal["", "optional", "value"] = ""
    present: bool | None = None
    folds: bool = False
    mixes: bool = False
    pattern: int | None = None
    of_pattern: Callable[[str], Callable[..., Any]] | None = None
    metered: Callable[..., Any] | None = None
    light: Callable[[str], bool] | None = None
    validated: int | None = None
    check: Check | None = None
    quick: Quick | None = None


def written(*_: Any) -> Any:
    """The implementation of what the code generator writes itself, and never calls. Raises TypeError."""
    raise TypeError("a function that generated code does not call")


def _unbound(*_: Any) -> Any:
    raise TypeError("the call of a tree that is not to be evaluated")


UNBOUND = Declared(_unbound)
"""The declaration of calls in trees that are not evaluated."""
