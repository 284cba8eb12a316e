"""The most that a rule may cost, as the API server estimates it when a definition is created.

The estimate follows sizes through the expression: of literals, of what the schema bounds, and of results. Functions and
operators declare the formulas of their calls: see webhook.cel.cost.estimates.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from webhook.apiserver.customresources.ruletypes import Declared
from webhook.cel.cost.estimates import (
    MOST,
    NEW_LIST,
    NEW_MAP,
    NOTHING,
    ONE,
    SCALARS,
    UNIT,
    UNKNOWN,
    Entries,
    Span,
    fixed,
)
from webhook.cel.tree.ast import Call, Comprehension, Const, Expr, Ident, ListLiteral, MapLiteral, Select
from webhook.cel.tree.types import Type

RULE_LIMIT: Final = 10_000_000
"""Units of one rule, times how often it may run."""

CRD_LIMIT: Final = 100_000_000
"""Units of all rules of a schema."""


def estimated(tree: Expr, root: Declared) -> int:
    """The most units of an expression. root: the type of self and oldSelf."""
    return _Coster(root).cost(tree).most


def exceeded(name: str, cost: int, limit: int) -> str:
    """The API server's text for a cost over its limit."""
    factor = cost / limit
    if factor > 100:
        times = "more than 100x"
    elif factor < 1.5:
        times = f"{factor:f}x"
    else:
        times = f"{factor:.1f}x"
    advice = (
        "try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings "
        "are declared"
    )
    return f"{name} exceeds budget by factor of {times} ({advice})"


class _Path:
    """The steps from a variable to a part of its value, kept as cel-go keeps them: in an array that grows by doubling.

    A path that goes further writes into the array of the path that it begins with, if that has room. Of two that begin
    with the same one the second then replaces a step of the first, whose size is looked up there from then on: what
    `self.a[0].all(k, v, …)` does with a key is estimated by the size of the values.
    """

    __slots__ = ("array", "length", "room")

    def __init__(self, array: list[str], length: int, room: int) -> None:
        self.array, self.length, self.room = array, length, room

    def then(self, step: str) -> _Path:
        if self.length == self.room:
            return _Path([*self.array[: self.length], step], self.length + 1, max(2 * self.room, 1))
        self.array[self.length :] = [step]
        return _Path(self.array, self.length + 1, self.room)

    def steps(self) -> list[str]:
        """The steps below the variable."""
        return self.array[1 : self.length]


_NOWHERE: Final = _Path([], 0, 0)


class _Local(Struct, frozen=True):
    path: _Path
    size: Span | None
    entries: Entries | None


class _Entry(Struct, frozen=True):
    """What a loop goes over: a list, or a map."""

    path: _Path
    is_list: bool
    entries: Entries | None

    def keys(self) -> _Local:
        step = "@indices" if self.is_list else "@keys"
        return _Local(self.path.then(step), self.entries.key if self.entries else None, None)

    def values(self) -> _Local:
        step = "@items" if self.is_list else "@values"
        return _Local(self.path.then(step), self.entries.value if self.entries else None, None)


class _Coster:
    def __init__(self, root: Declared) -> None:
        self.root = root
        self.paths: dict[int, _Path] = {}
        self.sizes: dict[int, Span] = {}
        self.made: dict[int, Entries] = {}
        self.locals: dict[str, list[_Local]] = {}

    # ------------------------------------------------------------------------------------------------------- nodes

    def cost(self, node: Expr) -> Span:
        match node:
            case Const():
                return NOTHING
            case Ident():
                local = self.local(node.name)
                self.paths[id(node)] = _NOWHERE.then(node.name) if local is None else local.path
                return ONE
            case Select():
                return self.select(node)
            case Call():
                return self.call(node)
            case ListLiteral():
                return self.list_literal(node)
            case MapLiteral():
                return self.map_literal(node)
            case Comprehension():
                return self.bind(node) if _is_bind(node) else self.loop(node)

    def select(self, node: Select) -> Span:
        total = self.cost(node.operand)
        if node.test:
            return total
        if node.operand.type.name == "map" or "." in node.operand.type.name:
            total = total.plus(ONE)
        self.paths[id(node)] = self.path(node.operand).then(node.field)
        return total

    def list_literal(self, node: ListLiteral) -> Span:
        total, size = NEW_LIST, Span(0 if not node.elements else MOST, 0)
        for element in node.elements:
            total = total.plus(self.cost(element))
            size = size.union(self.size(element))
        self.made[id(node)] = Entries("list", ONE, size)
        return total

    def map_literal(self, node: MapLiteral) -> Span:
        total = NEW_MAP
        key = value = Span(0 if not node.entries else MOST, 0)
        for entry in node.entries:
            total = total.plus(self.cost(entry.key)).plus(self.cost(entry.value))
            key = key.union(self.size(entry.key))
            value = value.union(self.size(entry.value))
        self.made[id(node)] = Entries("map", key, value)
        return total

    def bind(self, node: Comprehension) -> Span:
        total = self.cost(node.range).plus(self.cost(node.init))
        self.push(node.accu, _Local(self.path(node.init), self.known_size(node.init), self.entries(node.init)))
        total = total.plus(self.cost(node.result))
        self.locals[node.accu].pop()
        self.copy(node, node.result)
        return total

    def loop(self, node: Comprehension) -> Span:
        total = self.cost(node.range).plus(self.cost(node.init))
        self.push(node.accu, _Local(self.path(node.init), self.known_size(node.init), self.entries(node.init)))
        first = self.entry(node.range)
        if node.var2:
            self.push(node.var, first.keys())
            # Looked up once more: the first variable may have the name of what is iterated over, as in cel-go.
            self.push(node.var2, self.entry(node.range).values())
        else:
            self.push(node.var, first.values() if first.is_list else first.keys())
        rounds = self.cost(node.condition)
        rounds = self.cost(node.step).plus(rounds)
        self.locals[node.var].pop()
        if node.var2:
            self.locals[node.var2].pop()
        total = total.plus(self.cost(node.result))
        self.locals[node.accu].pop()
        count = self.size(node.range)
        total = total.plus(count.times(rounds))
        if isinstance(node.init, Const):
            self.set_size(node, self.known_size(node.init))
        elif isinstance(node.init, ListLiteral | MapLiteral):
            self.set_size(node, count)
            step = self.entries(node.step)
            if step is not None:
                self.made[id(node)] = step
        return total

    def entry(self, container: Expr) -> _Entry:
        entries = self.entries(container)
        is_list = (entries.container if entries else container.type.name) == "list"
        return _Entry(self.path(container), is_list, entries)

    # ------------------------------------------------------------------------------------------------------- calls

    def call(self, node: Call) -> Span:
        args = node.args
        costs = [NOTHING] * len(args)
        # The receiver last, and each size while the path is as the argument has left it, as in cel-go.
        for place in (*range(node.member, len(args)), *range(node.member)):
            costs[place] = self.cost(args[place])
            self.known_size(args[place])
        if node.function in ("_&&_", "_||_"):
            return Span(min(each.least for each in costs), _sum(costs).most)
        if node.function == "_?_:_":
            size = self.size(args[1]).union(self.size(args[2]))
            first = self.entries(args[1])
            both = first.union(self.entries(args[2])) if first is not None else None
            if both is not None:
                self.made[id(node)] = both
            self.set_size(node, size)
            return costs[0].plus(costs[1].union(costs[2]))
        formula = node.declared.estimate
        estimate = UNIT if formula is None else formula(self, *args)
        size_ = estimate.size
        if estimate.entries is not None:
            self.made[id(node)] = estimate.entries
        if node.function == "_[_]":
            container = args[0].type.name
            entries = self.entries(args[0])
            if container in ("list", "map", "dyn"):
                size_ = entries.value if entries is not None else None
                step = "@items" if container == "list" else "@values"
                self.paths[id(node)] = self.path(args[0]).then(step)
        if size_ is None:
            size_ = self.known_size(node)
        self.set_size(node, size_)
        return estimate.cost.plus(_sum(costs))

    # ------------------------------------------------------------------------------------------------------- sizes

    def local(self, name: str) -> _Local | None:
        known = self.locals.get(name)
        return known[-1] if known else None

    def push(self, name: str, local: _Local) -> None:
        self.locals.setdefault(name, []).append(local)

    def path(self, node: Expr) -> _Path:
        if isinstance(node, Ident):
            local = self.local(node.name)
            if local is not None:
                return local.path
        return self.paths.get(id(node), _NOWHERE)

    def set_size(self, node: Expr, size: Span | None) -> None:
        if size is not None:
            self.sizes[id(node)] = size

    def copy(self, node: Expr, source: Expr) -> None:
        self.set_size(node, self.known_size(source))
        entries = self.entries(source)
        if entries is not None:
            self.made[id(node)] = entries

    def entries(self, node: Expr) -> Entries | None:
        known = self.made.get(id(node))
        if known is None and isinstance(node, Ident):
            local = self.local(node.name)
            return None if local is None else local.entries
        return known

    def size(self, node: Expr) -> Span:
        return self.known_size(node) or UNKNOWN

    def known_size(self, node: Expr) -> Span | None:
        known = self.sizes.get(id(node)) or _literal_size(node)
        if known is not None:
            return known
        found = self.size_at(self.path(node))
        if found is not None:
            self.sizes[id(node)] = found
            return found
        if _is_scalar(node.type):
            return ONE
        local = self.local(node.name) if isinstance(node, Ident) else None
        return None if local is None else local.size

    def size_at(self, path: _Path) -> Span | None:
        """The size that the schema allows at a path."""
        if path.length == 0:
            return None
        here: Declared | None = self.root
        for step in path.steps():
            if here is None:
                return None
            if step in ("@items", "@values"):
                here = here.element
            elif step == "@keys":
                here = here.key
            else:
                here = (here.fields or {}).get(step)
        return None if here is None else Span(0, here.elements)

    def elements(self, node: Expr) -> Span:
        path = self.path(node)
        return (self.size_at(path.then("@items")) if path.length else None) or UNKNOWN


def _sum(costs: list[Span]) -> Span:
    total = NOTHING
    for cost in costs:
        total = total.plus(cost)
    return total


def _is_bind(node: Comprehension) -> bool:
    return (
        isinstance(node.range, ListLiteral)
        and not node.range.elements
        and isinstance(node.condition, Const)
        and node.condition.value is False
    )


def _literal_size(node: Expr) -> Span | None:
    match node:
        case Const():
            return fixed(len(node.value) if isinstance(node.value, str | bytes) else 1)
        case ListLiteral():
            return fixed(len(node.elements))
        case MapLiteral():
            return fixed(len(node.entries))
    return None


def _is_scalar(declared: Type) -> bool:
    if declared.name == "optional_type" and declared.params:
        return _is_scalar(declared.params[0])
    return declared.name in SCALARS
