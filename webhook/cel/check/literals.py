"""What the API server checks of literals when a policy is created, beyond types.

List and map literals must be of one type; literal durations, timestamps, regular expressions and format strings must be
valid; conversions of constants must succeed, since the server folds them into the program.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from webhook.cel.library.declaring import Functions
from webhook.cel.library.formatting import clauses, format_text
from webhook.cel.library.regex import compiled
from webhook.cel.tree import types
from webhook.cel.tree.ast import Call, Const, Expr, Ident, ListLiteral, MapLiteral, StructLiteral, children
from webhook.cel.tree.errors import CompileError, EvaluationError, Issue, issue_at
from webhook.cel.tree.types import Type
from webhook.cel.value.values import Duration, Optional, Timestamp, UInt, parse_duration, parse_timestamp

_CONVERSIONS = frozenset({"bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "uint"})
_PATTERNS = frozenset({"matches", "find", "findAll"})


def check_literals(source: str, tree: Expr, functions: Functions) -> None:
    """Raises CompileError with every literal that the API server would refuse."""
    found: list[Issue] = []
    for node, exempt in _walk(tree, False):
        match node:
            case ListLiteral() if not exempt:
                found += _mixed(source, list(_list_types(node)))
            case StructLiteral():
                pass  # its fields are of any type
            case MapLiteral() if not exempt:
                keys = [(entry.key, entry.key.type) for entry in node.entries]
                values = [(entry.value, _unwrapped(entry.value.type, entry.optional)) for entry in node.entries]
                found += _mixed(source, keys) or _mixed(source, values)
                found += _unhashable(source, node, functions)
            case Const() if isinstance(node.value, float) and math.isinf(node.value):
                found.append(issue_at(source, node.offset, "invalid double literal"))
            case Call():
                found += _call_issues(source, node, functions)
    if found:
        raise CompileError(source, found)


def _unhashable(source: str, node: MapLiteral, functions: Functions) -> list[Issue]:
    """Of a map of constants, the key that the API server cannot build it with: it fails the request that tries."""
    if _folded_or_not(node, functions) is _NOT_CONSTANT:
        return []
    return [
        issue_at(source, entry.key.offset, "program instantiation failed: unsupported key type: bytes")
        for entry in node.entries
        if isinstance(_folded_or_not(entry.key, functions), bytes)
    ][:1]


def _walk(node: Expr, exempt: bool) -> Iterator[tuple[Expr, bool]]:
    """Every node; with True for what stands in the arguments of format(), where literals may mix types."""
    yield node, exempt
    exempt = exempt or (isinstance(node, Call) and node.function == "format" and node.member)
    for child in children(node):
        yield from _walk(child, exempt)


def _unwrapped(declared: Type, optional: bool) -> Type:
    return declared.params[0] if optional and declared.name == "optional_type" and declared.params else declared


def _list_types(node: ListLiteral) -> Iterator[tuple[Expr, Type]]:
    for place, element in enumerate(node.elements):
        yield element, _unwrapped(element.type, place in node.optional)


def _mixed(source: str, parts: list[tuple[Expr, Type]]) -> list[Issue]:
    if not parts:
        return []
    expected = parts[0][1]
    for node, found in parts[1:]:
        if found != expected:
            return [issue_at(source, node.offset, f"expected type '{expected}' but found '{found}'")]
    return []


def _call_issues(source: str, node: Call, functions: Functions) -> list[Issue]:
    name, args = node.function, node.args
    last = args[-1] if args else None
    if name in ("duration", "timestamp") and isinstance(last, Const) and type(last.value) is str:
        parse: Callable[[str], Any] = parse_duration if name == "duration" else parse_timestamp
        try:
            parse(last.value)
        except EvaluationError:
            return [
                issue_at(source, last.offset, f"invalid {name} argument: {last.value!r}; expected {_EXPECTED[name]}")
            ]
        return []
    if name in _PATTERNS and len(args) > 1 and type(pattern := _folded_or_not(args[1], functions)) is str:
        try:
            compiled(pattern)
        except EvaluationError as error:
            return [issue_at(source, args[1].offset, f"invalid {name} argument: {error}")]
    if name == "format" and node.member and isinstance(args[0], Const) and isinstance(args[1], ListLiteral):
        return _format_issues(source, args[0], args[1])
    if name in ("_[_]", "_[?_]"):
        qualifier = _qualifier_type(_folded_or_not(args[1], functions))
        if qualifier:
            told = f"program instantiation failed: invalid qualifier type: {qualifier}"
            return [issue_at(source, args[1].offset, told)]
    if name in _CONVERSIONS and all(_folded_or_not(arg, functions) is not _NOT_CONSTANT for arg in args):
        try:
            _folded(node, functions)
        except EvaluationError as error:
            return [issue_at(source, node.offset, f"program instantiation failed: {error}")]
    return []


def _qualifier_type(value: Any) -> str:
    """How cel-go calls the type of a constant that cannot be a key; "" if it can."""
    if value is _NOT_CONSTANT or isinstance(value, str | int | float):  # UInt is an int, and so is bool
        return ""
    if isinstance(value, Type):
        return "*types.Type"
    names = {type(None): "types.Null", bytes: "types.Bytes", Duration: "types.Duration", Timestamp: "types.Timestamp"}
    return names.get(type(value), "*types.baseList" if isinstance(value, list) else "*types.baseMap")


_EXPECTED = {"duration": "a form such as 1h30m", "timestamp": "a form such as 2006-01-02T15:04:05Z"}
_NOT_CONSTANT = object()


def _folded(node: Expr, functions: Functions) -> Any:
    """The value of a constant, of a list or map of constants, or of a conversion of one, as cel-go folds them;
    _NOT_CONSTANT of anything else. Raises EvaluationError.
    """
    match node:
        case Const():
            return node.value
        case Ident() if node.type.name == "type" and [node.name] == [str(each) for each in node.type.params]:
            return node.type.params[0]
        case ListLiteral() if not node.optional:
            items = [_folded(element, functions) for element in node.elements]
            return _NOT_CONSTANT if _NOT_CONSTANT in items else items
        case MapLiteral() if not any(entry.optional for entry in node.entries):
            keys = [_folded(entry.key, functions) for entry in node.entries]
            values = [_folded(entry.value, functions) for entry in node.entries]
            return _NOT_CONSTANT if _NOT_CONSTANT in (*keys, *values) else dict(enumerate(keys))
        case Call() if node.function in _CONVERSIONS and len(node.args) == 1:
            value = _folded(node.args[0], functions)
            convert = functions.resolve(node.function, False, (node.args[0].type,))
            return _NOT_CONSTANT if value is _NOT_CONSTANT or convert is None else convert(value)
    return _NOT_CONSTANT


def _folded_or_not(node: Expr, functions: Functions) -> Any:
    """The same, where an error that is reported elsewhere makes no constant."""
    try:
        return _folded(node, functions)
    except EvaluationError:
        return _NOT_CONSTANT


class _Opaque:
    """Stands for a value of an opaque type."""

    def __init__(self, cel_type: str) -> None:
        self.cel_type = cel_type


# A value of each type, to try a formatting clause on. A type that is not here is known at run time only.
_SAMPLES: dict[Type, Any] = {
    types.NULL: None,
    types.BOOL: True,
    types.INT: 1,
    types.UINT: UInt(1),
    types.DOUBLE: 1.0,
    types.STRING: "a",
    types.BYTES: b"a",
    types.DURATION: Duration(0),
    types.TIMESTAMP: Timestamp(0),
}


def _format_issues(source: str, text: Const, arguments: ListLiteral) -> list[Issue]:
    try:
        wanted = clauses(text.value)
    except EvaluationError as error:
        return [issue_at(source, text.offset, str(error))]
    if len(wanted) > len(arguments.elements):
        return [issue_at(source, text.offset, f"index {len(arguments.elements)} out of range")]
    if len(wanted) < len(arguments.elements):
        message = (
            f"too many arguments supplied to string.format (expected {len(wanted)}, got {len(arguments.elements)})"
        )
        return [issue_at(source, arguments.offset, message)]
    for (letter, _), argument in zip(wanted, arguments.elements, strict=True):
        problem = _clause_problem(letter, argument.type)
        if problem:
            return [issue_at(source, argument.offset, problem)]
    return []


def _clause_problem(letter: str, given: Type) -> str:
    if letter in ("e", "f") and given == types.STRING:
        return ""  # it may be NaN or an infinity
    if given in _SAMPLES:
        sample = _SAMPLES[given]
    elif given.name == "list":
        sample = []
    elif given.name == "map":
        sample = {}
    elif given.name == "optional_type":
        sample = Optional(1)
    elif given.name == "type":
        sample = given
    elif given == types.DYN:
        return ""
    else:
        sample = _Opaque(str(given))
    try:
        format_text(f"%{letter}", [sample])
    except EvaluationError as error:
        return str(error)
    return ""
