"""Warnings about the objects of ApplyConfigurations that cannot be merged, where that shows without a request.

The API server takes such a policy, and fails each request that comes to it. What is looked at is what an expression
constructs in plain sight: literals, branches of conditionals, what `map` makes of each element.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from webhook.cel import Issue, Program
from webhook.cel.check.suggestions import field_hint
from webhook.cel.tree.ast import Call, Comprehension, Const, Expr, ListLiteral, MapLiteral, StructLiteral
from webhook.cel.tree.errors import issue_at
from webhook.cel.tree.macros import recognise
from webhook.cel.value.messages import OBJECT
from webhook.paths import Path
from webhook.policy.cel.typechecking import kinds_of
from webhook.policy.matching import Match
from webhook.schema import Kinds, Schema, Schemas

_KEPT = frozenset({"apiVersion", "kind"})  # whatever they say, the object keeps its own


def warnings(
    match: Match, programs: Iterable[tuple[Path, Program]], kinds: Kinds, schemas: Schemas
) -> Iterator[tuple[Path, Issue]]:
    """What is wrong with the objects of these ApplyConfigurations, each with its expression's place.

    Of the kinds that the policy names; a field is told of only if none of them has it.
    """
    known = [
        (f"{each.api_version} {each.kind}", schema)
        for each in kinds_of(match, kinds)
        if (schema := schemas.of(each.group, each.version, each.kind)) is not None
    ]
    for place, program in programs:
        for root in _literals(program.tree):
            for offset, message in dict.fromkeys(_wrong(root, OBJECT, known)):
                yield place, issue_at(program.source, offset, message)


def _literals(node: Expr) -> Iterator[Expr]:
    """The literals that an expression may give: of conditionals those of both branches, of sums those of both sides."""
    match node:
        case Call(function="_?_:_"):
            yield from _literals(node.args[1])
            yield from _literals(node.args[2])
        case Call(function="_+_"):
            yield from _literals(node.args[0])
            yield from _literals(node.args[1])
        case MapLiteral() | ListLiteral() | Comprehension():
            yield node


def _items(node: Expr) -> Iterator[Expr]:
    """The literals among the items of a list."""
    match node:
        case ListLiteral():
            for element in node.elements:
                yield from _literals(element)
        case Comprehension():
            fold = recognise(node)
            if fold.kind == "list":
                yield from _literals(fold.value)


def _wrong(node: Expr, path: str, schemas: list[tuple[str, Schema]]) -> Iterator[tuple[int, str]]:
    """What is wrong with a literal where an object of the type `path` belongs."""
    if not isinstance(node, StructLiteral):
        return
    if node.name != path:
        yield node.offset, f"'{node.name}' stands where '{path}' belongs: a type is named by the path of its field"
        return
    for entry in node.entries:
        if not isinstance(entry.key, Const) or (path == OBJECT and entry.key.value in _KEPT):
            continue
        name = str(entry.key.value)
        fields = [(kind, found) for kind, schema in schemas if (found := schema.field(name)) is not None]
        if schemas and not fields:
            names = {each for _, schema in schemas for each in schema.fields}
            kinds = " and ".join(kind for kind, _ in schemas)
            yield entry.key.offset, f"undefined field '{name}' in {path} of {kinds}{field_hint(name, names)}"
            continue
        # Sums of lists are converted item by item, so that maps will do.
        is_sum = isinstance(entry.value, Call) and entry.value.function == "_+_"
        for value in _literals(entry.value):
            yield from _field(value, f"{path}.{name}", fields, maps=is_sum)


def _field(value: Expr, path: str, schemas: list[tuple[str, Schema]], *, maps: bool) -> Iterator[tuple[int, str]]:
    types = {schema.type for _, schema in schemas}
    if schemas and all(map(_is_atomic, (schema for _, schema in schemas))):
        yield value.offset, f"{path} is atomic: it cannot be merged; use a JSONPatch"
    elif isinstance(value, ListLiteral | Comprehension):
        items = [(kind, schema.items) for kind, schema in schemas if schema.items is not None]
        for item in _items(value):
            if not maps and types == {"array"} and isinstance(item, MapLiteral) and not isinstance(item, StructLiteral):
                yield item.offset, f"a map in a list is no object to the API server: write {path}{{…}}"
            else:
                yield from _wrong(item, path, items)
    else:
        yield from _wrong(value, path, schemas)


def _is_atomic(schema: Schema) -> bool:
    if schema.type == "array":
        return schema.list_type == "atomic"
    return schema.type == "object" and schema.map_type == "atomic"
