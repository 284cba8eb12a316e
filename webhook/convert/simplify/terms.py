"""Expressions as terms that can be rewritten: macros are calls, && and || have any number of operands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from msgspec import Struct

from webhook.cel.check.lexing import tokens
from webhook.cel.check.nodes import BINARY, Builder, TooLarge
from webhook.cel.check.parsing import SyntaxFault, TooDeep, parse
from webhook.cel.tree import parsed as nodes
from webhook.cel.tree.parsed import Parsed

_SIGNS: Final = {function: sign for sign, (_, function) in BINARY.items()} | {"!_": "!", "-_": "-", "_?_:_": "?:"}
CHAINS: Final = ("&&", "||")


class Unreadable(Exception):
    """An expression that cannot be read as a term, or that uses what terms do not have."""


class Term(Struct, frozen=True):
    """A part of an expression.

    kind: const (value; name is its type), name, field (.f), field? (.?f), index ([i]), index? ([?i]), call, method
    (the receiver is the first of args), op (name is its sign; ?: is the conditional), list, map and struct (args are
    keys and values in turn). name: of the field, function, sign or message.
    """

    kind: str
    args: tuple[Term, ...] = ()
    name: str = ""
    value: Any = None


def const(value: Any) -> Term:
    return Term("const", (), type(value).__name__, value)


TRUE: Final = const(True)
FALSE: Final = const(False)
NULL: Final = const(None)
EMPTY: Final = {
    "string": const(""),
    "int": const(0),
    "bool": FALSE,
    "list": Term("list"),
    "map": Term("map"),
}
"""The zero value of each type."""


def op(sign: str, *args: Term) -> Term:
    """An operator. A chain of one operand is the operand, and one of none is what it does not change."""
    if sign in CHAINS:
        flat = tuple(each for arg in args for each in (arg.args if is_op(arg, sign) else (arg,)))
        if len(flat) < 2:
            return flat[0] if flat else const(sign == "&&")
        return Term("op", flat, sign)
    return Term("op", args, sign)


def method(name: str, *args: Term) -> Term:
    return Term("method", args, name)


def field(operand: Term, name: str) -> Term:
    return Term("field", (operand,), name)


def is_op(term: Term, sign: str) -> bool:
    return term.kind == "op" and term.name == sign


def is_method(term: Term, name: str) -> bool:
    return term.kind == "method" and term.name == name


def is_call(term: Term, name: str) -> bool:
    return term.kind == "call" and term.name == name


MACROS: Final = {
    ("all", 3): 1, ("exists", 3): 1, ("exists_one", 3): 1, ("filter", 3): 1, ("map", 3): 1, ("map", 4): 1,
    ("all", 4): 2, ("exists", 4): 2, ("transformList", 4): 2, ("transformList", 5): 2, ("transformMap", 4): 2,
    ("transformMap", 5): 2,
}  # fmt: skip
"""(macro, arguments with the receiver) -> how many variables it binds."""


def bound(term: Term) -> int:
    """How many variables a term binds: those of a macro, whose names are its first arguments after the receiver."""
    return MACROS.get((term.name, len(term.args)), 0) if term.kind == "method" else 0


def names_bound(term: Term) -> tuple[str, ...]:
    return tuple(each.name for each in term.args[1 : 1 + bound(term)])


def parts(term: Term) -> Iterator[Term]:
    """The term and all terms in it."""
    waiting = [term]
    while waiting:
        each = waiting.pop()
        yield each
        waiting += each.args


def replaced(term: Term, change: Callable[[Term], Term | None]) -> Term:
    """The term with each of its parts replaced by what `change` gives of it; None keeps it."""
    found = change(term)
    if found is not None:
        return found
    args = tuple(replaced(each, change) for each in term.args)
    if args == term.args:
        return term
    return op(term.name, *args) if term.kind == "op" else Term(term.kind, args, term.name, term.value)


def substituted(term: Term, old: Term, new: Term) -> Term:
    """The term with another one in the place of each that equals `old`."""
    return replaced(term, lambda each: new if each == old else None)


def uses(term: Term, name: str) -> int:
    """How often a term uses a variable."""
    return sum(each.kind == "name" and each.name == name for each in parts(term))


def read(source: str) -> Term:
    """The term of an expression. Raises Unreadable."""
    found = tokens(source)
    if found is None or "//" in source.replace("://", ""):
        raise Unreadable
    builder = Builder({}, optionals=True, quotes=True)
    try:
        tree = parse(found, builder)
        if builder.faults:
            raise Unreadable
        return _term(tree)
    except (SyntaxFault, TooDeep, TooLarge, RecursionError) as error:
        raise Unreadable from error


def _term(node: Parsed) -> Term:
    kind = node.kind
    if kind == nodes.CONST:
        if node.value is not None and type(node.value) not in (bool, int, float, str):
            raise Unreadable
        return const(node.value)
    if kind == nodes.IDENT:
        return Term("name", (), node.name)
    if kind == nodes.SELECT and node.target is not None:
        return field(_term(node.target), node.name)
    if kind == nodes.LIST and not node.value:
        return Term("list", tuple(map(_term, node.args)))
    if kind in (nodes.MAP, nodes.STRUCT) and not any(entry[4] for entry in node.args):
        args = tuple(_term(each) for entry in node.args for each in (entry[2], entry[3]))
        return Term("struct" if kind == nodes.STRUCT else "map", args, node.name)
    if kind != nodes.CALL:
        raise Unreadable
    args = tuple(map(_term, node.args))
    if node.target is not None:
        return Term("method", (_term(node.target), *args), node.name)
    if node.name == "_?._":
        return Term("field?", args[:1], str(args[1].value))
    if node.name in ("_[_]", "_[?_]"):
        return Term("index?" if "?" in node.name else "index", args)
    if node.name in _SIGNS:
        return op(_SIGNS[node.name], *args)
    return Term("call", args, node.name)
