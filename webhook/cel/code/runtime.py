"""The runtime of generated code: calls that are charged by the sizes of their values. Nothing else uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import ceil
from typing import Any, Final

from webhook.cel.cost import costs
from webhook.cel.cost.metering import REFERENCE, SMALL, Metered
from webhook.cel.tree.declared import Cost
from webhook.cel.tree.errors import EvaluationError, no_such_overload
from webhook.cel.value import aggregates, operators
from webhook.cel.value.extent import nests
from webhook.cel.value.messages import Message
from webhook.cel.value.numbers import UInt
from webhook.cel.value.texts import text
from webhook.cel.value.values import MISSING, NONE, Optional, find, hashable

# --------------------------------------------------------------------------------------------------------- charging


def charged(a: Metered, cost: Cost, function: Callable[..., Any], *args: Any) -> Any:
    """A call whose cost depends on its arguments."""
    a.cost += cost(*args)
    if a.cost > a.limit:
        a.checkpoint()
    return function(*args)


def worked(a: Metered, cost: Cost, work: Cost, function: Callable[..., Any], *args: Any) -> Any:
    """A call that takes more time or memory than its cost covers."""
    a.walk(args)
    steps = work(*args)
    if steps > costs.MAX_WORK and costs.deep(args[0]):  # computing the cost alone would take too long
        a.work(steps)
    a.spend(cost(*args))
    a.work(steps)
    return function(*args)


def charged_made(a: Metered, cost: Cost, function: Callable[..., Any], *args: Any) -> Any:
    """A charged call whose result is a new text or list."""
    return a.hold(charged(a, cost, function, *args))


def worked_made(a: Metered, cost: Cost, work: Cost, function: Callable[..., Any], *args: Any) -> Any:
    """A call that counts work, and whose result is a new text or list."""
    return a.hold(worked(a, cost, work, function, *args))


_ENTRY: Final = 100  # bytes of a map


def listed(a: Metered, elements: int) -> None:
    """Count a list literal before it is made. In the API server it costs the same for any number of elements."""
    a.make(REFERENCE * elements)
    a.work(elements // 2)


def mapped(a: Metered, entries: int) -> None:
    """Count a map literal before it is made."""
    a.make(_ENTRY * entries)
    a.work(entries * 3)


def converted(a: Metered, make: Callable[..., Any], entries: list[tuple[int, str, Any]]) -> Any:
    """The value of a message literal that copies the values of its fields."""
    for _, _, value in entries:
        if nests(value):
            steps = costs.weight(value)
            a.work(2 * steps)
            a.make(4 * REFERENCE * steps)
    return make(entries)


def inserted_all(a: Metered, target: dict[Any, Any], entries: Any) -> dict[Any, Any]:
    """`target` with every entry of another map."""
    if isinstance(entries, dict) and len(entries) > FEW:
        mapped(a, len(entries))
    return aggregates.insert_all(target, entries)


def keys(a: Metered, container: Any) -> Any:
    """The range of a one-variable macro that is neither a plain list nor a plain map."""
    if isinstance(container, dict):
        a.work(len(container) // 2)
    return aggregates.elements(container)


def equal(a: Metered, left: Any, right: Any) -> bool:
    """left == right."""
    kind = type(left)
    if kind is type(right):
        if kind is str:
            a.cost += ceil(min(len(left), len(right)) * 0.1)
            if a.cost > a.limit:
                a.checkpoint()
            return bool(left == right)
        if kind is int or kind is bool:
            a.cost += 1
            return bool(left == right)
    a.spend(costs.equality(left, right))
    return same(a, left, right)


def alike(a: Metered, left: Any, right: Any) -> bool:
    """Whether left != right is false. An error counts as unequal."""
    kind = type(left)
    if kind is type(right) and (kind is str or kind is int or kind is bool):
        return equal(a, left, right)
    try:
        a.spend(costs.inequality(left, right))
        return same(a, left, right)
    except EvaluationError:
        return False


def same(a: Metered, left: Any, right: Any) -> bool:
    """left == right at no cost. Comparing nested values counts as work."""
    kind = type(left)
    if kind is list:
        return type(right) is list and _lists_equal(a, left, right)
    if isinstance(left, dict):
        return isinstance(right, dict) and _maps_equal(a, left, right)
    if kind is Optional and type(right) is Optional and left is not NONE and right is not NONE:
        return same(a, left.value, right.value)
    if kind is Message and type(right) is Message:
        return bool(left.cel_type == right.cel_type) and _maps_equal(a, left.fields, right.fields)
    a.work(costs.comparison(left, right))
    return operators.equal(left, right)


def same_or_unequal(a: Metered, left: Any, right: Any) -> bool:
    """left == right at no cost. An error counts as false."""
    try:
        return same(a, left, right)
    except EvaluationError:
        return False


# Python's operators compare two lists whose elements all have one of these types.
_TEXTS: Final = ({str}, {bytes})
_PLAIN: Final = (*_TEXTS, {int}, {bool})
_SHORT: Final = 16


def _lists_equal(a: Metered, left: list[Any], right: list[Any]) -> bool:
    if len(left) != len(right):
        return False
    a.work(2 + len(left))
    if len(left) > _SHORT:
        kinds = set(map(type, left))
        if kinds in _PLAIN and set(map(type, right)) == kinds:
            if kinds in _TEXTS:
                a.work(sum(map(len, left)) // costs.COMPARED)
            return bool(left == right)
    return _each_equal(a, zip(left, right, strict=True))


def _maps_equal(a: Metered, left: dict[Any, Any], right: dict[Any, Any]) -> bool:
    if len(left) != len(right):
        return False
    a.work(2 + 2 * len(left))
    a.work(sum([len(key) for key in left if type(key) is str]) // costs.COMPARED)
    if type(left) is dict and type(right) is dict:
        if left.keys() != right.keys():
            return False
        return _each_equal(a, ((value, right[key]) for key, value in left.items()))
    found = [find(right, key) for key in aggregates.elements(left)]
    return MISSING not in found and _each_equal(a, zip(left.values(), found, strict=True))


def _each_equal(a: Metered, pairs: Iterable[tuple[Any, Any]]) -> bool:
    for one, other in pairs:
        kind = type(one)
        if kind is str:
            a.limit -= 2 + len(one) // costs.COMPARED
            unequal = type(other) is not str or one != other
        elif kind is int or kind is float or kind is bool or one is None:
            a.limit -= 3
            unequal = not operators.equal(one, other)
        else:
            a.limit -= 3
            try:
                unequal = not same(a, one, other)
            except EvaluationError:
                unequal = False  # as cel-go compares elements
        if unequal:
            return False
        if a.cost > a.limit:
            a.checkpoint()
    return True


FEW: Final = 16
"""Elements of a list in which looking for a text of up to costs.COMPARED characters is no work: what it costs pays."""


def contains(a: Metered, item: Any, container: Any) -> bool:
    """item in container."""
    if type(container) is not list:
        if type(item) is str and len(item) > costs.COMPARED:
            long_key(a, item)
        return aggregates.contains(item, container)
    if type(item) is str:
        if len(container) > FEW:
            a.work(len(container) // 2)
        if len(item) > costs.COMPARED:
            alike = sum(len(element) == len(item) for element in container if type(element) is str)
            a.work(len(container) + alike * (len(item) // costs.COMPARED))
        try:
            return item in container
        except EvaluationError:  # an opaque value among them
            pass
    small = item is None or type(item) in (int, float, bool)  # comparing it takes little work with any value
    for element in container:
        if operators.alike(item, element) if small else same_or_unequal(a, item, element):
            return True
        a.limit -= 4
        if a.cost > a.limit:
            a.checkpoint()
    return False


def in_texts(item: Any, texts: frozenset[str]) -> bool:
    """item in a list literal of texts, which the API server makes a set of, too."""
    return item in texts if type(item) is str else hashable(item) and False


def in_set(a: Metered, item: Any, items: list[Any]) -> bool:
    """item in a list literal of constants. The API server makes a set of them, with each number in its other types."""
    kind = type(item)
    a.work(len(items) // 4)
    if kind not in _NUMBERS:
        return hashable(item) and any(kind is type(each) and item == each for each in items)
    return any(_same_number(item, each) for each in items if type(each) in _NUMBERS)


class Constants:
    """The elements of a list literal of constants, to look items up in."""

    __slots__ = ("doubles", "numbers", "others")

    def __init__(self, values: Iterable[Any]) -> None:
        items = list(values)
        numbers = [each for each in items if type(each) in _NUMBERS]
        self.numbers = frozenset(numbers)
        self.doubles = frozenset(float(each) for each in numbers)
        self.others = frozenset((type(each), each) for each in items if type(each) not in _NUMBERS)


def in_constants(item: Any, constants: Constants) -> bool:
    """The same as `in_set`, by a look-up."""
    kind = type(item)
    if kind is float:
        return item in constants.doubles
    if kind is int or kind is UInt:
        return item in constants.numbers
    return hashable(item) and kind in _HASHED and (kind, item) in constants.others


_HASHED: Final = frozenset({str, bool, bytes})


_NUMBERS: Final = frozenset({int, UInt, float})


def _same_number(item: Any, constant: Any) -> bool:
    if type(item) is type(constant):
        return bool(item == constant)
    if type(item) is float:
        return bool(item == float(constant))
    return bool(item == constant)  # a double is there as the int that it equals


def long_key(a: Metered, key: Any) -> Any:
    """The key by which a map is asked. A map that has it compares it, which is work where it is a long text."""
    if type(key) is str:
        a.work(len(key) // costs.COMPARED)
    return key


def keyed(a: Metered, function: Callable[..., Any], operand: Any, key: Any) -> Any:
    """operand[key] or operand[?key], which is `function`."""
    if type(key) is str and len(key) > costs.COMPARED:
        long_key(a, key)
    return function(operand, key)


def ordered(a: Metered, function: Callable[..., Any], left: Any, right: Any) -> Any:
    """The order of two values that the checker does not know for texts, so that comparing them costs 1."""
    if type(left) is type(right) and type(left) in (str, bytes):
        a.work(min(len(left), len(right)) // costs.COMPARED)
    return function(left, right)


def contains_charged(a: Metered, item: Any, container: Any) -> bool:
    """item in a list."""
    if type(item) is str and type(container) is list and len(container) <= FEW and len(item) <= costs.COMPARED:
        a.cost += len(container)  # in libraries nearly all lists are so: names that are exempt, kinds, capabilities
        if a.cost > a.limit:
            a.checkpoint()
        try:
            return item in container
        except EvaluationError:  # an opaque value among them
            return contains(a, item, container)
    a.spend(costs.membership(item, container))
    return contains(a, item, container)


def concatenated(a: Metered, left: Any, right: Any) -> Any:
    """left + right, if the checker knows that one operand is a string or bytes."""
    if type(left) is str and type(right) is str:
        length = len(left) + len(right)
        a.cost += ceil(length * 0.1)
        if a.cost > a.limit:
            a.checkpoint()
        if length > SMALL:
            a.make(_bytes(left, right))
        return left + right
    a.spend(costs.concatenation(left, right))
    if type(left) is bytes and type(right) is bytes:
        a.make(len(left) + len(right))
    return operators.add(left, right)


def joined(a: Metered, texts: tuple[str, ...]) -> str:
    """The texts, added from left to right: `a + b + c`, in one step. Raises TypeError if one is no text.

    It charges a bound: of the sums, none is longer than the last one.
    """
    length, sums = sum(map(len, texts)), len(texts) - 1
    a.cost += sums * (length // 10 + 1)
    if a.cost > a.limit:
        a.checkpoint()
    if length > SMALL:
        a.make_sums(texts, length)
    return "".join(texts)


def _bytes(left: str, right: str) -> int:
    """The bytes of the sum of two texts, at most."""
    return (len(left) + len(right)) * (1 if left.isascii() and right.isascii() else 4)


def added(a: Metered, left: Any, right: Any) -> Any:
    """left + right."""
    if type(left) is int and type(right) is int:
        return operators.checked_int(left + right)
    if type(left) is list and type(right) is list:
        a.make(REFERENCE * (len(left) + len(right)))
    elif type(left) is str and type(right) is str:
        a.make(_bytes(left, right))
    elif type(left) is bytes and type(right) is bytes:
        a.make(len(left) + len(right))
    return operators.add(left, right)


# ------------------------------------------------------------------------------------------- recording and the rest


def keep(record: dict[Any, Any], place: tuple[str, int], chosen: tuple[str, int]) -> None:
    record[chosen].append(record[place])


def variable(activation: Mapping[str, Any], name: str) -> Any:
    try:
        return activation[name]
    except KeyError:
        raise EvaluationError(f"no such attribute(s): {name}") from None


def is_absent(optional: Any) -> bool:
    if type(optional) is not Optional:
        raise no_such_overload()
    return optional is NONE


def with_optionals(items: list[tuple[int, Any]]) -> list[Any]:
    """The elements of a list literal, without absent optional ones."""
    made: list[Any] = []
    for optional, value in items:
        if not optional:
            made.append(value)
        elif type(value) is not Optional:
            raise EvaluationError(f"cannot initialize optional list element from non-optional value {text(value)}")
        elif value is not NONE:
            made.append(value.value)
    return made
