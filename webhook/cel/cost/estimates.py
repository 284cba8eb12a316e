"""Formulas: the most that a call may cost, as the API server estimates it before any value is known.

The API server estimates the rules of a CustomResourceDefinition when it is created (cel-go, checker/cost.go, and
k8s.io/apiserver, pkg/cel/library/cost.go). webhook.apiserver.customresources.estimating adds up the estimates of a
whole expression. A function declares its formula (webhook.cel.library); formulas of a single function are next to it.

A formula takes the sizes and the arguments, as nodes of the tree. The API server chooses it by the name of the
function, so the overloads of a name share one that looks at the types of the arguments. If none is declared, a call
costs 1, and the size of the result is unknown.
"""

from __future__ import annotations

import math
from typing import Final, Protocol

from msgspec import Struct

from webhook.cel.cost import costs
from webhook.cel.tree.ast import Const, Expr

MOST: Final = 2**64 - 1
"""What is unbounded. Sums and products stop there."""


def product(a: int, b: int) -> int:
    """a * b, at most MOST."""
    return min(a * b, MOST)


class Span(Struct, frozen=True):
    """The least and the most of a size or a cost."""

    least: int
    most: int

    def plus(self, other: Span) -> Span:
        return Span(min(self.least + other.least, MOST), min(self.most + other.most, MOST))

    def times(self, other: Span) -> Span:
        return Span(product(self.least, other.least), product(self.most, other.most))

    def scaled(self, factor: float) -> Span:
        return Span(_scaled(self.least, factor), _scaled(self.most, factor))

    def union(self, other: Span) -> Span:
        return Span(min(self.least, other.least), max(self.most, other.most))


def _scaled(number: int, factor: float) -> int:
    scaled = math.ceil(float(number) * factor)
    return MOST if scaled >= 2**64 else scaled


def fixed(number: int) -> Span:
    """The span of a number that is known."""
    return Span(number, number)


UNKNOWN: Final = Span(0, MOST)
NOTHING: Final = fixed(0)
ONE: Final = fixed(1)
NEW_LIST: Final = fixed(costs.NEW_LIST)
NEW_MAP: Final = fixed(costs.NEW_MAP)
TRAVERSAL: Final = 0.1
"""Units for each character of a text that is read."""
PATTERN: Final = 0.25
"""Units for each character of a regular expression, and each unit of the text."""
TEXTS: Final = frozenset({"string", "bytes"})
"""The names of the types that cost by their length."""
SCALARS: Final = frozenset({"bool", "double", "duration", "int", "timestamp", "uint"})
"""The names of the types whose values are known to have the size 1."""


class Entries(Struct, frozen=True):
    """The sizes of the keys and values of a container: a list or a map."""

    container: str
    key: Span
    value: Span

    def union(self, other: Entries | None) -> Entries | None:
        if other is None:
            return None
        return Entries(self.container, self.key.union(other.key), self.value.union(other.value))


class Estimate(Struct, frozen=True):
    """The cost of a call without its arguments, and the size of its result, and of its entries; None if unknown."""

    cost: Span
    size: Span | None = None
    entries: Entries | None = None


UNIT: Final = Estimate(ONE)
"""Of a call without a formula."""


class Sizes(Protocol):
    """The sizes of an expression's nodes: of literals, of what the schema bounds, and of results."""

    def size(self, node: Expr) -> Span:
        """Characters, bytes, elements or entries; UNKNOWN if nothing bounds them."""

    def elements(self, node: Expr) -> Span:
        """The size of each element of a list; UNKNOWN if the schema does not bound it."""

    def entries(self, node: Expr) -> Entries | None:
        """The sizes of what a container holds that the expression itself has made; None for others."""


def literal(node: Expr, otherwise: int) -> int:
    """The value of a constant that is an integer, 0 if it is negative; `otherwise` for other nodes."""
    return max(node.value, 0) if isinstance(node, Const) and type(node.value) is int else otherwise


# ---------------------------------------------------------------------------------------------------------- operators


def compared(sizes: Sizes, left: Expr, right: Expr) -> Estimate:
    """a != b."""
    least = min(sizes.size(left).most, sizes.size(right).most)
    return Estimate(Span(1 if least > 0 else 0, least).scaled(TRAVERSAL))


_OPAQUE: Final = {
    **dict.fromkeys(("net.IP", "net.CIDR", "kubernetes.Quantity", "kubernetes.Semver"), ONE),
    "kubernetes.NamedFormat": fixed(64).scaled(TRAVERSAL),  # the most characters of its name
}
"""The name of a type -> the cost of comparing two values of it."""


def equal(sizes: Sizes, left: Expr, right: Expr) -> Estimate:
    """a == b. Opaque values have a price of their own here, as in costs.equality."""
    if left.type != right.type:
        return compared(sizes, left, right)
    if left.type.name == "kubernetes.URL":  # by the size of the right one only, as in the API server
        size = sizes.size(right)
        return Estimate(Span(1, 1 if size == UNKNOWN else size.most).scaled(TRAVERSAL))
    cost = _OPAQUE.get(left.type.name)
    return compared(sizes, left, right) if cost is None else Estimate(cost)


def ordered(sizes: Sizes, left: Expr, right: Expr) -> Estimate:
    """The order of two values."""
    kinds = {left.type.name, right.type.name}
    if kinds & TEXTS:
        return compared(sizes, left, right)
    return Estimate(compared(sizes, left, right).cost.union(ONE)) if kinds == {"dyn"} else UNIT


def added(sizes: Sizes, left: Expr, right: Expr) -> Estimate:
    """a + b."""
    kinds = {left.type.name, right.type.name}
    if kinds - {"string", "bytes", "list", "dyn"}:
        return UNIT
    size = sizes.size(left).plus(sizes.size(right))
    first, second = sizes.entries(left), sizes.entries(right)
    both = first.union(second) if first is not None else None
    if "list" in kinds:
        return Estimate(ONE, size, both)
    cost = size.scaled(TRAVERSAL)
    return Estimate(cost.union(ONE) if kinds == {"dyn"} else cost, size, both)


def within(sizes: Sizes, _: Expr, container: Expr) -> Estimate:
    """x in a list or map."""
    if container.type.name == "map":
        return UNIT
    cost = sizes.size(container).scaled(1)  # by way of a float, as in cel-go
    return Estimate(cost if container.type.name == "list" else cost.union(ONE))


# ---------------------------------------------------------------------------------------------------------- functions


def text(sizes: Sizes, value: Expr, *_: Expr) -> Estimate:
    """A tenth of the size of the first argument."""
    return Estimate(sizes.size(value).scaled(TRAVERSAL))


def text_of_same_size(sizes: Sizes, value: Expr, *_: Expr) -> Estimate:
    """The same; the result is as long as the argument."""
    size = sizes.size(value)
    return Estimate(size.scaled(TRAVERSAL), size)


def second_text(sizes: Sizes, _: Expr, value: Expr) -> Estimate:
    """A tenth of the size of the second argument."""
    return text(sizes, value)


def regex(sizes: Sizes, value: Expr, pattern: Expr, *_: Expr) -> Estimate:
    """The size of the text, times the size of the pattern."""
    read = sizes.size(value).plus(ONE).scaled(TRAVERSAL)
    return Estimate(read.times(sizes.size(pattern).scaled(PATTERN)))


def regex_found(sizes: Sizes, value: Expr, pattern: Expr, *_: Expr) -> Estimate:
    """The same; the result is no longer than the text."""
    return Estimate(regex(sizes, value, pattern).cost, Span(0, sizes.size(value).most))


def visited(sizes: Sizes, items: Expr, *_: Expr) -> Estimate:
    """1 for each element of a list, and a tenth of its size if it is a text."""
    each = ONE
    if items.type.params and items.type.params[0].name in TEXTS:
        each = each.plus(sizes.elements(items).scaled(TRAVERSAL))
    return Estimate(sizes.size(items).times(each))


def visited_or_text(sizes: Sizes, value: Expr, *_: Expr) -> Estimate:
    """The elements of a list; a tenth of the size of a text, and of what may be either."""
    return visited(sizes, value) if value.type.params else text(sizes, value)
