"""The changes of a policy file in Python: one comparison, condition, constant, quantifier, branch, return or rule at a
time.

An edit is made from a node of the syntax tree and its place in the text. Left out is what no test can notice, or what
says nothing about the policy: docstrings, annotations, the wording of violations and of errors, f-strings, and what
decorators say beside the rules. A condition that a comparison or `not` already turns around is not negated again.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from msgspec import Struct

from webhook.mutants.mutant import Edit

_COMPARISONS: Final[dict[type[ast.cmpop], tuple[tuple[str, ...], str]]] = {
    ast.Eq: (("!=",), "operator"),
    ast.NotEq: (("==",), "operator"),
    ast.Lt: (("<=", ">="), "bound"),
    ast.LtE: (("<", ">"), "bound"),
    ast.Gt: ((">=", "<="), "bound"),
    ast.GtE: ((">", "<"), "bound"),
    ast.In: (("not in",), "operator"),
    ast.NotIn: (("in",), "operator"),
    ast.Is: (("is not",), "operator"),
    ast.IsNot: (("is",), "operator"),
}
_QUANTIFIERS: Final = {"any": "all", "all": "any", "min": "max", "max": "min"}
_METHODS: Final = {"startswith": "endswith", "endswith": "startswith"}
_DECORATORS: Final = frozenset({"validate", "mutate"})
_WORDING: Final = frozenset({"Violation", "print"})
_OTHER_OPERATION: Final = {"CREATE": "UPDATE", "UPDATE": "CREATE", "DELETE": "CREATE", "CONNECT": "CREATE"}


class Place(Struct, frozen=True):
    """An edit of a file, and where it is: the names of the functions and classes around it, joined by dots; "" for the
    module. `line`: the first line of the decorated function around it, 0 outside of one."""

    edit: Edit
    scope: str
    line: int


class _At(Struct, frozen=True):
    """The surroundings of a node. `scope`, `line`: see Place."""

    scope: str = ""
    line: int = 0


def edits(text: str) -> list[Place]:
    """The edits of a file, in the order of its text, whose lines end in newlines alone. Offsets are in characters."""
    tree = ast.parse(text)
    found: dict[str, Place] = {}
    for place in sorted(_Edits(text).module(tree), key=lambda each: each.edit):
        changed = place.edit.applied(text)
        if changed != text:
            found.setdefault(changed, place)
    return list(found.values())


class _Edits:
    def __init__(self, text: str) -> None:
        self._text = text
        self._described = set[str]()  # names of annotations of policies
        self._starts = [0]  # of lines, in characters
        self._lines = text.split("\n")
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def module(self, tree: ast.Module) -> Iterator[Place]:
        """The edits of the whole file, without recursion."""
        self._described = set(_names_of_annotations(tree))
        pending: list[tuple[ast.AST, _At]] = [(tree, _At())]
        while pending:
            node, at = pending.pop()
            for edit in self._node(node):
                yield Place(edit, at.scope, at.line)
            for child in self._below(node):
                pending.append((child, self._around(child, at)))

    def _around(self, node: ast.AST, at: _At) -> _At:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            return at
        decorated = isinstance(node, ast.FunctionDef) and any(map(_is_policy, node.decorator_list))
        scope = f"{at.scope}.{node.name}" if at.scope else node.name
        return _At(scope, node.decorator_list[0].lineno if decorated else at.line)

    def _below(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes below, without those that are not changed."""
        match node:
            case ast.FunctionDef(decorator_list=decorators, args=arguments, body=body):
                yield from (each for each in decorators if _is_policy(each))
                yield from (each for each in (*arguments.defaults, *arguments.kw_defaults) if each is not None)
                yield from _without_docstring(body)
            case ast.ClassDef(body=body):
                yield from _without_docstring(body)
            case ast.Module(body=body):
                yield from _without_docstring(body)
            case ast.AnnAssign(value=value, target=ast.Name(id=name)) if value is not None:
                if name != "__all__" and name not in self._described:
                    yield value
            case ast.Assign(targets=[ast.Name(id=name)]) if name == "__all__" or name in self._described:
                return
            case ast.Assign(value=ast.Subscript() | ast.BinOp(op=ast.BitOr())) if _is_type(node.value):
                return
            case ast.AnnAssign() | ast.JoinedStr() | ast.Raise() | ast.Import() | ast.ImportFrom() | ast.Assert():
                return
            case ast.Call(func=ast.Name(id=name), args=arguments) if name in _WORDING:
                yield from (each for each in arguments[1:])
            case ast.Call() if _is_policy(node):
                return  # its rules are changed as a whole
            case _:
                yield from ast.iter_child_nodes(node)

    def _node(self, node: ast.AST) -> Iterator[Edit]:
        match node:
            case ast.Compare():
                yield from self._comparison(node)
            case ast.BoolOp(op=op, values=values):
                old, new = ("and", "or") if isinstance(op, ast.And) else ("or", "and")
                for one, other in pairwise(values):
                    yield from self._between(one, other, old, new, "operator")
            case ast.UnaryOp(op=ast.Not()):
                start, _ = self._span(node)
                end = start + len("not")
                yield Edit(start, end + (self._text[end : end + 1] == " "), "", "negation")
            case ast.If(test=test) | ast.While(test=test):
                yield from self._negated(test)
            case ast.IfExp(test=test, body=body, orelse=other):
                yield from self._negated(test)
                start, end = self._span(node)
                for chosen in (body, other):
                    yield Edit(start, end, f"({self._source(chosen)})", "branch")
            case ast.comprehension(ifs=tests):
                for test in tests:
                    yield from self._negated(test)
            case ast.Constant():
                yield from self._constant(node)
            case ast.Return(value=value):
                start, end = self._span(node)
                if value is None:
                    yield Edit(start, end, "pass", "return")
                elif not (isinstance(value, ast.Constant) and value.value is None):
                    yield Edit(start, end, "return None", "return")
            case ast.Call(func=ast.Name(id=name) as function) if name in _QUANTIFIERS:
                start, end = self._span(function)
                yield Edit(start, end, _QUANTIFIERS[name], "quantifier")
            case ast.Call(func=ast.Attribute(attr=name)) if name in _METHODS:
                end = self._span(node.func)[1]
                yield Edit(end - len(name), end, _METHODS[name], "operator")
            case ast.Call() if _is_policy(node):
                yield from self._rules(node)

    def _comparison(self, node: ast.Compare) -> Iterator[Edit]:
        operands = [node.left, *node.comparators]
        for index, op in enumerate(node.ops):
            old = {ast.NotIn: "not in", ast.IsNot: "is not", ast.In: "in", ast.Is: "is", ast.Eq: "==", ast.NotEq: "!="}
            signs = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
            others, change = _COMPARISONS[type(op)]
            for other in others:
                written = old.get(type(op)) or signs[type(op)]
                yield from self._between(operands[index], operands[index + 1], written, other, change)

    def _between(self, one: ast.expr, other: ast.expr, old: str, new: str, change: str) -> Iterator[Edit]:
        """The edit of an operator between two operands. If comments or line breaks split it, there is none."""
        start, end = self._span(one)[1], self._span(other)[0]
        at = self._text.find(old, start, end)
        comment = self._text.find("#", start, end)
        if at >= 0 and not 0 <= comment < at:
            yield Edit(at, at + len(old), new, change)

    def _negated(self, test: ast.expr) -> Iterator[Edit]:
        if isinstance(test, ast.Compare | ast.BoolOp | ast.Constant):
            return
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return
        start, end = self._span(test)
        yield Edit(start, end, f"not ({self._text[start:end]})", "negation")

    def _constant(self, node: ast.Constant) -> Iterator[Edit]:
        start, end = self._span(node)
        match node.value:
            case bool():
                yield Edit(start, end, str(not node.value), "constant")
            case int() | float():
                yield from (Edit(start, end, repr(each), "bound") for each in (node.value + 1, node.value - 1))
            case str():
                yield Edit(start, end, '""' if node.value else '"mutant"', "constant")

    # ------------------------------------------------------------------------------------------------------------ rules

    def _rules(self, decorator: ast.Call) -> Iterator[Edit]:
        for keyword in decorator.keywords:
            match keyword.value:
                case ast.List(elts=items) | ast.Tuple(elts=items) if keyword.arg in ("resources", "operations"):
                    if len(items) > 1:
                        yield from self._without(items, keyword.arg)
                    elif keyword.arg == "operations" and items and isinstance(items[0], ast.Constant):
                        start, end = self._span(items[0])
                        if other := _OTHER_OPERATION.get(str(items[0].value)):
                            yield Edit(start, end, f'"{other}"', "operations")
                case ast.Constant(value=("Fail" | "Ignore") as value) if keyword.arg == "failure_policy":
                    start, end = self._span(keyword.value)
                    yield Edit(start, end, '"Ignore"' if value == "Fail" else '"Fail"', "failurePolicy")
                case ast.Constant(value=("Cluster" | "Namespaced")) if keyword.arg == "scope":
                    start, end = self._span(keyword.value)
                    yield Edit(start, end, '"*"', "scope")
        if decorator.keywords and not any(each.arg == "failure_policy" for each in decorator.keywords):
            end = self._span(decorator.keywords[-1].value)[1]
            yield Edit(end, end, ', failure_policy="Ignore"', "failurePolicy")

    def _without(self, items: list[ast.expr], change: str) -> Iterator[Edit]:
        """Each item left out of a list, with the comma and the blanks behind it, or before the last one."""
        for index, item in enumerate(items):
            start, end = self._span(item)
            if index + 1 < len(items):
                end = self._span(items[index + 1])[0]
            else:
                start = self._span(items[index - 1])[1]
            yield Edit(start, end, "", change)

    # ----------------------------------------------------------------------------------------------------------- places

    def _source(self, node: ast.expr) -> str:
        start, end = self._span(node)
        return self._text[start:end]

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """The place of a node, in characters."""
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
        return self._offset(node.lineno, node.col_offset), self._offset(end_line, end_column)

    def _offset(self, line: int, column: int) -> int:
        """The offset of a column, which the syntax tree counts in bytes of UTF-8."""
        text = self._lines[line - 1]
        return self._starts[line - 1] + (column if text.isascii() else len(text.encode()[:column].decode()))


def _names_of_annotations(tree: ast.Module) -> Iterator[str]:
    """The names that decorators of policies take their annotations from."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _is_policy(node):
            for each in node.keywords:
                if each.arg == "annotations" and isinstance(each.value, ast.Name):
                    yield each.value.id


def _is_policy(node: ast.AST) -> bool:
    """Whether a decorator is one of `gatewright`."""
    function = node.func if isinstance(node, ast.Call) else node
    name = (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )
    return name in _DECORATORS


def _is_type(value: ast.expr) -> bool:
    """Whether the value of an assignment is a type, such as `Path = tuple[str | int, ...]`."""
    names = {"tuple", "list", "dict", "set", "frozenset", "Literal", "Annotated", "Optional", "Union"}
    return isinstance(value, ast.Subscript) and isinstance(value.value, ast.Name) and value.value.id in names


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return body[1:]
    return body
