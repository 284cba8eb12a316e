"""The API server's checks of literals when a policy is created, beyond their types.

The elements of list and map literals must have one type. Literal durations, timestamps, regular expressions and format
strings must be valid. Conversions of constants must succeed, as the server folds them into the program.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

from webhook.cel.cost.compiling import Compiling
from webhook.cel.library.re2 import compiled, compiling_steps, program_steps
from webhook.cel.tree.ast import (
    Call,
    Const,
    Expr,
    Ident,
    ListLiteral,
    MapLiteral,
    Select,
    StructLiteral,
    children,
    variables_in,
)
from webhook.cel.tree.declared import NOT_CONSTANT, Shape
from webhook.cel.tree.errors import Checked, CompileError, EvaluationError, Issue, issue_at
from webhook.cel.tree.types import Type
from webhook.cel.value.operators import TYPE_NAMES
from webhook.cel.value.times import Duration, Timestamp

INSTANTIATION: Final = "program instantiation failed: "
"""The prefix of errors in expressions that the checker accepts, but for which no program can be built."""

_NO_MESSAGES: Final = frozenset(("list", "null_type", "timestamp", "duration"))
"""Types whose literals the checker accepts, but for which no program can be built."""


def check_literals(source: str, tree: Expr, compiling: Compiling | None = None) -> None:
    """Raises CompileError with all literals that the API server would reject.

    compiling: counts the work of compiling literal patterns.
    """
    found = _issues(source, tree, compiling or Compiling(), exempt=False)
    # A program is only built of an expression that has no other fault.
    unchecked = [issue for issue in found if not issue.message.startswith(INSTANTIATION)]
    if unchecked:
        raise CompileError(source, unchecked)
    if found:
        raise CompileError(source, found, Checked(tree.type, frozenset(variables_in(tree))))


def panicking(tree: Expr) -> Iterator[Expr]:
    """The optional elements and entries of literals at which the API server panics when an expression is created.

    It looks up what an optional holds to compare the types of all elements, and finds none if the type is dyn.
    """
    pending = [tree]
    while pending:
        node = pending.pop()
        match node:
            case Call() if node.declared.mixes:
                continue  # where types may be mixed they are not compared, at any depth
            case ListLiteral():
                yield from (node.elements[place] for place in sorted(node.optional) if _is_bare(node.elements[place]))
            case MapLiteral():
                yield from (entry.value for entry in node.entries if entry.optional and _is_bare(entry.value))
        pending += reversed(children(node))


def _is_bare(node: Expr) -> bool:
    return not node.type.params


def _issues(source: str, tree: Expr, compiling: Compiling, *, exempt: bool) -> list[Issue]:
    """The issues of all nodes. exempt: literals may mix types, such as arguments of format()."""
    found: list[Issue] = []
    pending = [tree]
    while pending:
        node = pending.pop()
        match node:
            case Const():
                if isinstance(node.value, float) and math.isinf(node.value):
                    found.append(issue_at(source, node.offset, "invalid double literal"))
                continue
            case Ident():
                if node.type.name == "type" and node.type.params and node.name not in TYPE_NAMES:
                    # The API server takes the name of any value of a type for the type's own.
                    text = f"{INSTANTIATION}reference to undefined type: {node.name}"
                    found.append(issue_at(source, node.offset, text))
                continue
            case Select():
                pending.append(node.operand)
                continue
            case Call():
                found += _call_issues(source, node, compiling)
                if node.declared.mixes and not exempt:
                    for arg in node.args:
                        found += _issues(source, arg, compiling, exempt=True)
                    continue
            case ListLiteral():
                if not exempt:
                    found += _mixed(source, list(_list_types(node)))
            case StructLiteral():  # its fields may have different types
                if node.name in _NO_MESSAGES:
                    text = f"{INSTANTIATION}unknown type: {node.name}"
                    found.append(issue_at(source, node.offset, text))
            case MapLiteral():
                if not exempt:
                    keys = [(entry.key, entry.key.type) for entry in node.entries]
                    values = [(entry.value, _unwrapped(entry.value.type, entry.optional)) for entry in node.entries]
                    found += _mixed(source, keys) or _mixed(source, values)
                    found += _unhashable(source, node)
        pending += reversed(children(node))
    return found


def _unhashable(source: str, node: MapLiteral) -> list[Issue]:
    """The issue of a constant map with a key of an unsupported type, which the API server fails to build."""
    if constant(node) is NOT_CONSTANT:
        return []
    return [
        issue_at(source, entry.key.offset, f"{INSTANTIATION}unsupported key type: bytes")
        for entry in node.entries
        if isinstance(constant(entry.key), bytes)
    ][:1]


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


def _call_issues(source: str, node: Call, compiling: Compiling) -> list[Issue]:
    declared, args = node.declared, node.args
    if declared.check is not None:
        wrong = list(declared.check(args, constant))
        if wrong:
            return [issue_at(source, argument.offset, problem) for argument, problem in wrong]
    # The API server's checker only looks at what is written as a literal.
    validated = (
        declared.validated if declared.validated is not None and isinstance(args[declared.validated], Const) else None
    )
    for place in dict.fromkeys((validated, declared.pattern)):
        if place is None or type(text := constant(args[place])) is not str:
            continue
        compiling.spend(compiling_steps(text), source)
        try:
            compiling.spend(program_steps(compiled(text)), source)
        except EvaluationError as error:
            words = f"invalid {node.function} argument: " if place == validated else INSTANTIATION
            return [issue_at(source, args[place].offset, f"{words}{error}")]
    if declared.shape is Shape.PART:
        qualifier = _qualifier_type(constant(args[1]))
        if qualifier:
            text = f"{INSTANTIATION}invalid qualifier type: {qualifier}"
            return [issue_at(source, args[1].offset, text)]
    if declared.folds and all(constant(arg) is not NOT_CONSTANT for arg in args):
        try:
            _folded(node)
        except EvaluationError as error:
            return [issue_at(source, node.offset, f"{INSTANTIATION}{error}")]
    return []


def _qualifier_type(value: Any) -> str:
    """cel-go's name for the type of a constant that cannot be a key; "" if it can."""
    if value is NOT_CONSTANT or isinstance(value, str | int | float):  # UInt is an int, and so is bool
        return ""
    if isinstance(value, Type):
        return "*types.Type"
    names = {type(None): "types.Null", bytes: "types.Bytes", Duration: "types.Duration", Timestamp: "types.Timestamp"}
    return names.get(type(value), "*types.baseList" if isinstance(value, list) else "*types.baseMap")


def constant(node: Expr) -> Any:
    """The value of a node that cel-go folds to a constant; NOT_CONSTANT for other nodes, and if folding fails."""
    try:
        return _folded(node)
    except EvaluationError:
        return NOT_CONSTANT


def _folded(node: Expr) -> Any:
    """The value of a constant, of a list or map of constants, or of a conversion of one, as cel-go folds them.

    NOT_CONSTANT for other nodes. Raises EvaluationError if a conversion fails.
    """
    match node:
        case Const():
            return node.value
        case Ident() if node.type.name == "type" and node.name in TYPE_NAMES:
            return TYPE_NAMES[node.name]
        case ListLiteral() if not node.optional:
            items = [_folded(element) for element in node.elements]
            return NOT_CONSTANT if NOT_CONSTANT in items else items
        case MapLiteral() if type(node) is MapLiteral and not any(entry.optional for entry in node.entries):
            keys = [_folded(entry.key) for entry in node.entries]
            values = [_folded(entry.value) for entry in node.entries]
            return NOT_CONSTANT if NOT_CONSTANT in (*keys, *values) else dict(enumerate(keys))
        case Call() if node.declared.folds:
            values = [_folded(arg) for arg in node.args]
            return NOT_CONSTANT if NOT_CONSTANT in values else node.declared.call(*values)
    return NOT_CONSTANT
