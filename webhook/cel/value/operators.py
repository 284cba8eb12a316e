"""The operators of CEL on Python values: equality, order, arithmetic, logic; and the types of values.

Every function here is exact: it returns CEL's value or raises EvaluationError with the API server's text. Generated
code calls them if the checker does not know the types, and uses Python's own operators otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from webhook.cel.tree.errors import BudgetExceeded, EvaluationError, no_such_overload
from webhook.cel.tree.types import Type
from webhook.cel.value.numbers import INT_MAX, INT_MIN, UINT_MAX, UInt
from webhook.cel.value.times import Duration, Timestamp
from webhook.cel.value.values import MISSING, NONE, KeyedMap, Optional, find

MAX_SIZE = 10_000_000
"""The most code points, bytes or elements of a result of `+`: as many as 1,000,000 cost units pay for, at 0.1 each."""

_NUMBERS = (int, UInt, float)
_ORDERED = (str, bytes, bool, Timestamp, Duration)

RECEIVERS = frozenset({str, Timestamp, Duration})
"""The types that cel-go asks for any function, and that report no overload without naming it."""


# ------------------------------------------------------------------------------------------------------- equality


def equal(a: Any, b: Any) -> bool:
    """a == b for any two values. Numbers compare across types; other types differ. NaN differs from itself."""
    kind = type(a)
    if kind is str or kind is Timestamp or kind is Duration or kind is bytes or kind is Type or kind is Optional:
        return (type(b) is kind and bool(a == b)) if kind is not Optional else _optionals_equal(a, b)
    if kind is bool or a is None:
        return a is b
    if kind is int or kind is float or kind is UInt:
        other = type(b)
        if other is bool or other not in _NUMBERS:
            return False
        # cel-go converts an integer to compare it with a double.
        return bool(a == b) if (kind is float) is (other is float) else float(a) == float(b)
    if kind is list:
        return isinstance(b, list) and len(a) == len(b) and all(map(not_unequal, a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and len(a) == len(b) and _entries_equal(a, b)
    return b is not None and bool(a == b)  # opaque: no such overload for a value of another type


def alike(a: Any, b: Any) -> bool:
    """a == b with errors as false, as `in` and the functions on lists compare."""
    try:
        return equal(a, b)
    except EvaluationError:
        return False


def not_unequal(a: Any, b: Any) -> bool:
    """a == b with errors as true, as lists and maps compare their elements."""
    try:
        return equal(a, b)
    except EvaluationError:
        return True


def _entries_equal(a: dict[Any, Any], b: dict[Any, Any]) -> bool:
    keys = a.keys_as_values() if type(a) is KeyedMap else a
    return all(
        (held := find(b, key)) is not MISSING and not_unequal(value, held)
        for key, value in zip(keys, a.values(), strict=True)
    )


def _optionals_equal(a: Optional, b: Any) -> bool:
    if type(b) is not Optional:
        return False
    if a is NONE or b is NONE:
        return a is b
    return equal(a.value, b.value)


# ---------------------------------------------------------------------------------------------------------- order


def less(a: Any, b: Any) -> bool:
    """a < b: numbers of any types, else two values of one type."""
    left, right = _comparable(a, b, "_<_")
    return bool(left < right)


def less_equal(a: Any, b: Any) -> bool:
    """a <= b"""
    left, right = _comparable(a, b, "_<=_")
    return bool(left <= right)


def greater(a: Any, b: Any) -> bool:
    """a > b"""
    left, right = _comparable(a, b, "_>_")
    return bool(right < left)


def greater_equal(a: Any, b: Any) -> bool:
    """a >= b"""
    left, right = _comparable(a, b, "_>=_")
    return bool(right <= left)


def _comparable(a: Any, b: Any, operator: str) -> tuple[Any, Any]:
    """Both operands in a form that Python compares like cel-go: an integer becomes a double beside a double."""
    left, right = type(a), type(b)
    if left is float or right is float:
        if left not in _NUMBERS or right not in _NUMBERS:
            raise _not_comparable(left, operator)
        a, b = float(a), float(b)
        if math.isnan(a) or math.isnan(b):
            raise EvaluationError("NaN values cannot be ordered")
        return a, b
    if (left is right and left in _ORDERED) or (left in _NUMBERS and right in _NUMBERS):
        return a, b
    raise _not_comparable(left, operator)


def comparable(value: Any) -> bool:
    """Whether values of this type have an order."""
    return type(value) in _NUMBERS or type(value) in _ORDERED


def compared(a: Any, b: Any) -> int | None:
    """-1, 0 or 1; None if the two have no order, which the functions on lists ignore."""
    try:
        left, right = _comparable(a, b, "_<_")
    except EvaluationError:
        return None
    return int(left > right) - int(left < right)


def _not_comparable(left: type, operator: str) -> EvaluationError:
    # cel-go names the operator only if the left operand's type has no order.
    if left in _NUMBERS or left in _ORDERED:
        return no_such_overload()
    return EvaluationError(f"no such overload: {operator}")


# ----------------------------------------------------------------------------------------------------- arithmetic


def checked_int(value: int) -> int:
    """`value` as an int64, or `integer overflow`."""
    if INT_MIN <= value <= INT_MAX:
        return value
    raise EvaluationError("integer overflow")


def checked_uint(value: int) -> UInt:
    """`value` as a uint64, or `unsigned integer overflow`."""
    if 0 <= value <= UINT_MAX:
        return UInt(value)
    raise EvaluationError("unsigned integer overflow")


def _joined(a: Any, b: Any) -> Any:
    if len(a) + len(b) > MAX_SIZE:
        raise BudgetExceeded
    return a + b


def _joined_lists(a: list[Any], b: list[Any]) -> Any:
    """The sum of lists of which one has a sum of its own: `cel_plus`."""
    if len(a) + len(b) > MAX_SIZE:
        raise BudgetExceeded
    plus = getattr(a, "cel_plus", None)
    return list(a) + list(b) if plus is None else plus(b)


_ADD: dict[tuple[type, type], Callable[[Any, Any], Any]] = {
    (int, int): lambda a, b: checked_int(a + b),
    (UInt, UInt): lambda a, b: checked_uint(int(a) + int(b)),
    (float, float): lambda a, b: a + b,
    (str, str): _joined,
    (bytes, bytes): _joined,
    (list, list): _joined,
    (Duration, Duration): lambda a, b: Duration(a.ns + b.ns),
    (Timestamp, Duration): lambda a, b: a.plus(b.ns),
    (Duration, Timestamp): lambda a, b: b.plus(a.ns),
}
_SUBTRACT: dict[tuple[type, type], Callable[[Any, Any], Any]] = {
    (int, int): lambda a, b: checked_int(a - b),
    (UInt, UInt): lambda a, b: checked_uint(int(a) - int(b)),
    (float, float): lambda a, b: a - b,
    (Duration, Duration): lambda a, b: Duration(a.ns - b.ns),
    (Timestamp, Timestamp): lambda a, b: Duration(a.ns - b.ns),
    (Timestamp, Duration): lambda a, b: a.plus(Duration(-b.ns).ns),
}
_MULTIPLY: dict[tuple[type, type], Callable[[Any, Any], Any]] = {
    (int, int): lambda a, b: checked_int(a * b),
    (UInt, UInt): lambda a, b: checked_uint(int(a) * int(b)),
    (float, float): lambda a, b: a * b,
}


def _divide_ints(a: int, b: int) -> int:
    if b == 0:
        raise EvaluationError("division by zero")
    quotient = abs(a) // abs(b)
    return checked_int(quotient if (a < 0) == (b < 0) else -quotient)


def _divide_uints(a: UInt, b: UInt) -> UInt:
    if b == 0:
        raise EvaluationError("division by zero")
    return UInt(int(a) // int(b))


def _divide_doubles(a: float, b: float) -> float:
    if b != 0:
        return a / b
    if a == 0 or math.isnan(a):
        return math.nan
    return math.copysign(math.inf, math.copysign(1, a) * math.copysign(1, b))


def _modulo_ints(a: int, b: int) -> int:
    if b == 0:
        raise EvaluationError("modulus by zero")
    if a == INT_MIN and b == -1:
        raise EvaluationError("integer overflow")
    remainder = abs(a) % abs(b)
    return -remainder if a < 0 else remainder


def _modulo_uints(a: UInt, b: UInt) -> UInt:
    if b == 0:
        raise EvaluationError("modulus by zero")
    return UInt(int(a) % int(b))


_DIVIDE: dict[tuple[type, type], Callable[[Any, Any], Any]] = {
    (int, int): _divide_ints,
    (UInt, UInt): _divide_uints,
    (float, float): _divide_doubles,
}
_MODULO: dict[tuple[type, type], Callable[[Any, Any], Any]] = {
    (int, int): _modulo_ints,
    (UInt, UInt): _modulo_uints,
}


# cel-go calls these operands for any operator, and they report no overload; for others it checks the type first.
_ASKED = (str, Timestamp, Duration)


def _not_defined(operator: str, table: Mapping[tuple[type, type], Any], left: Any) -> EvaluationError:
    if type(left) in _ASKED or any(type(left) is first for first, _ in table):
        return no_such_overload()
    return EvaluationError(f"no such overload: {operator}")


def add(a: Any, b: Any) -> Any:
    """a + b: numbers of one type, strings, bytes, lists, durations, timestamps."""
    operation = _ADD.get((type(a), type(b)))
    if operation is not None:
        return operation(a, b)
    if isinstance(a, list) and isinstance(b, list):
        return _joined_lists(a, b)
    raise _not_defined("_+_", _ADD, a)


def subtract(a: Any, b: Any) -> Any:
    """a - b: numbers of one type, durations, timestamps."""
    operation = _SUBTRACT.get((type(a), type(b)))
    if operation is None:
        raise _not_defined("_-_", _SUBTRACT, a)
    return operation(a, b)


def multiply(a: Any, b: Any) -> Any:
    """a * b: numbers of one type."""
    operation = _MULTIPLY.get((type(a), type(b)))
    if operation is None:
        raise _not_defined("_*_", _MULTIPLY, a)
    return operation(a, b)


def divide(a: Any, b: Any) -> Any:
    """a / b: numbers of one type; ints truncate towards zero."""
    operation = _DIVIDE.get((type(a), type(b)))
    if operation is None:
        raise _not_defined("_/_", _DIVIDE, a)
    return operation(a, b)


def modulo(a: Any, b: Any) -> Any:
    """a % b: int or uint, with the sign of a."""
    operation = _MODULO.get((type(a), type(b)))
    if operation is None:
        raise _not_defined("_%_", _MODULO, a)
    return operation(a, b)


def negate(a: Any) -> Any:
    """-a: int, double or duration."""
    kind = type(a)
    if kind is int:
        return checked_int(-a)
    if kind is float:
        return -a
    if kind is Duration:
        return Duration(-a.ns)
    raise no_such_overload() if kind in (*_ASKED, bool) else EvaluationError("no such overload: -_")


def invert(a: Any) -> bool:
    """!a"""
    if a is True:
        return False
    if a is False:
        return True
    raise no_such_overload()


def truth(a: Any) -> bool:
    """`a` as the operand of a condition, which must be a bool."""
    if a is True or a is False:
        return bool(a)
    raise no_such_overload()


# ---------------------------------------------------------------------------------------------------------- types

_TYPES: dict[type, Type] = {
    type(None): Type("null_type"),
    bool: Type("bool"),
    int: Type("int"),
    UInt: Type("uint"),
    float: Type("double"),
    str: Type("string"),
    bytes: Type("bytes"),
    list: Type("list"),
    dict: Type("map"),
    KeyedMap: Type("map"),
    Timestamp: Type("google.protobuf.Timestamp"),
    Duration: Type("google.protobuf.Duration"),
    Optional: Type("optional_type"),
    Type: Type("type"),
}

TYPE_NAMES = {str(named): named for named in _TYPES.values()} | {
    name: Type(name) for name in ("net.IP", "net.CIDR", "google.protobuf.Empty")
}
"""The identifiers that name a type: `int`, `list`, `google.protobuf.Timestamp`, `net.IP`."""


def type_of(value: Any) -> Type:
    """type(value). The class of an opaque value has the type's name in `cel_type`."""
    found = _TYPES.get(type(value))
    if found is None:
        found = _TYPES[list] if isinstance(value, list) else Type(getattr(value, "cel_type", "dyn"))
    return found
