"""The most that a rule may cost, as the API server estimates it when a definition is created (cel-go,
checker/cost.go, and k8s.io/apiserver, pkg/cel/library/cost.go).

The estimate follows sizes through the expression: of literals, of what the schema bounds, and of results.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

from webhook.apiserver.customresources.ruletypes import Declared
from webhook.cel.tree.ast import Call, Comprehension, Const, Expr, Ident, ListLiteral, MapLiteral, Select
from webhook.cel.tree.types import Type

RULE_LIMIT: Final = 10_000_000
"""Units of one rule, times how often it may run."""

CRD_LIMIT: Final = 100_000_000
"""Units of all rules of a schema."""

MOST: Final = 2**64 - 1
"""What is unbounded. Sums and products stop there."""


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


def product(a: int, b: int) -> int:
    """a * b, at most MOST."""
    return min(a * b, MOST)


class Span(NamedTuple):
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


def _fixed(number: int) -> Span:
    return Span(number, number)


_UNKNOWN: Final = Span(0, MOST)
_NOTHING, _ONE = _fixed(0), _fixed(1)
_TRAVERSAL, _PATTERN = 0.1, 0.25
_LIST, _MAP, _STRUCT = _fixed(10), _fixed(30), _fixed(40)
_SCALARS = frozenset({"bool", "double", "duration", "int", "timestamp", "uint"})

Path = tuple[str, ...]


class _Entries(NamedTuple):
    """The sizes of the keys and values of a list or map."""

    container: str
    key: Span
    value: Span

    def union(self, other: _Entries | None) -> _Entries | None:
        if other is None:
            return None
        return _Entries(self.container, self.key.union(other.key), self.value.union(other.value))


class _Local(NamedTuple):
    path: Path
    size: Span | None
    entries: _Entries | None


class _Estimate(NamedTuple):
    """The cost of a call without its arguments, and the size of its result."""

    cost: Span
    size: Span | None = None


class _Coster:
    def __init__(self, root: Declared) -> None:
        self.root = root
        self.paths: dict[int, Path] = {}
        self.sizes: dict[int, Span] = {}
        self.entries: dict[int, _Entries] = {}
        self.locals: dict[str, list[_Local]] = {}

    # ------------------------------------------------------------------------------------------------------- nodes

    def cost(self, node: Expr) -> Span:
        match node:
            case Const():
                return _NOTHING
            case Ident():
                local = self.local(node.name)
                self.paths[id(node)] = (node.name,) if local is None else local.path
                return _ONE
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
            total = total.plus(_ONE)
        self.paths[id(node)] = (*self.path(node.operand), node.field)
        return total

    def list_literal(self, node: ListLiteral) -> Span:
        total, size = _LIST, Span(0 if not node.elements else MOST, 0)
        for element in node.elements:
            total = total.plus(self.cost(element))
            size = size.union(self.size_or_unknown(element))
        self.entries[id(node)] = _Entries("list", _ONE, size)
        return total

    def map_literal(self, node: MapLiteral) -> Span:
        total = _MAP
        key = value = Span(0 if not node.entries else MOST, 0)
        for entry in node.entries:
            total = total.plus(self.cost(entry.key)).plus(self.cost(entry.value))
            key = key.union(self.size_or_unknown(entry.key))
            value = value.union(self.size_or_unknown(entry.value))
        self.entries[id(node)] = _Entries("map", key, value)
        return total

    def bind(self, node: Comprehension) -> Span:
        total = self.cost(node.range).plus(self.cost(node.init))
        self.push(node.accu, _Local(self.path(node.init), self.size(node.init), self.entry_sizes(node.init)))
        total = total.plus(self.cost(node.result))
        self.locals[node.accu].pop()
        self.copy(node, node.result)
        return total

    def loop(self, node: Comprehension) -> Span:
        total = self.cost(node.range).plus(self.cost(node.init))
        self.push(node.accu, _Local(self.path(node.init), self.size(node.init), self.entry_sizes(node.init)))
        entries = self.entry_sizes(node.range)
        path = self.path(node.range)
        is_list = (entries.container if entries else node.range.type.name) == "list"
        key, value = (entries.key, entries.value) if entries else (None, None)
        if node.var2:
            self.push(node.var, _Local((*path, "@indices" if is_list else "@keys"), key, None))
            self.push(node.var2, _Local((*path, "@items" if is_list else "@values"), value, None))
        elif is_list:
            self.push(node.var, _Local((*path, "@items"), value, None))
        else:
            self.push(node.var, _Local((*path, "@keys"), key, None))
        rounds = self.cost(node.condition)
        rounds = self.cost(node.step).plus(rounds)
        self.locals[node.var].pop()
        if node.var2:
            self.locals[node.var2].pop()
        total = total.plus(self.cost(node.result))
        self.locals[node.accu].pop()
        count = self.size_or_unknown(node.range)
        total = total.plus(count.times(rounds))
        if isinstance(node.init, Const):
            self.set_size(node, self.size(node.init))
        elif isinstance(node.init, ListLiteral | MapLiteral):
            self.set_size(node, count)
            step = self.entry_sizes(node.step)
            if step is not None:
                self.entries[id(node)] = step
        return total

    # ------------------------------------------------------------------------------------------------------- calls

    def call(self, node: Call) -> Span:
        args = node.args
        costs = [self.cost(arg) for arg in args]
        if node.function in ("_&&_", "_||_"):
            return Span(min(each.least for each in costs), _sum(costs).most)
        if node.function == "_?_:_":
            size = self.size_or_unknown(args[1]).union(self.size_or_unknown(args[2]))
            first = self.entry_sizes(args[1])
            both = first.union(self.entry_sizes(args[2])) if first is not None else None
            if both is not None:
                self.entries[id(node)] = both
            self.set_size(node, size)
            return costs[0].plus(costs[1].union(costs[2]))
        estimate = self.estimate(node)
        size_ = estimate.size
        if node.function == "_[_]":
            container = args[0].type.name
            entries = self.entry_sizes(args[0])
            if container in ("list", "map", "dyn"):
                size_ = entries.value if entries is not None else None
                step = "@items" if container == "list" else "@values"
                self.paths[id(node)] = (*self.path(args[0]), step)
        if size_ is None:
            size_ = self.size(node)
        self.set_size(node, size_)
        return estimate.cost.plus(_sum(costs))

    def estimate(self, node: Call) -> _Estimate:
        estimator = _ESTIMATORS.get(node.function)
        found = estimator(self, node) if estimator is not None else None
        return _Estimate(_ONE) if found is None else found

    # ------------------------------------------------------------------------------------------------------- sizes

    def local(self, name: str) -> _Local | None:
        known = self.locals.get(name)
        return known[-1] if known else None

    def push(self, name: str, local: _Local) -> None:
        self.locals.setdefault(name, []).append(local)

    def path(self, node: Expr) -> Path:
        if isinstance(node, Ident):
            local = self.local(node.name)
            if local is not None:
                return local.path
        return self.paths.get(id(node), ())

    def set_size(self, node: Expr, size: Span | None) -> None:
        if size is not None:
            self.sizes[id(node)] = size

    def copy(self, node: Expr, source: Expr) -> None:
        self.set_size(node, self.size(source))
        entries = self.entry_sizes(source)
        if entries is not None:
            self.entries[id(node)] = entries

    def entry_sizes(self, node: Expr) -> _Entries | None:
        known = self.entries.get(id(node))
        if known is None and isinstance(node, Ident):
            local = self.local(node.name)
            return None if local is None else local.entries
        return known

    def size_or_unknown(self, node: Expr) -> Span:
        return self.size(node) or _UNKNOWN

    def size(self, node: Expr) -> Span | None:
        known = self.sizes.get(id(node)) or _literal_size(node)
        if known is not None:
            return known
        found = self.size_at(self.path(node))
        if found is not None:
            self.sizes[id(node)] = found
            return found
        if _is_scalar(node.type):
            return _ONE
        local = self.local(node.name) if isinstance(node, Ident) else None
        return None if local is None else local.size

    def size_at(self, path: Path) -> Span | None:
        """The size that the schema allows at a path."""
        if not path:
            return None
        here: Declared | None = self.root
        for step in path[1:]:
            if here is None:
                return None
            if step in ("@items", "@values"):
                here = here.element
            elif step == "@keys":
                here = here.key
            else:
                here = (here.fields or {}).get(step)
        return None if here is None else Span(0, here.elements)

    def element_size(self, node: Expr) -> Span | None:
        """The size of the elements of a list; None if they are no texts or bytes."""
        if not node.type.params or node.type.params[0].name not in ("string", "bytes"):
            return None
        path = self.path(node)
        return (self.size_at((*path, "@items")) if path else None) or _UNKNOWN


def _sum(costs: list[Span]) -> Span:
    total = _NOTHING
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
            return _fixed(len(node.value) if isinstance(node.value, str | bytes) else 1)
        case ListLiteral():
            return _fixed(len(node.elements))
        case MapLiteral():
            return _fixed(len(node.entries))
    return None


def _is_scalar(declared: Type) -> bool:
    if declared.name == "optional_type" and declared.params:
        return _is_scalar(declared.params[0])
    return declared.name in _SCALARS


# --------------------------------------------------------------------------------------------------- the functions

Estimator = Callable[[_Coster, Call], _Estimate | None]


def _parts(node: Call) -> tuple[Expr | None, tuple[Expr, ...]]:
    """The receiver of a method call, and the other arguments."""
    return (node.args[0], node.args[1:]) if node.member else (None, node.args)


def _traversing(factor: float = _TRAVERSAL, *, sized: bool = False) -> Estimator:
    """The cost of reading the first argument. sized: the result is as long."""

    def estimate(coster: _Coster, node: Call) -> _Estimate:
        size = coster.size_or_unknown(node.args[0])
        return _Estimate(size.scaled(factor), size if sized else None)

    return estimate


def _compared(coster: _Coster, node: Call) -> _Estimate:
    left, right = (coster.size_or_unknown(arg) for arg in node.args)
    least = min(left.most, right.most)
    return _Estimate(Span(1 if least > 0 else 0, least).scaled(_TRAVERSAL))


_FIXED_EQUALITY = frozenset({"net.IP", "net.CIDR", "kubernetes.Quantity", "kubernetes.Semver"})


def _equal(coster: _Coster, node: Call) -> _Estimate:
    left, right = node.args[0].type, node.args[1].type
    if left == right and left.name in _FIXED_EQUALITY and node.function == "_==_":
        return _Estimate(_ONE)
    return _compared(coster, node)


def _ordered(coster: _Coster, node: Call) -> _Estimate:
    kinds = {arg.type.name for arg in node.args}
    if kinds & {"string", "bytes"}:
        return _compared(coster, node)
    if "dyn" in kinds:
        return _Estimate(_compared(coster, node).cost.union(_ONE))
    return _Estimate(_ONE)


def _added(coster: _Coster, node: Call) -> _Estimate:
    left, right = node.args
    kinds = {left.type.name, right.type.name}
    if not kinds & {"string", "bytes", "list", "dyn"}:
        return _Estimate(_ONE)
    size = coster.size_or_unknown(left).plus(coster.size_or_unknown(right))
    first, second = coster.entry_sizes(left), coster.entry_sizes(right)
    both = first.union(second) if first is not None else None
    if both is not None:
        coster.entries[id(node)] = both
    if "list" in kinds:
        return _Estimate(_ONE, size)
    cost = size.scaled(_TRAVERSAL)
    return _Estimate(cost.union(_ONE) if kinds == {"dyn"} else cost, size)


def _within(coster: _Coster, node: Call) -> _Estimate:
    container = node.args[1]
    if container.type.name == "map":
        return _Estimate(_ONE)
    cost = coster.size_or_unknown(container)
    return _Estimate(cost if container.type.name == "list" else cost.union(_ONE))


def _affix(coster: _Coster, node: Call) -> _Estimate:
    return _Estimate(coster.size_or_unknown(node.args[1]).scaled(_TRAVERSAL))


def _contains(coster: _Coster, node: Call) -> _Estimate:
    text, part = (coster.size_or_unknown(arg).scaled(_TRAVERSAL) for arg in node.args)
    return _Estimate(text.times(part))


def _matched(coster: _Coster, node: Call) -> _Estimate:
    text = coster.size_or_unknown(node.args[0]).plus(_ONE).scaled(_TRAVERSAL)
    return _Estimate(text.times(coster.size_or_unknown(node.args[1]).scaled(_PATTERN)))


def _found(coster: _Coster, node: Call) -> _Estimate:
    size = coster.size_or_unknown(node.args[0])
    return _Estimate(_matched(coster, node).cost, Span(0, size.most))


def _folded(coster: _Coster, node: Call) -> _Estimate:
    """isSorted, sum, min, max, indexOf, lastIndexOf."""
    target = node.args[0]
    size = coster.size_or_unknown(target)
    return _included(coster, node) if target.type.params else _Estimate(size.scaled(_TRAVERSAL))


def _included(coster: _Coster, node: Call) -> _Estimate:
    each = _ONE
    element = coster.element_size(node.args[0])
    if element is not None:
        each = each.plus(element.scaled(_TRAVERSAL))
    return _Estimate(coster.size_or_unknown(node.args[0]).times(each))


def _replaced(coster: _Coster, node: Call) -> _Estimate | None:
    if len(node.args) < 3:
        return None
    text, part, by = (coster.size_or_unknown(arg) for arg in node.args[:3])
    if part.least == 0:
        most = min(min(text.most + 1, MOST) * by.most + text.most, MOST)
    elif by.most <= part.least:
        most = text.most
    else:
        most = product(math.ceil(text.most / part.least), by.most)
    if part.most == 0:
        least = min(min(text.least + 1, MOST) * by.least + text.least, MOST)
    elif part.most <= by.least:
        least = text.least
    else:
        least = product(math.ceil(text.least / part.most), by.least)
    return _Estimate(text.scaled(2 * _TRAVERSAL), Span(least, most))


def _split(coster: _Coster, node: Call) -> _Estimate:
    text = coster.size_or_unknown(node.args[0])
    limit = node.args[2] if len(node.args) > 2 else None
    most = limit.value if isinstance(limit, Const) and type(limit.value) is int else text.most
    return _Estimate(text.scaled(2 * _TRAVERSAL), Span(0, most % 2**64))


def _joined(coster: _Coster, node: Call) -> _Estimate:
    count = coster.size_or_unknown(node.args[0])
    target = node.args[0]
    size = _NOTHING
    if target.type.params:
        path = coster.path(target)
        element = coster.size_at((*path, "@items")) if path else None
        size = count.times(element or _UNKNOWN)
    if len(node.args) > 1:
        gaps = Span(max(count.least - 1, 0), max(count.most - 1, 0))
        size = size.plus(coster.size_or_unknown(node.args[1]).times(gaps))
    return _Estimate(size.scaled(_TRAVERSAL), size)


def _ip(coster: _Coster, node: Call) -> _Estimate:
    if node.member:
        return _Estimate(_ONE)
    return _Estimate(coster.size_or_unknown(node.args[0]).scaled(_TRAVERSAL))


_ADDRESS: Final = Span(4, 16)


def _contains_network(coster: _Coster, node: Call) -> _Estimate:
    return _Estimate(_contains_address(coster, node).cost.plus(_ADDRESS.scaled(_TRAVERSAL)).plus(_ONE))


def _contains_address(coster: _Coster, node: Call) -> _Estimate:
    cost = _ADDRESS.plus(_ADDRESS).scaled(_TRAVERSAL)
    other = node.args[1]
    if other.type.name in ("string", "dyn"):
        cost = cost.plus(coster.size_or_unknown(other).scaled(_TRAVERSAL))
    return _Estimate(cost)


def _validated(coster: _Coster, node: Call) -> _Estimate:
    size = coster.size_or_unknown(node.args[1])
    return _Estimate(size.scaled(_TRAVERSAL).scaled(128 * _PATTERN))


def _to_string(coster: _Coster, node: Call) -> _Estimate | None:
    if node.args[0].type.name not in ("bytes", "dyn"):
        return None
    size = coster.size_or_unknown(node.args[0])
    cost = size.scaled(_TRAVERSAL)
    if node.args[0].type.name == "dyn":
        cost = cost.union(_ONE)
    return _Estimate(cost, Span(size.least // 4, size.most))


def _to_bytes(coster: _Coster, node: Call) -> _Estimate | None:
    if node.args[0].type.name not in ("string", "dyn"):
        return None
    size = coster.size_or_unknown(node.args[0])
    return _Estimate(size.scaled(_TRAVERSAL), Span(size.least, min(size.most * 4, MOST)))


def _quoted(coster: _Coster, node: Call) -> _Estimate:
    size = coster.size_or_unknown(node.args[0])
    return _Estimate(size.scaled(_TRAVERSAL), Span(size.least + 2, min(size.most * 2 + 2, MOST)))


def _literal(node: Expr, otherwise: int) -> int:
    return node.value if isinstance(node, Const) and type(node.value) is int and node.value >= 0 else otherwise


def _allocating(factor: float, size: Span) -> _Estimate:
    return _Estimate(size.scaled(factor).plus(_ONE).plus(_LIST), size)


def _sliced(coster: _Coster, node: Call) -> _Estimate:
    most = coster.size_or_unknown(node.args[0]).most
    start, end = _literal(node.args[1], 0), _literal(node.args[2], most)
    return _allocating(1, _fixed((end - start) % 2**64))


def _ranged(coster: _Coster, node: Call) -> _Estimate:
    return _allocating(1, _fixed(_literal(node.args[0], MOST)))


def _reversed(coster: _Coster, node: Call) -> _Estimate:
    return _allocating(1, coster.size_or_unknown(node.args[0]))


def _flattened(coster: _Coster, node: Call) -> _Estimate:
    depth = _literal(node.args[1], MOST) if len(node.args) > 1 else 1
    return _allocating(float(depth), coster.size_or_unknown(node.args[0]))


def _distinct(coster: _Coster, node: Call) -> _Estimate:
    size = coster.size_or_unknown(node.args[0])
    return _allocating(2, size.times(size))


def _sorted(coster: _Coster, node: Call) -> _Estimate:
    keys = node.args[-1]
    size = coster.size_or_unknown(keys)
    texts = bool(keys.type.params) and keys.type.params[0].name in ("string", "bytes")
    return _allocating(2 + (_TRAVERSAL if texts else 0), size.times(size))


def _sets(factor: float) -> Estimator:
    def estimate(coster: _Coster, node: Call) -> _Estimate:
        left, right = (coster.size_or_unknown(arg) for arg in node.args)
        return _Estimate(left.times(right).scaled(factor).plus(_ONE))

    return estimate


def _untyped(coster: _Coster, node: Call) -> _Estimate:
    """dyn(x) has the size of x."""
    coster.copy(node, node.args[0])
    return _Estimate(_ONE)


def _check(_: _Coster, node: Call) -> _Estimate:
    return _Estimate(_fixed(350_000))


_ESTIMATORS: Final[dict[str, Estimator]] = {
    "check": _check,
    "dyn": _untyped,
    "_==_": _equal,
    "_!=_": _equal,
    **dict.fromkeys(("_<_", "_<=_", "_>_", "_>=_"), _ordered),
    "_+_": _added,
    "@in": _within,
    "_in_": _within,
    "startsWith": _affix,
    "endsWith": _affix,
    "contains": _contains,
    "matches": _matched,
    "find": _found,
    "findAll": _found,
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"), _folded),
    "includes": _included,
    **dict.fromkeys(("url", "lowerAscii", "upperAscii", "substring", "trim"), _traversing(sized=True)),
    "replace": _replaced,
    "split": _split,
    "join": _joined,
    **dict.fromkeys(("cidr", "isIP", "isCIDR", "quantity", "isQuantity", "semver", "isSemver"), _traversing()),
    "format": _traversing(),
    "ip": _ip,
    "ip.isCanonical": _traversing(2 * _TRAVERSAL),
    "containsIP": _contains_address,
    "containsCIDR": _contains_network,
    "validate": _validated,
    "string": _to_string,
    "bytes": _to_bytes,
    "strings.quote": _quoted,
    "slice": _sliced,
    "lists.range": _ranged,
    "reverse": _reversed,
    "flatten": _flattened,
    "distinct": _distinct,
    "sort": _sorted,
    "@sortByAssociatedKeys": _sorted,
    "sets.contains": _sets(1),
    "sets.intersects": _sets(1),
    "sets.equivalent": _sets(2),
}
