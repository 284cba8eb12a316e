"""What a function call costs in the API server, by the function's name, and how much Python it takes here.

Costs are cel-go's at run time (interpreter/runtimecost.go, ext/lists.go, ext/sets.go) and Kubernetes' own
(k8s.io/apiserver, pkg/cel/library/cost.go); a function that is not in the tables costs 1. The floating-point products
are written as there, so that they round as there.

Work is what the API server does not charge for but Python takes time or memory for. It is counted in steps of about
0.1 µs, and bounds a call before it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil
from typing import Any, Final

import orjson

from webhook.cel.library.quantity import Quantity
from webhook.cel.library.semver import Semver
from webhook.cel.library.url import URLValue
from webhook.cel.tree.types import Type
from webhook.cel.value.values import NONE, BoolMap, Optional

Cost = Callable[..., int]
"""The cost of a call or the work it takes, from its arguments; never raises, whatever these are."""

_CALL: Final = 1
_NEW_LIST: Final = 10
NEW_LIST: Final = _NEW_LIST
NEW_MAP: Final = 30

MAX_RANGE: Final = 1_000_000
"""The most elements that lists.range makes."""


def size(value: Any) -> int:
    """What the API server takes for a value's size: code points, bytes, elements, entries; 1 of all other values."""
    kind = type(value)
    if kind is str or kind is list or kind is dict or kind is bytes or kind is BoolMap:
        return len(value)
    if kind is int or kind is bool:
        return 1
    if kind is Optional and value is not NONE:
        return size(value.value)
    named = getattr(value, "cel_type", "")
    if named == "net.IP":
        return 16 if ":" in str(value) else 4
    if named == "net.CIDR":
        return ceil(int(str(value).rpartition("/")[2] or 0) / 8)
    return 1


def traversal(value: Any) -> int:
    """The cost of going over a value with all that is in it, once."""
    kind = type(value)
    if kind is str:
        return int((len(value) if value.isascii() else len(value.encode(errors="replace"))) * 0.1)
    if kind is bytes:
        return int(len(value) * 0.1)
    if kind is list:
        kinds = set(map(type, value))
        return sum(map(traversal, value)) if kinds & _TRAVERSED else len(value)
    if isinstance(value, dict):
        return sum(map(traversal, value)) + sum(map(traversal, value.values()))
    return 1


_TRAVERSED: Final = frozenset({str, bytes, list, dict})


# ------------------------------------------------------------------------------------------------- costs of operators


def equality(a: Any, b: Any) -> int:
    """a == b and a != b, and the order of strings and bytes."""
    return ceil(min(size(a), size(b)) * 0.1)


def concatenation(a: Any, b: Any) -> int:
    """a + b of strings or bytes."""
    return ceil((size(a) + size(b)) * 0.1)


def membership(_: Any, container: Any) -> int:
    """x in list, where the checker knows the list for one; `in` a map or a dyn costs 1."""
    return size(container)


# ------------------------------------------------------------------------------------------------- costs of functions


def _text(value: Any, *_: Any) -> int:
    return ceil(size(value) * 0.1)


def _text_twice(value: Any, *_: Any) -> int:
    return ceil(size(value) * 2 * 0.1)


def _second_text(_: Any, value: Any) -> int:
    return ceil(size(value) * 0.1)


def _traversed(value: Any, *_: Any) -> int:
    return traversal(value)


def _search(text: Any, part: Any) -> int:
    return ceil(size(text) * 0.1) * ceil(size(part) * 0.1)


def regex(text: Any, pattern: Any, *_: Any) -> int:
    """matches, find and findAll."""
    return ceil((1.0 + size(text)) * 0.1) * ceil(size(pattern) * 0.25)


def _joined(parts: Any, separator: Any = "", *_: Any) -> int:
    """By the length of the result."""
    return ceil(_joined_length(parts, separator) * 2 * 0.1)


def _joined_length(parts: Any, separator: Any = "") -> int:
    if type(parts) is not list or not parts or not all(type(part) is str for part in parts):
        return 0
    return sum(map(len, parts)) + size(separator) * (len(parts) - 1)


def _allocating(value: int) -> int:
    return value + _CALL + _NEW_LIST


def _range(count: Any) -> int:
    # One that is refused costs nothing: its error comes before the charge.
    return _allocating(count if type(count) is int and 0 <= count <= MAX_RANGE else 0)


def _slice(items: Any, start: Any, end: Any) -> int:
    if type(start) is not int or type(end) is not int:
        return _allocating(0)
    return _allocating(max(min(end, size(items)) - max(start, 0), 0))


def _same_length(items: Any) -> int:
    return _allocating(size(items))


def _flatten(items: Any, depth: Any = 1) -> int:
    depth = depth if type(depth) is int and depth >= 0 else 1
    return _allocating(int(size(items) * float(depth)))


def _self_compared(items: Any) -> int:
    if type(items) is not list or not items:
        return _allocating(0)
    factor = 2.1 if type(items[0]) in (str, bytes) else 2.0
    return _allocating(int(len(items) ** 2 * factor))


def _sorted_by(_: Any, keys: Any) -> int:
    return _self_compared(keys)


def _sets(a: Any, b: Any) -> int:
    return _CALL + size(a) * size(b)


def _sets_twice(a: Any, b: Any) -> int:
    return _CALL + size(a) * size(b) * 2


def _selector(_: Any, selector: Any = "") -> int:
    length = size(selector)
    return _NEW_LIST + ceil(length * 0.1) + ceil(ceil(length * 0.5) * 50.0)


def _holds_ip(network: Any, _: Any) -> int:
    return ceil(2 * size(network) * 0.1)


def _contains_ip(network: Any, address: Any) -> int:
    parsed = ceil(size(address) * 0.1) if type(address) is str else 0
    return _holds_ip(network, address) + parsed


def _holds_cidr(network: Any, _: Any) -> int:
    return ceil(2 * size(network) * 0.1) + ceil(size(network) * 0.1) + 1


def _contains_cidr(network: Any, other: Any) -> int:
    parsed = ceil(size(other) * 0.1) if type(other) is str else 0
    return _holds_cidr(network, other) + parsed


def _ip(value: Any) -> int:
    return ceil(size(value) * 0.1) if type(value) is str else 1


# What named formats are charged as the length of their pattern; of an unknown one the longest is taken.
_PATTERNS: Final[Mapping[str, int]] = {
    "dns1123label": 30,
    "dns1123subdomain": 60,
    "dns1035label": 30,
    "qualifiedname": 60,
    "dns1123labelprefix": 30,
    "dns1123subdomainprefix": 60,
    "dns1035labelprefix": 30,
    "labelvalue": 40,
    "uri": 1103,
    "uuid": 70,
    "byte": 84,
    "date": 71,
    "datetime": 71,
}


def _validate(named: Any, text: Any) -> int:
    pattern = _PATTERNS.get(str(getattr(named, "name", "")).lower(), max(_PATTERNS.values()))
    return ceil((1.0 + size(text)) * 0.1) * ceil(pattern * 0.25)


CALLS: Final[Mapping[str, Cost]] = {
    # standard
    "startsWith": _second_text,
    "endsWith": _second_text,
    "contains": _search,
    "matches": regex,
    # strings
    **dict.fromkeys(("lowerAscii", "upperAscii", "substring", "trim", "jsonpatch.escapeKey"), _text),
    **dict.fromkeys(("replace", "split"), _text_twice),
    "join": _joined,
    "format": _text,
    "strings.quote": _text,
    # Kubernetes' lists; indexOf and lastIndexOf of strings too
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf", "includes"), _traversed),
    # regex
    "find": regex,
    "findAll": regex,
    # urls, ip, cidr, quantity, semver, format
    **dict.fromkeys(("url", "cidr", "isIP", "isCIDR", "quantity", "isQuantity", "semver", "isSemver"), _text),
    "ip": _ip,
    "ip.isCanonical": _text_twice,
    "containsIP": _contains_ip,
    "containsCIDR": _contains_cidr,
    "validate": _validate,
    # authorizer
    "check": lambda *_: 350_000,
    "fieldSelector": _selector,
    "labelSelector": _selector,
    # sets
    "sets.contains": _sets,
    "sets.intersects": _sets,
    "sets.equivalent": _sets_twice,
    # lists
    "slice": _slice,
    "flatten": _flatten,
    "lists.range": _range,
    "reverse": _same_length,
    "distinct": _self_compared,
    "sort": _self_compared,
    "@sortByAssociatedKeys": _sorted_by,
}
"""Function name -> cost, for every overload of it."""

# Reading a text is charged where the checker knows that it is one.
_PARSING: Final[Mapping[str, Cost]] = {"containsIP": _holds_ip, "containsCIDR": _holds_cidr}

_BY_ELEMENT: Final[Mapping[str, int]] = {"sort": 0, "@sortByAssociatedKeys": 1}


def of_call(name: str, types: tuple[Type, ...]) -> Cost | None:
    """How a call is charged, given the static types of its arguments; None where it costs 1 whatever they are.

    The API server charges some functions only where its checker fixed the overload.
    """
    if name in ("bytes", "string") and len(types) == 1:
        converted = types[0].name == ("string" if name == "bytes" else "bytes")
        return _text if converted else None
    if name in _PARSING and len(types) == 2 and types[1].name == "dyn":
        return _PARSING[name]
    if name in _BY_ELEMENT and len(types) > _BY_ELEMENT[name]:
        params = types[_BY_ELEMENT[name]].params
        return CALLS[name] if params and params[0].name != "dyn" else None
    return CALLS.get(name)


# --------------------------------------------------------------------------------------------------------------- work


def _weight(value: Any) -> int:
    """Steps that going over a value takes, found without going over it in Python."""
    if type(value) not in (list, dict):
        return 1
    if not value:
        return 1
    try:
        return len(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)) // 4 + 1
    except (TypeError, ValueError, RecursionError):  # values that are no JSON are few
        return len(value) * 4


def _each_with_each(a: Any, b: Any) -> int:
    if type(a) is not list or type(b) is not list or not a or not b:
        return 1
    first, second = {type(a[0]), type(a[-1])}, {type(b[0]), type(b[-1])}
    if first | second <= {str}:
        return len(a) * len(b) // 4
    return len(a) * (_weight(b) + 1)


def comparison(left: Any, right: Any) -> int:
    """The steps that comparing, or adding, two values that are neither lists nor maps takes beside what it costs."""
    if type(left) is str or type(left) is bytes:
        return len(left) // COMPARED
    if type(left) is type(right) is Quantity:
        return abs(left.exponent - right.exponent) // 8 + _span(left.digits) + _span(right.digits)
    return _opaque(left)


def _span(digits: int) -> int:
    return digits.bit_length() >> 8


def _opaque(value: Any, *_: Any) -> int:
    """The steps that reading an opaque value takes, which is as long as its text."""
    if type(value) is Semver:
        return len(value.prerelease)
    return sum(map(size, value.url)) // 8 if type(value) is URLValue else 0


def _with_itself(items: Any, *_: Any) -> int:
    return _each_with_each(items, items)


def _gone_over(items: Any, *_: Any) -> int:
    if type(items) not in (list, dict):
        return 1
    return len(items) * 6 + 2 * _weight(items) if deep(items) else len(items) * 2


def deep(value: Any) -> bool:
    """Whether there are lists or maps in a list or map, so that going over it takes longer than its length tells."""
    if isinstance(value, dict):
        return True
    return type(value) is list and not {list, dict}.isdisjoint(map(type, value))


def _flattened(items: Any, depth: Any = 1) -> int:
    depth = min(depth if type(depth) is int and depth >= 0 else 1, 100)
    made = 0
    while depth and type(items) is list and made < MAX_WORK:
        nested = [each for each in items if type(each) is list]
        level = sum(map(len, nested))
        made += len(items) + level
        if not nested or made > MAX_WORK:
            break
        items = [each for part in nested for each in part]
        depth -= 1
    return made


def _replaced(text: Any, old: Any, new: Any, *_: Any) -> int:
    if not type(text) is type(old) is type(new) is str:
        return 1
    return (len(text) + text.count(old) * len(new)) // _CHARACTERS


def _formatted(_: Any, items: Any) -> int:
    return sum(map(_shown, items)) if type(items) is list else 1


def _shown(value: Any) -> int:
    if type(value) in (str, bytes):
        return len(value) // _CHARACTERS + 1
    return 10 * _weight(value) if type(value) in (list, dict) else 10


MAX_WORK: Final = 10_000_000
"""Steps that one expression may take: about a second."""

COMPARED: Final = 1_000
"""Characters that are compared in a step."""

_CHARACTERS: Final = 50  # that are copied in a step

WORK: Final[Mapping[str, Cost]] = {
    **dict.fromkeys(("sets.contains", "sets.intersects"), _each_with_each),
    "sets.equivalent": lambda a, b: 2 * _each_with_each(a, b),
    **dict.fromkeys(("isSorted", "sum", "max", "min", "includes", "indexOf", "lastIndexOf"), _gone_over),
    "distinct": _with_itself,
    "sort": _gone_over,
    "@sortByAssociatedKeys": lambda items, keys: size(items) + _gone_over(keys),
    "flatten": _flattened,
    "replace": _replaced,
    "format": _formatted,
    "join": lambda parts, separator="": _joined_length(parts, separator) // _CHARACTERS,
    **dict.fromkeys(("quantity", "isQuantity", "semver", "isSemver", "url"), lambda text, *_: size(text)),
    **dict.fromkeys(("isGreaterThan", "isLessThan", "compareTo", "add", "sub"), comparison),
    **dict.fromkeys(
        ("getScheme", "getHost", "getHostname", "getPort", "getEscapedPath"),
        _opaque,
    ),
    "getQuery": lambda value: 8 * _opaque(value),
    "isURL": lambda text: size(text) // 2,
    **dict.fromkeys(("containsIP", "containsCIDR"), lambda _, other: size(other) if type(other) is str else 0),
    "split": lambda text, *_: size(text) // 4,
}
"""Function name -> work, where it is more than the cost tells."""
