"""Static warnings about ApplyConfigurations whose object cannot be merged.

The API server accepts such a policy, and then rejects every request that the policy mutates. The check covers literals,
the branches of conditionals, and the elements that `map` constructs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from webhook.cel import Issue, Program
from webhook.cel.check.construction import OBJECT
from webhook.cel.check.suggestions import field_hint
from webhook.cel.tree.ast import Call, Comprehension, Const, Expr, ListLiteral, MapLiteral, StructLiteral
from webhook.cel.tree.errors import issue_at
from webhook.cel.tree.macros import recognise
from webhook.paths import Path
from webhook.policy.cel.typechecking import kinds_of
from webhook.policy.matching import Match
from webhook.schema import Kinds, Schema, Schemas

_KEPT = frozenset({"apiVersion", "kind"})  # the merge ignores these fields: the object keeps its own values


def warnings(
    match: Match, programs: Iterable[tuple[Path, Program]], kinds: Kinds, schemas: Schemas
) -> Iterator[tuple[Path, Issue]]:
    """The warnings about these ApplyConfigurations, each with the path of its expression in the policy.

    The objects are checked against the schemas of the kinds that the policy matches by name. A field is reported only
    if none of these kinds has it.
    """
    known = [
        (f"{each.api_version} {each.kind}", schema)
        for each in kinds_of(match, kinds)
        if (schema := schemas.of(each.group, each.version, each.kind)) is not None
    ]
    for place, program in programs:
        for offset, message in program.followed(lambda: _all_wrong(program.tree, known)):  # noqa: B023 - called here
            yield place, issue_at(program.source, offset, message)


def _all_wrong(tree: Expr, schemas: list[tuple[str, Schema]]) -> list[tuple[int, str]]:
    """The errors, (offset, message), in the literals that an expression may evaluate to."""
    return [each for root in _literals(tree) for each in dict.fromkeys(_wrong(root, OBJECT, schemas))]


def _literals(node: Expr) -> Iterator[Expr]:
    """The literals that an expression may evaluate to: of both branches of a conditional, and both sides of a `+`."""
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
    """The literals that may be items of a list expression."""
    match node:
        case ListLiteral():
            for element in node.elements:
                yield from _literals(element)
        case Comprehension():
            fold = recognise(node)
            if fold.kind == "list":
                yield from _literals(fold.value)


def _wrong(node: Expr, path: str, schemas: list[tuple[str, Schema]]) -> Iterator[tuple[int, str]]:
    """The errors, (offset, message), in a literal whose type should be `path`."""
    if not isinstance(node, StructLiteral):
        return
    if node.name != path:
        yield node.offset, f"expected type '{path}', found '{node.name}': a type is named after the path of its field"
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
        # The API server converts the result of list + list item by item, and then accepts maps as items.
        is_sum = isinstance(entry.value, Call) and entry.value.function == "_+_"
        for value in _literals(entry.value):
            yield from _field(value, f"{path}.{name}", fields, maps=is_sum)


def _field(value: Expr, path: str, schemas: list[tuple[str, Schema]], *, maps: bool) -> Iterator[tuple[int, str]]:
    types = {schema.type for _, schema in schemas}
    if schemas and all(map(_is_atomic, (schema for _, schema in schemas))):
        yield value.offset, f"{path} is atomic, so it cannot be merged; use a JSONPatch"
    elif isinstance(value, ListLiteral | Comprehension):
        items = [(kind, schema.items) for kind, schema in schemas if schema.items is not None]
        for item in _items(value):
            if not maps and types == {"array"} and isinstance(item, MapLiteral) and not isinstance(item, StructLiteral):
                yield item.offset, f"the API server does not accept a map as an item of this list: write {path}{{…}}"
            else:
                yield from _wrong(item, path, items)
    else:
        yield from _wrong(value, path, schemas)


def _is_atomic(schema: Schema) -> bool:
    if schema.type == "array":
        return schema.list_type == "atomic"
    return schema.type == "object" and schema.map_type == "atomic"
