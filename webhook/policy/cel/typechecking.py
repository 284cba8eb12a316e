"""Warnings about fields that the objects of a policy do not have, `object.spec.replicaz` of a Deployment, or that are
compared with what they never are: `object.spec.replicas == '3'`.

Which expressions are looked at, and on which kinds, is the API server's own type checking (k8s.io/apiserver,
plugin/policy/validating/typechecking.go): validations and their messages; the kinds that matchConstraints name without
a wildcard, at most ten. Here the variables that these use are looked at too, and reported where they stand. `object`,
`oldObject` and `params` are followed through the checked expression by their schemas; where nothing is known of a
value, nothing is said of its fields.

One thing is otherwise than in the API server, which checks each kind as if it were the only one: a policy for several
kinds tells them apart (`has(object.spec.template) ? …`). A field that some of its kinds have is only reported where it
is certain to be read of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from webhook.cel import Issue, Program, types
from webhook.cel.check.suggestions import field_hint, field_offset
from webhook.cel.tree.ast import Call, Comprehension, Const, Expr, Ident, ListLiteral, MapLiteral, Select, children
from webhook.cel.tree.declared import Shape
from webhook.cel.tree.errors import issue_at
from webhook.cel.tree.types import NUMBERS, Type
from webhook.nearest import LONGEST_NAME
from webhook.paths import Path
from webhook.policy.evaluation import ParamKind
from webhook.policy.matching import Match
from webhook.schema import Kinds, Resource, Schema, Schemas

MAX_TYPES: Final = 10
"""Kinds that one rule is checked on, as the API server has it."""

MAX_WARNINGS: Final = 100
"""Warnings that are given about one policy."""

_CEL_TYPES: Final = {"array": "list", "boolean": "bool", "integer": "int", "number": "double", "string": "string"}
_SCALARS: Final = {each.name: each for each in (types.BOOL, types.INT, types.DOUBLE, types.STRING)}
_COMPARISONS: Final = frozenset({"_<_", "_<=_", "_>_", "_>=_", "_==_", "_!=_", "@in"})  # of numbers of any type
_ALIKE_OPERANDS: Final = _COMPARISONS | {"_+_", "_-_", "_*_", "_/_", "_%_"}


@dataclass(frozen=True, slots=True)
class _Known:
    """A value with a schema; `kind` is the kind of object that it is in, as messages name it."""

    schema: Schema
    kind: str


@dataclass(frozen=True, slots=True)
class _Listed:
    """A list that the expression makes, of items of this shape."""

    item: _Shape


class _Empty:
    """An empty list or map, or null: it takes any shape that it is joined with."""


_EMPTY: Final = _Empty()
_Shape = _Known | _Listed | _Empty | None


@dataclass(frozen=True, slots=True)
class _Undefined:
    """A field that is not there: in which expression, and what is wrong.

    `at`: the offset of the selection of `name` in the source. `has_fields`: whether there are others.
    """

    place: Path
    source: str
    at: int
    message: str
    name: str
    has_fields: bool


@dataclass(slots=True)
class _Lacking:
    """What lacks a field: the kinds of object, and the fields that stand there. `certain`: it is read of any object."""

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
    """What is likely to be wrong in a policy's expressions, each with the expression's place in the policy.

    programs: all of them; variables: `variables.NAME` -> the program that counts.
    """
    checked = list(programs)
    conditional = any(place[1] == "matchConditions" for place, _ in checked)  # these may tell kinds apart, too
    params = _params(param_kind, schemas)
    found: dict[_Undefined, _Lacking] = {}
    there: set[tuple[Path, int]] = set()
    for resource in kinds_of(match, kinds):
        schema = schemas.of(resource.group, resource.version, resource.kind)
        if schema is None:
            continue
        kind = f"{resource.api_version} {resource.kind}"
        roots: dict[str, _Shape] = {"object": _Known(schema, kind), "oldObject": _Known(schema, kind), "params": params}
        checker = _Checker(roots, checked, variables)
        for undefined, lacking in checker.undefined():
            known = found.setdefault(undefined, lacking)
            known.kinds += lacking.kinds
            known.fields |= lacking.fields
            known.certain |= lacking.certain
        there |= checker.there
    told = (
        (undefined.place, lacking.issue(undefined))
        for undefined, lacking in found.items()
        if (undefined.place, undefined.at) not in there or (lacking.certain and not conditional)
    )
    return list(islice(told, MAX_WARNINGS))


def _params(param_kind: ParamKind | None, schemas: Schemas) -> _Shape:
    if param_kind is None:
        return None
    group, _, version = param_kind.api_version.rpartition("/")
    schema = schemas.of(group, version, param_kind.kind)
    return None if schema is None else _Known(schema, f"{param_kind.api_version} {param_kind.kind}")


def kinds_of(match: Match, kinds: Kinds) -> list[Resource]:
    """The kinds that the rules name, in the order of group, version and kind."""
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


class _Checker:
    """The expressions of a policy on objects of one kind."""

    def __init__(
        self, roots: Mapping[str, _Shape], programs: list[tuple[Path, Program]], variables: Mapping[str, Program]
    ) -> None:
        self._roots = roots
        self._programs = programs
        self._variables = variables
        self._places = {id(program): place for place, program in programs}
        self._shapes: dict[str, _Shape] = {}  # of variables
        self._found: list[tuple[_Undefined, _Lacking]] = []
        self._current: tuple[Path, str] = ((), "")  # the expression that is looked at, and its source
        self._certain = True  # what is looked at is evaluated whenever the policy is
        self.there: set[tuple[Path, int]] = set()  # fields that are there: expression, offset of the selection

    def undefined(self) -> Iterator[tuple[_Undefined, _Lacking]]:
        """Every field that is not there."""
        for place, program in self._programs:
            if place[1] in ("validations", "mutations"):
                self._certain = True
                self._look_at(place, program)
        return iter(self._found)

    def _look_at(self, place: Path, program: Program) -> _Shape:
        before, self._current = self._current, (place, program.source)
        try:
            return self._shape(program.tree, {})
        finally:
            self._current = before

    def _shape(self, node: Expr, scope: Mapping[str, _Shape]) -> _Shape:
        """What is known of the value of a node. Every node below is looked at, once."""
        match node:
            case Ident():
                return self._named(node.name, scope)
            case Select():
                operand = self._shape(node.operand, scope)
                found = self._selected(operand, node.operand, node.field, node.offset, certain=not node.test)
                return None if node.test else found
            case Const():
                return _EMPTY if node.value is None else None
            case Call():
                return self._called(node, scope)
            case ListLiteral():
                shapes = [self._shape(element, scope) for element in node.elements]
                return _Listed(_either(shapes)) if shapes else _EMPTY
            case MapLiteral() if not node.entries:
                return _EMPTY
            case Comprehension():
                return self._folded(node, scope)
        for child in children(node):
            self._shape(child, scope)
        return None

    def _named(self, name: str, scope: Mapping[str, _Shape]) -> _Shape:
        if name in scope:
            return scope[name]
        program = self._variables.get(name)
        if program is None:
            return self._roots.get(name)
        if name not in self._shapes:
            self._shapes[name] = None  # while it is looked at
            place = self._places.get(id(program), ())
            certain, self._certain = self._certain, False
            self._shapes[name] = self._look_at(place, program) if place else None
            self._certain = certain
        return self._shapes[name]

    def _perhaps(self, node: Expr, scope: Mapping[str, _Shape]) -> _Shape:
        """What is known of the value of a node that is not evaluated in every case."""
        certain, self._certain = self._certain, False
        try:
            return self._shape(node, scope)
        finally:
            self._certain = certain

    def _called(self, node: Call, scope: Mapping[str, _Shape]) -> _Shape:
        look = self._perhaps if node.declared.lazy else self._shape
        shapes = [(look if index else self._shape)(arg, scope) for index, arg in enumerate(node.args)]
        if node.function in _ALIKE_OPERANDS:
            self._compare(node, shapes)
        match node.function:
            case "_?._" if isinstance(node.args[1], Const):
                return self._selected(shapes[0], node.args[0], str(node.args[1].value), node.offset, certain=False)
            case "_[_]" | "_[?_]":
                return self._indexed(shapes[0], node)
        match node.declared.shape:
            case Shape.CHOSEN:
                return _either(shapes[1:])
            case Shape.EITHER | Shape.JOINED:
                return _either(shapes)
            case Shape.SAME:
                # dyn(), a conversion, is written to be rid of what is known.
                return None if node.declared.folds else shapes[0]
            case Shape.ELEMENTS:
                return shapes[0]
            case Shape.ELEMENT:
                return _item(shapes[0])
        return None

    def _indexed(self, shape: _Shape, node: Call) -> _Shape:
        key = node.args[1]
        if not isinstance(shape, _Known) or shape.schema.type != "object":
            return _item(shape)
        if isinstance(key, Const) and isinstance(key.value, str):
            certain = node.function == "_[_]"
            return self._selected(shape, node.args[0], key.value, key.offset, certain=certain)
        return _value(shape)

    def _folded(self, node: Comprehension, scope: Mapping[str, _Shape]) -> _Shape:
        ranged = self._shape(node.range, scope)
        start = self._shape(node.init, scope)
        inner = dict(scope)
        if not (isinstance(node.range, ListLiteral) and not node.range.elements):  # else one value gets a name
            is_map = isinstance(ranged, _Known) and ranged.schema.type == "object"
            item = _value(ranged) if isinstance(ranged, _Known) and is_map else _item(ranged)
            if node.var2:
                inner |= {node.var: None, node.var2: item}
            else:
                inner[node.var] = None if is_map else item
        inner[node.accu] = start
        self._perhaps(node.condition, inner)
        # A fold that begins with an empty list makes one of what its step adds.
        step = self._perhaps(node.step, inner)
        inner[node.accu] = step if start is _EMPTY else start
        return self._perhaps(node.result, inner)

    def _selected(self, shape: _Shape, operand: Expr, name: str, at: int, *, certain: bool) -> _Shape:
        """What is known of a field; `certain`: that it is there is taken for granted."""
        if not isinstance(shape, _Known):
            return None
        schema = shape.schema
        place, source = self._current
        if schema.unknown or schema.int_or_string:
            self.there.add((place, at))
            return None
        if schema.type != "object":
            message = f"type '{_CEL_TYPES[schema.type]}' does not support field selection: {_written(operand)}"
        else:
            field = schema.field(name)
            if field is not None:
                self.there.add((place, at))
                return _Known(field, shape.kind)
            message = f"undefined field '{_cut(name)}' in {_written(operand)}"
        lacking = _Lacking([shape.kind], set(schema.fields), certain and self._certain)
        self._found.append((_Undefined(place, source, at, message, name, schema.type == "object"), lacking))
        return None

    def _compare(self, node: Call, shapes: list[_Shape]) -> None:
        """Tell of an operator whose operands are of types that it does not take together."""
        left, right = node.args
        known = next((shape for shape in shapes if isinstance(shape, _Known)), None)
        one = _scalar(left.type, shapes[0])
        if node.function == "@in":
            items = right.type.params[0] if right.type.name == "list" and right.type.params else types.DYN
            other = _scalar(items, _item(shapes[1]))
        else:
            other = _scalar(right.type, shapes[1])
        if known is None or one is None or other is None:
            return
        place, source = self._current
        if one == other or (node.function in _COMPARISONS and one in NUMBERS and other in NUMBERS):
            self.there.add((place, node.offset))
            return
        second = f"list({other})" if node.function == "@in" else other
        applied = f"found no matching overload for '{node.function}' applied to '({one}, {second})'"
        written = _written(left if isinstance(shapes[0], _Known) else right)
        undefined = _Undefined(place, source, node.offset, f"{applied}: {written}", "", False)
        self._found.append((undefined, _Lacking([known.kind], set(), self._certain)))


def _scalar(checked: Type, shape: _Shape) -> Type | None:
    """The type of a value that is a boolean, a number or a text; None of any other, or where it is not known.

    Texts of a format, which the API server takes for timestamps and bytes here, are texts when policies run.
    """
    if isinstance(shape, _Known):
        return _SCALARS.get(_CEL_TYPES.get(shape.schema.type, ""))
    return _SCALARS.get(checked.name) if shape is None else None


def _item(shape: _Shape) -> _Shape:
    """The items of a list."""
    if isinstance(shape, _Listed):
        return shape.item
    if isinstance(shape, _Known) and shape.schema.items is not None:
        return _Known(shape.schema.items, shape.kind)
    return None


def _value(shape: _Known) -> _Shape:
    """The values of a map."""
    return None if shape.schema.values is None else _Known(shape.schema.values, shape.kind)


def _either(shapes: list[_Shape]) -> _Shape:
    """What is known of a value that is any of these."""
    said = [shape for shape in shapes if shape is not _EMPTY]
    if not said:
        return _EMPTY
    first = said[0]
    if all(_alike(first, shape) for shape in said):
        return first
    return None


def _alike(one: _Shape, other: _Shape) -> bool:
    if isinstance(one, _Listed) and isinstance(other, _Listed):
        return _alike(one.item, other.item)
    if isinstance(one, _Known) and isinstance(other, _Known):
        a, b = one.schema, other.schema
        return a is b or (a.definition == b.definition and bool(a.definition)) or a.type == b.type != "object"
    return False


def _written(node: Expr) -> str:
    """A chain of selections as a person writes it; of other expressions only that they are values."""
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
