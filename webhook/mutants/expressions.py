"""The changes of a CEL expression: one operator, bound, constant, quantifier, field or branch at a time.

An edit is made from a node of the checked tree and its span in the source. What a macro expands to is not in the source,
so no edit is made of it. Edits that certainly change nothing are left out:

- the other quantifier over a literal list of one element (`all` and `exists` of one element are the same);
- `.` for `.?` behind an optional value, where both are the same, and before the metadata of `object`, which every
  object that is created or updated has;
- the negation of the operand of `!`, which is the same as `!` left out;
- a branch of `?:` if both are written alike;
- the wording of messages: texts that a messageExpression joins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from webhook.cel.tree.ast import Call, Comprehension, Const, Expr, Ident, ListLiteral, Select, children
from webhook.cel.tree.spans import Spans
from webhook.cel.tree.types import BOOL
from webhook.cel.value.numbers import UInt
from webhook.mutants.mutant import Edit, distinct

_OPERATORS: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "_==_": (("!=",), "operator"),
    "_!=_": (("==",), "operator"),
    "_<_": (("<=", ">="), "bound"),
    "_<=_": (("<", ">"), "bound"),
    "_>_": ((">=", "<="), "bound"),
    "_>=_": ((">", "<"), "bound"),
    "_&&_": (("||",), "operator"),
    "_||_": (("&&",), "operator"),
    "_+_": (("-",), "operator"),
    "_-_": (("+",), "operator"),
    "_*_": (("/",), "operator"),
    "_/_": (("*",), "operator"),
    "_%_": (("*",), "operator"),
}
_WRITTEN: Final = {name: name.strip("_") for name in _OPERATORS}
_QUANTIFIERS: Final = {
    "all": ("exists",),
    "exists": ("all", "exists_one"),
    "exists_one": ("exists",),
    "existsOne": ("exists",),
}
_METHODS: Final = {"startsWith": "endsWith", "endsWith": "startsWith"}
_BOTH: Final = frozenset({"_&&_", "_||_"})

Siblings = Callable[[int], str | None]
"""The name of another field that could stand in place of the one that is selected at an offset; None for none."""


def edits(source: str, tree: Expr, siblings: Siblings, *, message: bool = False, always: bool = False) -> list[Edit]:
    """The edits of one expression, in the order of the source.

    message: the expression makes a message, whose wording is not changed. always: the policy is only asked about
    requests with an object.
    """
    return list(distinct(_Edits(source, siblings, message, always).of(tree), source))


class _Edits:
    def __init__(self, source: str, siblings: Siblings, message: bool, always: bool) -> None:
        self._source = source
        self._siblings = siblings
        self._message = message
        self._always = always
        self._spans = Spans(source)

    def of(self, tree: Expr) -> Iterator[Edit]:
        """The edits of a tree, without recursion."""
        pending: list[tuple[Expr, Expr | None]] = [(tree, None)]
        while pending:
            node, parent = pending.pop()
            yield from self._node(node, parent)
            pending += ((child, node) for child in children(node))

    def _node(self, node: Expr, parent: Expr | None) -> Iterator[Edit]:
        match node:
            case Const():
                yield from self._constant(node, parent)
            case Call():
                yield from self._call(node)
            case Comprehension():
                yield from self._quantifier(node)
            case Select(test=True):
                start, end = self._spans.of(node)
                yield Edit(start, end, "true", "presence")
            case Select():
                yield from self._field(node.offset + 1)
            case Ident(name="oldObject"):
                start, end = self._spans.of(node)
                if self._source[start:end] == "oldObject":
                    yield Edit(start, end, "object", "field")
        yield from self._negated(node, parent)

    # ------------------------------------------------------------------------------------------------- by kind of node

    def _constant(self, node: Const, parent: Expr | None) -> Iterator[Edit]:
        start, end = self._spans.of(node)
        value, text = node.value, self._source[start:end]
        if isinstance(parent, Call) and parent.function == "_?._" and node is parent.args[1]:
            return  # the name of a field
        match value:
            case bool():
                if text in ("true", "false"):
                    yield Edit(start, end, "false" if value else "true", "constant")
            case UInt():
                if text[-1:] in "uU":
                    yield from (Edit(start, end, f"{each}u", "bound") for each in (value + 1, value - 1) if each >= 0)
            case int():
                if text.lstrip("+-")[:1].isdigit():
                    yield from (Edit(start, end, str(each), "bound") for each in (value + 1, value - 1))
            case float():
                if text.lstrip("+-.")[:1].isdigit():
                    yield from (Edit(start, end, repr(each), "bound") for each in (value + 1.0, value - 1.0))
            case str():
                if text[-1:] in "'\"" and not self._is_wording(parent):
                    yield Edit(start, end, "''" if value else "'mutant'", "constant")

    def _is_wording(self, parent: Expr | None) -> bool:
        """Whether a text that stands below this node is the wording of a message."""
        if not self._message:
            return False
        return parent is None or (isinstance(parent, Call) and parent.function in ("_+_", "_?_:_"))

    def _call(self, node: Call) -> Iterator[Edit]:
        token = self._spans.text_at(node.offset)
        if node.function in _OPERATORS:
            if token != _WRITTEN[node.function]:
                return  # of a macro
            if node.function == "_+_" and node.type.name not in ("int", "uint", "double", "dyn"):
                return
            others, change = _OPERATORS[node.function]
            yield from (Edit(node.offset, node.offset + len(token), other, change) for other in others)
        elif node.function == "!_" and token == "!":
            yield Edit(node.offset, node.offset + 1, "", "negation")
        elif node.function == "_?_:_" and token == "?":
            yield from self._branches(node)
        elif node.function == "_?._":
            yield from self._optional(node)
        elif node.member and node.function in _METHODS and token == "(":
            start = node.offset - len(node.function)
            if self._source[start : node.offset] == node.function:
                yield Edit(start, node.offset, _METHODS[node.function], "operator")

    def _branches(self, node: Call) -> Iterator[Edit]:
        start, end = self._spans.of(node)
        texts = [self._text(each) for each in node.args[1:]]
        if texts[0] != texts[1]:
            yield from (Edit(start, end, text, "branch") for text in texts)

    def _text(self, node: Expr) -> str:
        """The source of a node, in brackets if it has an operator."""
        start, end = self._spans.of(node)
        text = self._source[start:end]
        return f"({text})" if isinstance(node, Call) and not node.member and "_" in node.function else text

    def _optional(self, node: Call) -> Iterator[Edit]:
        token = self._spans.text_at(node.offset)
        at = node.offset if token == "?" else node.offset + 1
        if self._source[at : at + 1] != "?":
            return
        of, name = node.args
        known = self._always and isinstance(of, Ident) and of.name == "object"
        there = known and isinstance(name, Const) and name.value == "metadata"
        if not there and of.type.name != "optional_type":
            yield Edit(at, at + 1, "", "optional")
        yield from self._field(at + 1)

    def _field(self, at: int) -> Iterator[Edit]:
        """Another field in place of the one whose name begins at `at`, or after blanks."""
        while self._source[at : at + 1].isspace():
            at += 1
        end = at
        while self._source[end : end + 1].isalnum() or self._source[end : end + 1] == "_":
            end += 1
        other = self._siblings(at)
        if other is not None and end > at:
            yield Edit(at, end, other, "field")

    def _quantifier(self, node: Comprehension) -> Iterator[Edit]:
        name = self._spans.macro(node)
        if name not in _QUANTIFIERS or (isinstance(node.range, ListLiteral) and len(node.range.elements) == 1):
            return
        start = self._source.rfind(name, 0, node.offset)
        yield from (Edit(start, start + len(name), other, "quantifier") for other in _QUANTIFIERS[name])

    def _negated(self, node: Expr, parent: Expr | None) -> Iterator[Edit]:
        """The negation of a condition that no other edit turns around."""
        if node.type != BOOL or isinstance(node, Const):
            return
        if isinstance(parent, Call) and parent.function == "!_":
            return
        if isinstance(node, Call):
            if node.function == "@in":
                start, end = self._spans.of(node)
                yield Edit(start, end, f"!({self._source[start:end]})", "negation")
                return
            if not node.member:
                return
        if isinstance(node, Comprehension | Select | Call) and self._spans.text_at(node.offset) not in ("(", "."):
            return
        start, end = self._spans.of(node)
        text = self._source[start:end]
        if isinstance(node, Comprehension) and self._spans.macro(node) not in _QUANTIFIERS:
            return
        if isinstance(node, Ident) and text.replace(" ", "") != node.name:
            return  # of a macro
        yield Edit(start, start, "!", "negation")
