"""The changes of a CEL expression: one operator, bound, constant, quantifier, field or branch at a time.

An edit is made from a node of the checked tree and its span in the source. What a macro expands to is not in the
source, so no edit is made of it. Edits that certainly change nothing are left out:

- the other quantifier over a literal list of one element (`all` and `exists` of one element are the same);
- `.` for `.?` behind an optional value, where both are the same, and before a field of the object that is always there
  (`object.?metadata`; `object.?spec` of Deployments), as the API server writes it even if it is empty;
- another default of `orValue` for such a field, and one that makes no difference to what it is compared with
  (`orValue('') == 'x'`, `orValue('') in ['x']`);
- the negation of the operand of `!`, which is the same as `!` left out;
- a branch of `?:` if both are written alike;
- the wording of messages: texts that a messageExpression puts together, and what stands between them (`join(', ')`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from webhook.cel.tree.ast import Call, Comprehension, Const, Expr, Ident, ListLiteral, Select, children, nodes
from webhook.cel.tree.sourcespans import Spans
from webhook.cel.tree.types import BOOL, STRING
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


class Known(NamedTuple):
    """The field whose name begins at an offset of the source.

    `sibling`: another field that could stand in its place. `always`: whether objects always have it.
    """

    sibling: Callable[[int], str | None]
    always: Callable[[int], bool]


def edits(source: str, tree: Expr, fields: Known, *, message: bool = False) -> list[Edit]:
    """The edits of one expression, in the order of the source.

    message: the expression makes a message, whose wording is not changed.
    """
    return list(distinct(_Edits(source, fields, message).of(tree), source))


def name_at(spans: Spans, source: str, offset: int) -> int:
    """The offset at which the name of a field begins. offset: of the selection: its dot or question mark, or the
    bracket of has()."""
    if source[offset : offset + 1] == "(":
        at = spans.closing(offset)
        while at > 0 and source[at - 1].isspace():
            at -= 1
        while at > 0 and (source[at - 1].isalnum() or source[at - 1] == "_"):
            at -= 1
        return at
    at = offset
    while at < len(source) and (source[at] in ".?" or source[at].isspace()):
        at += 1
    return at


class _Edits:
    def __init__(self, source: str, fields: Known, message: bool) -> None:
        self._source = source
        self._fields = fields
        self._message = message
        self._parents: dict[int, Expr] = {}  # by id() of the node below
        self._spans = Spans(source)

    def of(self, tree: Expr) -> Iterator[Edit]:
        """The edits of a tree, without recursion."""
        for node in nodes(tree):
            self._parents.update((id(child), node) for child in children(node))
        for node in nodes(tree):
            yield from self._node(node, self._parents.get(id(node)))

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
                yield from self._field(name_at(self._spans, self._source, node.offset))
            case Select():
                yield from self._field(name_at(self._spans, self._source, node.offset))
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
                other = "" if value else "mutant"
                if (
                    text[-1:] in "'\""
                    and not self._is_wording(node, parent)
                    and not self._makes_no_difference(node, other)
                ):
                    yield Edit(start, end, f"'{other}'", "constant")

    def _is_wording(self, node: Const, parent: Expr | None) -> bool:
        """Whether a text that stands below `parent` is the wording of a message."""
        if not self._message:
            return False
        if isinstance(parent, Call) and parent.member and parent.args[0].type.name == "list":
            return parent.type.name == "string" and node is parent.args[-1]
        return parent is None or (isinstance(parent, Call) and parent.function in ("_+_", "_?_:_"))

    def _call(self, node: Call) -> Iterator[Edit]:
        sign = self._spans.text_at(node.offset)
        if node.function in _OPERATORS:
            if sign != _WRITTEN[node.function]:
                return  # of a macro
            if node.function == "_+_" and node.type.name not in ("int", "uint", "double", "dyn"):
                return
            others, change = _OPERATORS[node.function]
            yield from (Edit(node.offset, node.offset + len(sign), other, change) for other in others)
        elif node.function == "!_" and sign == "!":
            yield Edit(node.offset, node.offset + 1, "", "negation")
        elif node.function == "_?_:_" and sign == "?":
            yield from self._branches(node)
        elif node.function == "_?._":
            yield from self._optional(node)
        elif node.member and node.function in _METHODS and sign == "(":
            start = node.offset - len(node.function)
            if self._source[start : node.offset] == node.function:
                yield Edit(start, node.offset, _METHODS[node.function], "operator")

    def _branches(self, node: Call) -> Iterator[Edit]:
        start, end = self._spans.of(node)
        one, other = node.args[1:]
        if self._text(one) != self._text(other):
            yield from (Edit(start, end, self._text(each), "branch", self._spans.of(each)) for each in (one, other))

    def _text(self, node: Expr) -> str:
        """The source of a node, in brackets if it has an operator."""
        start, end = self._spans.of(node)
        text = self._source[start:end]
        return f"({text})" if isinstance(node, Call) and not node.member and "_" in node.function else text

    def _optional(self, node: Call) -> Iterator[Edit]:
        sign = self._spans.text_at(node.offset)
        at = node.offset if sign == "?" else node.offset + 1
        if self._source[at : at + 1] != "?":
            return
        of = node.args[0]
        if not self._is_there(node) and of.type.name != "optional_type":
            yield Edit(at, at + 1, "", "optional")
        yield from self._field(name_at(self._spans, self._source, node.offset))

    def _is_there(self, node: Call) -> bool:
        """Whether the field of `a.?b` is always there: of the object, or of an item of a list."""
        root: Expr = node.args[0]
        while True:
            match root:
                case Select(operand=operand):
                    root = operand
                case Call(function="_?._" | "_[_]" | "_[?_]", args=(operand, _)):
                    root = operand
                case Ident(name=name):
                    break
                case _:
                    return False
        if name != "object" and not self._is_item(name, node):
            return False
        return self._fields.always(name_at(self._spans, self._source, node.offset))

    def _is_item(self, name: str, node: Expr) -> bool:
        """Whether a name is that of an element in the macro around a node."""
        around: Expr | None = node
        while around is not None:
            if isinstance(around, Comprehension) and name in (around.var, around.var2):
                return True
            around = self._parents.get(id(around))
        return False

    def _makes_no_difference(self, node: Const, other: str) -> bool:
        """Whether another default of `orValue` is the same: the field is always there, or neither of the two is among
        the texts that the value is compared with."""
        default = self._parents.get(id(node))
        if not isinstance(default, Call) or len(default.args) != 2 or default.args[1] is not node or not default.member:
            return False
        of = default.args[0]
        if isinstance(of, Call) and of.function == "_?._" and self._is_there(of):
            return True
        value: Expr = default
        above = self._parents.get(id(value))
        while isinstance(above, Call) and len(above.args) == 1 and above.type == STRING:  # string(…)
            value, above = above, self._parents.get(id(above))
        if not isinstance(above, Call) or above.function not in ("_==_", "_!=_", "@in"):
            return False
        beside = above.args[1] if above.args[0] is value else above.args[0]
        among = beside.elements if isinstance(beside, ListLiteral) else (beside,)
        if above.function == "@in" and (above.args[0] is not value or not isinstance(beside, ListLiteral)):
            return False
        texts = [each.value if isinstance(each, Const) else None for each in among]
        return all(isinstance(text, str) and text not in (node.value, other) for text in texts)

    def _field(self, at: int) -> Iterator[Edit]:
        """Another field in place of the one whose name begins at `at`."""
        end = at
        while self._source[end : end + 1].isalnum() or self._source[end : end + 1] == "_":
            end += 1
        other = self._fields.sibling(at)
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
