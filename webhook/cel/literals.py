"""What the API server checks of literals when a policy is created, beyond types.

List and map literals must be of one type; literal durations, timestamps, regular expressions and format strings must be
valid; conversions of constants must succeed, since the server folds them into the program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from webhook.cel import types
from webhook.cel.ast import Call, Const, Expr, ListLiteral, MapLiteral, StructLiteral, children
from webhook.cel.errors import CompileError, EvaluationError, Issue, issue_at
from webhook.cel.functions import Functions
from webhook.cel.library.formatting import clauses, format_text
from webhook.cel.library.regex import compiled
from webhook.cel.types import Type
from webhook.cel.values import Duration, Optional, Timestamp, UInt, parse_duration, parse_timestamp

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
            case Call():
                found += _call_issues(source, node, functions)
    if found:
        raise CompileError(source, found)


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
    if name in _PATTERNS and len(args) > 1 and isinstance(args[1], Const) and type(args[1].value) is str:
        try:
            compiled(args[1].value)
        except EvaluationError as error:
            return [issue_at(source, args[1].offset, f"invalid {name} argument: {error}")]
    if name == "format" and node.member and isinstance(args[0], Const) and isinstance(args[1], ListLiteral):
        return _format_issues(source, args[0], args[1])
    if name in ("_[_]", "_[?_]") and type(_folded(args[1], functions)) is bytes:
        return [issue_at(source, args[1].offset, "program instantiation failed: invalid qualifier type: types.Bytes")]
    if name in _CONVERSIONS:
        try:
            _folded(node, functions)
        except EvaluationError as error:
            return [issue_at(source, node.offset, f"program instantiation failed: {error}")]
    return []


_EXPECTED = {"duration": "a form such as 1h30m", "timestamp": "a form such as 2006-01-02T15:04:05Z"}
_NOT_CONSTANT = object()


def _folded(node: Expr, functions: Functions) -> Any:
    """The value of a constant or of a conversion of one; _NOT_CONSTANT of anything else. Raises EvaluationError."""
    if isinstance(node, Const):
        return node.value
    if not isinstance(node, Call) or node.function not in _CONVERSIONS or len(node.args) != 1:
        return _NOT_CONSTANT
    value = _folded(node.args[0], functions)
    convert = functions.resolve(node.function, False, (node.args[0].type,))
    return _NOT_CONSTANT if value is _NOT_CONSTANT or convert is None else convert(value)


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
