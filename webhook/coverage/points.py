"""The points of an expression: nodes with two possible results, and other nodes that have to be evaluated.

A decision is true or false, an optional present or absent; each of the two is a side. The points are:

- an expression of which the result is a bool: a decision. Any other expression, unless a point below stands at its
  root, has the one side that it was evaluated;
- `&&` and `||`, as a whole and each of their terms: decisions. Nested operators of one kind, as in `a && b && c`, are
  one operator with three terms;
- the condition of `c ? a : b`: a decision. If the value of `?:` is one, so is each branch, and not `?:` itself;
- has(): a decision;
- the predicate of a macro (all, exists, exists_one, filter, map with three arguments, …): a decision. The body of a
  macro is like an expression of its own: a decision if it is a bool, else evaluated or not; one that is only the
  element, as that of filter, counts nothing;
- an optional: a chain such as `a.?b.?c` as a whole, `optional.ofNonZeroValue(a)`, a variable that holds one.

`!a` is no point of its own but `a` is, and `a.hasValue()` is the optional `a`. Constants are no points.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from webhook.cel.tree import types
from webhook.cel.tree.ast import Call, Comprehension, Const, Expr, Ident, Select, children, logical_terms
from webhook.cel.tree.declared import Shape
from webhook.cel.tree.macros import recognise

Kind = Literal["decision", "optional", "evaluation"]

SIDES: Final[dict[Kind, tuple[str, ...]]] = {
    "decision": ("true", "false"),
    "optional": ("present", "absent"),
    "evaluation": ("evaluated",),
}
"""The sides of a point of each kind, in the order of its bits: the first side is bit 0."""

EVALUATED: Final = 4
"""The bit that says that a point was evaluated, with whatever outcome; it is no side of decisions and optionals."""


class Point(Struct, frozen=True):
    """A point of an expression. role: what the node is, in words. nodes: the node that has the outcome, and the copies
    of it that macros make (`a.optMap(…)` expands to two of `a`)."""

    kind: Kind
    role: str
    nodes: tuple[Expr, ...]

    @property
    def node(self) -> Expr:
        return self.nodes[0]

    @property
    def sides(self) -> tuple[str, ...]:
        return SIDES[self.kind]


class Points(Struct, frozen=True):
    """The points of an expression, and its logical operators.

    chains: the `&&` and `||` that are not terms of another one. terms: their terms, down to what is neither `&&`, `||`,
    `!` nor `?:`, each with its copies; any of them may decide the outcome of its chain.
    """

    points: tuple[Point, ...]
    chains: tuple[Expr, ...]
    terms: tuple[tuple[Expr, ...], ...]


def points(tree: Expr, *, decides: bool) -> Points:
    """The points of a checked tree. decides: its value must be a bool, whatever the checker has inferred."""
    return _Finder().found(tree, decides)


def logical(node: Expr) -> str:
    """`_&&_` or `_||_` if the node is such an operator, else ""."""
    return node.function if isinstance(node, Call) and node.function in _LOGICAL else ""


def bare(node: Expr) -> tuple[Expr, bool]:
    """The node below all `!`, and whether these negate it."""
    negated = False
    while isinstance(node, Call) and node.function == "!_":
        node, negated = node.args[0], not negated
    return node, negated


def terms(chain: Expr) -> Iterator[Expr]:
    """The terms of `&&` or `||`."""
    return logical_terms(chain, logical(chain))


def branches(node: Expr) -> tuple[Expr, ...]:
    """The condition and the two branches of `?:`; empty for other nodes."""
    return node.args if isinstance(node, Call) and node.function == "_?_:_" else ()


_LOGICAL: Final = frozenset({"_&&_", "_||_"})
_BODY: Final = "body of a macro"
_QUANTIFIERS: Final = frozenset({"all", "exists", "exists_one"})


class _Finder:
    """Walks a tree with a stack of its own, as deep as the tree may be."""

    def __init__(self) -> None:
        self._points: dict[tuple[str, int], Point] = {}  # copies of a node have its offset
        self._chains: list[Expr] = []
        self._terms: dict[int, Expr] = {}
        self._ahead: list[tuple[Expr, str]] = []  # a node, and its role as a decision; "" if it is none

    def found(self, tree: Expr, decides: bool) -> Points:
        self._whole(tree, "expression", decides)
        while self._ahead:
            self._visit(*self._ahead.pop())
        terms: dict[int, list[Expr]] = {}
        for term in self._terms.values():
            if not logical(term):
                terms.setdefault(term.offset, []).append(term)
        return Points(tuple(self._points.values()), tuple(self._chains), tuple(map(tuple, terms.values())))

    def _whole(self, node: Expr, role: str, decides: bool = False) -> None:
        """An expression, or the body of a macro, which is like one: a decision, or evaluated or not."""
        decides = (decides or node.type == types.BOOL) and not isinstance(node, Const)
        self._ahead.append((node, role if decides else ""))
        if not decides and not branches(node) and not _is_optional(node):
            self._add("evaluation", role, node)

    def _add(self, kind: Kind, role: str, node: Expr) -> None:
        if isinstance(node, Const) and kind != "evaluation":
            return
        key = kind, node.offset
        known = self._points.get(key)
        self._points[key] = Point(kind, role, (node,)) if known is None else replace(known, nodes=(*known.nodes, node))

    def _visit(self, node: Expr, role: str) -> None:
        """Add the points of a node and of what is below it."""
        if role:
            node, _ = bare(node)
            if _tests(node):
                node, role = children(node)[0], ""
        if _is_optional(node):
            self._optional(node)
        elif logical(node):
            self._logical(node, role)
        elif parts := branches(node):
            self._conditional(parts, role)
        elif isinstance(node, Select) and node.test:
            self._add("decision", role or "has()", node)
            self._below(node)
        else:
            if role:
                self._add("decision", role, node)
            if isinstance(node, Comprehension):
                self._comprehension(node)
            else:
                self._below(node)

    def _below(self, node: Expr) -> None:
        self._ahead += ((child, "") for child in children(node))

    def _logical(self, node: Expr, role: str) -> None:
        sign = logical(node).strip("_")
        self._add("decision", role or sign, node)
        if id(node) not in self._terms:  # else it is a part of a larger one
            self._chains.append(node)
        for term in terms(node):
            self._ahead.append((term, f"term of {sign}"))
            pending = [term]
            while pending:
                each, _ = bare(pending.pop())
                if parts := branches(each):
                    pending += parts[1:]
                elif not isinstance(each, Const):
                    self._terms[id(each)] = each

    def _conditional(self, parts: tuple[Expr, ...], role: str) -> None:
        self._ahead.append((parts[0], "condition of ?:"))
        self._ahead += ((branch, role and "branch of ?:") for branch in parts[1:])

    def _optional(self, node: Expr) -> None:
        if parts := branches(node):
            self._conditional(parts, "")
        elif isinstance(node, Comprehension):
            self._comprehension(node)
        elif isinstance(node, Call) and node.declared.otherwise:  # a.or(b): both are optionals themselves
            self._below(node)
        else:
            if not (isinstance(node, Call) and node.declared.present is not None):
                self._add("optional", "optional", node)
            while _selects(node):  # the chain is one point
                node, *keys = children(node)
                self._ahead += ((key, "") for key in keys)
            if branches(node) or not _is_optional(node):
                self._ahead.append((node, ""))
            else:
                self._below(node)

    def _comprehension(self, node: Comprehension) -> None:
        fold = recognise(node)
        if fold.kind == "bind":
            self._ahead.append((node.init, ""))
            self._whole(node.result, _BODY)
        elif fold.kind == "general":
            self._below(node)
        else:
            self._ahead.append((node.range, ""))
            if fold.filter is not None:
                self._ahead.append((fold.filter, "predicate"))
            if fold.key is not None:
                self._whole(fold.key, _BODY)
            if fold.kind in _QUANTIFIERS:
                self._ahead.append((fold.value, "predicate"))
            elif not (isinstance(fold.value, Ident) and fold.value.name in (node.var, node.var2)):
                self._whole(fold.value, _BODY)


def _is_optional(node: Expr) -> bool:
    return node.type.name == "optional_type"


def _tests(node: Expr) -> bool:
    """Whether a node is `a.hasValue()`."""
    return isinstance(node, Call) and node.declared.shape is Shape.PRESENT and _is_optional(node.args[0])


def _selects(node: Expr) -> bool:
    """Whether a node selects from an optional, or by `.?` or `[?]` from anything."""
    if isinstance(node, Select):
        return not node.test and _is_optional(node.operand)
    if not isinstance(node, Call):
        return False
    return node.function in ("_?._", "_[?_]") or (node.function == "_[_]" and _is_optional(node.args[0]))
