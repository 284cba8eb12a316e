"""Makes the nodes of a syntax tree: numbers, literals, names and macros, and the errors that are no syntax errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from webhook.cel.check import literalvalues
from webhook.cel.check.lexing import BYTES, FLOAT, INT, STRING, UINT
from webhook.cel.tree.parsed import (
    CALL,
    CONST,
    FAULT,
    IDENT,
    Expand,
    Expansion,
    MacroError,
    Parsed,
)

MAX_DEPTH = 250
"""Levels of an expression; the API server's limit."""

MAX_NODES = 20_000
"""The most nodes of a syntax tree with expanded macros. More would take seconds to compile; policies have hundreds."""

RESERVED: Final = frozenset(
    (
        *("as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop"),
        *("package", "namespace", "null", "return", "true", "var", "void", "while"),
    )
)
"""The words that are no variables."""

Macros = Mapping[tuple[str, bool, int], Expand]
"""(name, whether it is a method, number of arguments) -> the macro's expansion."""

OR, AND, RELATION, SUM, PRODUCT = 1, 2, 3, 4, 5
"""How tightly binary operators bind."""

BINARY: Final = {
    "||": (OR, "_||_"),
    "&&": (AND, "_&&_"),
    **{sign: (RELATION, f"_{sign}_") for sign in ("<", "<=", ">", ">=", "==", "!=")},
    "in": (RELATION, "@in"),
    "+": (SUM, "_+_"),
    "-": (SUM, "_-_"),
    "*": (PRODUCT, "_*_"),
    "/": (PRODUCT, "_/_"),
    "%": (PRODUCT, "_%_"),
}
"""The sign of a binary operator -> how tightly it binds, and its function."""


class TooLarge(Exception):
    """The tree has more than MAX_NODES nodes."""


class Fault(NamedTuple):
    """An error. about: see Issue."""

    offset: int
    text: str
    about: str = ""


class Builder:
    """Makes the nodes of one expression, numbers them, and collects the errors that are no syntax errors."""

    __slots__ = ("count", "deep", "faults", "macros", "optionals", "quotes")

    def __init__(self, macros: Macros, *, optionals: bool, quotes: bool) -> None:
        self.macros = macros
        self.optionals = optionals
        self.quotes = quotes
        self.count = 0
        self.deep = False
        self.faults: list[Fault] = []

    def number(self) -> int:
        self.count = count = self.count + 1
        return count

    def copied(self) -> int:
        """The number of a node of a macro's expansion. Copies of copies grow without bound, so they are counted."""
        if self.count > MAX_NODES:
            raise TooLarge
        return self.number()

    def fault(self, offset: int, text: str, at: int | None = None) -> Parsed:
        """The node for what has an error. at: where the error is reported, if it is another place."""
        node = Parsed(FAULT, self.number(), offset)
        self.faults.append(Fault(offset if at is None else at, text))
        return node

    def expanded(
        self, number: int, offset: int, name: str, target: Parsed | None, args: list[Parsed], height: int
    ) -> Parsed:
        """The call, or what its macro expands to. number, offset: those of the call."""
        expand = self.macros.get((name, target is not None, len(args)))
        if expand is None:
            return Parsed(CALL, number, offset, height, name, target, args)
        try:
            node = expand(Expansion(self.copied, offset), args[0] if target is None else target, args)
        except MacroError as error:
            if number == self.count:
                self.count -= 1
            return self.fault(error.node.offset, str(error))
        if number == self.count:
            self.count -= 1
        node.height = height
        return node

    def name(self, offset: int, name: str, *, dotted: bool, at: int) -> Parsed:
        """An identifier. at: the offset of the dot before it, or its own."""
        if name in RESERVED:
            return self.fault(at, f"reserved identifier: {name}")
        return Parsed(IDENT, self.number(), offset, name=f".{name}" if dotted else name)

    def literal(self, kind: str, text: str, offset: int, sign: str = "") -> Parsed:
        value: object
        try:
            if kind == STRING:
                value = literalvalues.string(text)
            elif kind == INT:
                value = literalvalues.integer(text, sign)
            elif kind == FLOAT:
                value = literalvalues.double(text, sign)
            elif kind == UINT:
                value = literalvalues.unsigned(text)
            else:
                value = literalvalues.octets(text[1:])
        except literalvalues.LiteralError as error:
            fault = self.fault(offset, str(error))
            if kind not in (STRING, BYTES):
                return fault
            value = ""
        return Parsed(CONST, self.number(), offset, value=value)

    def quoted(self, text: str, offset: int) -> str:
        """The name in back quotes."""
        if not self.quotes:
            self.fault(offset, "unsupported syntax: '`'")
        return text[1:-1]


def balanced(function: str, terms: list[Parsed], signs: list[tuple[int, int]]) -> Parsed:
    """The tree of a chain of && or ||. signs: number and offset of each operator."""
    made: list[Parsed] = []
    # (first, last, whether its parts are made)
    waiting = [(0, len(signs) - 1, False)]
    while waiting:
        low, high, ready = waiting.pop()
        middle = (low + high + 1) // 2
        if not ready:
            waiting.append((low, high, True))
            if middle != high:
                waiting.append((middle + 1, high, False))
            if middle != low:
                waiting.append((low, middle - 1, False))
            continue
        right = terms[middle + 1] if middle == high else made.pop()
        left = terms[middle] if middle == low else made.pop()
        number, offset = signs[middle]
        height = left.height if left.height > right.height else right.height
        made.append(Parsed(CALL, number, offset, height, function, None, [left, right]))
    return made[0]
