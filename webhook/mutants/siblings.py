"""Which field could stand in place of a selected one: another of the same type in the schema, or among the names that
the policy selects of the same value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from typing import Any

from webhook.cel.program import Program
from webhook.cel.tree.ast import Call, Const, Expr, Select, nodes
from webhook.cel.tree.spans import Spans
from webhook.paths import Path
from webhook.policy.cel.typechecking import Checker, Known, Shaped, kinds_of, shape_of_params
from webhook.policy.policyset import Policy
from webhook.schema import Kinds, Schema, Schemas


class SiblingFields:
    """The sibling of each field that the expressions of a policy select."""

    def __init__(self, policy: Policy[Any], variables: Mapping[str, Program], kinds: Kinds, schemas: Schemas) -> None:
        programs = list(policy.evaluator.programs())
        self._found: dict[tuple[Path, int], str] = {}
        params = shape_of_params(policy.param_kind, schemas)
        for resource in kinds_of(policy.match, kinds):
            schema = schemas.of(resource.group, resource.version, resource.kind)
            if schema is not None:
                known = Known(schema, resource.kind)
                roots: dict[str, Shaped] = {"object": known, "oldObject": known, "params": params}
                checker = _Selections(roots, programs, variables)
                checker.undefined()
                for key, (of, name) in checker.selections.items():
                    sibling = _sibling(of, name)
                    if sibling is not None:
                        self._found.setdefault(key, sibling)
        for path, at, sibling in _of_the_same_value(programs):
            self._found.setdefault((path, at), sibling)

    def at(self, path: Path, offset: int) -> str | None:
        """The sibling of the field whose name begins at an offset of an expression; None if there is none."""
        return self._found.get((path, offset))


class _Selections(Checker):
    """Follows the schemas through the expressions, and keeps which field is selected of which."""

    def __init__(
        self, roots: Mapping[str, Shaped], programs: list[tuple[Path, Program]], variables: Mapping[str, Program]
    ):
        super().__init__(roots, programs, variables)
        self.selections: dict[tuple[Path, int], tuple[Schema, str]] = {}

    def selected(self, shape: Shaped, operand: Expr, name: str, at: int, *, certain: bool) -> Shaped:
        """See Checker."""
        if isinstance(shape, Known):
            path, source = self._current
            self.selections.setdefault((path, name_after(source, at)), (shape.schema, name))
        return super().selected(shape, operand, name, at, certain=certain)


def name_after(source: str, dot: int) -> int:
    """Where the name begins that a dot at this offset, or a question mark behind it, selects."""
    at = dot
    while at < len(source) and (source[at] in ".?" or source[at].isspace()):
        at += 1
    return at


def _sibling(schema: Schema, name: str) -> str | None:
    field = schema.fields.get(name)
    if field is None:
        return None
    alike = [
        other
        for other, found in schema.fields.items()
        if other != name and (found.type, found.format) == (field.type, field.format)
    ]
    same = [other for other in alike if schema.fields[other].definition == field.definition]
    return _nearest(name, same or alike)


def _of_the_same_value(programs: Iterable[tuple[Path, Program]]) -> Iterable[tuple[Path, int, str]]:
    """For fields without a schema: another field of the same value that the policy selects."""
    found: dict[str, list[tuple[Path, int, str]]] = {}
    for path, program in programs:
        spans = Spans(program.source)
        for node in nodes(program.tree):
            name = _name(node)
            if name is not None and program.source[node.offset : node.offset + 1] in (".", "?"):
                operand = node.operand if isinstance(node, Select) else node.args[0]  # type: ignore[union-attr]
                start, end = spans.of(operand)
                of = program.source[start:end].replace("?", "")
                found.setdefault(of, []).append((path, name_after(program.source, node.offset), name))
    for of, selections in found.items():
        names = {name for _, _, name in selections}
        if of.partition(".")[0] not in ("object", "oldObject", "variables", "request"):
            for path, at, name in selections:
                sibling = _nearest(name, sorted(names - {name}))
                if sibling is not None:
                    yield path, at, sibling


def _name(node: Expr) -> str | None:
    if isinstance(node, Select):
        return node.field
    if isinstance(node, Call) and node.function == "_?._" and isinstance(node.args[1], Const):
        return str(node.args[1].value)
    return None


def _nearest(name: str, others: Iterable[str]) -> str | None:
    """The name that is most like it; None if there are no others."""
    return max(sorted(others), key=lambda other: SequenceMatcher(None, name, other).ratio(), default=None)
