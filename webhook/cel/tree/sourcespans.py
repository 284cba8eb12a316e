"""The spans of a syntax tree's nodes in the source, from their first to their last character.

The parser reports one offset a node: that of a literal or name itself, of an operator, of the dot of a selection, of
the bracket of a call or macro. The spans are computed from the tree and the tokens of the source. The span of a macro
is that of its source text. Brackets around an expression belong to the surrounding node.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Final

from webhook.cel.tree.ast import Call, Comprehension, Const, Expr, Ident, ListLiteral, MapLiteral, Select, StructLiteral

Span = tuple[int, int]
"""Start and end offset, in code points: source[start:end]."""

_TOKEN: Final = re.compile(
    r"""(?P<blank>\s+|//[^\n]*)"""
    r"""|(?P<text>(?:[rR][bB]?|[bB][rR])(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"[^"\n]*"|'[^'\n]*')"""
    r"""|[bB]?(?:\"{3}(?:[^\\]|\\.)*?\"{3}|'{3}(?:[^\\]|\\.)*?'{3}|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))"""
    r"""|(?P<number>0[xX][0-9a-fA-F]+[uU]?|(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[uU]?)"""
    r"""|(?P<name>[A-Za-z_][A-Za-z0-9_]*|`[^`]*`)"""
    r"""|(?P<sign>&&|\|\||[=!<>]=|.)""",
    re.DOTALL,
)
_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}


class Spans:
    """The spans of one expression's nodes."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._kinds: list[str] = []
        for match in _TOKEN.finditer(source):
            kind = match.lastgroup or ""
            if kind == "blank":
                continue
            self._starts.append(match.start())
            self._ends.append(match.end())
            self._kinds.append("sign" if match[0] == "in" else kind)
        self._matching = self._matched()
        self._known: dict[int, Span] = {}

    def of(self, node: Expr) -> Span:
        """The span of a node, without brackets around it."""
        span = self._known.get(id(node))
        if span is None:
            span = self._known[id(node)] = self._span(node)
        return span

    def text_at(self, offset: int) -> str:
        """The token at `offset`."""
        return self._text(self._at(offset))

    def closing(self, offset: int) -> int:
        """The offset of the bracket that closes the one at `offset`; `offset` itself if there is none."""
        token = self._at(offset)
        return self._starts[self._matching.get(token, token)]

    def macro(self, node: Expr) -> str:
        """The name of the macro that expanded to this node, else ""."""
        if not isinstance(node, Comprehension | Select | Call) or self.text_at(node.offset) != "(":
            return ""
        named = self._at(node.offset) - 1
        if isinstance(node, Select) and not node.test:
            return ""
        if isinstance(node, Call) and node.function == self._text(named):
            return ""
        return self._text(named) if named >= 0 and self._kinds[named] == "name" else ""

    # ---------------------------------------------------------------------------------------------------- by node

    def _span(self, node: Expr) -> Span:
        at = self._at(node.offset)
        match node:
            case Const():
                last = at + 1 if self._text(at) in "+-" else at
                return self._starts[at], self._end(last)
            case Ident():
                if self._text(at) == "(":  # the key that transformMap inserts is its first argument
                    at += 1
                return self._name(at)
            case Select(test=False):
                return self._whole(node.operand)[0], self._end(at + 1)
            case StructLiteral():
                return self._name(at - 1)[0], self._end(self._matching.get(at, at))
            case ListLiteral() | MapLiteral():
                return self._starts[at], self._end(self._matching.get(at, at))
            case Comprehension(range=of) if not (isinstance(of, ListLiteral) and of.offset == node.offset):
                return self._whole(of)[0], self._end(self._matching.get(at, at))
            case Call():
                return self._call(node, at)
        return self._named_call(at)

    def _call(self, node: Call, at: int) -> Span:
        if self._text(at) == "(":
            target = _target_of_macro(node)
            if node.member or target is not None:
                first = node.args[0] if target is None else target
                return self._whole(first)[0], self._end(self._matching.get(at, at))
            return self._named_call(at)
        if node.function in ("_[_]", "_[?_]"):
            return self._whole(node.args[0])[0], self._end(self._matching.get(at, at))
        if node.function == "_?._":
            return self._whole(node.args[0])[0], self._end(at + 2)
        if not node.args:
            return self._starts[at], self._ends[at]
        last = self._whole(node.args[-1])[1]
        return (self._starts[at] if len(node.args) == 1 else self._whole(node.args[0])[0]), last

    def _named_call(self, bracket: int) -> Span:
        """The span of name(…); the name may be qualified."""
        return self._name(bracket - 1)[0], self._end(self._matching.get(bracket, bracket))

    def _name(self, at: int) -> Span:
        """The span of the name that contains the token `at`: the names and dots before it, and a name after a dot."""
        last = at + 1 if self._text(at) == "." else at
        first = at
        while first > 0:
            after_dot = self._kinds[first] == "name" and self._text(first - 1) == "."
            after_name = self._text(first) == "." and self._kinds[first - 1] == "name"
            if not (after_dot or after_name):
                break
            first -= 1
        return self._starts[max(first, 0)], self._end(last)

    def _whole(self, node: Expr) -> Span:
        """The span of a node with the brackets around it."""
        start, end = self.of(node)
        before, after = self._at(start) - 1, self._at(end - 1) + 1
        while before >= 0 and self._text(before) == "(" and self._matching.get(before) == after:
            if before > 0 and self._kinds[before - 1] == "name":
                break  # the bracket of a call
            start, end = self._starts[before], self._ends[after]
            before, after = before - 1, after + 1
        return start, end

    # ----------------------------------------------------------------------------------------------------- tokens

    def _at(self, offset: int) -> int:
        return max(bisect_right(self._starts, offset) - 1, 0)

    def _text(self, token: int) -> str:
        return self._source[self._starts[token] : self._ends[token]] if 0 <= token < len(self._starts) else ""

    def _end(self, token: int) -> int:
        return self._ends[min(token, len(self._ends) - 1)]

    def _matched(self) -> dict[int, int]:
        """Opening bracket -> closing bracket, by token."""
        found: dict[int, int] = {}
        opened: list[int] = []
        for token, kind in enumerate(self._kinds):
            if kind != "sign":
                continue
            text = self._text(token)
            if text in _CLOSING:
                opened.append(token)
            elif text in _CLOSING.values() and opened:
                found[opened.pop()] = token
        return found


def _target_of_macro(node: Call) -> Expr | None:
    """The target of optMap or optFlatMap, which expand to `t.hasValue() ? … : none`; None for other calls."""
    if node.function == "_?_:_" and isinstance(node.args[0], Call) and node.args[0].offset == node.offset:
        return node.args[0].args[0]
    return None
