"""Declares functions. One call next to the implementation has the signature, the documentation and all other facts.

To add a function, write a `function` or `method` into the overloads of its library's module:

    method(
        "initials",
        "list(string) -> string",
        _initials,
        "The first letters of the texts.",
        "['a1', 'b2'].initials() == 'ab'",
        cost=costs.traversed,
        since=(1, 38),
    )

No other module changes: the checker receives the signature, and code that reads a checked tree uses the declaration of
the call (webhook.cel.tree.declared.Declared, which documents each fact).

- `cost`: the API server's charge, from the arguments: a formula of webhook.cel.cost.costs, or one next to the
  implementation. Without it a call costs 1. The API server charges some costs by the overload, which is unknown if an
  argument is dyn: `where_fixed(cost, otherwise)`.
- `estimate`: the API server's estimate of the cost before any value is known, which it makes for the rules of a
  CustomResourceDefinition: a formula of webhook.cel.cost.estimates, or one next to the implementation. Overloads that
  only values tell apart share it, or have none.
- `work`: if Python needs more time or memory than the cost covers: steps of about 0.1 µs.
- `privacy`: by default a result is computed from its arguments, and hidden if they are; set it for other functions.
- `shape`, and `element`: if the result is a part of an argument, so that findings point at the origin of the part.
- `deciding`: if some elements of the arguments decide the result, as in sets.intersects.
- `lazy` and `otherwise`, `present`, `folds`, `mixes`, `pattern` and `of_pattern`, `metered` and `light`, `validated`,
  `check`, `quick`: see Declared.
- `since`: the first Kubernetes version with the function, if its library is older.
- `guarded`: the implementation itself refuses values of other types, so that nothing needs to choose between overloads
  that share it.
- `missing`: the error text of a call without a matching overload, if it is not the usual one.

`make docs` writes the reference page; the tests run its examples, and compare costs with the API server's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Generic, Literal, TypedDict, TypeVar, Unpack

from msgspec import Struct
from msgspec.structs import replace

from webhook.cel.tree import types
from webhook.cel.tree.declared import Check, Cost, Deciding, Declared, Element, Estimate, Privacy, Quick, Shape
from webhook.cel.tree.parsed import Expand
from webhook.cel.tree.types import Type
from webhook.cel.value.operators import RECEIVERS
from webhook.versions import Version

Failure = tuple[str, str]
"""An expression that fails, and the text of its error."""

Missing = Callable[[str, tuple[Any, ...]], str]
"""(function, arguments) -> the error text if no overload matches the arguments."""


class WhereFixed(Struct, frozen=True):
    """A cost that the API server charges if its checker has determined the overload; else `otherwise`."""

    cost: Cost
    otherwise: Cost | None


def where_fixed(cost: Cost, otherwise: Cost | None = None) -> WhereFixed:
    """A cost that the API server charges by the overload, not by the function."""
    return WhereFixed(cost, otherwise)


class Facts(TypedDict, total=False):
    """The keyword arguments of `function` and `method`; see the module's docstring."""

    cost: Cost | WhereFixed
    estimate: Estimate
    work: Cost
    privacy: Privacy
    shape: Shape
    element: Element
    deciding: Deciding
    lazy: bool
    otherwise: Literal["optional", "value"]
    present: bool
    folds: bool
    mixes: bool
    pattern: int
    of_pattern: Callable[[str], Callable[..., Any]]
    metered: Callable[..., Any]
    light: Callable[[str], bool]
    validated: int
    check: Check
    quick: Quick
    since: Version
    missing: Missing
    guarded: bool


class Overload(Struct, frozen=True):
    """One overload of a function. The receiver of a method is the first of `params`.

    `example`: an expression that is true. `error`: an expression that fails. The tests run both. `unfixed_cost`: the
    cost of a call that may be one of several overloads. `since`: None for the version of its library.
    """

    name: str
    params: tuple[Type, ...]
    result: Type
    member: bool
    declared: Declared
    unfixed_cost: Cost | None
    doc: str
    example: str
    error: Failure | None = None
    since: Version | None = None
    missing: Missing | None = None
    guarded: bool = False


class FunctionDeclaration(Struct, frozen=True):
    """The declaration of an overload for the checker. `id` is unique among all overloads."""

    id: str
    name: str
    params: tuple[Type, ...]
    result: Type
    member: bool


class Macro(Struct, frozen=True):
    """A macro, which the parser expands by `expand`.

    form: the signature in the reference. Other fields: see Overload.
    """

    name: str
    form: str
    doc: str
    example: str
    expand: Expand
    error: Failure | None = None

    @property
    def member(self) -> bool:
        """Whether it is called like a method."""
        return f".{self.name}(" in self.form

    @property
    def arguments(self) -> int:
        """The number of its arguments, without the receiver."""
        return self.form.partition(f"{self.name}(")[2].partition(")")[0].count(",") + 1


class Library(Struct, frozen=True):
    """A set of functions. `since`: the first Kubernetes version that has it, as (1, 28)."""

    name: str
    since: Version
    overloads: tuple[Overload, ...]
    opaque: Mapping[str, type] | None = None
    """Opaque type names and the Python classes of their values."""
    named_types: tuple[str, ...] = ()
    """The opaque types that expressions can name, as in `type(x) == net.IP`."""
    macros: tuple[Macro, ...] = ()
    variables: tuple[str, ...] = ()
    """The variables that belong to the library, in environments that declare them."""
    title: str = ""
    """Its heading in the reference, if it differs from the name."""

    def at(self, version: Version) -> Library:
        """The library of a Kubernetes version, which must not be older than `since`."""
        kept = tuple(overload for overload in self.overloads if (overload.since or self.since) <= version)
        return self if len(kept) == len(self.overloads) else replace(self, overloads=kept)


def function(
    name: str,
    signature: str,
    call: Callable[..., Any],
    doc: str,
    example: str = "",
    error: Failure | None = None,
    **facts: Unpack[Facts],
) -> Overload:
    """Declare a global function. The signature has the form `string, int -> list(string)`."""
    return _overload(name, signature, call, (doc, example, error), facts, member=False)


def method(
    name: str,
    signature: str,
    call: Callable[..., Any],
    doc: str,
    example: str = "",
    error: Failure | None = None,
    **facts: Unpack[Facts],
) -> Overload:
    """Declare a method. The first parameter of the signature is the receiver."""
    return _overload(name, signature, call, (doc, example, error), facts, member=True)


def _overload(
    name: str,
    signature: str,
    call: Callable[..., Any],
    documented: tuple[str, str, Failure | None],
    facts: Facts,
    *,
    member: bool,
) -> Overload:
    params, _, result = signature.partition("->")
    cost = facts.get("cost")
    fixed, unfixed = (cost.cost, cost.otherwise) if isinstance(cost, WhereFixed) else (cost, cost)
    declared = Declared(
        call,
        cost=fixed,
        estimate=facts.get("estimate"),
        work=facts.get("work"),
        privacy=facts.get("privacy", Privacy.MADE),
        shape=facts.get("shape", Shape.MADE),
        element=facts.get("element"),
        deciding=facts.get("deciding"),
        lazy=facts.get("lazy", False),
        otherwise=facts.get("otherwise", ""),
        present=facts.get("present"),
        folds=facts.get("folds", False),
        mixes=facts.get("mixes", False),
        pattern=facts.get("pattern"),
        of_pattern=facts.get("of_pattern"),
        metered=facts.get("metered"),
        light=facts.get("light"),
        quick=facts.get("quick"),
        validated=facts.get("validated"),
        check=facts.get("check"),
    )
    return Overload(
        name,
        tuple(split(params)),
        types.parse(result.strip()),
        member,
        declared,
        unfixed,
        *documented,
        since=facts.get("since"),
        missing=facts.get("missing"),
        guarded=facts.get("guarded", False),
    )


def unnamed(_: str, __: tuple[Any, ...]) -> str:
    """The error text of a call without a matching overload, for cel-go's own methods."""
    return "no such overload"


def unnamed_to_receivers(name: str, args: tuple[Any, ...]) -> str:
    """The same for functions of cel-go that ask for an operand with a certain trait."""
    return "no such overload" if type(args[0]) in RECEIVERS else f"no such overload: {name}"


def same_element(place: int, result: Any, items: Any, *_: Any) -> tuple[int, ...] | None:
    """The Element of a function that selects or orders elements: the index of the first identical element."""
    if type(items) is not list:
        return None
    if type(result) is list:
        if place >= len(result):
            return None
        result = result[place]
    return next(((at,) for at, each in enumerate(items) if each is result), None)


Value = TypeVar("Value")
_KEPT, _KEPT_LENGTH = 1024, 128


class remembered(Generic[Value]):
    """A function of a text with a cache for short texts, as policies parse the same literals for each request."""

    __slots__ = ("_kept", "_make")

    def __init__(self, make: Callable[[str], Value]) -> None:
        self._make = make
        self._kept = lru_cache(maxsize=_KEPT)(make)

    def __call__(self, text: str) -> Value:
        return self._kept(text) if len(text) <= _KEPT_LENGTH else self._make(text)


def split(params: str) -> Iterator[Type]:
    """The types in a text such as `string, list(int)`."""
    depth, start = 0, 0
    for place, character in enumerate(params + ","):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            if params[start:place].strip():
                yield types.parse(params[start:place].strip())
            start = place + 1
