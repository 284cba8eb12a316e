"""Python operators in place of CEL's, in the plain form of generated code.

Each function here returns the code of a node, or None if no Python operator fits. The code may raise any exception if
CEL has an error, as the exact form then determines the error. But it must never return a value that CEL would not
return. So it tests the types of operands wherever Python is laxer: True equals 1, and a text is a sequence.

It must also count the work that the other forms count (runtime.py). Python's operator is used for a search in a list or
a lookup by a long key only up to a size that counts as no work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from webhook.cel.code import runtime
from webhook.cel.code.writer import Operand, Writer
from webhook.cel.cost import costs
from webhook.cel.library.resolution import Dispatch
from webhook.cel.tree import types
from webhook.cel.tree.ast import Call, Const, Expr, ListLiteral, MapLiteral, Select
from webhook.cel.tree.declared import Shape
from webhook.cel.tree.errors import EvaluationError
from webhook.cel.value import aggregates, operators
from webhook.cel.value.numbers import INT_MAX, INT_MIN, UInt

Value = Callable[[Expr], Operand]
"""Code for the value of a node."""

_SYMBOLS: Final = {"_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">=", "_+_": "+", "_-_": "-", "_*_": "*"}
_ORDER: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "_<_": operators.less,
    "_<=_": operators.less_equal,
    "_>_": operators.greater,
    "_>=_": operators.greater_equal,
}
_CLASSES: Final = {"int": "int", "string": "str"}

# Integers up to this one are exact as doubles. CEL converts to double to compare; Python compares exactly.
_EXACT_DOUBLE: Final = 2**53
# Values of these types equal only values of the same type, in Python and in CEL.
_SELF_EQUAL: Final = frozenset({"string", "bytes", "timestamp", "duration"})


def select(out: Writer, node: Select, value: Value) -> Operand | None:
    """operand.field and has(operand.field)."""
    held_type = node.operand.type.name
    if (
        held_type not in ("dyn", "map") and "." not in held_type
    ):  # among the types with a dot in their name, only structs have fields
        return None
    operand, field = value(node.operand), out.bind(node.field)
    if not node.test:
        return out.expression(f"{operand.text}[{field}]", operand)
    held = out.repeated(operand)
    careful = f"{out.bind(aggregates.has)}({held.again}, {field})"
    return out.expression(f"({field} in {held.again} if type({held.first}) is dict else {careful})", operand)


def function(out: Writer, node: Call, value: Value) -> Operand | None:
    """The most common functions."""
    args = node.args
    if node.declared.call is aggregates.size:
        operand = value(args[0])
        return out.expression(f"len({operand.text})", operand)
    name = prefix_method(node)
    if name and args[1].type == types.STRING and args[0].type.name in ("string", "dyn"):
        text, part = value(args[0]), value(args[1])
        return out.expression(f"{text.text}.{name}({part.text})", text, part)
    return None


def prefix_method(node: Call) -> str:
    """The method of Python's str for startsWith or endsWith; "" for other functions."""
    return _PREFIXES.get(implementation(node), "")


def implementation(node: Call) -> Callable[..., Any] | None:
    """The Python function that implements a call; it raises on values of other types."""
    call = node.declared.call
    return call.only if type(call) is Dispatch else call


_PREFIXES: Final[dict[Callable[..., Any] | None, str]] = {str.startswith: "startswith", str.endswith: "endswith"}


def optional_value(out: Writer, optional: Expr, default: Expr, value: Value) -> Operand | None:
    """`a.?b[?'c'].orValue(d)` with a literal d. The fields are read in turn, without creating optionals."""
    chain = _chain(optional) if is_literal(default) else None
    if chain is None:
        return None
    start, otherwise = out.spill(value(chain[0])), value(default)
    careful = f"{out.bind(_optional_chain)}({start.text}, {out.bind(chain[1])}, {otherwise.text})"
    tests, held = _held(out, start, chain[1])
    last = out.bind(chain[1][-1])
    if otherwise.text.isidentifier():
        return out.expression(f"({held}.get({last}, {otherwise.text}) if {tests} else {careful})", start, otherwise)
    # The default is made only if it is needed.
    found, missing = out.fresh(), out.bind(_MISSING)
    tests = f"{tests} and ({found} := {held}.get({last}, {missing})) is not {missing}"
    return out.expression(f"({found} if {tests} else {careful})", start, otherwise)


def optional_presence(out: Writer, optional: Expr, value: Value) -> Operand | None:
    """`a.?b[?'c'].hasValue()`, in the same way."""
    chain = _chain(optional)
    if chain is None:
        return None
    start = out.spill(value(chain[0]))
    missing = out.bind(_MISSING)
    careful = f"{out.bind(_optional_chain)}({start.text}, {out.bind(chain[1])}, {missing}) is not {missing}"
    tests, held = _held(out, start, chain[1])
    return out.expression(f"({out.bind(chain[1][-1])} in {held} if {tests} else {careful})", start)


def _chain(optional: Expr) -> tuple[Expr, tuple[str, ...]] | None:
    """What `a.?b[?'c']` begins with, and the keys that are read in turn; None of other expressions."""
    keys: list[str] = []
    while optional.type.name == "optional_type":
        if isinstance(optional, Select) and not optional.test:
            keys.append(optional.field)
            optional = optional.operand
        elif isinstance(optional, Call) and optional.function in ("_?._", "_[?_]"):
            optional, field = optional.args
            if not isinstance(field, Const) or type(field.value) is not str:
                return None
            keys.append(field.value)
        else:
            return None
    return (optional, tuple(reversed(keys))) if keys else None


def _held(out: Writer, start: Operand, keys: tuple[str, ...]) -> tuple[str, str]:
    """Whether what holds the last key is a map, and its name. A key before it that is absent counts as an empty map."""
    held, tests = start.text, [f"type({start.text}) is dict"]
    for key in keys[:-1]:
        inner = out.fresh()
        tests.append(f"type({inner} := {held}.get({out.bind(key)}, {out.bind(_EMPTY)})) is dict")
        held = inner
    return " and ".join(tests), held


_MISSING: Final = object()
_EMPTY: Final[dict[str, Any]] = {}


def _optional_chain(value: Any, keys: tuple[str, ...], default: Any) -> Any:
    for key in keys:
        if type(value) is dict:
            value = value.get(key, _MISSING)
            if value is _MISSING:
                return default
        elif value is None:
            return default
        else:
            raise EvaluationError("left to the exact form")
    return value


def is_literal(node: Expr) -> bool:
    if isinstance(node, MapLiteral):
        return not node.entries
    if isinstance(node, ListLiteral):
        return not node.optional and all(isinstance(element, Const) for element in node.elements)
    return isinstance(node, Const)


def binary(out: Writer, node: Call, value: Value) -> Operand | None:
    """The operators of two operands, except equality and the logical operators."""
    left, right = node.args
    name = node.function
    if name in ("@in", "_in_"):
        return _membership(out, left, right, value)
    if name == "_[_]":
        return _index(out, left, right, value)
    if name in _ORDER:
        return _order(out, node, value)
    if name not in ("_+_", "_-_", "_*_") or left.type != right.type:
        return None
    if left.type == types.INT:
        a, b = value(left), value(right)
        total = out.fresh()
        low, high, overflow = out.bind(INT_MIN), out.bind(INT_MAX), out.bind(operators.checked_int)
        made = f"({total} := {a.text} {_SYMBOLS[name]} {b.text})"
        return out.expression(f"({total} if {low} <= {made} <= {high} else {overflow}({total}))", a, b)
    if left.type == types.DOUBLE:
        a, b = value(left), value(right)
        return out.expression(f"({a.text} {_SYMBOLS[name]} {b.text})", a, b)
    return None


def _index(out: Writer, left: Expr, right: Expr, value: Value) -> Operand | None:
    string_key = right.type == types.STRING and left.type.name in ("map", "dyn")
    # Python would count a negative index from the end.
    place = left.type.name == "list" and isinstance(right, Const) and type(right.value) is int and right.value >= 0
    if not string_key and not place:
        return None
    container, key = value(left), value(right)
    if isinstance(right, Const):
        return out.expression(f"{container.text}[{key.text}]", container, key)
    again = out.repeated(key)
    careful = f"{out.bind(runtime.long_key)}(a, {again.again})"
    found = f"{again.again} if len({again.first}) <= {costs.COMPARED} else {careful}"
    return out.expression(f"{container.text}[{found}]", container, again.operand)


def _membership(out: Writer, item: Expr, container: Expr, value: Value) -> Operand | None:
    """Python's `in` where the search is no work; elsewhere runtime.contains counts it."""
    texts = literal_texts(container)
    hides = isinstance(item, Call) and item.declared.shape is Shape.SAME  # dyn(b'a'), which the exact form refuses
    if texts is not None and not hides:
        wanted = value(item)
        return out.expression(f"({wanted.text} in {out.bind(texts)})", wanted)
    if item.type != types.STRING or container.type.name not in ("map", "dyn"):
        return None
    wanted, held = value(item), value(container)
    long = not isinstance(item, Const) or len(item.value) > costs.COMPARED
    if container.type != types.DYN and not long:
        return out.expression(f"({wanted.text} in {held.text})", wanted, held)
    wanted, again = out.spill(wanted), out.repeated(held)
    small = f"type({again.again}) is list and len({again.again}) <= {runtime.FEW}"
    test = f"type({again.first}) is dict or {small}" if container.type == types.DYN else f"type({again.first}) is dict"
    if long:
        # The container comes first, since the rest of the text takes it from there.
        test = f"({test}) and len({wanted.text}) <= {costs.COMPARED}"
    careful = f"{out.bind(runtime.contains)}(a, {wanted.text}, {again.again})"
    return out.expression(f"({wanted.text} in {again.again} if {test} else {careful})", wanted, again.operand)


def literal_texts(node: Expr) -> frozenset[str] | None:
    """The elements of a list literal that has nothing but literal texts; None of other nodes."""
    if not isinstance(node, ListLiteral) or node.optional:
        return None
    texts = frozenset(each.value for each in node.elements if isinstance(each, Const) and type(each.value) is str)
    whole = all(isinstance(each, Const) and type(each.value) is str for each in node.elements)
    return texts if whole else None


def _order(out: Writer, node: Call, value: Value) -> Operand | None:
    left, right = node.args
    symbol, careful = _SYMBOLS[node.function], out.bind(_ORDER[node.function])
    kinds = left.type.name, right.type.name
    if kinds in (("string", "string"), ("int", "int"), ("uint", "uint")):
        a, b = value(left), value(right)
        return out.expression(f"({a.text} {symbol} {b.text})", a, b)
    if kinds[0] == "dyn" and kinds[1] in _CLASSES:
        again, b = out.repeated(value(left)), out.spill(value(right))
        test = f"type({again.first}) is {_CLASSES[kinds[1]]}"
        text = f"({again.again} {symbol} {b.text} if {test} else {careful}({again.again}, {b.text}))"
        return out.expression(text, again.operand, b)
    if kinds[1] == "dyn" and kinds[0] in _CLASSES:
        a, again = out.spill(value(left)), out.repeated(value(right))
        test = f"type({again.first}) is {_CLASSES[kinds[0]]}"
        text = f"({a.text} {symbol} {again.again} if {test} else {careful}({a.text}, {again.again}))"
        return out.expression(text, a, again.operand)
    return None


def equality(out: Writer, node: Call, value: Value) -> Operand | None:
    """left == right."""
    left, right = node.args
    if isinstance(left, Const):
        left, right = right, left
    kinds = {left.type.name, right.type.name}
    if isinstance(right, Const) and (right.value is None or type(right.value) is bool):
        operand = value(left)
        return out.expression(f"({operand.text} is {right.value!r})", operand)
    if kinds & _SELF_EQUAL or left.type == right.type in types.NUMBERS:
        a, b = value(left), value(right)
        return out.expression(f"({a.text} == {b.text})", a, b)
    if isinstance(right, Const) and type(right.value) in (int, UInt, float) and abs(right.value) < _EXACT_DOUBLE:
        a, b = value(left), value(right)
        if right.value not in (0, 1):
            return out.expression(f"({a.text} == {b.text})", a, b)
        again = out.repeated(a)
        alike = bool(right.value)  # the boolean that equals this number in Python
        return out.expression(f"({again.first} == {b.text} and {again.again} is not {alike})", a, b)
    return None
