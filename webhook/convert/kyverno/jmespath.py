"""Parses JMESPath, as its specification has it and Kyverno writes it, into a tree of `Node`.

A parser of its own, because what comes in is hostile: length and depth are bounded, and errors have an offset.
Source: jmespath.org/specification.html.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from webhook.lazypatterns import lazily

LONGEST: Final = 4096  # characters of an expression
DEEPEST: Final = 40  # levels of it

_TOKEN = lazily(
    r"""[ \t\r\n]*(?:(?P<number>-?[0-9]+)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<quoted>"(?:[^"\\]|\\.)*")"""
    r"""|(?P<raw>'(?:[^'\\]|\\.)*')|(?P<literal>`(?:[^`\\]|\\.)*`)"""
    r"""|(?P<symbol>\[\?|\[\]|\|\||&&|==|!=|<=|>=|[.*\[\]{}(),:@&|!<>]))"""
)
_STRING = lazily(r'"(?:[^"\\]|\\.)*+"?')
_BLANK = lazily(r"[ \t\r\n]*")

# How tightly an operator binds what stands at its left.
_BINDING: Final = {
    "|": 1, "||": 2, "&&": 3, "==": 5, "!=": 5, "<": 5, "<=": 5, ">": 5, ">=": 5,
    "[]": 9, "*": 20, "[?": 21, ".": 40, "[": 55,
}  # fmt: skip
_NOT: Final = 45  # more than a dot: `!a.b` is (!a).b, as the implementations of JMESPath have it
_PROJECTION_STOP: Final = 10


class JMESPathError(ValueError):
    """An expression that does not parse. The text says what is wrong, and at which character."""


class Node(Struct, frozen=True):
    """A node of the tree. type: field, index, sub, pipe, or, and, not, compare, literal, current, function, project,
    filter, flatten, values, slice, list, hash, reference; and of variables in variables: dynamic (a field whose name is
    the child), text (the children, put together), given (the child as JSON). value: a name, an index, an operator, a
    literal."""

    type: str
    children: tuple[Node, ...] = ()
    value: Any = None


class _Token(Struct, frozen=True):
    type: str
    text: str
    offset: int


def parse(text: str, inner: Mapping[str, Node] | None = None) -> Node:
    """The tree of an expression. inner: words in the text that stand for variables in it. Raises JMESPathError."""
    if len(text) > LONGEST:
        raise JMESPathError(f"longer than {LONGEST} characters")
    parser = _Parser(_tokens(text), inner or {})
    tree = parser.expression(0)
    parser.end()
    return tree


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    offset = 0
    while (blank := _BLANK.match(text, offset)) and blank.end() < len(text):
        match = _TOKEN.match(text, offset)
        if match is None:
            at = blank.end()
            raise JMESPathError(f"unexpected {text[at]!r} at character {at + 1}")
        kind = match.lastgroup or ""
        tokens.append(_Token(kind, match[kind], match.start(kind)))
        offset = match.end()
    return [*tokens, _Token("end", "", len(text))]


class _Parser:
    def __init__(self, tokens: list[_Token], inner: Mapping[str, Node]) -> None:
        self._tokens, self._at, self._depth = tokens, 0, 0
        self._inner = inner

    def expression(self, binding: int) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise JMESPathError(f"nested more than {DEEPEST} levels deep")
        left = self._prefix(self._take())
        while binding < _BINDING.get(self._symbol(), 0):
            left = self._infix(self._take(), left)
        self._depth -= 1
        return left

    def end(self) -> None:
        if self._tokens[self._at].type != "end":
            self._fail(self._tokens[self._at])

    def _symbol(self) -> str:
        token = self._tokens[self._at]
        return token.text if token.type == "symbol" else ""

    def _take(self) -> _Token:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _expect(self, symbol: str) -> None:
        token = self._take()
        if token.type != "symbol" or token.text != symbol:
            self._fail(token, f"expected {symbol!r}")

    def _fail(self, token: _Token, expected: str = "") -> None:
        found = repr(token.text) if token.text else "the end"
        raise JMESPathError(
            f"unexpected {found} at character {token.offset + 1}" + (f", {expected}" if expected else "")
        )

    def _prefix(self, token: _Token) -> Node:
        if token.type == "name":
            if self._symbol() == "(":
                self._take()
                return Node("function", tuple(self._listed(")")), token.text)
            return self._field(token.text)
        if token.type == "quoted":
            return self._field(self._json(token, token.text))
        if token.type == "raw":
            return self._text(token.text[1:-1].replace("\\'", "'"))
        if token.type == "literal":
            if (only := token.text[1:-1].strip()) in self._inner:
                return Node("given", (self._inner[only],))
            return Node("literal", value=self._literal(token))
        match token.text if token.type == "symbol" else "":
            case "@":
                return Node("current")
            case "&":
                return Node("reference", (self.expression(0),))
            case "!":
                return Node("not", (self.expression(_NOT),))
            case "(":
                inner = self.expression(0)
                self._expect(")")
                return inner
            case "*":
                return Node("values", (Node("current"), self._projected(20)))
            case "[]":
                return Node("project", (Node("flatten", (Node("current"),)), self._projected(9)))
            case "[?":
                return self._filter(Node("current"))
            case "[":
                return self._bracket(Node("current"), multiple=True)
            case "{":
                return self._hash()
        self._fail(token)
        raise AssertionError

    def _field(self, name: str) -> Node:
        return Node("dynamic", (self._inner[name],)) if name in self._inner else Node("field", value=name)

    def _text(self, text: str) -> Node:
        """A text, or one that is put together of variables in it."""
        pieces, rest = [], text
        for word, node in self._inner.items():
            before, found, after = rest.partition(word)
            if found:
                pieces += [Node("literal", value=before)] if before else []
                pieces.append(node)
                rest = after
        if not pieces:
            return Node("literal", value=text)
        return Node("text", (*pieces, *([Node("literal", value=rest)] if rest else [])))

    def _infix(self, token: _Token, left: Node) -> Node:
        match token.text:
            case ".":
                return self._dotted(left)
            case "|":
                return Node("pipe", (left, self.expression(1)))
            case "||":
                return Node("or", (left, self.expression(2)))
            case "&&":
                return Node("and", (left, self.expression(3)))
            case "[]":
                return Node("project", (Node("flatten", (left,)), self._projected(9)))
            case "[?":
                return self._filter(left)
            case "[":
                return self._bracket(left, multiple=False)
            case "*":
                self._fail(token)
        return Node("compare", (left, self.expression(5)), token.text)

    def _dotted(self, left: Node) -> Node:
        token = self._take()
        if token.type == "symbol" and token.text == "*":
            return Node("values", (left, self._projected(20)))
        if token.type == "symbol" and token.text == "[":
            return Node("sub", (left, Node("list", tuple(self._listed("]")))))
        if token.type == "symbol" and token.text == "{":
            return Node("sub", (left, self._hash()))
        if token.type not in ("name", "quoted"):
            self._fail(token, "expected a field")
        return Node("sub", (left, self._prefix(token)))

    def _projected(self, binding: int) -> Node:
        """What is applied to each element of a projection."""
        symbol = self._symbol()
        if symbol == ".":
            self._take()
            # `.` binds its right side to the element, and so do the brackets after it.
            right = self._dotted(Node("current"))
            while binding < _BINDING.get(self._symbol(), 0) and _BINDING[self._symbol()] >= _PROJECTION_STOP:
                right = self._infix(self._take(), right)
            return right
        if symbol in ("[", "[?"):
            right = self._infix(self._take(), Node("current"))
            while _BINDING.get(self._symbol(), 0) >= _PROJECTION_STOP:
                right = self._infix(self._take(), right)
            return right
        return Node("current")

    def _filter(self, left: Node) -> Node:
        condition = self.expression(0)
        self._expect("]")
        right = Node("current") if self._symbol() == "[]" else self._projected(21)
        return Node("filter", (left, right, condition))

    def _bracket(self, left: Node, *, multiple: bool) -> Node:
        token = self._tokens[self._at]
        if token.type == "number" or self._symbol() == ":":
            return self._index(left)
        if self._symbol() == "*" and self._tokens[self._at + 1].text == "]":
            self._at += 2
            return Node("project", (left, self._projected(20)))
        if not multiple:
            self._fail(token, "expected an index, * or ?")
        return Node("list", tuple(self._listed("]")))

    def _index(self, left: Node) -> Node:
        parts: list[int | None] = [None]
        while (token := self._take()).text != "]":
            if token.type == "number" and parts[-1] is None:
                parts[-1] = int(token.text)
            elif token.text == ":" and len(parts) < 3:
                parts.append(None)
            else:
                self._fail(token)
        if len(parts) == 1:
            return Node("index", (left,), parts[0])
        return Node("project", (Node("slice", (left,), tuple(parts)), self._projected(20)))

    def _listed(self, end: str) -> list[Node]:
        items: list[Node] = []
        if self._symbol() == end:
            self._take()
            return items
        while True:
            items.append(self.expression(0))
            if self._symbol() != ",":
                break
            self._take()
        self._expect(end)
        return items

    def _hash(self) -> Node:
        names: list[str] = []
        values: list[Node] = []
        while True:
            token = self._take()
            if token.type not in ("name", "quoted"):
                self._fail(token, "expected a key")
            names.append(token.text if token.type == "name" else self._json(token, token.text))
            self._expect(":")
            values.append(self.expression(0))
            if self._symbol() != ",":
                break
            self._take()
        self._expect("}")
        return Node("hash", tuple(values), tuple(names))

    def _json(self, token: _Token, text: str) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise JMESPathError(f"no JSON at character {token.offset + 1}: {text[:40]}") from None

    def _literal(self, token: _Token) -> Any:
        inner = token.text[1:-1].replace("\\`", "`").strip()
        if _levels(inner) > DEEPEST:  # Python's own limit is not the same in each of its versions
            raise JMESPathError(f"a literal that is nested too deep, at character {token.offset + 1}")
        try:
            return json.loads(inner)
        except ValueError:
            return inner  # as the first implementations took it, and Kyverno's does


def _levels(text: str) -> int:
    """How many lists and objects of JSON, whole or not, are within each other at most."""
    level = most = 0
    for each in _STRING.sub("", text):
        if each in "[{":
            level += 1
            most = max(most, level)
        elif each in "]}":
            level -= 1
    return most


def has_functions(node: Node) -> bool:
    """Whether a function is called in an expression, which may be an error."""
    return (node.type == "function") or any(map(has_functions, node.children))


def flattens(node: Node) -> bool:
    """Whether an expression begins with [], of what it is about."""
    first = node
    while first.children and first.type in ("project", "sub", "index", "filter"):
        first = first.children[0]
    return first.type == "flatten" and first.children[0].type == "current"
