"""Checks expressions against the schemas of a policy's kinds, as warnings: for undeclared fields
(`object.spec.replicaz` of a Deployment), and for operands of different types (`object.spec.replicas == '3'`).

The scope is that of the API server's type checking (k8s.io/apiserver, plugin/policy/validating/typechecking.go):
validations and their messages, for the kinds that matchConstraints name without a wildcard, at most ten. In addition,
the variables that these expressions use are checked, and reported at their own place. The checker follows the schemas
of `object`, `oldObject` and `params` through the expression. If it does not know a value's schema, it does not report
the value's fields.

There is one difference from the API server, which checks each kind as if it were the only one. A policy for several
kinds may distinguish them (`has(object.spec.template) ? …`). So a field that only some kinds have is reported only if
the expression certainly selects it in the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from msgspec import Struct

from webhook.cel import Issue, Program, types
from webhook.cel.check.suggestions import field_hint, field_offset
from webhook.cel.tree.ast import Call, Comprehension, Const, Expr, Ident, ListLiteral, MapLiteral, Select, children
from webhook.cel.tree.declared import Shape
from webhook.cel.tree.errors import issue_at
from webhook.cel.tree.types import NUMBERS
from webhook.nearest import LONGEST_NAME
from webhook.paths import Path
from webhook.policy.cel.schemashapes import (
    CEL_TYPES,
    EMPTY,
    Known,
    Listed,
    Shaped,
    either,
    item_of,
    scalar,
    shape_of_params,
    value_of,
)
from webhook.policy.evaluation import ParamKind
from webhook.policy.matching import Match
from webhook.schema import Kinds, Resource, Schemas

MAX_TYPES: Final = 10
"""The most kinds that a policy is checked for, as in the API server."""

MAX_WARNINGS: Final = 100
"""The most warnings about one policy."""

_COMPARISONS: Final = frozenset(
    {"_<_", "_<=_", "_>_", "_>=_", "_==_", "_!=_", "@in"}
)  # they accept numbers of different types
_ALIKE_OPERANDS: Final = _COMPARISONS | {"_+_", "_-_", "_*_", "_/_", "_%_"}


class _Undefined(Struct, frozen=True):
    """An error in an expression: an undeclared field, or (`name` is "") operands of different types.

    `place`: the expression's path in the policy. `at`: the offset of the selection or the operator in the source.
    `has_fields`: whether the value has fields, of which one may have been meant.
    """

    place: Path
    source: str
    at: int
    message: str
    name: str
    has_fields: bool


class _Lacking(Struct):
    """The kinds of object in which an error occurs, and the fields that they have at that place.

    `certain`: the expression is evaluated for every object.
    """

    kinds: list[str]
    fields: set[str]
    certain: bool

    def issue(self, undefined: _Undefined) -> Issue:
        hint = field_hint(undefined.name, self.fields) if undefined.has_fields else ""
        message = f"{undefined.message} of {_joined(self.kinds)}{hint}"
        offset = field_offset(undefined.source, undefined.at, undefined.name) if undefined.name else undefined.at
        return issue_at(undefined.source, offset, message)


def warnings(
    match: Match,
    param_kind: ParamKind | None,
    programs: Iterable[tuple[Path, Program]],
    variables: Mapping[str, Program],
    kinds: Kinds,
    schemas: Schemas,
) -> list[tuple[Path, Issue]]:
    """The warnings about a policy's expressions, each with the expression's path in the policy.

    programs: all expressions with their paths. variables: `variables.NAME` -> the program that defines it.
    """
    checked = list(programs)
    conditional = any(place[1] == "matchConditions" for place, _ in checked)  # these may exclude some of the kinds
    params = shape_of_params(param_kind, schemas)
    found: dict[_Undefined, _Lacking] = {}
    declared: set[tuple[Path, int]] = set()
    unfaulted: Unfaulted = {}
    for resource in kinds_of(match, kinds):
        schema = schemas.of(resource.group, resource.version, resource.kind)
        if schema is None:
            continue
        kind = f"{resource.api_version} {resource.kind}"
        roots: dict[str, Shaped] = {"object": Known(schema, kind), "oldObject": Known(schema, kind), "params": params}
        # Where params are of this kind too, a shape does not say which of both it is a part of.
        alone = params is None or kind != params.kind
        checker = Checker(roots, checked, variables, kind, unfaulted if alone else None)
        for undefined, lacking in checker.undefined():
            known = found.setdefault(undefined, lacking)
            known.kinds += lacking.kinds
            known.fields |= lacking.fields
            known.certain |= lacking.certain
        declared |= checker.declared
    reported = (
        (undefined.place, lacking.issue(undefined))
        for undefined, lacking in found.items()
        if (undefined.place, undefined.at) not in declared or (lacking.certain and not conditional)
    )
    return list(islice(reported, MAX_WARNINGS))


def kinds_of(match: Match, kinds: Kinds) -> list[Resource]:
    """The kinds that the rules name without wildcards, sorted by group, version and kind."""
    found: dict[tuple[str, str, str], Resource] = {}
    for rule in match.rules:
        resources = sorted(name for name, subresource in rule.resources if "*" not in name and not subresource)
        if any("*" in name for name in (*rule.groups, *rule.versions)):
            continue
        count = 0
        for group in sorted(rule.groups):
            for version in sorted(rule.versions):
                for name in resources:
                    resource = kinds.for_resource(group, version, name)
                    if resource is not None and count < MAX_TYPES:
                        found[group, version, resource.kind] = resource
                        count += 1
        if count == MAX_TYPES:
            break
    return [found[key] for key in sorted(found)]


def _joined(kinds: list[str]) -> str:
    *before, last = dict.fromkeys(kinds)
    return f"{', '.join(before)} and {last}" if before else last


_Found = tuple[_Undefined, _Lacking] | str
"""An error, or the name of a variable that is used and has errors."""


class _Check(Struct, frozen=True):
    """A check of an expression that found no error in it. `kind`: that of the objects.

    used: the shapes of the variables that it uses, in the order of their first use. shape: that of its value.
    """

    kind: str
    used: tuple[tuple[str, Shaped], ...]
    shape: Shaped


Unfaulted = dict[int, list[_Check]]
"""By id() of a program, the checks for other kinds. Where its variables have the same shapes, so has its value. Most
expressions of a policy for workloads use the same part of all of them, or one of which nothing is known."""


class Checker:
    """Checks the expressions of a policy for objects of one kind."""

    def __init__(
        self,
        roots: Mapping[str, Shaped],
        programs: list[tuple[Path, Program]],
        variables: Mapping[str, Program],
        kind: str = "",
        unfaulted: Unfaulted | None = None,
    ) -> None:
        """kind: that of the objects. unfaulted: the checks for other kinds, to which it adds its own."""
        self._roots = roots
        self._kind = kind
        self._unfaulted = unfaulted
        self._used: dict[str, None] = {}  # by the expression under check, in order
        self._programs = programs
        self._variables = variables
        self._places = {id(program): place for place, program in programs}
        self._shapes: dict[str, Shaped] = {}  # of variables
        self._found: list[_Found] = []  # in the expression under check
        self._in_variables: dict[str, list[_Found]] = {}
        self._current: tuple[Path, str] = ((), "")  # path and source of the expression under check
        self._certain = True  # whether the node under check is evaluated for every object
        self.declared: set[tuple[Path, int]] = set()  # where there is no error: path of the expression, offset

    def undefined(self) -> Iterator[tuple[_Undefined, _Lacking]]:
        """All errors for this kind."""
        for place, program in self._programs:
            if place[1] in ("validations", "mutations"):
                self._certain = True
                self._check(place, program)
        return self._in_order(self._found, set())

    def _in_order(self, found: list[_Found], seen: set[str]) -> Iterator[tuple[_Undefined, _Lacking]]:
        """The errors, those of a variable where it is used first."""
        for each in found:
            if not isinstance(each, str):
                yield each
            elif each not in seen:
                seen.add(each)
                yield from self._in_order(self._in_variables[each], seen)

    def _check(self, place: Path, program: Program) -> Shaped:
        before = self._current, self._used
        self._current, self._used = (place, program.source), {}
        try:
            known = self._known_check(program)
            return self._checked(program) if known is None else self._of_this_kind(known.shape, known.kind)
        except RecursionError:  # of variables that use each other; no warnings are better than no policy
            return None
        finally:
            self._current, self._used = before

    def _checked(self, program: Program) -> Shaped:
        found = len(self._found)
        shape = program.followed(lambda: self._shape(program.tree, {}))
        if self._unfaulted is not None and all(isinstance(each, str) for each in self._found[found:]):
            used = tuple((name, self._named(name, {})) for name in list(self._used))
            self._unfaulted.setdefault(id(program), []).append(_Check(self._kind, used, shape))
        return shape

    def _known_check(self, program: Program) -> _Check | None:
        """The check of a program for another kind, if its variables have the same shapes now."""
        found = len(self._found)
        for check in (self._unfaulted or {}).get(id(program), ()):
            if all(self._is_same(self._named(name, {}), shape, check.kind) for name, shape in check.used):
                return check
            del self._found[found:]
        return None

    def _is_same(self, shape: Shaped, before: Shaped, kind: str) -> bool:
        """Whether a shape is what another one was for objects of a kind."""
        if isinstance(shape, Known) and isinstance(before, Known):
            kinds = shape.kind == before.kind or (shape.kind == self._kind and before.kind == kind)
            return shape.schema is before.schema and kinds
        if isinstance(shape, Listed) and isinstance(before, Listed):
            return self._is_same(shape.item, before.item, kind)
        return shape is before

    def _of_this_kind(self, shape: Shaped, kind: str) -> Shaped:
        """The shape, of which another kind is a part, as a part of this one."""
        if isinstance(shape, Known):
            return Known(shape.schema, self._kind) if shape.kind == kind else shape
        if isinstance(shape, Listed):
            return Listed(self._of_this_kind(shape.item, kind))
        return shape

    def _shape(self, node: Expr, scope: Mapping[str, Shaped]) -> Shaped:
        """The shape of a node's value. Checks every node below, once."""
        match node:
            case Ident():
                return self._named(node.name, scope)
            case Select():
                operand = self._shape(node.operand, scope)
                found = self.selected(operand, node.operand, node.field, node.offset, certain=not node.test)
                return None if node.test else found
            case Const():
                return EMPTY if node.value is None else None
            case Call():
                return self._called(node, scope)
            case ListLiteral():
                shapes = [self._shape(element, scope) for element in node.elements]
                return Listed(either(shapes)) if shapes else EMPTY
            case MapLiteral() if not node.entries:
                return EMPTY
            case Comprehension():
                return self._folded(node, scope)
        for child in children(node):
            self._shape(child, scope)
        return None

    def _named(self, name: str, scope: Mapping[str, Shaped]) -> Shaped:
        if name in scope:
            return scope[name]
        self._used[name] = None
        program = self._variables.get(name)
        if program is None:
            return self._roots.get(name)
        if name not in self._shapes:
            self._shapes[name] = None  # until it has been checked
            place = self._places.get(id(program), ())
            certain, self._certain = self._certain, False
            found, self._found = self._found, []
            self._shapes[name] = self._check(place, program) if place else None
            self._in_variables[name], self._found = self._found, found
            self._certain = certain
        if self._in_variables.get(name):
            self._found.append(name)
        return self._shapes[name]

    def _perhaps(self, node: Expr, scope: Mapping[str, Shaped]) -> Shaped:
        """The shape of the value of a node that may not be evaluated."""
        certain, self._certain = self._certain, False
        try:
            return self._shape(node, scope)
        finally:
            self._certain = certain

    def _called(self, node: Call, scope: Mapping[str, Shaped]) -> Shaped:
        check = self._perhaps if node.declared.lazy else self._shape
        shapes = [(check if index else self._shape)(arg, scope) for index, arg in enumerate(node.args)]
        if node.function in _ALIKE_OPERANDS:
            self._compare(node, shapes)
        match node.function:
            case "_?._" if isinstance(node.args[1], Const):
                return self.selected(shapes[0], node.args[0], str(node.args[1].value), node.offset, certain=False)
            case "_[_]" | "_[?_]":
                return self._indexed(shapes[0], node)
        result = node.declared.shape
        if result is Shape.MADE:  # as that of nearly all
            return None
        match result:
            case Shape.CHOSEN:
                return either(shapes[1:])
            case Shape.EITHER | Shape.JOINED:
                return either(shapes)
            case Shape.SAME:
                # Policies use the conversion dyn() to turn type checks off.
                return None if node.declared.folds else shapes[0]
            case Shape.ELEMENTS:
                return shapes[0]
            case Shape.ELEMENT:
                return item_of(shapes[0])
        return None

    def _indexed(self, shape: Shaped, node: Call) -> Shaped:
        key = node.args[1]
        if not isinstance(shape, Known) or shape.schema.type != "object":
            return item_of(shape)
        if isinstance(key, Const) and isinstance(key.value, str):
            certain = node.function == "_[_]"
            return self.selected(shape, node.args[0], key.value, key.offset, certain=certain)
        return value_of(shape)

    def _folded(self, node: Comprehension, scope: Mapping[str, Shaped]) -> Shaped:
        ranged = self._shape(node.range, scope)
        start = self._shape(node.init, scope)
        inner = dict(scope)
        if not (
            isinstance(node.range, ListLiteral) and not node.range.elements
        ):  # an empty range is how cel.bind() names a value
            is_map = isinstance(ranged, Known) and ranged.schema.type == "object"
            item = value_of(ranged) if isinstance(ranged, Known) and is_map else item_of(ranged)
            if node.var2:
                inner |= {node.var: None, node.var2: item}
            else:
                inner[node.var] = None if is_map else item
        inner[node.accu] = start
        self._perhaps(node.condition, inner)
        # If the accumulator starts as an empty list, its shape is that of the step.
        step = self._perhaps(node.step, inner)
        inner[node.accu] = step if start is EMPTY else start
        return self._perhaps(node.result, inner)

    def selected(self, shape: Shaped, operand: Expr, name: str, at: int, *, certain: bool) -> Shaped:
        """The shape of a selected field. `certain`: the selection requires the field to exist."""
        if not isinstance(shape, Known):
            return None
        schema = shape.schema
        place, source = self._current
        if schema.unknown or schema.int_or_string:
            self.declared.add((place, at))
            return None
        if schema.type != "object":
            message = f"type '{CEL_TYPES[schema.type]}' does not support field selection: {_written(operand)}"
        else:
            field = schema.field(name)
            if field is not None:
                self.declared.add((place, at))
                return Known(field, shape.kind)
            message = f"undefined field '{_cut(name)}' in {_written(operand)}"
        lacking = _Lacking([shape.kind], set(schema.fields), certain and self._certain)
        self._found.append((_Undefined(place, source, at, message, name, schema.type == "object"), lacking))
        return None

    def _compare(self, node: Call, shapes: list[Shaped]) -> None:
        """Record an error if the operator has no overload for the types of its operands."""
        known = next((shape for shape in shapes if isinstance(shape, Known)), None)
        if known is None:
            return
        left, right = node.args
        one = scalar(left.type, shapes[0])
        if node.function == "@in":
            items = right.type.params[0] if right.type.name == "list" and right.type.params else types.DYN
            other = scalar(items, item_of(shapes[1]))
        else:
            other = scalar(right.type, shapes[1])
        if one is None or other is None:
            return
        place, source = self._current
        if one == other or (node.function in _COMPARISONS and one in NUMBERS and other in NUMBERS):
            self.declared.add((place, node.offset))
            return
        second = f"list({other})" if node.function == "@in" else other
        applied = f"found no matching overload for '{node.function}' applied to '({one}, {second})'"
        written = _written(left if isinstance(shapes[0], Known) else right)
        undefined = _Undefined(place, source, node.offset, f"{applied}: {written}", "", False)
        self._found.append((undefined, _Lacking([known.kind], set(), self._certain)))


def _written(node: Expr) -> str:
    """The source text of a chain of selections, for messages; "a value" for other expressions."""
    fields: list[str] = []
    while True:
        match node:
            case Select():
                fields.append(f".{node.field}")
                node = node.operand
            case Call(function="_?._"):
                fields.append(f".{_constant(node.args[1])}")
                node = node.args[0]
            case Call(function="_[_]" | "_[?_]"):
                key = node.args[1]
                fields.append(f"[{_constant(key)!r}]" if isinstance(key, Const) else "[…]")
                node = node.args[0]
            case Call(member=True) if node.declared.shape in (Shape.SAME, Shape.EITHER):
                node = node.args[0]
            case Ident():
                return _cut(node.name + "".join(reversed(fields)))
            case _:
                return _cut("…" + "".join(reversed(fields))) if fields else "a value"


def _constant(node: Expr) -> Any:
    return node.value if isinstance(node, Const) else "…"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}…"
