"""Which parts of the object an expression's value comes from.

After a recorded evaluation the tree is walked from its root to what decided: the false term of a conjunction, the
failing element of `all`, the operands of a comparison, the field that `has` asked for. What is reached is told as Paths
into one variable, `object` as a rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from webhook.cel.code.codegen import logical_terms
from webhook.cel.code.recording import chosen_key, place_key
from webhook.cel.tree.ast import Call, Comprehension, Const, Expr, Ident, ListLiteral, MapLiteral, Select, children
from webhook.cel.tree.declared import Shape
from webhook.cel.tree.macros import recognise
from webhook.cel.value.values import NONE, Optional
from webhook.paths import Path

if TYPE_CHECKING:
    from webhook.cel.program import Program, Recording

_MAX_PATHS = 50

Scope = Mapping[str, Path | None]
"""Where the variables of the loops around stand in the root variable; None where they do not."""


def witnesses(program: Program, activation: Recording, root: str, *, private: bool = False) -> tuple[Path, ...]:
    """The Paths into `root` that decided the value of a program just recorded on this activation.

    private: the variables hold what must not be shown; see Search.
    """
    found = dict.fromkeys(Search(activation, root, private=private).decisive(program.tree, {}))
    # A guard such as `!has(c.ports) || c.ports.all(…)` names ports too: what stands inside it tells more.
    inner = (path for path in found if not any(other[: len(path)] == path for other in found if other != path))
    return tuple(inner)[:_MAX_PATHS]


class Search:
    """Looks for Paths into the variable `root` in what was recorded.

    private: a key that the expression computed may be one of the secrets, and is no part of a Path then.
    """

    def __init__(self, activation: Recording, root: str, *, private: bool = False) -> None:
        self.activation = activation
        self.record = activation.record
        self.root = root
        self.private = private

    def decisive(self, node: Expr, scope: Scope) -> list[Path]:
        """The Paths that decide a node's value."""
        place = self.place(node, scope)
        if place is not None:
            return [place]
        match node:
            case Const():
                return []
            case Ident():
                variable = self.activation.variables.get(node.name)
                return [] if variable is None or node.name in scope else self.decisive(variable.tree, {})
            case Select():
                return self.selected(node, scope)
            case Call():
                return self.called(node, scope)
            case Comprehension():
                return self.looped(node, scope)
            case ListLiteral() | MapLiteral():
                return self.all_of(children(node), scope)

    def all_of(self, nodes: Iterable[Expr], scope: Scope) -> list[Path]:
        found: list[Path] = []
        for node in nodes:
            found += self.decisive(node, scope)
            if len(found) >= _MAX_PATHS:
                break
        return found

    def selected(self, node: Select, scope: Scope) -> list[Path]:
        operand = self.place(node.operand, scope)
        # The place of a field that is absent is where it would stand.
        return [(*operand, node.field)] if operand is not None else self.decisive(node.operand, scope)

    def called(self, node: Call, scope: Scope) -> list[Path]:
        match node.function:
            case "_&&_" | "_||_":
                decides = node.function == "_||_"
                terms = list(logical_terms(node, node.function))
                deciding = [term for term in terms if self.record.get(id(term)) is decides]
                return self.decisive(deciding[0], scope) if deciding else self.all_of(terms, scope)
            case "_?_:_":
                condition, yes, no = node.args
                branch = yes if self.record.get(id(condition)) is True else no
                return self.decisive(branch, scope) or self.decisive(condition, scope)
            case _ if node.declared.shape is Shape.EITHER:
                optional, default = node.args
                found = self.decisive(optional, scope)
                return found or self.decisive(default, scope)
            case _:
                return self.all_of(node.args, scope)

    def looped(self, node: Comprehension, scope: Scope) -> list[Path]:
        fold = recognise(node)
        if fold.kind == "bind":
            bound = self.place(node.init, scope)
            return self.decisive(node.result, {**scope, node.accu: bound}) or self.decisive(node.init, scope)
        value = self.record.get(id(node))
        if (fold.kind == "all" and value is False) or (fold.kind == "exists" and value is True):
            inner = self.inside(node, self.record.get(place_key(node), 0), scope)
            return self.decisive(fold.value, inner) or self.elements(node, [inner])
        chosen = self.record.get(chosen_key(node))
        if chosen and fold.kind == "list" and fold.filter is not None:
            return self.passed(node, fold.filter, chosen[:_MAX_PATHS], scope)
        return self.decisive(node.range, scope)

    def passed(
        self, node: Comprehension, condition: Expr, chosen: list[tuple[int, dict[Any, Any]]], scope: Scope
    ) -> list[Path]:
        """What made elements pass a filter, from the record as it was then."""
        found: list[Path] = []
        latest = self.record
        for place, self.record in chosen:
            inner = self.inside(node, place, scope)
            found += self.decisive(condition, inner) or self.elements(node, [inner])
        self.record = latest
        return found

    def elements(self, node: Comprehension, scopes: list[dict[str, Path | None]]) -> list[Path]:
        name = node.var2 or node.var
        return [place for place in (scope[name] for scope in scopes) if place is not None]

    def inside(self, node: Comprehension, at: int, scope: Scope) -> dict[str, Path | None]:
        """The scope of a loop's body in the round `at`."""
        outer = self.place(node.range, scope)
        element: Path | None = None
        if outer is not None:
            value = self.record.get(id(node.range))
            if isinstance(value, Optional):
                value = value.value
            element = (*outer, _step(value, at)) if isinstance(value, list | dict) and at < len(value) else None
        if outer is None:
            element = self.element_of_made(node.range, at, scope)
        if node.var2:
            return {**scope, node.var: None, node.var2: element}
        return {**scope, node.var: element}

    def element_of_made(self, node: Expr, at: int, scope: Scope) -> Path | None:
        """Where the element `at` of a list that is no part of the object, but was made of such, comes from."""
        outer = self.place(node, scope)
        if outer is not None:
            return (*outer, at)
        if isinstance(node, Ident) and node.name not in scope and node.name in self.activation.variables:
            return self.element_of_made(self.activation.variables[node.name].tree, at, {})
        if isinstance(node, Call) and node.function == "_+_":
            first = self.record.get(id(node.args[0]))
            if not isinstance(first, list):
                return None
            within = at < len(first)
            return self.element_of_made(node.args[0 if within else 1], at if within else at - len(first), scope)
        if not isinstance(node, Comprehension):
            return None
        fold = recognise(node)
        if fold.kind != "list":
            return None
        if fold.filter is not None:
            chosen = self.record.get(chosen_key(node), ())
            if at >= len(chosen):
                return None
            at, _ = chosen[at]
        return self.place(fold.value, self.inside(node, at, scope))

    def place(self, node: Expr, scope: Scope) -> Path | None:
        """Where a node's value stands in the root variable, if it is a part of it."""
        match node:
            case Ident():
                if node.name in scope:
                    return scope[node.name]
                if node.name == self.root:
                    return ()
                variable = self.activation.variables.get(node.name)
                return None if variable is None else self.place(variable.tree, {})
            case Select(test=False):
                operand = self.place(node.operand, scope)
                return None if operand is None else (*operand, node.field)
            case Call():
                return self.place_of_call(node, scope)
            case _:
                return None

    def place_of_call(self, node: Call, scope: Scope) -> Path | None:
        match node.function:
            case "_?._" | "_[_]" | "_[?_]":
                operand = self.place(node.args[0], scope)
                key = node.args[1].value if isinstance(node.args[1], Const) else self.record.get(id(node.args[1]))
                if operand is None or isinstance(key, bool) or not isinstance(key, str | int):
                    return None
                if self.private and not isinstance(node.args[1], Const):
                    return None
                return (*operand, key)
            case _:
                source = passed(node, self.record)
                return None if source is None else self.place(source, scope)


def passed(node: Call, record: Mapping[Any, Any]) -> Expr | None:
    """The argument that the call gave, or put into an optional, or took out of one; None where it made its value."""
    match node.declared.shape:
        case Shape.SAME:
            return node.args[0]
        case Shape.EITHER:
            return node.args[0 if record.get(id(node.args[0])) is not NONE else 1]
        case Shape.CHOSEN:
            return node.args[1 if record.get(id(node.args[0])) is True else 2]
        case _:
            return None


def _step(value: list[Any] | dict[Any, Any], at: int) -> str | int:
    if isinstance(value, list):
        return at
    return str(list(value)[at])
